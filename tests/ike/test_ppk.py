# SPDX-License-Identifier: GPL-2.0-or-later
"""Post-quantum pre-shared keys (RFC 8784): who uses one when, and which keys follow."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy import Eap, EapUsers, Rounds, Subscriber
from fynx_scapy.crypto.keymat import mix_ppk
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import EndpointConfig, IkeConfig, Null, Ppk, Psk
from fynx_scapy.ike.events import IkeSaFailed, KeysDerived, MessageReceived, MessageSent, PpkNotUsed, PpkUsed
from fynx_scapy.ike.message import Datagram
from fynx_scapy.ike.sa import State
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, build_message, parse_message
from tests.ike.pair import BOB, Pair, alice, bob

KEY, OTHER = Ppk("a key of 256 bits that both have", "ppk-1"), Ppk("another key that both may have", "ppk-2")
USE, NAMED, PLAIN = NotifyType.USE_PPK, NotifyType.PPK_IDENTITY, NotifyType.NO_PPK_AUTH


def notifies(event) -> dict[int, bytes]:
    """The notifies of RFC 8784 in a message, with their data."""
    found = [p for p in event.payloads if getattr(p, "type", 0) in (USE, NAMED, PLAIN)]
    assert all(p.proto == 0 for p in found)
    assert not any(p.SPI for p in found)
    return {p.type: bytes(p.notify or b"") for p in found}


def drop(*kinds: int):
    """A tap that takes these notifies out."""

    def tap(message) -> None:
        message.payloads[:] = [p for p in message.payloads if getattr(p, "type", 0) not in kinds]

    return tap


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.requirements("8784-3-01", "8784-3-i01", "8784-3-i04", "8784-3-i06", "8784-3-04", "8784-3-i08")
def test_both_ends_mix_it_into_three_keys(required):
    pair = Pair(bob(ppk=KEY, ppk_required=required))
    sa = pair.connect(alice(ppk=(KEY, OTHER), ppk_required=required))
    sent, received = ([notifies(event) for event in pair.of("alice", kind)] for kind in (MessageSent, MessageReceived))
    # HDR, SAi1, KEi, Ni, N(USE_PPK)  -->   <--  HDR, SAr1, KEr, Nr, N(USE_PPK)
    assert sent[0] == received[0] == {USE: b""}
    # HDR, SK {IDi, AUTH, SAi2, TSi, TSr, N(PPK_IDENTITY, PPK_ID), [N(NO_PPK_AUTH)]}  -->
    assert sent[1].pop(NAMED) == b"\x02ppk-1"
    assert [len(data) for data in sent[1].values()] == ([] if required else [32])
    # <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr, N(PPK_IDENTITY)}
    assert received[1] == {NAMED: b""}
    for who, end in (("alice", sa), ("bob", pair.bobs)):
        before, after = (event.keys for event in pair.of(who, KeysDerived))
        assert end.established
        assert end.keys == after == mix_ppk(end.suite.prf_function(), KEY.secret, before)
        assert (after.sk_d, after.sk_ei, after.sk_ai) == (end.keys.sk_d, before.sk_ei, before.sk_ai)
        assert after.sk_d != before.sk_d
        assert [event.ppk_id for event in pair.of(who, PpkUsed)] == ["ppk-1"]
    assert sa.keys == pair.bobs.keys
    assert pair.alice.send(bytes.fromhex("45000014000000004001000a0a0100010a020001"), pair.network.now)


def test_the_responder_finds_it_by_its_id():
    pair = Pair(bob(ppk=(OTHER, KEY.replace(type=1), KEY)))
    pair.connect(alice(ppk=KEY))
    assert pair.of("bob", PpkUsed)
    assert pair.bobs.established


@pytest.mark.requirements("8784-3-03")
def test_a_rekey_and_its_successors_do_not_use_it_again():
    # Section 3: "It MUST NOT be used when these subkeys are calculated as result of IKE SA rekey"
    pair = Pair(bob(ppk=KEY, ppk_required=True))
    sa = pair.connect(alice(ppk=KEY, ppk_required=True))
    before = sa.keys
    sa.rekey()
    pair.network.run()
    new = sa.newest
    assert new is not sa
    assert new.established
    assert new.keys.sk_d != before.sk_d
    assert len(pair.of("alice", KeysDerived)) == 3
    assert new.keys == pair.of("bob", KeysDerived)[-1].keys
    assert not any(notifies(event) for event in pair.of("alice", MessageSent)[2:])
    assert len(pair.of("alice", PpkUsed)) == 1


@pytest.mark.requirements("8784-5.2.3-03")
def test_it_authenticates_both_ends_where_nothing_else_does():
    # Section 5.2.3: PPK-only authentication
    # "the ID Type in the IDi/IDr payloads SHOULD NOT be ID_NULL"
    assert IkeConfig(auth=Null(), ppk=KEY, ppk_required=True).local_id == Identity.of("fynx")
    theirs = {"auth": Null(), "local_id": "bob", "ppk": (OTHER, KEY), "ppk_required": True}
    for key, works in ((KEY, True), (Ppk("of a stranger", "ppk-1"), False)):
        pair = Pair(bob(**theirs))
        sa = pair.connect(alice(auth=Null(), local_id="alice", ppk=key, ppk_required=True))
        assert sa.established is pair.bobs.established is works


@pytest.mark.requirements("8784-3-i02")
def test_a_retry_with_a_cookie_announces_it_too():
    pair = Pair(bob(ppk=KEY), endpoint=EndpointConfig(cookie_threshold=0))
    assert pair.connect(alice(ppk=KEY)).established
    assert [notifies(event) for event in pair.of("alice", MessageSent)[:2]] == [{USE: b""}, {USE: b""}]


@pytest.mark.requirements("8784-3-09", negative=True)
def test_what_a_confirmation_holds_is_ignored():
    pair = Pair(bob(ppk=KEY, ppk_required=True))

    def tap(message) -> None:
        for payload in message.payloads:
            if getattr(payload, "type", 0) == NAMED:
                payload.notify = OTHER.wire_id

    pair.bob.taps.add("payloads", tap, when=lambda m: m.encrypted)
    sa = pair.connect(alice(ppk=(KEY, OTHER), ppk_required=True))
    assert sa.established
    assert [event.ppk_id for event in pair.of("alice", PpkUsed)] == ["ppk-1"]


# The responder's table (section 3, table 1), and what the initiator makes of each answer

NOT_REQUIRED, REQUIRED = {"ppk": KEY}, {"ppk": KEY, "ppk_required": True}
ANOTHER, ANOTHER_REQUIRED = {"ppk": OTHER}, {"ppk": OTHER, "ppk_required": True}
WRONG = {"ppk": Ppk("not the key that the other has", "ppk-1")}


@pytest.mark.parametrize(
    ("ours", "theirs", "used"),
    [
        ({}, {}, None),
        ({}, NOT_REQUIRED, False),
        ({}, REQUIRED, "AUTH"),
        (NOT_REQUIRED, {}, False),
        (REQUIRED, {}, "USE_PPK"),
        (NOT_REQUIRED, NOT_REQUIRED, True),
        (NOT_REQUIRED, REQUIRED, True),
        (REQUIRED, NOT_REQUIRED, True),
        (NOT_REQUIRED, ANOTHER, False),
        (NOT_REQUIRED, ANOTHER_REQUIRED, "AUTH"),
        (REQUIRED, ANOTHER, "AUTH"),
        (REQUIRED, ANOTHER_REQUIRED, "AUTH"),
        (NOT_REQUIRED, WRONG, "AUTH"),
        (REQUIRED, WRONG, "AUTH"),
    ],
)
@pytest.mark.requirements("8784-3-i03", "8784-3-02", "8784-3-i05", "8784-3-05", "8784-3-i07", "8784-3-07", "8784-3-08")
def test_every_configuration_of_two_ends(ours, theirs, used):
    pair = Pair(bob(**theirs))
    sa = pair.connect(alice(**ours))
    if isinstance(used, str):
        assert sa.state is State.CLOSED
        (failed,) = pair.of("alice", IkeSaFailed)
        assert failed.notify_type == (NotifyType.AUTHENTICATION_FAILED if used == "AUTH" else None)
        assert used in failed.reason or failed.notify_type
        assert not any(end.established for end in pair.bob.sas.values())
        return
    assert sa.established
    assert pair.bobs.established
    assert sa.keys == pair.bobs.keys
    for who, config in (("alice", ours), ("bob", theirs)):
        assert bool(pair.of(who, PpkUsed)) is bool(used)
        assert bool(pair.of(who, PpkNotUsed)) is (used is False and "ppk" in config)
    assert len(pair.of("alice", KeysDerived)) == (2 if used else 1)


def without_use_ppk(datagram: Datagram) -> Datagram:
    """An IKE_SA_INIT message as an attacker in between changes it."""
    header, payloads = parse_message(datagram.data)
    kept = [payload for payload in payloads if getattr(payload, "type", 0) != USE]
    for layer in (header, *kept):
        layer.next_payload = None
    header.length = None
    return dataclasses.replace(datagram, data=build_message(header, kept))


def answers_from_bob(pair: Pair, change) -> None:
    """Have ``change`` give what becomes of the answers to IKE_SA_INIT."""
    pair.network.intercept(
        lambda now, datagram: change(datagram) if datagram.local.host == BOB and datagram.data[18] == 34 else None
    )


@pytest.mark.requirements("8784-6-04", negative=True)
def test_an_initiator_that_requires_it_waits_for_a_better_answer():
    # Section 6: "it is RECOMMENDED that … the initiator not abort the exchange immediately"
    pair = Pair(bob(ppk=KEY))
    answers_from_bob(pair, lambda datagram: [without_use_ppk(datagram), datagram])
    assert pair.connect(alice(ppk=KEY, ppk_required=True)).established
    assert pair.of("alice", PpkUsed)


@pytest.mark.requirements("8784-3-02", negative=True)
def test_an_initiator_that_requires_it_aborts_when_no_better_answer_comes():
    pair = Pair(bob(ppk=KEY))
    answers_from_bob(pair, lambda datagram: [without_use_ppk(datagram)])
    sa = pair.connect(alice(ppk=KEY, ppk_required=True))
    (failed,) = pair.of("alice", IkeSaFailed)
    assert "expected USE_PPK" in failed.reason
    assert failed.time >= sa.config.error_wait
    assert len(pair.of("alice", MessageSent)) == 1


def test_a_downgrade_of_an_optional_ppk_is_noticed_by_the_shared_key():
    # Section 6: "if a preshared key mode is used for authentication, then the attack will be detected"
    pair = Pair(bob(ppk=KEY))
    answers_from_bob(pair, lambda datagram: [without_use_ppk(datagram)])
    pair.connect(alice(ppk=KEY))
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.AUTHENTICATION_FAILED
    assert not pair.bobs.established


@pytest.mark.parametrize(
    ("kinds", "ours", "theirs"),
    [
        # "If no PPK_IDENTITY notification is found … the responder MUST send back an AUTHENTICATION_FAILED"
        ((NAMED,), NOT_REQUIRED, NOT_REQUIRED),
        # An optional PPK that the responder does not have, and nothing to authenticate the initiator by
        ((PLAIN,), NOT_REQUIRED, ANOTHER),
    ],
)
@pytest.mark.requirements("8784-3-06", "8784-3-07", negative=True)
def test_a_responder_refuses_a_request_that_lacks_a_notify(kinds, ours, theirs):
    pair = Pair(bob(**theirs))
    pair.alice.taps.add("payloads", drop(*kinds), when=lambda m: m.encrypted)
    pair.connect(alice(**ours))
    (failed,) = pair.of("alice", IkeSaFailed)
    assert failed.notify_type == NotifyType.AUTHENTICATION_FAILED
    assert not pair.bobs.established


@pytest.mark.parametrize("ours", [NOT_REQUIRED, REQUIRED])
@pytest.mark.requirements("8784-3-10", negative=True)
def test_an_initiator_does_not_take_an_answer_that_does_not_confirm_its_ppk(ours):
    pair = Pair(bob(ppk=KEY))
    pair.bob.taps.add("payloads", drop(NAMED), when=lambda m: m.encrypted)
    sa = pair.connect(alice(**ours))
    # With NO_PPK_AUTH the answer is verified without the PPK; its AUTH was computed with it.
    assert sa.state is State.CLOSED
    assert pair.of("alice", IkeSaFailed)[0].code == "authentication"
    # HDR, SK {N(AUTHENTICATION_FAILED)}  -->
    assert NotifyType.AUTHENTICATION_FAILED in [
        getattr(p, "type", 0) for p in pair.of("alice", MessageSent)[-1].payloads
    ]


def test_a_use_ppk_that_was_not_sent_counts_as_not_sent():
    pair = Pair(bob(ppk=KEY))
    pair.alice.taps.add("payloads", drop(USE), when=lambda m: not m.encrypted)
    sa = pair.connect(alice(ppk=KEY))
    assert sa.established
    assert [event.reason for event in pair.of("alice", PpkNotUsed)] == ["the peer did not send USE_PPK"]
    required = Pair(bob(ppk=KEY))
    required.alice.taps.add("payloads", drop(USE), when=lambda m: not m.encrypted)
    assert required.connect(alice(ppk=KEY, ppk_required=True)).state is State.CLOSED


@given(st.binary(max_size=64))
def test_any_ppk_identity_is_answered(data):
    pair = Pair(bob(ppk=KEY, ppk_required=True))

    def tap(message) -> None:
        for payload in message.payloads:
            if getattr(payload, "type", 0) == NAMED:
                payload.notify = data

    pair.alice.taps.add("payloads", tap, when=lambda m: m.encrypted)
    sa = pair.connect(alice(ppk=KEY, ppk_required=True))
    assert sa.established is (data == KEY.wire_id)


# Configuration


# With EAP


MSCHAPV2 = Eap.mschapv2("carol", "Ar3etTnp"), EapUsers.passwords({"carol": "Ar3etTnp"})
MD5 = Eap.md5("carol", "Ar3etTnp"), EapUsers.passwords({"carol": "Ar3etTnp"}, ["md5"])
USIM: dict[str, Any] = {"k": "11" * 16, "opc": "22" * 16}
ALONE = Eap.aka("0carol", **USIM, only=True), EapUsers.aka({"0carol": Subscriber(**USIM)}, only=True)


@pytest.mark.parametrize(
    ("ours", "theirs", "used"),
    [
        ({"ppk": KEY}, {"ppk": KEY}, KEY),
        ({"ppk": KEY, "ppk_required": True}, {"ppk": (OTHER, KEY), "ppk_required": True}, KEY),
        ({"ppk": KEY}, {"ppk": OTHER}, None),
        ({"ppk": KEY}, {}, None),
        ({}, {"ppk": KEY}, None),
    ],
    ids=["optional", "required", "another", "the client's", "the gateway's"],
)
@pytest.mark.parametrize("method", [MSCHAPV2, MD5, ALONE], ids=["mschapv2", "md5", "alone"])
def test_eap_takes_it_into_the_last_two_auth_payloads(method, ours, theirs, used):
    client, users = method
    alone = client.only
    pair = Pair(bob(auth=Psk("gateway"), remote_auth=users, remote_id=None, **theirs))
    gateway: dict[str, Any] = {} if alone else {"remote_auth": Psk("gateway")}
    sa = pair.connect(IkeConfig(auth=client, remote_id="bob", remote=BOB, **gateway, **ours))
    assert sa.established
    auths = [
        (event, notifies(event))
        for _, event in pair.network.events
        if isinstance(event, MessageSent) and any(isinstance(each, IKEv2_AUTH) for each in event.payloads)
    ]
    both = "ppk" in ours and "ppk" in theirs
    named = {NAMED: KEY.wire_id} if both else {}
    # <--  HDR, SK {IDr, AUTH, EAP}     HDR, SK {AUTH, N(PPK_IDENTITY, PPK_ID) [, N(NO_PPK_AUTH)]}  -->
    assert len(auths) == (2 if alone else 3)
    assert alone or auths[0][1] == {}
    asked = dict(auths[-2][1])
    assert (PLAIN in asked) is (both and not ours.get("ppk_required"))
    asked.pop(PLAIN, None)
    assert asked == named
    # <--  HDR, SK {AUTH, SAr2, TSi, TSr [, N(PPK_IDENTITY)]}
    assert auths[-1][1] == ({NAMED: b""} if used else {})
    for who, end in (("alice", sa), ("bob", pair.bobs)):
        before, *after = (event.keys for event in pair.of(who, KeysDerived))
        assert after == ([mix_ppk(end.suite.prf_function(), used.secret, before)] if used else [])
    assert sa.keys == pair.bobs.keys


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("method", [MSCHAPV2, MD5, ALONE], ids=["mschapv2", "md5", "alone"])
@pytest.mark.requirements("8784-3-07", negative=True)
def test_eap_does_not_do_without_the_right_one(method, required):
    """The same PPK_ID, another key; and with one that is required, a PPK_ID that the gateway does not have."""
    client, users = method
    theirs = OTHER if required else Ppk("not what the client has", KEY.id)
    pair = Pair(bob(auth=Psk("gateway"), remote_auth=users, remote_id=None, ppk=theirs))
    gateway: dict[str, Any] = {} if client.only else {"remote_auth": Psk("gateway")}
    config = IkeConfig(auth=client, remote_id="bob", remote=BOB, ppk=KEY, ppk_required=required, **gateway)
    assert not pair.connect(config).established
    (failed,) = pair.of("alice", IkeSaFailed)
    assert failed.notify_type == NotifyType.AUTHENTICATION_FAILED


def test_a_ppk_shows_no_secret():
    ppk = Ppk("0x00ff", b"\x1b[31m\xff")
    assert ppk.secret == b"\x00\xff"
    assert "00ff" not in repr(ppk)
    assert "secret" not in repr(ppk)
    assert "\x1b" not in str(ppk)
    assert ppk.wire_id == b"\x02" + ppk.id
    assert Ppk("x", "y", "opaque").wire_id == b"\x01y"
    config = IkeConfig(auth=Psk("s"), ppk=Ppk("top secret", "id"))
    assert "top secret" not in repr(config)
    assert dataclasses.replace(config).ppk == config.ppk


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"ppk_required": True}, "expected IkeConfig.ppk, because ppk_required is True, found no PPK"),
        ({"ppk": KEY, "auth": Null()}, "expected IkeConfig.ppk_required to be True"),
        ({"ppk": KEY, "auth": Rounds("a", "b")}, "expected either IkeConfig.ppk or Rounds, found both"),
        ({"ppk": KEY, "remote_auth": Rounds("a", "b")}, "expected either IkeConfig.ppk or Rounds, found both"),
        ({"ppk": "top secret"}, "expected a Ppk or a sequence, found text of length 10"),
        (
            {"ppk": (KEY, Ppk("another", "ppk-1"))},
            "expected IkeConfig.ppk to have each PPK_ID once, found 'ppk-1' twice",
        ),
    ],
)
@pytest.mark.requirements("8784-5.2.3-02")
def test_a_wrong_configuration_says_what_is_wrong(fields, text):
    with pytest.raises(ConfigError, match=r"^(?!.*top secret)") as caught:
        alice(**fields)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ppk("", "id"), "expected Ppk.secret to be bytes, 1 to 65535 octets, found bytes of length 0"),
        (lambda: Ppk("secret", ""), "expected Ppk.id to be bytes, 1 to 1024 octets"),
        (lambda: Ppk("secret", "id", "fixd"), "did you mean PPK_ID_FIXED?"),
        (lambda: Ppk("secret", "id", 0), "expected Ppk.type to be a whole number from 1 to 255, found 0"),
    ],
)
def test_a_wrong_ppk_says_what_is_wrong(make, text):
    with pytest.raises(ConfigError) as caught:
        make()
    assert text in str(caught.value)
