# SPDX-License-Identifier: GPL-2.0-or-later
"""Transport mode, with and without NATs (RFC 7296 sections 1.3.1 and 2.23.1, RFC 3948 section 3.1.2)."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import (
    ChildSaFailed,
    ChildSaInstalled,
    ChildSaRekeyed,
    EspReceived,
    IkeSaFailed,
    MessageDropped,
    MessageSent,
    SaDeleted,
)
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, notify
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import IKEv2_TSi, IKEv2_TSr
from fynx_scapy.net.echo import echo_request, udp_packet
from fynx_scapy.net.nat import Nat
from tests.ike.pair import ALICE, BOB, Pair, alice, bob

IPN1, IPN2 = "198.51.100.1", "203.0.113.1"
ANY = ("0.0.0.0/0",)


def child(**changes) -> ChildConfig:
    return ChildConfig(**({"mode": "transport", "local_ts": ANY, "remote_ts": ANY} | changes))


def pair(*nats: str, bobs: IkeConfig | None = None, **fields) -> Pair:
    """Alice and Bob, who want transport mode, with NATs before ``a`` and ``b``."""
    found = Pair(bobs or bob(children=(child(),)), **fields)
    if "a" in nats:
        found.network.add_nat(Nat({ALICE}, IPN1))
    if "b" in nats:
        found.network.add_nat(Nat({BOB}, IPN2).forward(Address(BOB, 500)).forward(Address(BOB, 4500)))
    return found


def connect(found: Pair, *nats: str, **changes):
    remote = Address(IPN2 if "b" in nats else BOB, 500)
    return found.connect(alice(**({"children": (child(),), "remote": remote} | changes)))


def inbox(found: Pair, who: str) -> list[bytes]:
    return found.network.hosts[who].inbox


def one_child(sa):
    (found,) = (one for one in sa.children.values() if not one.deleting)
    return found


NATS = pytest.mark.parametrize("nats", [(), ("a",), ("b",), ("a", "b")])


@NATS
def test_udp_goes_both_ways_and_its_checksums_are_right_at_each_end(nats):
    found = pair(*nats)
    sa = connect(found, *nats)
    there, here = (IPN2 if "b" in nats else BOB), (IPN1 if "a" in nats else ALICE)
    assert one_child(sa).outbound.mode == one_child(found.bobs).inbound.mode == "transport"
    assert found.alice.send(udp_packet(ALICE, there, 4000, 7, b"hello"), found.network.now)
    found.network.run()
    (request,), (reply,) = inbox(found, "bob"), inbox(found, "alice")
    # Bob sees the outer addresses, and a checksum that Scapy computes for them; so does Alice.
    assert request == udp_packet(here, BOB, 4000, 7, b"hello")
    assert reply == udp_packet(there, ALICE, 7, 4000, b"hello")
    for packet in (request, reply):
        wrong = IP(packet)
        del wrong[UDP].chksum
        assert bytes(wrong)[20:] == packet[20:]


@NATS
def test_tcp_checksums_survive_too(nats):
    found = pair(*nats)
    connect(found, *nats)
    there, here = (IPN2 if "b" in nats else BOB), (IPN1 if "a" in nats else ALICE)
    found.alice.send(bytes(IP(src=ALICE, dst=there) / TCP(sport=1, dport=2) / Raw(b"odd")), found.network.now)
    found.network.run()
    (packet,) = inbox(found, "bob")
    assert packet[20:] == bytes(IP(src=here, dst=BOB) / TCP(sport=1, dport=2) / Raw(b"odd"))[20:]


@NATS
@pytest.mark.requirements("7296-1.3.1-02", "7296-2.23-14", "7296-2.23.1-01", "7296-2.23.1-04", "7296-2.23.1-05")
def test_the_selectors_on_the_wire_and_in_the_sas(nats):
    found = pair(*nats)
    sa = connect(found, *nats)
    there, here = (IPN2 if "b" in nats else BOB), (IPN1 if "a" in nats else ALICE)
    request = found.of("alice", MessageSent)[1]
    answer = found.of("bob", MessageSent)[1]

    def addresses(event):
        return [
            {(ts.starting_address_v4, ts.ending_address_v4) for ts in p.traffic_selector}
            for p in event.payloads
            if isinstance(p, IKEv2_TSi | IKEv2_TSr)
        ]

    # "all TSi entries must use the IP1-IP1 range as the IP addresses, and all TSr entries must have the
    # IPN2-IPN2 range as IP addresses"
    assert addresses(request) == [{(ALICE, ALICE)}, {(there, there)}]
    # "it will thus send back Traffic Selectors having IPN1 and IP2 as their IP addresses"
    assert addresses(answer) == [{(here, here)}, {(BOB, BOB)}]
    assert [str(ts) for ts in one_child(sa).local_ts + one_child(sa).remote_ts] == [f"{ALICE}/32", f"{there}/32"]
    bobs = one_child(found.bobs)
    assert [str(ts) for ts in bobs.local_ts + bobs.remote_ts] == [f"{BOB}/32", f"{here}/32"]
    for event in (*found.of("alice", ChildSaInstalled), *found.of("bob", ChildSaInstalled)):
        assert event.mode == "transport"
    for event in (request, answer):
        assert NotifyType.USE_TRANSPORT_MODE in [p.type for p in event.payloads if hasattr(p, "notify")]


def test_the_ip_header_stays_outside_and_its_tos_with_it():
    found = pair()
    connect(found)
    seen = []
    found.network.observe(lambda now, d, fate: seen.append(d))
    packet = echo_request(ALICE, BOB, bytes(40), tos=0xB8)
    found.alice.send(packet, found.network.now)
    found.network.run()
    assert seen[0].tos == 0xB8
    assert (seen[0].kind, len(inbox(found, "bob"))) == (DatagramKind.ESP, 1)
    assert inbox(found, "bob")[0] == packet
    tunnel = Pair()
    tunnel.connect()
    tunnel.network.observe(lambda now, d, fate: seen.append(d))
    tunnel.alice.send(echo_request("10.1.0.1", "10.2.0.1", bytes(40)), tunnel.network.now)
    tunnel.network.run()
    assert len(seen[-1].data) - len(seen[0].data) == 20


@pytest.mark.sample(2)
@NATS
@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("what", ["new", "rekey"])
def test_create_child_sa(nats, who, what):
    found = pair(*nats)
    sa = connect(found, *nats)
    end = sa if who == "alice" else found.bobs
    if what == "new":
        end.create_child(child(local_ts=("0.0.0.0/0[udp]",), remote_ts=("0.0.0.0/0[udp]",)))
    else:
        end.rekey_child(one_child(end))
    found.network.run()
    assert not found.of("alice", ChildSaFailed) + found.of("bob", ChildSaFailed)
    assert len(found.of(who, ChildSaRekeyed)) == (what == "rekey")
    assert [event.mode for event in found.of("alice", ChildSaInstalled)] == ["transport", "transport"]
    assert len(sa.children) == len(found.bobs.children) == (2 if what == "new" else 1)
    there = IPN2 if "b" in nats else BOB
    assert found.alice.send(udp_packet(ALICE, there, 4000, 7, b"again"), found.network.now)
    found.network.run()
    assert inbox(found, "alice")[-1] == udp_packet(there, ALICE, 7, 4000, b"again")
    # It went over the new one
    assert [e.spi for e in found.of("bob", EspReceived)][-1] == list(found.bobs.children)[-1]


def test_a_rekey_of_the_ike_sa_leaves_transport_mode_alone():
    found = pair("a")
    sa = connect(found, "a")
    sa.rekey()
    found.network.run()
    found.alice.send(udp_packet(ALICE, BOB, 4000, 7, b"again"), found.network.now)
    found.network.run()
    assert len(inbox(found, "alice")) == 1


def test_a_host_whose_nat_gets_another_address_stays_the_same_to_its_child_sa():
    found = pair()
    nat = found.network.add_nat(Nat({ALICE}, IPN1))
    connect(found)
    nat.move("198.51.100.99")
    for number in (1, 2):
        found.alice.send(udp_packet(ALICE, BOB, 4000, 7, b"moved"), found.network.now)
        found.network.run()
        assert inbox(found, "bob")[-1] == udp_packet(IPN1, BOB, 4000, 7, b"moved")
        assert len(inbox(found, "alice")) == number
    # The rekey takes the new address into the selectors
    found.bobs.rekey_child(one_child(found.bobs))
    found.network.run()
    assert [str(ts) for ts in one_child(found.bobs).remote_ts] == ["198.51.100.99/32"]
    found.alice.send(udp_packet(ALICE, BOB, 4000, 7, b"moved"), found.network.now)
    found.network.run()
    assert inbox(found, "bob")[-1] == udp_packet("198.51.100.99", BOB, 4000, 7, b"moved")
    assert len(inbox(found, "alice")) == 3


def test_over_ipv6():
    ends = "2001:db8::1", "2001:db8::2"
    any6 = {"local_ts": ("::/0",), "remote_ts": ("::/0",)}
    found = Pair()
    found.network.add_nat(Nat({ends[0]}, "2001:db8:ffff::1"))
    one, two = (Endpoint(host, [bob(children=(child(**any6),))], randomness=SeededRandomness(host)) for host in ends)
    found.network.add(one, "one")
    found.network.add(two, "two", echo=True)
    one.connect(alice(remote=Address(ends[1], 500), children=(child(**any6),)), 0.0)
    found.network.run()
    packets = [echo_request(*ends, b"icmp"), udp_packet(*ends, 4000, 7, b"udp")]
    for packet in packets:
        assert one.send(packet, found.network.now)
    found.network.run()
    seen = ("2001:db8:ffff::1", ends[1])
    # ICMPv6 has a pseudo-header too
    assert inbox(found, "two") == [echo_request(*seen, b"icmp"), udp_packet(*seen, 4000, 7, b"udp")]
    assert len(inbox(found, "one")) == 2


# Declined


@pytest.mark.parametrize("exchange", ["IKE_AUTH", "CREATE_CHILD_SA"])
def test_declined_and_tunnel_mode_will_do(exchange):
    tunnel = child(mode="tunnel")
    found = pair(bobs=bob(children=(tunnel,)))
    sa = connect(found, children=(child() if exchange == "IKE_AUTH" else tunnel,))
    if exchange != "IKE_AUTH":
        sa.create_child(child())
        found.network.run()
    assert {event.mode for event in found.of("alice", ChildSaInstalled)} == {"tunnel"}
    assert {event.mode for event in found.of("bob", ChildSaInstalled)} == {"tunnel"}
    found.alice.send(echo_request(ALICE, BOB), found.network.now)
    found.network.run()
    assert len(inbox(found, "alice")) == 1


@pytest.mark.parametrize("exchange", ["IKE_AUTH", "CREATE_CHILD_SA"])
@pytest.mark.requirements("7296-1.3.1-03", negative=True)
def test_declined_and_unacceptable_is_deleted(exchange):
    tunnel = child(mode="tunnel")
    found = pair(bobs=bob(children=(tunnel,)))
    wanted = child(tunnel_fallback=False)
    sa = connect(found, children=(wanted if exchange == "IKE_AUTH" else tunnel,))
    if exchange != "IKE_AUTH":
        sa.create_child(wanted)
        found.network.run()
    left = exchange != "IKE_AUTH"
    assert sa.established
    assert len(sa.children) == len(found.bobs.children) == left
    (event,) = found.of("alice", ChildSaFailed)
    assert "declined transport mode" in event.reason
    assert [event.by_peer for event in found.of("bob", SaDeleted)] == [True]


def test_a_responder_that_insists_refuses_tunnel_mode():
    found = pair(bobs=bob(children=(child(tunnel_fallback=False),)))
    sa = connect(found, children=(child(mode="tunnel"),))
    assert sa.established
    assert not sa.children
    assert found.of("alice", ChildSaFailed)[0].notify_type == NotifyType.TS_UNACCEPTABLE


def test_a_responder_that_does_not_insist_takes_tunnel_mode():
    found = pair()
    sa = connect(found, children=(child(mode="tunnel"),))
    assert one_child(sa).hosts is None
    assert one_child(found.bobs).hosts is None


@pytest.mark.requirements("7296-2.23.1-04", negative=True)
def test_without_one_address_at_each_end_there_is_no_transport_mode_behind_a_nat():
    """Section 2.23.1: the responder undoes the substitution and looks for tunnel mode."""
    found = pair("a")

    def widen(message):
        for payload in message.payloads:
            if isinstance(payload, IKEv2_TSi):
                payload.traffic_selector[0].ending_address_v4 = "192.0.2.9"

    found.alice.taps.add("payloads", widen)
    sa = connect(found, "a")
    # What comes back is what Alice's tap sent.
    assert found.of("bob", ChildSaInstalled)[0].mode == "tunnel"
    assert found.of("alice", ChildSaInstalled)[0].mode == "tunnel"
    assert sa.established


@pytest.mark.requirements("7296-2.23-14", "7296-2.23.1-04", negative=True)
def test_two_addresses_behind_a_nat_are_no_transport_mode():
    found = pair("a")

    def add(message):
        for payload in message.payloads:
            if isinstance(payload, IKEv2_TSi):
                payload.traffic_selector.append(Selector.of("192.0.2.8").layer())

    found.alice.taps.add("payloads", add)
    connect(found, "a")
    assert found.of("bob", ChildSaInstalled)[0].mode == "tunnel"


def test_policy_that_has_no_room_for_the_hosts():
    found = pair(bobs=bob(children=(child(remote_ts=("10.1.0.0/24",)),)))
    sa = connect(found)
    assert sa.established
    assert found.of("alice", ChildSaFailed)[0].notify_type == NotifyType.TS_UNACCEPTABLE
    found = pair()
    sa = connect(found, children=(child(local_ts=("10.1.0.0/24",)),))
    assert sa.state.value == "closed"
    (failed,) = found.of("alice", IkeSaFailed)
    assert "for transport mode" in failed.reason


def test_an_answer_with_a_mode_that_nobody_asked_for():
    found = pair(bobs=bob())

    def agree(message):
        if message.encrypted and len(message.payloads) > 3:
            message.payloads.append(notify(NotifyType.USE_TRANSPORT_MODE))

    found.bob.taps.add("payloads", agree)
    sa = found.connect()
    assert "transport mode was not requested" in found.of("alice", ChildSaFailed)[0].reason
    assert sa.state.value == "closed"
    assert not found.bob.children


def test_an_answer_with_other_hosts():
    found = pair("a")

    def lie(message):
        for payload in message.payloads:
            if isinstance(payload, IKEv2_TSi) and message.header.flags & 0x20:
                payload.traffic_selector[0].ending_address_v4 = "198.51.100.200"

    found.bob.taps.add("payloads", lie)
    connect(found, "a")
    assert "one address" in found.of("alice", ChildSaFailed)[0].reason


# Packets


def test_a_fragment_is_not_sent():
    found = pair()
    connect(found)
    fragment = bytes(IP(src=ALICE, dst=BOB, flags="MF", proto=17) / Raw(bytes(16)))
    with pytest.raises(LocalError, match="fragment"):
        found.alice.send(fragment, found.network.now)


def test_a_packet_between_others_is_neither_sent_nor_let_in():
    found = pair()
    sa = connect(found)
    assert not found.alice.send(echo_request("10.1.0.1", BOB), found.network.now)
    # The same packet from somebody else's address
    data = one_child(sa).outbound.seal(udp_packet(ALICE, BOB, 1, 2, b"x")[20:], 17)
    found.network.inject(Datagram(data, Address("192.0.2.66", 0), Address(BOB, 0), DatagramKind.ESP))
    found.network.run()
    assert "selectors" in found.of("bob", MessageDropped)[-1].reason
    assert not inbox(found, "bob")


def test_ports_and_protocols_are_held_against_the_selectors():
    only = child(local_ts=("0.0.0.0/0[udp/4000]",), remote_ts=("0.0.0.0/0[udp/7]",))
    turned = child(local_ts=("0.0.0.0/0[udp/7]",), remote_ts=("0.0.0.0/0[udp/4000]",))
    found = pair("a", bobs=bob(children=(turned,)))
    sa = connect(found, "a", children=(only,))
    assert not found.alice.send(udp_packet(ALICE, BOB, 4001, 7, b"x"), found.network.now)
    assert found.alice.send(udp_packet(ALICE, BOB, 4000, 7, b"x"), found.network.now)
    found.alice.send_on(sa, one_child(sa), udp_packet(ALICE, BOB, 4000, 8, b"x"))
    found.network.run()
    assert len(inbox(found, "alice")) == len(inbox(found, "bob")) == 1
    assert "selectors" in found.of("bob", MessageDropped)[-1].reason


def test_a_dummy_packet_in_transport_mode():
    found = pair()
    sa = connect(found)
    found.alice.send_dummy(sa, one_child(sa))
    found.network.run()
    assert found.of("bob", EspReceived)[0].length == 0
    assert not inbox(found, "bob")


@pytest.mark.requirements("3948-5.2-01", negative=True)
def test_two_hosts_behind_one_nat_do_not_get_the_same_traffic():
    """RFC 3948 section 5.2: conflicting connections are disallowed, others are not."""
    carols = "192.0.2.3"
    found = Pair(bob(children=(child(),), remote_id=None))
    found.network.add_nat(Nat({ALICE, carols}, IPN1))
    carol = Endpoint(carols, randomness=SeededRandomness("carol"))
    found.network.add(carol, "carol")
    tcp = child(local_ts=("0.0.0.0/0[tcp]",))
    udp = child(local_ts=("0.0.0.0/0[udp]",))
    connect(found, children=(tcp,))
    second = carol.connect(alice(local_id="carol", children=(tcp,)), found.network.now)
    found.network.run()
    assert second.established
    assert not second.children
    second.create_child(udp)
    found.network.run()
    assert len(second.children) == 1
    # Alice again, who may have lost her state, is no conflict
    again = found.alice.connect(alice(children=(tcp,)), found.network.now)
    found.network.run()
    assert len(again.children) == 1


def test_the_mode_is_checked():
    with pytest.raises(ConfigError, match="'tunnel' or 'transport'"):
        ChildConfig(mode="beet")
