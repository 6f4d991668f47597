# SPDX-License-Identifier: GPL-2.0-or-later
"""What is agreed on beside transforms and selectors, and which Child SA takes a packet (RFC 7296 1.3.1 and 2.9)."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import ChildSaFailed, EspSent, MessageDropped, MessageReceived
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.layers.ikev2 import IKEv2_Notify
from tests.ike.pair import Pair, alice, bob


def ours(**changes) -> ChildConfig:
    return ChildConfig(**({"local_ts": ("10.1.0.0/24",), "remote_ts": ("10.2.0.0/24",)} | changes))


def theirs(**changes) -> ChildConfig:
    return ChildConfig(**({"local_ts": ("10.2.0.0/24",), "remote_ts": ("10.1.0.0/24",)} | changes))


def told(pair: Pair, who: str) -> list[int]:
    payloads = pair.of(who, MessageReceived)[-1].payloads
    return [p.type for p in payloads if isinstance(p, IKEv2_Notify)]


@pytest.mark.parametrize("rekeyed", [False, True])
@pytest.mark.parametrize(("a", "b"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.requirements("7296-1.3.1-i01", "4303-2.7-03")
def test_tfc_padding_goes_where_it_is_accepted(a, b, rekeyed):
    pair = Pair(bob(children=(theirs(accept_tfc=b, tfc_length=700),)))
    sa = pair.connect(alice(children=(ours(accept_tfc=a, tfc_length=700),)))
    if rekeyed:
        (child,) = sa.children.values()
        sa.rekey_child(child)
        pair.network.run()
    assert pair.alice.send(bytes(IP(src="10.1.0.1", dst="10.2.0.1") / ICMP()), pair.network.now)
    pair.network.run()
    # 7296-1.3.1-i01: each end says what it does not accept.
    for who, accepted in (("alice", b), ("bob", a)):
        (event,) = pair.of(who, EspSent)
        assert (len(event.datagram.data) > 700) == accepted
    if not rekeyed:
        assert (NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED in told(pair, "alice")) == (not b)
        assert (NotifyType.ESP_TFC_PADDING_NOT_SUPPORTED in told(pair, "bob")) == (not a)


@pytest.mark.parametrize(("a", "b"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.requirements("7296-1.3.1-i02")
def test_later_fragments_go_through_when_both_ends_say_so(a, b):
    pair = Pair(bob(children=(theirs(fragments=b, local_ts=("10.2.0.0/24[udp/53]",)),)))
    pair.connect(alice(children=(ours(fragments=a, remote_ts=("10.2.0.0/24[udp/53]",)),)))
    # 7296-1.3.1-i02
    assert (NotifyType.NON_FIRST_FRAGMENTS_ALSO in told(pair, "alice")) == (a and b)
    whole = IP(src="10.1.0.1", dst="10.2.0.1", flags="MF") / UDP(dport=53) / Raw(bytes(400))
    later = IP(src="10.1.0.1", dst="10.2.0.1", proto=17, frag=51) / Raw(bytes(40))
    other = IP(src="10.1.0.1", dst="10.2.0.1", proto=6, frag=51) / Raw(bytes(40))
    assert pair.alice.send(bytes(whole), pair.network.now)
    assert pair.alice.send(bytes(later), pair.network.now) == (a and b)
    assert not pair.alice.send(bytes(other), pair.network.now)
    pair.network.run()
    assert len(pair.network.hosts["bob"].inbox) == 1 + (a and b)


def test_a_responder_says_when_more_would_be_possible_in_another_child_sa():
    near, far = theirs(name="near"), theirs(name="far", local_ts=("10.9.0.0/24",))
    pair = Pair(bob(children=(near, far)))
    wide = ours(remote_ts=("10.0.0.0/8",))
    sa = pair.connect(alice(children=(wide,)))
    # <--  HDR, SK {…, TSi, TSr(10.2.0.0/24), N(ADDITIONAL_TS_POSSIBLE)}     7296-2.9-03
    assert NotifyType.ADDITIONAL_TS_POSSIBLE in told(pair, "alice")
    assert [str(ts) for child in sa.children.values() for ts in child.remote_ts] == ["10.2.0.0/24"]
    sa.create_child(ours(remote_ts=("10.9.0.0/24",)))
    pair.network.run()
    assert NotifyType.ADDITIONAL_TS_POSSIBLE not in told(pair, "alice")
    assert len(sa.children) == 2


def test_nothing_more_is_said_when_all_was_taken_or_all_that_policy_has():
    pair = Pair(bob(children=(theirs(), theirs(name="copy"))))
    pair.connect(alice(children=(ours(remote_ts=("10.0.0.0/8",)),)))
    assert NotifyType.ADDITIONAL_TS_POSSIBLE not in told(pair, "alice")


@pytest.mark.requirements("7296-2.9-01")
def test_one_pair_each_needs_a_packet():
    pair = Pair(bob(children=(theirs(single_pair=True),)))
    sa = pair.connect(alice(children=(ours(),)))
    # <--  HDR, SK {IDr, AUTH, N(SINGLE_PAIR_REQUIRED)}
    assert sa.established
    assert not sa.children
    assert pair.of("alice", ChildSaFailed)[0].notify_type == NotifyType.SINGLE_PAIR_REQUIRED
    packet = bytes(IP(src="10.1.0.5", dst="10.2.0.7") / UDP(sport=4000, dport=53))
    exchange = sa.create_child(ours(), packet)
    assert isinstance(exchange, CreateChild)
    pair.network.run()
    # HDR, SK {SA, Ni, TSi(10.1.0.5[udp/4000], 10.1.0.0/24), TSr(…)}  -->
    # <--  HDR, SK {SA, Nr, TSi(10.1.0.5…), TSr(10.2.0.7…)}
    assert {str(ts).partition("[")[0] for ts in exchange.child.local_ts} == {"10.1.0.5/32"}
    assert {str(ts).partition("[")[0] for ts in exchange.child.remote_ts} == {"10.2.0.7/32"}
    assert not pair.alice.send(bytes(IP(src="10.1.0.6", dst="10.2.0.7") / ICMP()), pair.network.now)


@pytest.mark.parametrize("when", ["IKE_AUTH", "CREATE_CHILD_SA"])
def test_who_is_told_single_pair_required_asks_for_the_pair_of_its_packet(when):
    pair = Pair()
    refusals = [NotifyType.SINGLE_PAIR_REQUIRED]

    def refuse(message) -> None:
        kept = [p for p in message.payloads if type(p).__name__ in ("IKEv2_IDr", "IKEv2_AUTH")]
        message.payloads[:] = [*kept, IKEv2_Notify(type=int(refusals.pop()))]

    packet = bytes(IP(src="10.1.0.5", dst="10.2.0.7") / TCP(dport=80))
    sa = pair.connect() if when == "CREATE_CHILD_SA" else None
    pair.bob.taps.add("payloads", refuse, when=lambda m: m.encrypted and bool(refusals))
    if sa is None:
        sa = pair.alice.connect(alice(), pair.network.now, packet)
    else:
        sa.create_child(ours(), packet)
    pair.network.run()
    # "The requestor is expected to respond by requesting an SA for only the specific traffic it is trying to forward."
    child = list(sa.children.values())[-1]
    assert {str(ts).partition("[")[0] for ts in child.local_ts} == {"10.1.0.5/32"}
    assert {str(ts).partition("[")[0] for ts in child.remote_ts} == {"10.2.0.7/32"}


def test_a_second_single_pair_required_is_the_end_of_it():
    pair = Pair()
    sa = pair.connect()
    pair.bob.taps.add(
        "payloads",
        lambda m: m.payloads.__setitem__(slice(None), [IKEv2_Notify(type="SINGLE_PAIR_REQUIRED")]),
        when=lambda m: m.encrypted and m.header.exch_type == 36,
    )
    sa.create_child(ours(), bytes(IP(src="10.1.0.5", dst="10.2.0.7") / ICMP()))
    pair.network.run()
    assert len(sa.children) == 1
    assert pair.of("alice", ChildSaFailed)[-1].notify_type == NotifyType.SINGLE_PAIR_REQUIRED


def test_the_most_specific_child_sa_takes_a_packet_and_of_equals_the_newest():
    pair = Pair(bob(children=(theirs(local_ts=("10.0.0.0/8",)),)))
    sa = pair.connect(alice(children=(ours(name="wide", remote_ts=("10.0.0.0/8",)),)))
    for name, selector in (("near", "10.2.0.0/24"), ("dns", "10.2.0.53[udp/53]"), ("host", "10.2.0.53")):
        sa.create_child(ours(name=name, remote_ts=(selector,)))
        pair.network.run()
    sa.create_child(ours(name="again", remote_ts=("10.2.0.0/24",)))
    pair.network.run()
    spis = {child.outbound.spi: child.name for child in sa.children.values()}

    def way(packet) -> str:
        pair.alice.send(bytes(packet), pair.network.now)
        pair.network.run()
        return spis[pair.of("alice", EspSent)[-1].spi]

    source = {"src": "10.1.0.1"}
    assert way(IP(dst="10.9.0.1", **source) / ICMP()) == "wide"
    assert way(IP(dst="10.2.0.1", **source) / ICMP()) == "again"
    assert way(IP(dst="10.2.0.53", **source) / UDP(dport=53)) == "dns"
    assert way(IP(dst="10.2.0.53", **source) / TCP(dport=53)) == "host"


@pytest.mark.requirements("3948-3.1.1-01", negative=True)
def test_a_decrypted_packet_outside_its_selectors_goes_nowhere():
    pair = Pair(bob(children=(theirs(local_ts=("10.2.0.0/24[udp/53]", "10.2.0.0/24[icmp/2048]")),)))
    sa = pair.connect(alice(children=(ours(),)))
    (child,) = sa.children.values()
    wrong = [
        IP(src="10.1.0.1", dst="10.2.0.1") / UDP(dport=54),
        IP(src="10.1.0.1", dst="10.2.0.1") / TCP(dport=53),
        IP(src="10.1.1.1", dst="10.2.0.1") / UDP(dport=53),
        IP(src="10.1.0.1", dst="10.2.0.1") / ICMP(type=13),
    ]
    right = [IP(src="10.1.0.1", dst="10.2.0.1") / UDP(dport=53), IP(src="10.1.0.1", dst="10.2.0.1") / ICMP(type=8)]
    for packet in [*wrong, *right]:
        pair.alice.send_on(sa, child, bytes(packet))
    pair.network.run()
    assert len(pair.network.hosts["bob"].inbox) == len(right)
    dropped = [event for event in pair.of("bob", MessageDropped) if "outside the traffic selectors" in event.reason]
    assert len(dropped) == len(wrong)
