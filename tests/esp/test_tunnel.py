# SPDX-License-Identifier: GPL-2.0-or-later
"""The outer header, and the inner packet after the tunnel: RFC 4301 section 5.1.2, RFC 7296 section 2.24."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp.ip import checksum
from fynx_scapy.esp.tunnel import CE, enter, forwarded, inner_packet, leave, traffic_class, with_traffic_class

OUTER = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
FAMILIES = list(itertools.product((4, 6), repeat=2))


def packet_of(version: int, tos: int = 0, **fields: object) -> bytes:
    header = IP(src="10.1.0.1", dst="10.2.0.1", tos=tos, **fields) if version == 4 else IPv6(tc=tos, **fields)
    return bytes(header / UDP() / b"data")


@pytest.mark.parametrize(("inside", "outside"), FAMILIES)
@pytest.mark.requirements("7296-2.24-01")
def test_dscp_and_ecn_are_copied_to_the_outer_header(inside: int, outside: int) -> None:
    for tos in range(256):
        head = enter(packet_of(inside, tos), *OUTER[outside], 100)
        assert traffic_class(head) == tos
        assert head[0] >> 4 == outside


@pytest.mark.parametrize(("inside", "outside"), FAMILIES)
def test_dscp_and_ecn_can_be_fixed(inside: int, outside: int) -> None:
    assert traffic_class(enter(packet_of(inside, 0xB9), *OUTER[outside], 100, dscp=10)) == 10 << 2 | 1
    assert traffic_class(enter(packet_of(inside, 0xB9), *OUTER[outside], 100, ecn=0)) == 0xB8


@pytest.mark.parametrize(("inside", "inner_ecn", "outer_ecn"), list(itertools.product((4, 6), range(4), range(4))))
@pytest.mark.requirements("7296-2.24-01")
def test_ecn_on_the_way_out(inside: int, inner_ecn: int, outer_ecn: int) -> None:
    """Only CE over an ECN-capable inner header changes it; the DSCP of the outer header stays outside."""
    packet = packet_of(inside, 0xB8 | inner_ecn)
    out = leave(packet, 0x28 | outer_ecn)
    expected = CE if outer_ecn == CE and inner_ecn in (1, 2) else inner_ecn
    assert out == packet_of(inside, 0xB8 | expected)  # with the checksum that Scapy computes


def test_df_is_copied_from_ipv4_and_set_for_ipv6() -> None:
    def df(inner: bytes, **kwargs: Any) -> bool:
        return "DF" in IP(enter(inner, *OUTER[4], 8, **kwargs)).flags

    assert df(packet_of(4, flags="DF"))
    assert not df(packet_of(4))
    assert df(packet_of(6))
    assert df(packet_of(4), df=True)
    assert not df(packet_of(4, flags="DF"), df=False)


@pytest.mark.requirements("4303-2-01")
def test_outer_header_is_built_not_copied() -> None:
    """ "constructed": length, identification, TTL, protocol, checksum, addresses; options "never copied"."""
    inner = bytes(IP(src="10.1.0.1", dst="10.2.0.1", ttl=3, id=77, options=[IPOption_NOP()]) / UDP())
    head = IP(enter(inner, *OUTER[4], 88, identification=5))
    assert (head.ihl, head.len, head.id, head.ttl, head.proto) == (5, 108, 5, 64, 50)
    assert (head.src, head.dst) == OUTER[4]
    assert checksum(bytes(head)) == 0
    six = IPv6(enter(inner, *OUTER[6], 88, ttl=9, flow_label=0xABCDE))
    assert (six.plen, six.nh, six.hlim, six.fl) == (88, 50, 9, 0xABCDE)


@pytest.mark.parametrize("version", [4, 6])
def test_forwarding_decrements_the_inner_ttl(version: int) -> None:
    name = "ttl" if version == 4 else "hlim"
    for ttl in (2, 64, 255):
        assert forwarded(packet_of(version, **{name: ttl})) == packet_of(version, **{name: ttl - 1})
    for ttl in (0, 1):
        with pytest.raises(LocalError, match="cannot forward"):
            forwarded(packet_of(version, **{name: ttl}))


def test_a_wrong_checksum_stays_wrong() -> None:
    """The difference is applied: an error of the sender's is not repaired on the way."""
    packet = bytearray(packet_of(4))
    packet[10] ^= 0x55
    assert checksum(with_traffic_class(bytes(packet), 0xFF)[:20]) == checksum(bytes(packet[:20]))


def test_every_checksum_is_right_after_a_change() -> None:
    for ident in range(0, 1 << 16, 257):
        packet = packet_of(4, id=ident)
        for tos in (1, 3, 0x7F, 0xFF):
            assert checksum(with_traffic_class(packet, tos)[:20]) == 0
        assert checksum(forwarded(packet)[:20]) == 0


@pytest.mark.parametrize("data", [b"", b"\x45", b"\x00" * 40])
def test_what_is_no_ip_packet_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        enter(data, *OUTER[4], 8)
    with pytest.raises(MalformedError):
        leave(data, 3)


@pytest.mark.parametrize(("version", "next_header"), [(4, 4), (6, 41)])
@pytest.mark.parametrize("tfc", [0, 1, 1000])
def test_tfc_padding_behind_an_inner_packet_is_taken_off(version: int, next_header: int, tfc: int) -> None:
    """RFC 4303 section 2.7: the length in the inner header tells where the packet ends."""
    packet = packet_of(version)
    assert inner_packet(packet + b"\xaa" * tfc, next_header) == packet


@pytest.mark.parametrize(("version", "next_header"), [(4, 41), (6, 4), (4, 6), (6, 59)])
def test_the_next_header_and_the_version_say_the_same(version: int, next_header: int) -> None:
    with pytest.raises(MalformedError, match="next header"):
        inner_packet(packet_of(version), next_header)


def broken(version: int, at: int, value: int, size: int = 2) -> bytes:
    packet = packet_of(version)
    return packet[:at] + value.to_bytes(size) + packet[at + size :]


BROKEN = {
    "no header": (broken(4, 0, 0x40, 1), 4),
    "a header of 16 octets": (broken(4, 0, 0x44, 1), 4),
    "a header beyond the packet": (broken(4, 0, 0x4F, 1), 4),
    "a total length of zero": (broken(4, 2, 0), 4),
    "a total length in the header": (broken(4, 2, 19), 4),
    "a total length one beyond": (broken(4, 2, len(packet_of(4)) + 1), 4),
    "a total length far beyond": (broken(4, 2, 0xFFFF), 4),
    "a payload length one beyond": (broken(6, 4, len(packet_of(6)) - 39), 41),
    "a payload length far beyond": (broken(6, 4, 0xFFFF), 41),
    "a jumbogram": (packet_of(6)[:4] + b"\0\0\0" + packet_of(6)[7:], 41),
    "half an IPv6 header": (packet_of(6)[:39], 41),
    "half an IPv4 header": (packet_of(4)[:19], 4),
    "nothing": (b"", 4),
}


@pytest.mark.parametrize(("packet", "next_header"), BROKEN.values(), ids=BROKEN)
def test_an_inner_packet_that_does_not_fit_its_lengths_is_malformed(packet: bytes, next_header: int) -> None:
    with pytest.raises(MalformedError):
        inner_packet(packet, next_header)
