# SPDX-License-Identifier: GPL-2.0-or-later
"""Transport mode on bytes: split a packet, rebuild it, and correct its checksum behind a NAT."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, PadN
from scapy.packet import Raw

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp.transport import Addresses, enter, leave, with_addresses
from tests.examples import examples

V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)
PORT = st.integers(0, 65535)
UPPER = {
    "tcp": lambda a, b, data: TCP(sport=a, dport=b, seq=a * b) / Raw(data),
    "udp": lambda a, b, data: UDP(sport=a, dport=b) / Raw(data),
}
NEXT = {"tcp": 6, "udp": 17, "icmpv6": 58}


def built(ip, ends: Addresses, upper) -> bytes:
    """The upper-layer octets with Scapy's checksum for these addresses."""
    packet = ip(src=ends.source, dst=ends.destination) / upper
    return bytes(packet)[len(bytes(ip())) :]


@settings(max_examples=examples(100))
@given(st.sampled_from(["tcp", "udp"]), st.tuples(V4, V4, V4, V4), PORT, PORT, st.binary(max_size=50))
def test_the_checksum_is_the_one_that_scapy_computes_over_ipv4(kind, hosts, a, b, data):
    sent, seen = Addresses(*hosts[:2]), Addresses(*hosts[2:])
    before, after = (built(IP, ends, UPPER[kind](a, b, data)) for ends in (sent, seen))
    fixed = with_addresses(before, NEXT[kind], sent, seen)
    assert same_sum(fixed, after, 16 if kind == "tcp" else 6)
    assert leave(before, NEXT[kind], seen, sent=sent)[20:] == fixed
    assert IP(leave(before, NEXT[kind], seen, sent=sent)).src == seen.source


@settings(max_examples=examples(60))
@given(st.sampled_from(["tcp", "udp", "icmpv6"]), st.tuples(V6, V6, V6, V6), PORT, PORT, st.binary(max_size=50))
def test_the_checksum_is_the_one_that_scapy_computes_over_ipv6(kind, hosts, a, b, data):
    sent, seen = Addresses(*hosts[:2]), Addresses(*hosts[2:])
    upper = {**UPPER, "icmpv6": lambda a, b, data: ICMPv6EchoRequest(id=a, seq=b, data=data)}[kind](a, b, data)
    before, after = (built(IPv6, ends, upper) for ends in (sent, seen))
    fixed = with_addresses(before, NEXT[kind], sent, seen)
    assert same_sum(fixed, after, {"tcp": 16, "udp": 6, "icmpv6": 2}[kind])


def same_sum(one: bytes, other: bytes, at: int) -> bool:
    """Whether two packets are the same; in one's complement zero is written in two ways."""
    sums = {int.from_bytes(packet[at : at + 2]) for packet in (one, other)}
    return one[:at] + one[at + 2 :] == other[:at] + other[at + 2 :] and (len(sums) == 1 or sums == {0, 0xFFFF})


@given(st.binary(max_size=30), st.integers(0, 255))
def test_nothing_is_raised_and_the_length_stays(payload, next_header):
    fixed = with_addresses(
        payload, next_header, Addresses("192.0.2.1", "192.0.2.2"), Addresses("192.0.2.3", "192.0.2.2")
    )
    assert len(fixed) == len(payload)


def test_udp_without_a_checksum_stays_without():
    sent, seen = Addresses("192.0.2.1", "192.0.2.2"), Addresses("198.51.100.1", "192.0.2.2")
    payload = bytes(UDP(sport=1, dport=2, chksum=0) / Raw(b"x"))
    assert with_addresses(payload, 17, sent, seen) == payload


def test_udp_never_gets_the_checksum_that_means_none():
    sent, seen = Addresses("0.0.0.2", "0.0.0.0"), Addresses("0.0.0.1", "0.0.0.0")
    # One less in the sum is one more in the field: from 0xFFFE to 0xFFFF, never to 0
    payload = bytes.fromhex("0001 0002 0008 fffe")
    assert with_addresses(payload, 17, sent, seen)[6:8] == b"\xff\xff"
    assert with_addresses(bytes.fromhex("0001 0002 0008 0001"), 17, seen, sent)[6:8] == b"\xff\xff"


def test_a_wrong_checksum_stays_wrong():
    sent, seen = Addresses("192.0.2.1", "192.0.2.2"), Addresses("198.51.100.1", "192.0.2.2")
    right = built(IP, sent, UDP(sport=1, dport=2) / Raw(b"x"))
    wrong = right[:6] + (int.from_bytes(right[6:8]) ^ 0x0100).to_bytes(2) + right[8:]
    assert with_addresses(wrong, 17, sent, seen) != built(IP, seen, UDP(sport=1, dport=2) / Raw(b"x"))


def test_icmp_has_no_addresses_in_its_checksum():
    payload = bytes(ICMP() / Raw(b"x"))
    assert (
        with_addresses(payload, 1, Addresses("192.0.2.1", "192.0.2.2"), Addresses("192.0.2.3", "192.0.2.2")) == payload
    )


def test_destination_options_stand_before_what_has_the_checksum():
    sent, seen = Addresses("2001:db8::1", "2001:db8::2"), Addresses("2001:db8::3", "2001:db8::2")
    upper = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]) / UDP(sport=1, dport=2) / Raw(b"x")
    assert with_addresses(built(IPv6, sent, upper), 60, sent, seen) == built(IPv6, seen, upper)


@pytest.mark.parametrize("ip", [IP, IPv6])
def test_what_enters_comes_out(ip):
    ends = ("192.0.2.1", "192.0.2.2") if ip is IP else ("2001:db8::1", "2001:db8::2")
    extra = {"id": 0} if ip is IP else {}
    packet = bytes(ip(src=ends[0], dst=ends[1], **extra) / UDP(sport=1, dport=2) / Raw(b"x"))
    payload, next_header = enter(packet)
    assert next_header == 17
    assert leave(payload, next_header, Addresses(*ends)) == packet


def test_fragments_and_scraps_do_not_enter():
    with pytest.raises(LocalError, match="fragment"):
        enter(bytes(IP(flags="MF", proto=17) / Raw(bytes(8))))
    with pytest.raises(LocalError, match="fragment"):
        enter(bytes(IP(frag=1, proto=17) / Raw(bytes(8))))
    with pytest.raises(MalformedError):
        enter(b"\x45")


def test_what_is_too_long_for_ip_does_not_leave():
    with pytest.raises(MalformedError, match="length"):
        leave(bytes(65530), 17, Addresses("192.0.2.1", "192.0.2.2"))
