# SPDX-License-Identifier: GPL-2.0-or-later
"""Several authentications in one IKE_AUTH (RFC 4739)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from fynx_scapy import Certificate, Certificates, Eap, EapUsers, Psk, Rounds, Trust
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ike.events import IkeSaEstablished, IkeSaFailed, MessageSent, RequestRefused
from fynx_scapy.ike.message import notify
from fynx_scapy.layers.ikev2 import IKEv2_CERT, IKEv2_CERTREQ, IKEv2_EAP, IKEv2_Notify
from fynx_scapy.pki.making import Authority
from tests.ike.pair import Pair, alice, bob

CAROL, DAVE = Eap.mschapv2("carol", "Ar3etTnp"), Eap.md5("dave", "another")
CAROLS, DAVES = EapUsers.passwords({"carol": "Ar3etTnp"}), EapUsers.passwords({"dave": "another"}, ["md5"])
FAILED, UNVERIFIED = "AUTHENTICATION_FAILED", "AUTH payload of alice does not verify"
SHOWN = {NotifyType.MULTIPLE_AUTH_SUPPORTED: "SUPPORTED", NotifyType.ANOTHER_AUTH_FOLLOWS: "FOLLOWS"}


@cache
def root() -> Authority:
    return Authority.root(seed="root")


@cache
def cert(name: str) -> Certificate:
    made = root().issue(f"C=CH, CN={name}", [name], "ecdsa-p256")
    return Certificate(made.cert, made.key, made.chain)


def ends(ours: Any, ours_checked: Any, theirs: Any, theirs_checked: Any, **fields: Any) -> tuple[Pair, IkeConfig]:
    """Bob, and Alice's configuration: what each proves, and what the other end wants proven."""
    trust = Trust(root().cert)
    pair = Pair(bob(auth=theirs, remote_auth=ours_checked, trust=trust, remote_id=None))
    return pair, alice(auth=ours, remote_auth=theirs_checked, trust=trust, **fields)


def ladder(pair: Pair) -> list[str]:
    """What was sent from IKE_SA_INIT's answer on, without what goes with certificates and Child SAs."""
    left_out = {"SA", "KE", "Nonce", "CERT", "CERTREQ", "TSi"}
    rows = []
    for _, event in pair.network.events:
        if not isinstance(event, MessageSent) or event.header.exch_type not in (34, 35):
            continue
        words = []
        for payload in event.payloads:
            name = type(payload).__name__.removeprefix("IKEv2_")
            if isinstance(payload, IKEv2_Notify):
                name = SHOWN.get(payload.type, "")
            words.append("EAP" if isinstance(payload, IKEv2_EAP) else "" if name in left_out else name)
        rows.append(" ".join(filter(None, words)))
    return rows[1:]


def proven(pair: Pair, who: str) -> list[str]:
    (sa,) = (pair.alice if who == "alice" else pair.bob).sas.values()
    assert sa.established
    assert sa.peer_proof is not None
    return [str(identity) for identity, _ in sa.peer_proof.rounds] or [str(sa.remote_id)]


def end(pair: Pair) -> tuple[str, str]:
    """Why both ends have failed: the initiator's words, and the responder's for its refusal."""
    failed = [event.reason for event in pair.of("alice", IkeSaFailed)]
    refused = [event.reason for event in pair.of("bob", RequestRefused)]
    return failed[-1] if failed else "", refused[-1] if refused else ""


@pytest.mark.requirements("4739-2.1-i01", "4739-2.1-i03", "4739-2.1-i05", "4739-2.1-i06")
def test_example_1_two_conversations_of_eap() -> None:
    pair, config = ends(Rounds(CAROL, DAVE), Rounds(CAROLS, DAVES), cert("bob"), Certificates())
    sa = pair.connect(config)
    assert ladder(pair) == [
        "SUPPORTED", "IDi IDr TSr SUPPORTED", "IDr AUTH EAP", *["EAP"] * 6, "AUTH FOLLOWS", "AUTH",
        "IDi", *["EAP"] * 5, "AUTH", "AUTH TSr",
    ]  # fmt: skip
    assert proven(pair, "bob") == ["carol", "dave"]
    assert str(pair.bobs.remote_id) == str(sa.local_id) == "dave"
    assert pair.of("bob", IkeSaEstablished)[0].proof == "EAP-MSCHAPv2 as carol; then EAP-MD5 as dave"
    assert proven(pair, "alice") == ["bob"]


def test_example_2_a_certificate_and_then_eap() -> None:
    pair, config = ends(Rounds(cert("alice"), CAROL), Rounds(Certificates(), CAROLS), cert("bob"), Certificates())
    pair.connect(config)
    assert ladder(pair) == [
        "SUPPORTED", "IDi IDr AUTH FOLLOWS TSr SUPPORTED", "IDr AUTH", "IDi", *["EAP"] * 7, "AUTH", "AUTH TSr",
    ]  # fmt: skip
    assert proven(pair, "bob") == ["alice", "carol"]
    proof = pair.bobs.peer_proof
    assert proof is not None
    assert proof.by == "certificate, ECDSA SHA-256; then EAP-MSCHAPv2 as carol"
    assert proof.certificates[0].subject.rfc4514_string() == "CN=alice,C=CH"


def test_example_3_two_certificates_of_the_initiator() -> None:
    pair, config = ends(
        Rounds(cert("alice"), cert("ada")), Rounds(Certificates(), (Certificates(), "ada")), cert("bob"), Certificates()
    )
    pair.connect(config)
    assert ladder(pair) == ["SUPPORTED", "IDi IDr AUTH FOLLOWS TSr SUPPORTED", "IDr AUTH", "IDi AUTH", "TSr"]
    assert proven(pair, "bob") == ["alice", "ada"]


def test_example_4_two_certificates_of_the_responder() -> None:
    pair, config = ends(
        cert("alice"), Certificates(), Rounds(cert("bob"), cert("bea")), Rounds(Certificates(), (Certificates(), "bea"))
    )
    sa = pair.connect(config)
    assert ladder(pair) == ["SUPPORTED", "IDi IDr AUTH TSr SUPPORTED", "IDr AUTH FOLLOWS", "", "IDr AUTH TSr"]
    assert proven(pair, "alice") == ["bob", "bea"]
    assert str(sa.remote_id) == "bea"
    # The first identity is what the configuration names: a reauthentication asks for it again.
    new = sa.reauthenticate()
    pair.network.run(60.0)
    assert new.established
    assert not sa.established


@pytest.mark.parametrize("rekeyed", ["alice", "bob"])
def test_both_ends_have_several_and_live_on(rekeyed: str) -> None:
    pair, config = ends(
        Rounds(Psk("first"), (Psk("second"), "ada"), CAROL), Rounds(Psk("first"), (Psk("second"), "ada"), CAROLS),
        Rounds(cert("bob"), cert("bea"), cert("ben"), cert("bob")), Rounds(*[Certificates()] * 4),
    )  # fmt: skip
    pair.connect(config)
    assert ladder(pair) == [
        "SUPPORTED", "IDi IDr AUTH FOLLOWS TSr SUPPORTED", "IDr AUTH FOLLOWS", "IDi AUTH FOLLOWS", "IDr AUTH FOLLOWS",
        "IDi", "IDr AUTH EAP", *["EAP"] * 6, "AUTH", "AUTH FOLLOWS", "", "IDr AUTH TSr",
    ]  # fmt: skip
    assert proven(pair, "bob") == ["alice", "ada", "carol"]
    assert proven(pair, "alice") == ["bob", "bea", "ben", "bob"]
    (sa,) = (pair.alice if rekeyed == "alice" else pair.bob).sas.values()
    sa.rekey()
    pair.network.run(60.0)
    assert sa.newest.established
    assert sa.newest is not sa
    assert sa.newest.peer_proof == sa.peer_proof


def test_the_same_rounds_at_both_ends() -> None:
    both = Rounds(Psk("first"), Psk("second"))
    pair = Pair(bob(auth=both))
    pair.connect(alice(auth=both))
    assert proven(pair, "bob") == ["alice", "alice"]
    assert proven(pair, "alice") == ["bob", "bob"]


@pytest.mark.parametrize(
    ("ours", "wanted", "failed", "refused"),
    [
        (Rounds("one", "two"), Rounds("one", "three"), FAILED, UNVERIFIED),
        (Rounds("one", "two"), Rounds("two", "one"), FAILED, UNVERIFIED),
        (Rounds("1", "2", "3"), Rounds("1", "2"), FAILED, "2 authentications of the peer, found ANOTHER"),
        (Rounds("1", "2"), Rounds("1", "2", "3"), FAILED, "3 authentications of the peer, found 2"),
        (Rounds("1", ("2", "ada")), Rounds("1", ("2", "eve")), FAILED, "to be eve in round 2, found ada"),
        (Rounds("1", "2"), Psk("1"), "expected MULTIPLE_AUTH_SUPPORTED", ""),
        (Psk("1"), Rounds("1", "2"), FAILED, "expected MULTIPLE_AUTH_SUPPORTED"),
        (Rounds("1", CAROL), Rounds("1", EapUsers.passwords({"carol": "x"})), "", "another one"),
    ],
)  # fmt: skip
@pytest.mark.requirements("4739-2.1-i04", negative=True)
def test_rounds_that_do_not_fit(ours: Any, wanted: Any, failed: str, refused: str) -> None:
    pair, config = ends(ours, wanted, cert("bob"), Certificates())
    sa = pair.connect(config)
    assert not sa.established
    assert not [each for each in pair.bob.sas.values() if each.established]
    why, refusal = end(pair)
    assert failed in why
    assert refused in refusal


@pytest.mark.requirements("4739-2.1-i04", negative=True)
def test_a_responder_has_to_go_through_all_of_its_rounds() -> None:
    pair, config = ends(Psk("x"), Psk("x"), Rounds(cert("bob"), cert("bea")), Rounds(*[Certificates()] * 3))
    assert not pair.connect(config).established
    assert end(pair)[0] == "expected 3 authentications of the peer, found 2"


@pytest.mark.requirements("4739-2.1-i02", negative=True)
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_who_has_one_authentication_takes_no_other(who: str) -> None:
    pair, config = ends(Psk("x"), Psk("x"), cert("bob"), Certificates())
    taps = (pair.alice if who == "alice" else pair.bob).taps
    follows = notify(NotifyType.ANOTHER_AUTH_FOLLOWS)
    taps.add("payloads", lambda out: out.payloads.append(follows), when=lambda out: out.encrypted)
    assert not pair.connect(config).established
    pair.network.run()
    assert not [each for each in pair.bob.sas.values() if each.established]
    assert "expected one authentication (RFC 4739), found ANOTHER_AUTH_FOLLOWS" in end(pair)


def without(kind: int):
    def tap(out) -> None:
        out.payloads = [each for each in out.payloads if getattr(each, "type", None) != kind]

    return tap


@pytest.mark.parametrize(
    ("who", "kind", "why"),
    [
        ("alice", NotifyType.MULTIPLE_AUTH_SUPPORTED, "expected MULTIPLE_AUTH_SUPPORTED"),
        ("bob", NotifyType.MULTIPLE_AUTH_SUPPORTED, "expected MULTIPLE_AUTH_SUPPORTED"),
        ("alice", NotifyType.ANOTHER_AUTH_FOLLOWS, "expected 2 authentications of the peer, found 1"),
        ("bob", NotifyType.ANOTHER_AUTH_FOLLOWS, "expected no IDr, found one that was not announced"),
    ],
)
@pytest.mark.requirements("4739-2.1-i01", "4739-2.1-i02", negative=True)
def test_what_is_not_announced_is_not_taken(who: str, kind: int, why: str) -> None:
    pair, config = ends(
        Rounds("1", "2"), Rounds("1", "2"), Rounds(cert("bob"), cert("bea")), Rounds(*[Certificates()] * 2)
    )
    (pair.alice if who == "alice" else pair.bob).taps.add("payloads", without(kind))
    assert not pair.connect(config).established
    assert any(why in each for each in end(pair))


@pytest.mark.requirements("4739-2.1-i03", negative=True)
def test_a_round_that_was_announced_has_to_begin() -> None:
    pair, config = ends(Rounds("1", "2"), Rounds("1", "2"), cert("bob"), Certificates())

    def empty(out) -> None:
        if out.payloads and not any(
            getattr(each, "type", 0) == NotifyType.ANOTHER_AUTH_FOLLOWS for each in out.payloads
        ):
            out.payloads = []

    pair.alice.taps.add("payloads", empty, when=lambda out: out.encrypted)
    assert not pair.connect(config).established
    assert end(pair)[1] == "expected an IDi, found none"


def test_rounds_in_another_order_than_the_gateways() -> None:
    pair, config = ends(Rounds(CAROL, Psk("x")), Rounds(Psk("x"), CAROLS), cert("bob"), Certificates())
    assert not pair.connect(config).established
    assert end(pair)[1] == "expected AUTH by pre-shared key, found none, as of an initiator that asks for EAP"


@pytest.mark.parametrize(
    ("rounds", "why"),
    [
        ((Psk("x"),), "2 to 8 rounds"),
        ((Psk("x"),) * 9, "2 to 8 rounds"),
        ((Psk("x"), 7), "as round 2"),
        ((Psk("x"), Rounds("a", "b")), "as round 2"),
        ((Psk("x"), (Psk("y"), "carol", "dave")), "a pair of one and its identity, as round 2 .* found a tuple of 3"),
        ((("carol", Psk("x")), Psk("y")), "a pair of one and its identity, as round 1 .* found a tuple of 2"),
        ((Psk("x"), EapUsers.passwords({"a": "b"}, only=True)), "without only=True"),
    ],
)
def test_what_rounds_may_be(rounds: tuple[Any, ...], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Rounds(*rounds)


def test_configurations_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="remote_auth beside a Rounds"):
        alice(auth=Rounds("x", CAROL))
    with pytest.raises(ConfigError, match="trust beside Certificates"):
        alice(auth="x", remote_auth=Rounds("x", Certificates()))
    assert "secret" not in repr(Rounds("a secret", "another secret"))


def test_what_is_asked_for_is_of_all_rounds() -> None:
    pair, config = ends(Psk("x"), Psk("x"), Rounds("x", cert("bea")), Rounds("x", Certificates()))
    sa = pair.connect(config)
    assert sa.established
    first = next(e for e in pair.of("alice", MessageSent) if e.header.exch_type == 35)
    assert any(isinstance(each, IKEv2_CERTREQ) for each in first.payloads)
    last = [e for e in pair.of("bob", MessageSent) if e.header.exch_type == 35][-1]
    assert any(isinstance(each, IKEv2_CERT) for each in last.payloads)
