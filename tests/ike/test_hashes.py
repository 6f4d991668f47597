# SPDX-License-Identifier: GPL-2.0-or-later
"""Which hash algorithms are announced and used in signatures (RFC 7427, RFC 8420)."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy import Certificates
from fynx_scapy.crypto.signing import SCHEMES, describe, sign
from fynx_scapy.iana import AuthMethod, NotifyType
from fynx_scapy.ike.auth.methods import Covered
from fynx_scapy.ike.events import IkeSaFailed, MessageDropped, MessageSent
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDi, IKEv2_Notify
from tests.ike.pair import Pair, alice, bob
from tests.ike.test_certificates import DIGITAL, issued, own, payloads, trust

HASHES = NotifyType.SIGNATURE_HASH_ALGORITHMS


def announced(pair: Pair, who: str) -> list[IKEv2_Notify]:
    init = pair.of(who, MessageSent)[0]
    return [each for each in init.payloads if isinstance(each, IKEv2_Notify) and each.type == HASHES]


def fields(*schemes: str, **more: Any) -> dict[str, Any]:
    return {"trust": trust(), "remote_auth": Certificates(schemes=schemes or None), **more}


@pytest.mark.requirements("7427-4-i01", "7427-4-i03", "7427-4-i04", "8420-2-i01", "8420-3-02")
def test_what_is_announced_and_how() -> None:
    pair = Pair(bob(auth=own("bob"), **fields()))
    assert pair.connect(alice(auth=own("alice"), **fields())).established
    for who in ("alice", "bob"):
        (notify,) = announced(pair, who)
        assert notify.octets()[4:].hex() == "0000402f" + "0002000300040005"  # protocol 0, SPI size 0, type 16431
        later = [each for event in pair.of(who, MessageSent)[1:] for each in event.payloads]
        assert not [each for each in later if isinstance(each, IKEv2_Notify) and each.type == HASHES]


@pytest.mark.requirements("8420-3-01", "8420-3-03")
@pytest.mark.parametrize(("schemes", "octets"), [
    (("ed25519", "ed448"), "0005"), (("rsa-pss-sha256", "ecdsa-sha512"), "00020004"), (("mldsa44",), "0005"),
])  # fmt: skip
def test_only_the_hashes_of_the_accepted_schemes_are_announced(schemes: tuple[str, ...], octets: str) -> None:
    """ "Identity" stands for signatures without a hash: alone with EdDSA alone, and never without EdDSA or ML-DSA."""
    pair = Pair(bob(auth=own("bob"), **fields(*schemes)))
    pair.connect(alice(auth=own("alice"), **fields(*schemes)))
    assert [bytes(announced(pair, who)[0].notify).hex() for who in ("alice", "bob")] == [octets] * 2


def test_a_responder_announces_the_hashes_of_all_its_configurations() -> None:
    """It does not know yet whom it talks to."""
    configs = [bob(remote_id=name, auth=own("bob"), **fields(scheme)) for name, scheme in (
        ("carol", "ed25519"), ("alice", "ecdsa-sha384"),
    )]  # fmt: skip
    pair = Pair(*configs)
    assert pair.connect(alice(auth=own("alice"), **fields())).established
    assert bytes(announced(pair, "bob")[0].notify).hex() == "00050003"
    assert describe(DIGITAL, bytes(payloads(pair, IKEv2_AUTH)[0].load)).scheme == "ecdsa-sha384"


@pytest.mark.requirements("7427-4-i05", negative=True)
def test_half_a_hash_is_malformed() -> None:
    pair = Pair(bob(auth=own("bob"), **fields()))

    def odd(message: Outgoing) -> None:
        notify = message.notify(HASHES)
        assert notify is not None
        notify.notify = bytes.fromhex("000200")

    pair.bob.taps.add("payloads", odd, when=lambda message: not message.encrypted)
    assert not pair.connect(alice(auth=own("alice"), **fields())).established
    assert "expected a list of two-octet numbers, found 3 octets" in pair.of("alice", MessageDropped)[0].reason


def resigned(pair: Pair, message: Outgoing, scheme: str) -> bytes:
    """Alice's AUTH by another scheme, whatever was announced."""
    (sa,) = pair.alice.sas.values()
    covered = Covered(
        sa.suite.prf_function(), sa.init_sent, sa.nonce_r, sa.keys.sk_pi, message.one(IKEv2_IDi).octets()[4:]
    )
    return sign(SCHEMES[scheme], issued("alice").key, covered.octets)


@pytest.mark.requirements("7427-3-i01", negative=True)
@pytest.mark.parametrize("silent", ["alice", "bob"])
def test_method_14_is_refused_unless_both_announced_hashes(silent: str) -> None:
    none: dict[str, Any] = {"signature_hashes": ()}
    pair = Pair(bob(auth=own("bob"), **fields(**(none if silent == "bob" else {}))))

    def pretend(message: Outgoing) -> None:
        auth = message.one(IKEv2_AUTH)
        auth.auth_type, auth.load = AuthMethod.Digital_Signature, resigned(pair, message, "ecdsa-sha256")

    pair.alice.taps.add("payloads", pretend, when=lambda message: "AUTH" in message.types())
    assert not pair.connect(alice(auth=own("alice"), **fields(**(none if silent == "alice" else {})))).established
    whose = "we" if silent == "bob" else "the peer"
    assert f"no AUTH of method 14: {whose} did not announce" in pair.of("bob", IkeSaFailed)[0].reason


@pytest.mark.requirements("8420-2-01", negative=True)
def test_eddsa_is_not_used_for_a_peer_that_did_not_announce_it() -> None:
    pair = Pair(bob(auth=own("bob"), **fields(signature_hashes=(2, 3, 4))))
    pair.connect(alice(auth=own("alice", "ed25519"), **fields()))
    assert "Identity" in pair.of("alice", IkeSaFailed)[0].reason
    assert not payloads(pair, IKEv2_AUTH)


@pytest.mark.requirements("7427-3-i03", "7427-3-i04", negative=True)
@pytest.mark.parametrize("change", [
    lambda data: bytes([data[0] + 1]) + data[1:], lambda data: bytes([0]) + data[1:], lambda data: b"\xff" + data[1:],
    lambda data: data[: data[0] + 1] + b"\0" + data[data[0] + 1 :],
])  # fmt: skip
def test_the_signature_begins_right_behind_its_algorithm(change: Any) -> None:
    pair = Pair(bob(auth=own("bob"), **fields()))

    def spoil(message: Outgoing) -> None:
        auth = message.one(IKEv2_AUTH)
        auth.load = change(resigned(pair, message, "ecdsa-sha256"))

    pair.alice.taps.add("payloads", spoil, when=lambda message: "AUTH" in message.types())
    assert not pair.connect(alice(auth=own("alice"), **fields())).established
    assert pair.of("bob", IkeSaFailed)[0].notify_type in (
        NotifyType.AUTHENTICATION_FAILED, NotifyType.INVALID_SYNTAX,
    )  # fmt: skip


@pytest.mark.requirements("7427-5-i01", negative=True)
def test_a_kind_of_key_that_is_not_accepted() -> None:
    pair = Pair(bob(auth=own("bob"), **fields("rsa-pss-sha256")))
    pair.connect(alice(auth=own("alice"), **fields()))
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.AUTHENTICATION_FAILED
