# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates: a handshake with ECDSA P-256 and a chain of two at both ends, beside one with a pre-shared key."""

from __future__ import annotations

import functools
from collections.abc import Callable

from fynx_scapy.bench.ends import INITIATOR, RESPONDER, Ends
from fynx_scapy.bench.figures import Fed, Figure, at_most, interleaved
from fynx_scapy.crypto.signing import SCHEMES, Scheme, sign, verified
from fynx_scapy.errors import UnexpectedError
from fynx_scapy.ike.config import Certificate, IkeConfig
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.making import Authority, Issued, make_key
from fynx_scapy.pki.trust import Trust

SIGNED = {
    "rsa-pss-sha256": "rsa-2048",
    "rsa-pkcs1-sha256": "rsa-2048",
    "ecdsa-sha256": "ecdsa-p256",
    "ed25519": "ed25519",
    "mldsa65": "mldsa65",
}
"""Schemes, and the key that each is measured with."""
OCTETS = bytes(400)
"""About as much as is signed: the first message of an end, a nonce, a MAC."""


@functools.cache
def issued() -> tuple[Trust, Issued, Issued]:
    """The root that both trust, and a certificate for each that an intermediate authority of it issued."""
    root = Authority.root(seed=1)
    between = root.intermediate()
    return Trust(root.cert), between.issue("CN=alice", ["alice"]), between.issue("CN=bob", ["bob"])


def certified() -> tuple[IkeConfig, IkeConfig]:
    """The configurations of the ends with a certificate each, which send it and that of the intermediate authority."""
    trust, alice, bob = issued()
    return (
        INITIATOR.replace(auth=Certificate(alice.cert, alice.key, alice.chain), trust=trust),
        RESPONDER.replace(auth=Certificate(bob.cert, bob.key, bob.chain), trust=trust),
    )


def handshakes(initiator: IkeConfig, responder: IkeConfig) -> Fed:
    """Handshakes with a Child SA between two endpoints."""

    def feed(count: int) -> list[Ends]:
        return [Ends(initiator, responder) for _ in range(count)]

    return Fed(lambda ends: _established(ends.connect()), feed)


def _established(sa: IkeSa) -> None:
    if not sa.established or not sa.children:
        raise UnexpectedError("a handshake failed, so there is nothing to measure")


def signatures(scheme: Scheme) -> tuple[Callable[[], object], Callable[[], object]]:
    """The data of an AUTH payload made, and verified."""
    key = make_key(SIGNED[scheme.name])
    data, public = sign(scheme, key, OCTETS), key.public_key()
    return lambda: sign(scheme, key, OCTETS), lambda: verified(scheme.method, data, OCTETS, public)


def chains() -> Callable[[], object]:
    """A chain of two judged, as it is on the wire."""
    trust, alice, _ = issued()
    return lambda: judge(alice.der, alice.issuers, trust)


def measure(quick: bool) -> list[Figure]:
    """In milliseconds of processor time of both ends, and what it is made of."""
    calls: dict[str, Fed | Callable[[], object]] = {
        "psk": handshakes(INITIATOR, RESPONDER),
        "certificates": handshakes(*certified()),
        "chain": chains(),
    }
    for name in SIGNED:
        calls[f"sign {name}"], calls[f"verify {name}"] = signatures(SCHEMES[name])
    took = interleaved(calls, rounds=3 if quick else 15, seconds=0.03 if quick else 0.1)
    psk = Figure("handshake, pre-shared key, both ends", took["psk"] * 1000, "ms")
    return [
        psk,
        Figure(
            "handshake, ECDSA P-256 and a chain of two at each end",
            took["certificates"] * 1000, "ms", floor=psk, bound=at_most(2),
        ),
        Figure("a chain of two judged, P-256", took["chain"] * 1000, "ms"),
        *(
            Figure(f"AUTH {doing}, {SCHEMES[name].title}", took[f"{verb} {name}"] * 1000, "ms")
            for name in SIGNED
            for verb, doing in (("sign", "made"), ("verify", "verified"))
        ),
    ]  # fmt: skip
