# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT and IKE_AUTH between two endpoints (RFC 7296 section 1.2)."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.errors import LocalError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, Psk
from fynx_scapy.ike.events import (
    ChildSaFailed,
    ChildSaInstalled,
    IkeSaEstablished,
    IkeSaFailed,
    KeysDerived,
    MessageReceived,
    MessageSent,
    PeerNotified,
)
from fynx_scapy.ike.extensions import Fragmentation, SignatureHashes
from fynx_scapy.ike.message import notify
from fynx_scapy.ike.sa import State
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_EAP, IKEv2_IDr, IKEv2_Notify, IKEv2_SA, IKEv2_TSi, IKEv2_TSr
from fynx_scapy.net.echo import echo_request
from tests.ike.pair import Pair, alice, bob


def exchanges(pair: Pair, who: str = "alice") -> list[int]:
    return [event.header.exch_type for event in pair.of(who, MessageSent)]


def test_handshake_brings_up_both_ends():
    pair = Pair()
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    sa = pair.connect()
    assert exchanges(pair) == [ExchangeType.IKE_SA_INIT, ExchangeType.IKE_AUTH]
    assert sa.established
    assert pair.bobs.established
    assert sa.keys == pair.bobs.keys
    assert (sa.spi_i, sa.spi_r) == (pair.bobs.spi_i, pair.bobs.spi_r)
    (mine,), (theirs,) = sa.children.values(), pair.bobs.children.values()
    assert mine.outbound.spi == theirs.inbound.spi
    assert mine.inbound.spi == theirs.outbound.spi
    assert mine.local_ts == theirs.remote_ts


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_keys_are_told_before_the_first_message_that_they_protect(who):
    pair = Pair()
    pair.connect()
    kinds = [type(event) for name, event in pair.network.events if name == who]
    encrypted = next(
        n for n, (name, e) in enumerate(x for x in pair.network.events if x[0] == who)
        if isinstance(e, MessageSent | MessageReceived) and e.encrypted
    )  # fmt: skip
    assert kinds.index(KeysDerived) < encrypted
    assert kinds.index(IkeSaEstablished) < kinds.index(ChildSaInstalled)


def test_no_event_shows_a_key():
    pair = Pair()
    sa = pair.connect()
    keys = sa.keys
    shown = " ".join(repr(event) for _, event in pair.network.events) + repr(sa) + repr(sa.config) + repr(keys)
    child = pair.of("alice", ChildSaInstalled)[0]
    for secret in (keys.sk_d, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr, child.encr_key_in, child.encr_key_out):
        assert secret
        assert secret.hex() not in shown
        assert repr(secret) not in shown
    assert "secret" not in shown.replace("secret=", "")


def test_the_same_seed_repeats_every_octet():
    runs = []
    for _ in range(2):
        pair = Pair(seed=7)
        pair.connect()
        runs.append([event.wire for event in pair.of("alice", MessageSent) + pair.of("bob", MessageSent)])
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    "ike",
    [
        "aes128gcm16-prfsha256-x25519",
        "aes256gcm8-prfsha384-ecp384",
        "chacha20poly1305-prfsha512-x448",
        "aes256-sha512-prfsha512-ecp521",
        "aes128ctr-sha256-prfsha256-ecp256",
        "aes128ccm12-prfaescmac-ecp256bp",
        "camellia128-aesxcbc-prfaesxcbc-modp2048",
        "3des-sha1-modp1024",
    ],
)
def test_suites(ike):
    pair = Pair(bob(proposals=ike))
    assert pair.connect(alice(proposals=ike)).established


@pytest.mark.requirements("7296-2.6-04", "7296-2.6-i02", "7296-2.2-i01")
def test_cookie_is_returned_with_all_other_payloads_unchanged():
    pair = Pair(endpoint=EndpointConfig(cookie_threshold=0))
    # HDR(A,0), SAi1, KEi, Ni  -->   <--  HDR(A,0), N(COOKIE)
    # HDR(A,0), N(COOKIE), SAi1, KEi, Ni  -->   <--  HDR(A,B), SAr1, KEr, Nr
    sa = pair.connect()
    assert sa.established
    first, second = (e for e in pair.of("alice", MessageSent) if e.header.exch_type == ExchangeType.IKE_SA_INIT)
    demand = pair.of("bob", MessageSent)[0]
    assert demand.header.resp_SPI == bytes(8)
    assert [bytes(p)[4:] for p in second.payloads[1:]] == [bytes(p)[4:] for p in first.payloads]
    assert bytes(second.payloads[0].notify) == bytes(demand.payloads[0].notify)
    assert first.header.id == second.header.id == 0


@pytest.mark.requirements("7296-2.6-i05", negative=True)
def test_cookies_are_followed_a_limited_number_of_times(monkeypatch):
    pair = Pair(endpoint=EndpointConfig(cookie_threshold=0))
    # A third party turns every cookie round, so that Bob asks for another one for ever.
    monkeypatch.setattr(pair.bob.admission._cookies, "check", lambda *args: None)
    sa = pair.connect(alice(cookies=3))
    assert sa.state is State.CLOSED
    assert len(pair.of("alice", MessageSent)) == 4
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.COOKIE


@pytest.mark.requirements("7296-1.2-04", "7296-1.2-05", "7296-3.3.6-09", "7296-3.3.6-10")
def test_invalid_ke_is_followed_by_the_group_asked_for_and_the_same_offer():
    pair = Pair(bob(proposals="aes128gcm16-prfsha256-ecp256"))
    offer = "aes128gcm16-prfsha256-x25519-ecp256"
    # HDR, SAi1, KEi(31), Ni  -->   <--  HDR, N(INVALID_KE_PAYLOAD, 19)   then again with KEi(19)
    sa = pair.connect(alice(proposals=offer))
    assert sa.established
    first, second = pair.of("alice", MessageSent)[:2]
    assert (first.payloads[1].group, second.payloads[1].group) == (31, 19)
    assert bytes(first.payloads[0]) == bytes(second.payloads[0])
    assert bytes(first.payloads[2]) == bytes(second.payloads[2])


@pytest.mark.requirements("7296-2.7-03", "7296-3.3.4-06", "7296-2.6-i02", negative=True)
def test_no_common_proposal_is_told_and_leaves_no_state():
    pair = Pair(bob(proposals="aes256-sha256-modp2048"))
    sa = pair.connect()
    assert sa.state is State.CLOSED
    assert not pair.bob.sas
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.NO_PROPOSAL_CHOSEN
    assert pair.of("bob", MessageSent)[0].header.resp_SPI == bytes(8)


@pytest.mark.requirements("7296-1.2-02", "7296-1.2-i04", "7296-2.21.2-01", "7296-2.21.2-i01", negative=True)
def test_wrong_psk_is_refused_by_the_responder():
    pair = Pair(bob(auth=Psk("another")))
    # HDR, SK {IDi, …, AUTH, …}  -->   <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    sa = pair.connect()
    assert sa.state is State.CLOSED
    answer = pair.of("bob", MessageSent)[-1]
    assert answer.encrypted
    assert [p.type for p in answer.payloads] == [NotifyType.AUTHENTICATION_FAILED]
    assert pair.of("bob", IkeSaFailed)
    assert not pair.of("bob", ChildSaInstalled)


@pytest.mark.parametrize("wanted", ["a Child SA", "none", "none, against policy"])
def test_a_request_without_auth_asks_for_eap_which_we_do_not_do(wanted):
    """RFC 7296 sections 2.16 and 2.21.2."""
    pair = Pair(bob(childless=wanted == "none"))

    def ask(message):
        left_out = [IKEv2_AUTH] if wanted == "a Child SA" else [IKEv2_AUTH, IKEv2_SA, IKEv2_TSi, IKEv2_TSr]
        message.payloads[:] = [p for p in message.payloads if type(p) not in left_out]

    pair.alice.taps.add("payloads", ask, when=lambda m: m.header.exch_type == ExchangeType.IKE_AUTH)
    # HDR, SK {IDi, IDr, SAi2, TSi, TSr}  -->   <--  HDR, SK {N(AUTHENTICATION_FAILED)}
    sa = pair.connect()
    assert [p.type for p in pair.of("bob", MessageSent)[-1].payloads] == [NotifyType.AUTHENTICATION_FAILED]
    (failed,) = pair.of("bob", IkeSaFailed)
    assert failed.notify_type == NotifyType.AUTHENTICATION_FAILED
    assert "EAP" in failed.reason
    assert sa.state is State.CLOSED
    assert not pair.of("bob", IkeSaEstablished)
    assert not pair.of("bob", ChildSaInstalled)


EAP_IDENTITY, EAP_SUCCESS = b"\x01\x01\x00\x05\x01", b"\x03\x01\x00\x04"
GATEWAY = b"\x01\x04\xc0\x00\x02\x09"
NAMED = b"\x03\x08gw\x1b[2Jx\n"
ANSWERS: dict[str, tuple[list[Any], str, int | None]] = {
    "EAP": ([IKEv2_EAP(eap=EAP_IDENTITY)], "EAP (Request)", None),
    "IDr and EAP": (["IDr", IKEv2_EAP(eap=EAP_IDENTITY)], "IDr, EAP (Request)", None),
    "IDr, AUTH and EAP": (["IDr", "AUTH", IKEv2_EAP(eap=EAP_IDENTITY)], "EAP (Request)", None),
    "EAP Success": ([IKEv2_EAP(eap=EAP_SUCCESS)], "EAP (Success)", None),
    "all and EAP Success": (["all", IKEv2_EAP(eap=EAP_SUCCESS)], "EAP (Success)", None),
    "REDIRECT": ([notify(NotifyType.REDIRECT, GATEWAY)], "REDIRECT to 192.0.2.9", NotifyType.REDIRECT),
    "REDIRECT to a name": ([notify(NotifyType.REDIRECT, NAMED)], r"gw\x1b[2Jx\n", NotifyType.REDIRECT),
    "an error and EAP": (
        [notify(NotifyType.AUTHENTICATION_FAILED), IKEv2_EAP(eap=b"\x04\x01\x00\x04")],
        "AUTHENTICATION_FAILED",
        NotifyType.AUTHENTICATION_FAILED,
    ),
    "a status": ([notify(NotifyType.INITIAL_CONTACT)], "INITIAL_CONTACT", None),
    "no IDr": (["AUTH", "child"], "expected IDr and AUTH, but IKE_AUTH was answered with AUTH, SA, TSi, TSr", None),
    "no AUTH": (["IDr", "child"], "IDr, SA, TSi, TSr", None),
    "nothing": ([], "answered with nothing", None),
}


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("answer", "childless"),
    [(a, childless) for a in ANSWERS for childless in (False, True) if not (childless and "child" in ANSWERS[a][0])],
)
def test_an_answer_that_does_not_authenticate_is_named(answer, childless):
    pair = Pair(bob(childless=True))
    given, reason, kind = ANSWERS[answer]
    named = {"IDr": [IKEv2_IDr], "AUTH": [IKEv2_AUTH], "child": [IKEv2_SA, IKEv2_TSi, IKEv2_TSr]}

    def other(message):
        all_ = list(message.payloads)
        if "IDr" not in given and "all" not in given:
            # Without an identity there is nothing to compute it of.
            message.one(IKEv2_AUTH).load = bytes(32)
        message.payloads[:] = [
            payload
            for one in given
            for payload in (
                (all_ if one == "all" else [p for p in all_ if type(p) in named[one]]) if type(one) is str else [one]
            )
        ]

    pair.bob.taps.add("payloads", other, when=lambda m: m.header.exch_type == ExchangeType.IKE_AUTH)
    # HDR, SK {IDi, IDr, AUTH, SAi2, TSi, TSr}  -->   <--  HDR, SK {IDr, EAP}
    sa = pair.connect(alice(children=()) if childless else alice())
    (failed,) = pair.of("alice", IkeSaFailed)
    assert reason in failed.reason
    assert failed.notify_type == kind
    assert sa.state is State.CLOSED
    assert not pair.of("alice", IkeSaEstablished)
    assert not pair.of("alice", ChildSaInstalled)
    if kind is None:
        # Bob's end may stand: it is told (section 2.21.2).
        assert not pair.bobs.established


def test_a_redirection_of_a_gateway_that_authenticates_is_named():
    """RFC 5685 section 6: the IKE SA is valid, and there is no Child SA."""
    pair = Pair()

    def redirect(message):
        message.payloads[2:] = [notify(NotifyType.REDIRECT, GATEWAY)]

    pair.bob.taps.add("payloads", redirect, when=lambda m: m.header.exch_type == ExchangeType.IKE_AUTH)
    # <--  HDR, SK {IDr, AUTH, N(REDIRECT, gateway)}
    sa = pair.connect()
    (failed,) = pair.of("alice", ChildSaFailed)
    assert (failed.notify_type, failed.reason) == (NotifyType.REDIRECT, "answered with REDIRECT to 192.0.2.9")
    assert sa.established
    assert not sa.children


def test_a_redirection_of_ike_sa_init_is_named():
    pair = Pair()

    def redirect(message):
        message.payloads[:] = [notify(NotifyType.REDIRECT, GATEWAY)]

    pair.bob.taps.add("payloads", redirect)
    # <--  HDR(A,0), N(REDIRECT, gateway)
    assert pair.connect().state is State.CLOSED
    assert "IKE_SA_INIT was answered with REDIRECT to 192.0.2.9" in pair.of("alice", IkeSaFailed)[0].reason


@pytest.mark.requirements("7296-1.2-02", "7296-2.21.2-i03", negative=True)
def test_wrong_auth_of_the_responder_is_refused_by_the_initiator():
    pair = Pair()

    def spoil(message):
        for payload in message.payloads:
            if type(payload).__name__ == "IKEv2_AUTH":
                payload.load = bytes(32)

    pair.bob.taps.add("payloads", spoil)
    # <--  HDR, SK {IDr, AUTH(bad), …}      HDR, SK {N(AUTHENTICATION_FAILED)}  -->   <--  HDR, SK {}
    sa = pair.connect()
    assert sa.state is State.CLOSED
    assert pair.of("alice", IkeSaFailed)[0].code == "authentication"
    assert exchanges(pair)[-1] == ExchangeType.INFORMATIONAL
    assert pair.bobs.state is State.CLOSED
    assert not pair.bobs.children


@pytest.mark.parametrize(("asked", "found"), [("bob", "one"), ("carol", "two")])
def test_policy_and_key_are_chosen_by_the_identities(asked, found):
    one = bob(auth=Psk("one"))
    two = bob(local_id="carol", auth=Psk("two"))
    pair = Pair(one, two)
    assert pair.connect(alice(remote_id=asked, auth=Psk(found))).established
    assert str(pair.bobs.local_id) == asked


def test_a_policy_that_names_the_peer_goes_before_one_for_anybody():
    anybody = bob(remote_id=None, auth=Psk("anybody's"))
    pair = Pair(anybody, bob())
    assert pair.connect().established


@pytest.mark.requirements("7296-2.21.2-01", negative=True)
def test_an_unknown_identity_is_refused():
    pair = Pair()
    sa = pair.connect(alice(local_id="mallory"))
    assert sa.state is State.CLOSED
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.AUTHENTICATION_FAILED


@pytest.mark.parametrize(
    ("changes", "notify_type"),
    [
        ({"remote_ts": ("10.9.0.0/16",)}, NotifyType.TS_UNACCEPTABLE),
        ({"proposals": ("aes256-sha512",)}, NotifyType.NO_PROPOSAL_CHOSEN),
    ],
)
@pytest.mark.requirements("7296-1.2-i03", "7296-2.21.2-04", negative=True)
def test_a_refused_child_sa_leaves_the_ike_sa_standing(changes, notify_type):
    pair = Pair()
    # <--  HDR, SK {IDr, AUTH, N(TS_UNACCEPTABLE | NO_PROPOSAL_CHOSEN)}
    sa = pair.connect(alice(children=(ChildConfig(**changes),)))
    assert sa.established
    assert pair.bobs.established
    assert not sa.children
    assert not pair.bobs.children
    assert pair.of("alice", ChildSaFailed)[0].notify_type == notify_type


@pytest.mark.requirements("7296-2.9-01")
def test_selectors_are_narrowed_and_the_triggering_packet_s_stand_first():
    narrow = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("10.1.0.0/25",))
    pair = Pair(bob(children=(narrow,)))
    wide = ChildConfig(local_ts=("10.1.0.0/16",), remote_ts=("10.0.0.0/8",))
    packet = echo_request("10.1.0.9", "10.2.0.7")
    sa = pair.alice.connect(alice(children=(wide,)), 0.0, packet)
    pair.network.run()
    (child,) = sa.children.values()
    assert [str(ts) for ts in child.local_ts] == ["10.1.0.9/32[icmp]", "10.1.0.0/25"]
    assert [str(ts) for ts in child.remote_ts] == ["10.2.0.7/32[icmp]", "10.2.0.0/24"]


def test_announcements_are_sent_only_when_configured_and_always_understood():
    pair = Pair(bob(signature_hashes=(2, 4)))
    sa = pair.connect(alice(signature_hashes=()))
    sent = {n.type for e in pair.of("alice", MessageSent) for n in e.payloads if isinstance(n, IKEv2_Notify)}
    assert NotifyType.IKEV2_FRAGMENTATION_SUPPORTED in sent
    assert NotifyType.SIGNATURE_HASH_ALGORITHMS not in sent
    assert sa.of(Fragmentation).peer
    assert sa.of(SignatureHashes).peer == (2, 4)
    assert NotifyType.SIGNATURE_HASH_ALGORITHMS in {e.notify_type for e in pair.of("alice", PeerNotified)}


@pytest.mark.parametrize("identity", ["192.0.2.1", "2001:db8::1", "gw.example.org", "gw@example.org", "keyid:010203"])
@pytest.mark.requirements("7296-3.5-04", "7296-3.5-05", "7296-3.5-06")
def test_every_type_of_identity_is_sent_and_accepted(identity):
    pair = Pair(bob(local_id=identity, remote_id=identity))
    sa = pair.connect(alice(local_id=identity, remote_id=identity))
    assert sa.established
    assert pair.bobs.remote_id == sa.local_id == sa.remote_id


@pytest.mark.parametrize("identity", ["203.0.113.7", "2001:db8::7"])
@pytest.mark.requirements("7296-3.5-i01", negative=True)
def test_an_identity_may_be_another_address(identity):
    pair = Pair(bob(remote_id=identity))
    # HDR, SK {IDi(an address that is not Alice's), …}  -->
    assert pair.connect(alice(local_id=identity)).established
    assert str(pair.bobs.remote_id) == identity


def test_connecting_needs_an_address():
    with pytest.raises(LocalError, match="remote"):
        Pair().alice.connect(alice(remote=None), 0.0)


def test_ipv6_outside_and_inside():
    from fynx_scapy.session import Session

    session = Session(
        local="2001:db8::1", remote="2001:db8::2", local_ts="2001:db8:1::/64", remote_ts="2001:db8:2::/64", seed=1
    )
    session.connect()
    assert session.ping().src == "2001:db8:2::1"
