# SPDX-License-Identifier: GPL-2.0-or-later
"""IP headers as bytes, compared with Scapy's for the same fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.packet import Raw

from fynx_scapy.errors import FynxError, LocalError, MalformedError
from fynx_scapy.esp.ip import checksum, ip_header, ip_version, own_length, split, udp_header

V4: dict[str, Any] = {"src": "192.0.2.1", "dst": "198.51.100.7"}
V6: dict[str, Any] = {"src": "2001:db8::1", "dst": "2001:db8:1::2"}


@given(
    length=st.integers(0, 1400),
    ttl=st.integers(0, 255),
    tos=st.integers(0, 255),
    df=st.booleans(),
    identification=st.integers(0, 0xFFFF),
)
def test_ipv4_header_is_what_scapy_builds(length: int, ttl: int, tos: int, df: bool, identification: int) -> None:
    ours = ip_header(**V4, length=length, ttl=ttl, tos=tos, df=df, identification=identification)
    theirs = IP(**V4, proto=50, ttl=ttl, tos=tos, flags="DF" if df else 0, id=identification) / Raw(bytes(length))
    assert ours == bytes(theirs)[:20]
    assert checksum(ours) == 0


@given(
    length=st.integers(0, 1400), ttl=st.integers(0, 255), tos=st.integers(0, 255), flow_label=st.integers(0, 0xFFFFF)
)
def test_ipv6_header_is_what_scapy_builds(length: int, ttl: int, tos: int, flow_label: int) -> None:
    ours = ip_header(**V6, length=length, ttl=ttl, tos=tos, flow_label=flow_label)
    assert ours == bytes(IPv6(**V6, nh=50, hlim=ttl, tc=tos, fl=flow_label) / Raw(bytes(length)))[:40]


@pytest.mark.parametrize(
    ("addresses", "values"),
    [
        (("192.0.2.1", "2001:db8::1"), {}),
        (("here", "there"), {}),
        (V4.values(), {"length": 0xFFFF}),
        (V4.values(), {"ttl": 256}),
        (V4.values(), {"tos": -1}),
        (V4.values(), {"identification": 1 << 16}),
        (V6.values(), {"flow_label": 1 << 20}),
    ],
)
def test_headers_that_cannot_be(addresses: tuple[str, str], values: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        ip_header(*addresses, **({"length": 8} | values))


@pytest.mark.requirements("3948-2.1-02")
def test_udp_around_esp_has_no_checksum_over_ipv4_and_one_over_ipv6() -> None:
    esp = bytes(range(33))
    v4, v6 = ip_header(**V4, length=41, protocol=17), ip_header(**V6, length=41, protocol=17)
    assert udp_header(v4, 4500, 40_000, esp) == bytes(UDP(sport=4500, dport=40_000, chksum=0) / Raw(esp))[:8]
    built = bytes(IPv6(**V6) / UDP(sport=4500, dport=40_000) / Raw(esp))
    assert udp_header(v6, 4500, 40_000, esp) == built[40:48]


def test_split_ipv4_keeps_options_and_drops_what_trails() -> None:
    packet = IP(**V4, options=[IPOption_RR(routers=["0.0.0.0"])], ttl=9) / UDP(dport=5) / b"data"
    parts = split(bytes(packet) + b"\0" * 14)
    assert (len(parts.head), parts.next_header, parts.payload) == (IP(bytes(packet)).ihl * 4, 17, bytes(packet[UDP]))
    assert parts.replaced(17, parts.payload) == bytes(packet)


HEADERS = {
    "none": ((), 0),
    "hop-by-hop": ((IPv6ExtHdrHopByHop(),), 1),
    "routing": ((IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(addresses=["2001:db8::9"])), 3),
    "destination options": ((IPv6ExtHdrDestOpt(),), 0),
    "both sides": ((IPv6ExtHdrRouting(addresses=["2001:db8::9"]), IPv6ExtHdrDestOpt()), 1),
    "atomic fragment": ((IPv6ExtHdrFragment(),), 1),
}


@pytest.mark.parametrize("name", HEADERS)
def test_split_ipv6_where_esp_belongs(name: str) -> None:
    """RFC 4303 section 3.1.1: behind hop-by-hop, routing and fragment headers, before the last destination options."""
    headers, outside = HEADERS[name]
    packet = IPv6(**V6)
    for header in headers:
        packet /= header.copy()
    packet /= UDP(dport=5) / b"data"
    whole = bytes(packet)
    parts = split(whole)
    sizes = [len(bytes(header)) for header in headers]
    assert len(parts.head) == 40 + sum(sizes[:outside])
    assert parts.head + parts.payload == whole
    assert not parts.fragment
    assert parts.replaced(parts.next_header, parts.payload) == whole
    esp = split(parts.replaced(50, b"ESP"), every_header=True)
    assert (esp.next_header, esp.payload) == (50, b"ESP")
    upper = split(whole, every_header=True)
    assert (upper.next_header, upper.payload) == (17, whole[40 + sum(sizes) :])


@pytest.mark.parametrize(
    ("packet", "fragment"),
    [
        (IP(flags="MF") / b"x", True),
        (IP(frag=3) / b"x", True),
        (IP(flags="DF") / b"x", False),
        (IPv6() / IPv6ExtHdrFragment(m=1) / b"x", True),
        (IPv6() / IPv6ExtHdrFragment(offset=1) / b"x", True),
    ],
)
def test_fragments_are_recognised(packet: IP, fragment: bool) -> None:
    assert split(bytes(packet)).fragment is fragment


@given(
    st.binary(max_size=120),
    st.sampled_from([b"", b"\x45", b"\x46", b"\x60", b"\x60" + bytes(5) + b"\0\x3f", b"\x4f\0\0\x3c"]),
)
def test_malformed_packets_raise_only_our_errors(data: bytes, start: bytes) -> None:
    for every_header in (False, True):
        try:
            parts = split(start + data, every_header=every_header)
        except FynxError:
            continue
        assert (start + data).startswith(parts.head + parts.payload)


@pytest.mark.parametrize(
    "data", [b"", b"\x45" * 19, b"\x60" * 39, b"\x50" * 60, bytes(IP() / b"abc")[:-1], bytes(IPv6() / b"abc")[:-1]]
)
def test_what_is_no_whole_packet(data: bytes) -> None:
    with pytest.raises(MalformedError):
        split(data)


def test_version() -> None:
    assert (ip_version(bytes(IP())), ip_version(bytes(IPv6()))) == (4, 6)


def test_a_packet_that_grows_too_long_is_refused() -> None:
    with pytest.raises(LocalError, match="at most 65535 octets, found"):
        split(bytes(IP() / b"x")).replaced(50, bytes(65_516))


@pytest.mark.parametrize(
    ("payload", "next_header", "expected"),
    [
        (bytes(IP() / UDP() / b"abc"), 4, 31),
        (bytes(IPv6() / UDP() / b"abc"), 41, 51),
        (bytes(UDP() / b"abc"), 17, 11),
        (bytes(IPv6(nh=59)), 41, 40),
        (bytes(IPv6(nh=0, plen=0) / b"jumbo"), 41, None),
        (bytes(TCP()), 6, None),
        (bytes(ICMP()), 1, None),
        (bytes(UDP(len=3)), 17, None),
        (bytes(IP(len=4)), 4, None),
        (b"", 4, None),
        (b"\x45" * 19, 4, None),
        (bytes(IPv6()), 4, None),
        (b"\0" * 7, 17, None),
    ],
)
def test_lengths_that_payloads_state(payload: bytes, next_header: int, expected: int | None) -> None:
    assert own_length(payload, next_header) == expected
    if expected is not None:
        assert own_length(payload + b"more", next_header) == expected
