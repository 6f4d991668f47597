# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes in the clear is a hint at most, and what has no SA is told to the peer (RFC 7296 1.5 and 2.21)."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP

from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.basics.limiter import Limiter
from fynx_scapy.ike.config import ChildConfig, EndpointConfig
from fynx_scapy.ike.events import IcmpReceived, IkeSaFailed, MessageDropped, MessageSent, PeerNotified, Suspected
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, IcmpError
from fynx_scapy.ike.path.icmp import PATH_MTU_LIFETIME, Destinations
from fynx_scapy.ike.sa import State
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    build_message,
)
from tests.ike.pair import ALICE, BOB, Pair, alice, bob

HINT = NotifyType.INVALID_IKE_SPI


def clear(sa, *notifies, **header) -> bytes:
    fields = {"init_SPI": sa.spi_i, "resp_SPI": sa.spi_r, "exch_type": "INFORMATIONAL", "flags": 0x20, "id": 9}
    return build_message(IKEv2(**(fields | header)), list(notifies))


def to_alice(pair: Pair, data: bytes, kind=DatagramKind.IKE, port: int = 500) -> None:
    pair.alice.receive(Datagram(data, Address(ALICE, port), Address(BOB, port), kind), pair.network.now)


@pytest.mark.parametrize("kind", [NotifyType.INVALID_IKE_SPI, NotifyType.INVALID_SPI])
@pytest.mark.requirements("7296-2.4-04", "7296-2.4-07", "7296-2.21.4-05", negative=True)
def test_a_hint_leads_to_one_liveness_check_and_to_no_more_for_a_while(kind):
    pair = Pair()
    sa = pair.connect()
    sent = len(pair.of("alice", MessageSent))
    for _ in range(5):
        to_alice(pair, clear(sa, IKEv2_Notify(type=int(kind))))
        pair.network.run()
    # HDR, SK {}  -->     7296-2.21.4-05, -06
    assert len(pair.of("alice", MessageSent)) == sent + 1
    assert [event.acted for event in pair.of("alice", Suspected)] == [True, False, False, False, False]
    assert sa.established
    assert pair.bobs.established
    pair.network.run(pair.network.now + 61)
    to_alice(pair, clear(sa, IKEv2_Notify(type=int(kind))))
    pair.network.run()
    assert len(pair.of("alice", MessageSent)) == sent + 2


@pytest.mark.parametrize("kind", [NotifyType.AUTHENTICATION_FAILED, NotifyType.INVALID_SYNTAX, 8192, 40000])
@pytest.mark.requirements("7296-2.4-04", "7296-2.21.4-05", negative=True)
def test_other_notifies_in_the_clear_are_told_and_no_more(kind):
    pair = Pair()
    sa = pair.connect()
    sent = len(pair.of("alice", MessageSent))
    to_alice(pair, clear(sa, IKEv2_Notify(type=int(kind))))
    pair.network.run()
    assert len(pair.of("alice", MessageSent)) == sent
    assert not pair.of("alice", PeerNotified)[-1].encrypted
    assert "which is only a hint" in pair.of("alice", MessageDropped)[-1].reason
    assert sa.established


def test_a_hint_that_cannot_be_read_is_none():
    pair = Pair()
    sa = pair.connect()
    to_alice(pair, clear(sa, IKEv2_Notify(type=int(HINT), length=99)))
    pair.network.run()
    assert not pair.of("alice", Suspected)


@pytest.mark.requirements("7296-2.4-05", negative=True)
def test_a_dead_peer_is_found_behind_a_hint():
    pair = Pair()
    sa = pair.connect()
    pair.bob.lose_state()
    pair.bob.admission = type(pair.bob.admission)(pair.bob)
    to_alice(pair, clear(sa, IKEv2_Notify(type=int(HINT))))
    pair.network.run()
    # Bob answers the liveness check in the clear; only silence for the whole schedule ends the IKE SA.
    assert sa.state is State.CLOSED
    assert pair.network.now > 60


@pytest.mark.requirements("7296-2.21.4-09", "4303-3.4.2-01", negative=True)
def test_esp_on_an_unknown_spi_is_told_inside_sk():
    pair = Pair()
    sa = pair.connect()
    for spi in (b"\xaa\xbb\xcc\xdd", b"\xaa\xbb\xcc\xde"):
        to_alice(pair, spi + bytes(40), DatagramKind.ESP, 0)
    pair.network.run()
    # HDR, SK {N(INVALID_SPI)}  -->     7296-1.5-01, once a minute
    found = [event for event in pair.of("bob", PeerNotified) if event.notify_type == NotifyType.INVALID_SPI]
    assert [(event.data, event.encrypted) for event in found] == [(b"\xaa\xbb\xcc\xdd", True)]
    # 7296-2.21.4-09: nothing follows from it.
    assert sa.established
    assert pair.bobs.children


def test_esp_for_a_child_sa_that_has_just_gone_is_not_told():
    pair = Pair()
    sa = pair.connect()
    (child,) = sa.children.values()
    sa.delete_child(child)
    pair.network.run()
    sent = len(pair.of("alice", MessageSent))
    to_alice(pair, child.inbound.spi.to_bytes(4) + bytes(40), DatagramKind.ESP, 0)
    pair.network.run()
    assert len(pair.of("alice", MessageSent)) == sent


def test_esp_from_a_stranger_is_told_in_the_clear():
    pair = Pair()
    stranger = Address("198.51.100.9", 4500)
    pair.bob.receive(
        Datagram(b"\xaa\xbb\xcc\xdd" + bytes(40), Address(BOB, 4500), stranger, DatagramKind.ESP_IN_UDP), 0.0
    )
    (datagram,) = pair.bob.datagrams()
    assert datagram.remote == stranger
    (event,) = [event for event in pair.bob.events() if isinstance(event, MessageSent)]
    # Section 1.5: SPIs of zero, the Initiator flag set, the Response flag not.
    assert (event.header.init_SPI, event.header.resp_SPI, int(event.header.flags)) == (bytes(8), bytes(8), 0x08)
    assert [(n.type, bytes(n.notify)) for n in event.payloads] == [(NotifyType.INVALID_SPI, b"\xaa\xbb\xcc\xdd")]
    silent = Pair(endpoint=EndpointConfig(report_unknown_spi=False))
    silent.bob.receive(
        Datagram(b"\xaa\xbb\xcc\xdd" + bytes(40), Address(BOB, 4500), stranger, DatagramKind.ESP_IN_UDP), 0.0
    )
    assert silent.bob.datagrams() == []


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.requirements("7296-1.5-03", negative=True)
def test_an_invalid_spi_outside_of_an_ike_sa_is_a_hint_if_the_spi_is_ours_and_never_answered(known):
    pair = Pair()
    sa = pair.connect()
    (child,) = sa.children.values()
    spi = child.outbound.spi.to_bytes(4) if known else b"\xaa\xbb\xcc\xdd"
    note = IKEv2_Notify(type=int(NotifyType.INVALID_SPI), notify=spi)
    sent = len(pair.of("alice", MessageSent))
    to_alice(pair, clear(sa, note, init_SPI=bytes(8), resp_SPI=bytes(8), flags=0x08, id=0))
    pair.network.run()
    # 7296-1.5-03: what is sent is a liveness check of our own, if anything.
    fresh = pair.of("alice", MessageSent)[sent:]
    assert [event.encrypted for event in fresh] == [True] * known
    assert len(pair.of("alice", Suspected)) == known


def test_packets_outside_their_selectors_are_told_if_so_configured():
    child = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("10.1.0.0/24",))
    pair = Pair(bob(children=(child,)), endpoint=EndpointConfig(report_selectors=True))
    sa = pair.connect()
    (own,) = sa.children.values()
    stray = bytes(IP(src="10.9.9.9", dst="10.2.0.1") / ICMP() / bytes(400))
    for _ in range(3):
        pair.alice.send_on(sa, own, stray)
    pair.network.run()
    # HDR, SK {N(INVALID_SELECTORS, SPI)}  <--     7296-3.10.1-05
    found = [event for event in pair.of("alice", PeerNotified) if event.notify_type == NotifyType.INVALID_SELECTORS]
    assert [(event.data, event.protocol, event.spi) for event in found] == [
        (stray[:128], ProtocolId.ESP, own.outbound.spi.to_bytes(4))
    ]
    assert not pair.network.hosts["bob"].inbox
    assert sa.established
    assert sa.children


@pytest.mark.requirements("7296-2.21.1-i01", "7296-2.21.1-i02", negative=True)
def test_an_error_that_answers_ike_sa_init_waits_for_a_better_answer():
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0)
    forged = clear(sa, IKEv2_Notify(type="NO_PROPOSAL_CHOSEN"), exch_type="IKE_SA_INIT", id=0, resp_SPI=bytes(8))
    to_alice(pair, forged)
    to_alice(pair, forged)
    assert not pair.of("alice", IkeSaFailed)
    pair.network.run()
    # 7296-2.21.1-i01: Bob's own answer is taken.
    assert sa.established


def test_an_error_that_is_alone_ends_the_attempt_after_the_wait():
    pair = Pair()
    sa = pair.alice.connect(alice(error_wait=1.5), 0.0)
    pair.alice.datagrams()
    forged = clear(sa, IKEv2_Notify(type="NO_PROPOSAL_CHOSEN"), exch_type="IKE_SA_INIT", id=0, resp_SPI=bytes(8))
    to_alice(pair, forged)
    pair.network.run()
    assert sa.state is State.CLOSED
    (failed,) = pair.of("alice", IkeSaFailed)
    assert (failed.notify_type, failed.time) == (NotifyType.NO_PROPOSAL_CHOSEN, 1.5)
    assert not len(pair.alice.timers)


USELESS = {
    # Section 2.21.1: there is no other version that we could go back to.
    "another version": [IKEv2_Notify(type="INVALID_MAJOR_VERSION")],
    "a status alone": [IKEv2_Notify(type="REDIRECT", notify=b"\x03\x04gate")],
    "a group that was not offered": [
        IKEv2_SA(prop=[IKEv2_Proposal(trans=[IKEv2_Transform(transform_type=4, transform_id=2)])]),
        IKEv2_KE(group=2, ke=bytes(128)),
        IKEv2_Nonce(nonce=bytes(32)),
    ],
    "a KE payload of no use": [
        IKEv2_SA(prop=[Proposal.parse("aes128gcm16-prfsha256-x25519", ProtocolId.IKE).layer(1)]),
        IKEv2_KE(group=31, ke=bytes(32)),
        IKEv2_Nonce(nonce=bytes(32)),
    ],
}


@pytest.mark.parametrize("forged", USELESS)
@pytest.mark.requirements("7296-2.21.1-i01", negative=True)
def test_an_answer_of_no_use_is_believed_only_where_no_better_one_comes(forged):
    for better in (False, True):
        pair = Pair()
        sa = pair.alice.connect(alice(), 0.0)
        if not better:
            pair.alice.datagrams()
        else:
            pair.network.run(0.0)
        to_alice(pair, clear(sa, *USELESS[forged], exch_type="IKE_SA_INIT", id=0, resp_SPI=b"B" * 8))
        assert sa.connecting
        pair.network.run(5.0)
        assert sa.established == better
        assert (sa.state is State.CLOSED) != better


@pytest.mark.requirements("7296-2.6-i05", negative=True)
def test_cookies_without_end_do_not_end_the_attempt():
    pair = Pair()
    sa = pair.alice.connect(alice(cookies=2), 0.0)
    for number in range(4):
        if number < 2:
            # Bob sees the last retry alone: an answer does not say to which request it belongs.
            pair.alice.datagrams()
        cookie = IKEv2_Notify(type="COOKIE", notify=b"cookie %d" % number)
        to_alice(pair, clear(sa, cookie, exch_type="IKE_SA_INIT", id=0, resp_SPI=bytes(8)))
        assert sa.connecting
    pair.network.run(5.0)
    assert sa.established


@pytest.mark.requirements("7296-3.10.1-01", "7296-3.10.1-03", negative=True)
def test_an_unknown_error_in_a_response_is_a_failure_and_unknown_status_types_are_ignored():
    pair = Pair()
    pair.bob.taps.add(
        "payloads",
        lambda m: m.payloads.append(IKEv2_Notify(type=50000)),
        when=lambda m: m.header.exch_type == ExchangeType.IKE_SA_INIT,
    )
    # 7296-3.10.1-03
    sa = pair.connect()
    assert sa.established
    pair.bob.taps.add("payloads", lambda m: m.payloads.__setitem__(slice(None), [IKEv2_Notify(type=8191)]))
    exchange = sa.create_child()
    pair.network.run()
    # 7296-3.10.1-01
    assert exchange.error.notify_type == 8191
    assert len(sa.children) == 1
    assert sa.established


def test_the_limiter_allows_a_burst_and_then_one_an_interval():
    limiter = Limiter()
    assert [limiter.allow("a", 0.0, 10.0) for _ in range(2)] == [True, False]
    assert limiter.allow("b", 0.0, 10.0)
    assert not limiter.allow("a", 9.9, 10.0)
    assert limiter.allow("a", 10.0, 10.0)
    assert [limiter.allow("c", 0.0, 1.0, burst=3) for _ in range(4)] == [True, True, True, False]


def icmp(pair: Pair, mtu: int | None = None) -> None:
    about = IcmpError(Address(ALICE, 500), Address(BOB, 500), "198.51.100.1", 3, 4 if mtu else 3, "said", mtu)
    pair.alice.receive_icmp(about, pair.network.now)
    pair.network.run()


@pytest.mark.parametrize("remote", [Address(BOB, 501), Address("198.51.100.77", 500), Address("2001:db8::1", 0)])
@pytest.mark.parametrize("mtu", [None, 700])
def test_an_icmp_error_about_a_destination_that_we_have_not_sent_to_is_not_believed(remote, mtu):
    pair = Pair()
    pair.connect()
    sent = len(pair.of("alice", MessageSent))
    about = IcmpError(Address(ALICE, 500), remote, "198.51.100.1", 3, 4 if mtu else 3, "said", mtu)
    pair.alice.receive_icmp(about, pair.network.now)
    pair.network.run()
    (event,) = pair.of("alice", IcmpReceived)
    assert (event.believed, event.acted) == (False, False)
    assert not pair.alice.path_mtu
    assert len(pair.of("alice", MessageSent)) == sent


def test_destinations_are_remembered_up_to_a_number():
    known = Destinations(Pair().alice)
    for port in range(2 * Destinations.MOST):
        known.add(Address(ALICE, port))
        known.add(Address(BOB, 500))
    assert len(known) == Destinations.MOST
    assert Address(BOB, 500) in known
    assert Address(ALICE, 2 * Destinations.MOST - 1) in known
    assert Address(ALICE, 0) not in known


@pytest.mark.requirements("7296-2.4-04", negative=True)
def test_an_icmp_error_is_a_hint_to_ask():
    """Section 2.4: "an endpoint MUST NOT conclude that the other endpoint has failed based on … ICMP messages"."""
    pair = Pair()
    sa = pair.connect()
    sent = len(pair.of("alice", MessageSent))
    for _ in range(3):
        icmp(pair)
    # HDR, SK {}  -->     once
    assert len(pair.of("alice", MessageSent)) == sent + 1
    assert [event.acted for event in pair.of("alice", IcmpReceived)] == [True, False, False]
    assert sa.established


@pytest.mark.parametrize(("told", "believed"), [(900, 900), (68, 576), (9000, 1280)])
@pytest.mark.requirements("7383-2.5.1-02")
def test_a_path_mtu_makes_fragments_smaller_for_a_while(told, believed):
    """RFC 7383 section 2.5.1: "If the sender has information about the PMTU size, it SHOULD use it"."""
    pair = Pair()
    sa = pair.connect()

    def largest() -> int:
        sa.start(Informational(sa, IKEv2_Notify(type=40960, notify=bytes(4000))))
        pair.network.run()
        return max(len(wire) for wire in pair.of("alice", MessageSent)[-1].wire)

    before = largest()
    icmp(pair, told)
    assert believed - 64 < largest() + 20 + 12 <= believed
    assert pair.of("alice", IcmpReceived)[-1].mtu == told
    pair.network.run(pair.network.now + PATH_MTU_LIFETIME)
    assert largest() == before


@pytest.mark.parametrize("half_open", [True, False])
@pytest.mark.requirements("7296-2.4-07", negative=True)
def test_few_messages_in_the_clear_are_looked_into(half_open):
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0, authenticate=not half_open)
    pair.network.run()
    told = len(pair.of("alice", PeerNotified))
    many = clear(sa, *[IKEv2_Notify(type=40000)] * 200)
    for _ in range(500):
        to_alice(pair, many)
    pair.network.run()
    assert len(pair.of("alice", PeerNotified)) - told == 10 * 8
    assert len([e for e in pair.of("alice", MessageDropped) if e.data == many]) == 500
    # A second later some are looked into again.
    pair.network.run(pair.network.now + 1.0)
    to_alice(pair, clear(sa, IKEv2_Notify(type=40001)))
    pair.network.run()
    assert pair.of("alice", PeerNotified)[-1].notify_type == 40001
