# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP: handshakes with EAP-MSCHAPv2, EAP-TLS and two rounds at both ends, beside one with a pre-shared key."""

from __future__ import annotations

from fynx_scapy.bench.certificates import handshakes, issued
from fynx_scapy.bench.ends import INITIATOR, RESPONDER
from fynx_scapy.bench.figures import Figure, at_most, interleaved
from fynx_scapy.ike.config import Certificate, IkeConfig
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.eap import Eap
from fynx_scapy.ike.credentials.eap_users import EapUsers
from fynx_scapy.ike.credentials.rounds import Rounds
from fynx_scapy.ike.credentials.secrets import Psk

USER, PASSWORD = "alice", "a password"
TLS = ("1.2", "1.3")


def configs(client: Credential, users: Credential) -> tuple[IkeConfig, IkeConfig]:
    """A client, and a gateway that proves itself with a certificate and a chain of two."""
    trust, _, bob = issued()
    return (
        INITIATOR.replace(auth=client, trust=trust),
        RESPONDER.replace(auth=Certificate(bob.cert, bob.key, bob.chain), remote_auth=users, remote_id=None),
    )


def mschapv2() -> tuple[IkeConfig, IkeConfig]:
    """The configurations of the ends with EAP-MSCHAPv2."""
    return configs(Eap.mschapv2(USER, PASSWORD), EapUsers.passwords({USER: PASSWORD}))


def tls(version: str) -> tuple[IkeConfig, IkeConfig]:
    """The same with EAP-TLS: each end of TLS has a certificate and a chain of two."""
    trust, alice, bob = issued()
    client = Eap.tls(Certificate(alice.cert, alice.key, alice.chain), trust, maximum=version)
    return configs(client, EapUsers.tls(Certificate(bob.cert, bob.key, bob.chain), trust, maximum=version))


def rounds() -> tuple[IkeConfig, IkeConfig]:
    """The same with a pre-shared key and then EAP-MSCHAPv2 (RFC 4739)."""
    key = Psk("a key for measuring")
    return configs(Rounds(key, Eap.mschapv2(USER, PASSWORD)), Rounds(key, EapUsers.passwords({USER: PASSWORD})))


def measure(quick: bool) -> list[Figure]:
    """In milliseconds of processor time of both ends."""
    calls = {"psk": handshakes(INITIATOR, RESPONDER), "mschapv2": handshakes(*mschapv2())}
    calls |= {f"tls {version}": handshakes(*tls(version)) for version in TLS}
    calls["rounds"] = handshakes(*rounds())
    took = interleaved(calls, rounds=3 if quick else 15, seconds=0.03 if quick else 0.1)
    psk = Figure("handshake, pre-shared key, both ends", took["psk"] * 1000, "ms")
    return [
        psk,
        Figure("handshake, EAP-MSCHAPv2", took["mschapv2"] * 1000, "ms", floor=psk, bound=at_most(6)),
        *(
            Figure(f"handshake, EAP-TLS {version}", took[f"tls {version}"] * 1000, "ms", floor=psk, bound=at_most(6))
            for version in TLS
        ),
        Figure(
            "handshake, pre-shared key and then EAP-MSCHAPv2", took["rounds"] * 1000, "ms", floor=psk, bound=at_most(6)
        ),
    ]
