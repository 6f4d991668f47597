# SPDX-License-Identifier: GPL-2.0-or-later
"""The network in memory: its clock, its wires, its third parties, its NAT boxes, and who answers a ping on it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import EspReceived, MessageDropped, ReplayDropped
from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.net.echo import echo_reply, echo_request, udp_packet
from fynx_scapy.net.hosts import Observer
from fynx_scapy.net.memory import Network
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.wire import Wire
from tests.ike.pair import ALICE, BOB, Pair


def ping(pair: Pair, **fields) -> bool:
    return pair.alice.send(echo_request("10.1.0.1", "10.2.0.1", **fields), pair.network.now)


def inbox(pair: Pair) -> list[bytes]:
    return pair.network.hosts["alice"].inbox


def test_a_ping_goes_through_the_tunnel_and_comes_back():
    pair = Pair()
    pair.connect()
    assert ping(pair, payload=b"over there")
    pair.network.run()
    (reply,) = inbox(pair)
    assert IP(reply)[ICMP].type == 0
    assert bytes(IP(reply)[ICMP].payload) == b"over there"


def noting(seen: list[tuple[Datagram, str]]) -> Observer:
    """An observer that writes down each datagram and its fate."""
    return lambda now, datagram, fate: seen.append((datagram, fate))


def test_native_esp_travels_without_ports_and_in_udp_behind_a_nat():
    for nat, kind, port in ((None, DatagramKind.ESP, 0), (Nat({ALICE}, "198.51.100.1"), DatagramKind.ESP_IN_UDP, 4500)):
        pair = Pair()
        seen: list[tuple[Datagram, str]] = []
        pair.network.observe(noting(seen))
        if nat:
            pair.network.add_nat(nat)
        sa = pair.connect()
        assert sa.established
        ping(pair)
        pair.network.run()
        assert len(inbox(pair)) == 1
        esp = [d for d, _ in seen if d.kind in (DatagramKind.ESP, DatagramKind.ESP_IN_UDP)]
        assert {d.kind for d in esp} == {kind}
        assert esp[0].remote == Address(BOB, port)
        assert {fate for _, fate in seen} == {"delivered"}


def test_a_nat_is_detected_by_both_and_moves_ike_to_port_4500():
    pair = Pair()
    nat = pair.network.add_nat(Nat({ALICE}, "198.51.100.1"))
    sa = pair.connect()
    assert (sa.nat_before_us, sa.nat_before_peer) == (True, False)
    assert (pair.bobs.nat_before_us, pair.bobs.nat_before_peer) == (False, True)
    assert sa.local.port == sa.remote.port == 4500
    assert pair.bobs.remote == nat.mappings[Address(ALICE, 4500)]


def test_without_a_nat_nothing_is_detected():
    pair = Pair()
    sa = pair.connect()
    assert not sa.nat
    assert not pair.bobs.nat
    assert sa.remote == Address(BOB, 500)


def test_a_replayed_esp_packet_is_accepted_once():
    pair = Pair()
    pair.connect()
    pair.network.intercept(lambda now, d: (d, d) if d.kind is DatagramKind.ESP else None)
    ping(pair)
    pair.network.run()
    assert len(pair.of("bob", EspReceived)) == 1
    assert len(pair.of("bob", ReplayDropped)) == 1
    assert len(inbox(pair)) == 1


def test_a_packet_outside_the_selectors_is_neither_sent_nor_let_in():
    pair = Pair()
    sa = pair.connect()
    outside = echo_request("10.1.0.1", "10.77.0.1")
    assert not pair.alice.send(outside, pair.network.now)
    (child,) = sa.children.values()
    pair.alice.send_on(sa, child, outside)
    pair.network.run()
    assert "selectors" in pair.of("bob", MessageDropped)[0].reason
    assert not pair.network.hosts["bob"].inbox


def test_dummy_packets_and_tfc_padding_are_invisible_inside():
    from dataclasses import replace

    pair = Pair()
    sa = pair.connect()
    (child,) = sa.children.values()
    pair.alice.send_dummy(sa, child, 100)
    child.config = replace(child.config, tfc_length=600)
    sizes = []
    pair.network.observe(lambda now, datagram, fate: sizes.append(len(datagram.data)))
    ping(pair)
    pair.network.run()
    assert sizes[1] >= 600
    (packet,) = pair.network.hosts["bob"].inbox
    assert packet == echo_request("10.1.0.1", "10.2.0.1")


def test_dscp_goes_outside_and_congestion_comes_inside():
    pair = Pair()
    pair.connect()
    seen = []

    def congest(now, datagram):
        if datagram.kind is not DatagramKind.ESP or datagram.remote.host != BOB:
            return None
        seen.append(datagram.tos)
        return (Datagram(datagram.data, datagram.local, datagram.remote, datagram.kind, datagram.tos | 3),)

    pair.network.intercept(congest)
    # DSCP 46, ECN-capable; a router on the way marks congestion (RFC 7296 section 2.24)
    ping(pair, tos=46 << 2 | 2)
    pair.network.run()
    assert seen == [46 << 2 | 2]
    assert pair.network.hosts["bob"].inbox[0][1] == 46 << 2 | 3


@pytest.mark.parametrize(
    ("wire", "fate"), [(Wire(loss=1.0), "lost"), (Wire(mtu=100), "too big"), (Wire(duplication=1.0), "duplicated")]
)
def test_fates_are_told(wire, fate):
    network = Network(wire=wire)
    fates = []
    network.observe(lambda now, datagram, told: fates.append(told))
    network.add(Endpoint(BOB), "bob")
    network.inject(Datagram(bytes(200), Address(ALICE, 500), Address(BOB, 500)))
    network.run()
    assert fates == [fate]


def test_reordering_lets_later_datagrams_overtake(monkeypatch):
    network = Network(seed=3, wire=Wire(reordering=0.5, jitter=1.0))
    host = network.add(Endpoint(BOB), "bob")
    order: list[int] = []
    monkeypatch.setattr(host.endpoint, "receive", lambda datagram, now: order.append(datagram.data[0]))
    for number in range(20):
        network.inject(Datagram(bytes([number]), Address(ALICE, 500), Address(BOB, 500)))
    network.run()
    assert sorted(order) == list(range(20))
    assert order != sorted(order)


def test_an_address_and_a_name_are_taken_once():
    network = Network()
    network.add(Endpoint(BOB), "bob")
    with pytest.raises(ConfigError, match=r"192\.0\.2\.2"):
        network.add(Endpoint(BOB), "carol")
    with pytest.raises(ConfigError, match="bob"):
        network.add(Endpoint(ALICE), "bob")


def test_probabilities_are_checked():
    with pytest.raises(ConfigError, match=r"Wire\.loss"):
        Wire(loss=1.5)


def test_a_wire_is_checked_when_it_changes():
    wire = Wire(delay=0.5)
    with pytest.raises(ConfigError, match=r"Wire\.loss to be a number from 0 to 1, found -1"):
        wire.loss = -1
    assert wire.replace(mtu=1400) == Wire(delay=0.5, mtu=1400)


def test_one_host_is_behind_a_nat_as_it_is_written():
    """And not as a set of its characters."""
    assert Nat(ALICE, "198.51.100.1").inside == {ALICE}
    for wrong in ((), 7, {"a": 1}, [7]):
        with pytest.raises(ConfigError):
            Nat(wrong, "198.51.100.1")  # type: ignore[arg-type]  # a mistake that is to be refused
    with pytest.raises(ConfigError, match=r"Nat\.first_port"):
        Nat(ALICE, "198.51.100.1", first_port=0)


def test_echo_is_what_scapy_makes_of_it():
    v4 = IP(echo_request("10.1.0.1", "10.2.0.1", b"abc", identifier=5, sequence=6))
    assert bytes(v4) == bytes(IP(src="10.1.0.1", dst="10.2.0.1", id=0) / ICMP(id=5, seq=6) / Raw(b"abc"))
    reply = IP(echo_reply(bytes(v4)))
    assert bytes(reply) == bytes(IP(src="10.2.0.1", dst="10.1.0.1", id=0) / ICMP(type=0, id=5, seq=6) / Raw(b"abc"))
    v6 = bytes(IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6EchoRequest(id=5, seq=6, data=b"abc"))
    assert echo_request("2001:db8::1", "2001:db8::2", b"abc", identifier=5, sequence=6) == v6
    assert echo_reply(v6) == bytes(
        IPv6(src="2001:db8::2", dst="2001:db8::1") / ICMPv6EchoReply(id=5, seq=6, data=b"abc")
    )
    udp = udp_packet("10.1.0.1", "10.2.0.1", 1000, 7, b"abc")
    assert udp == bytes(IP(src="10.1.0.1", dst="10.2.0.1", id=0) / UDP(sport=1000, dport=7) / Raw(b"abc"))
    assert echo_reply(udp) == udp_packet("10.2.0.1", "10.1.0.1", 7, 1000, b"abc")
    assert echo_reply(udp_packet("10.1.0.1", "10.2.0.1", 1000, 8, b"abc")) is None
    assert echo_reply(reply.build()) is None


@pytest.mark.parametrize("port", [0, 7, 13, 17, 19, 37])
def test_echo_does_not_answer_who_would_answer_again(port):
    """RFC 862 and 864: two such servers would talk to each other for ever."""
    assert echo_reply(udp_packet("10.1.0.1", "10.2.0.1", port, 7, b"abc")) is None
    assert echo_reply(udp_packet("2001:db8::1", "2001:db8::2", port, 7, b"abc")) is None


def test_two_hosts_that_echo_come_to_rest():
    pair = Pair()
    pair.network.hosts["alice"].echo = True
    pair.connect()
    pair.alice.send(udp_packet("10.1.0.1", "10.2.0.1", 7, 7, b"for ever?"), pair.network.now)
    pair.network.run(pair.network.now + 1)
    assert [len(host.inbox) for host in pair.network.hosts.values()] == [0, 1]


@given(st.binary(max_size=60))
def test_echo_takes_any_octets(octets):
    assert echo_reply(octets) is None or octets[0] >> 4 in (4, 6)


def test_a_nat_box_lets_only_answers_in_and_leaves_its_inside_alone():
    nat = Nat({ALICE, "192.0.2.9"}, "198.51.100.1")
    inside = Datagram(b"", Address("192.0.2.9", 500), Address(ALICE, 500))
    assert nat.translate(inside) == inside
    assert nat.translate(Datagram(b"", Address(ALICE, 500), Address(BOB, 500))) is None
    assert nat.translate(Datagram(b"", Address("198.51.100.1", 20000), Address(BOB, 500))) is None
    out = nat.translate(Datagram(b"", Address(BOB, 500), Address(ALICE, 500), marker_always=True))
    assert out == Datagram(b"", Address(BOB, 500), Address("198.51.100.1", 20000), marker_always=True)
    assert nat.translate(out.turned()) == Datagram(b"", Address(ALICE, 500), Address(BOB, 500), marker_always=True)


def test_a_nat_box_forwards_and_moves():
    nat = Nat({BOB}, "203.0.113.1").forward(Address(BOB, 500), 5500)
    asked = Datagram(b"", Address("203.0.113.1", 5500), Address(ALICE, 500))
    assert nat.translate(asked) == Datagram(b"", Address(BOB, 500), Address(ALICE, 500))
    nat.forget()
    assert nat.translate(asked) is not None
    nat.move("203.0.113.2")
    assert nat.translate(asked) == asked
    assert nat.translate(Datagram(b"", Address(ALICE, 500), Address(BOB, 500))).remote == Address("203.0.113.2", 5500)
