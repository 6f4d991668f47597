# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic selectors (RFC 7296 sections 2.9 and 3.13)."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.ike.terms.selectors import Flow, Selector, narrow
from fynx_scapy.layers.ikev2 import IPv4TrafficSelector
from fynx_scapy.net.echo import echo_request, udp_packet

ADDRESS = st.integers(0, 2**32 - 1)
PORT = st.integers(0, 65535)


@st.composite
def selectors(draw):
    start, end = sorted((draw(ADDRESS), draw(ADDRESS)))
    low, high = sorted((draw(PORT), draw(PORT)))
    return Selector(4, start, end, draw(st.sampled_from([0, 1, 6, 17])), low, high)


@pytest.mark.parametrize(
    "text",
    [
        "10.1.0.0/24",
        "0.0.0.0/0",
        "10.1.0.1/32[udp/53]",
        "10.1.0.1-10.1.0.9",
        "2001:db8::/64[tcp]",
        "10.0.0.0/8[udp/1000-2000]",
        "10.0.0.0/8[99]",
    ],
)
def test_text_round_trip(text):
    assert str(Selector.of(text)) == text


@pytest.mark.parametrize(
    "text", ["", "10.1.0.0/33", "10.1.0.9-10.1.0.1", "10.1.0.1[udp/70000]", "10.1.0.1[foo]", "10.1.0.1-2001:db8::1"]
)
def test_a_selector_that_cannot_be_is_refused(text):
    with pytest.raises(ConfigError, match="expected a traffic selector"):
        Selector.of(text)


@given(selectors())
def test_wire_round_trip(selector):
    assert Selector.parse(selector.layer()) == selector
    assert Selector.parse(IPv4TrafficSelector(bytes(selector.layer()))) == selector


@given(selectors(), selectors())
def test_an_intersection_lies_in_both_and_has_all_that_both_have(one, two):
    both = one.intersect(two)
    if both is None:
        # Nothing is in both: their ranges do not meet in some dimension.
        assert (
            max(one.start, two.start) > min(one.end, two.end)
            or max(one.start_port, two.start_port) > min(one.end_port, two.end_port)
            or (one.protocol and two.protocol and one.protocol != two.protocol)
        )
        return
    assert one.covers(both)
    assert two.covers(both)
    for address, port in ((both.start, both.start_port), (both.end, both.end_port)):
        assert one.matches(address, 4, both.protocol or 6, port)
        assert two.matches(address, 4, both.protocol or 6, port)


@given(st.lists(selectors(), min_size=1, max_size=4), st.lists(selectors(), min_size=1, max_size=4))
@pytest.mark.requirements("7296-2.9-02", "7296-2.9-i04")
def test_narrowing_stays_inside_and_keeps_the_first_choice(offered, policy):
    # 7296-2.9-02: when the policy allows the first selector, the answer begins with it.
    found = narrow(offered, policy)
    assert all(any(o.covers(f) for o in offered) and any(p.covers(f) for p in policy) for f in found)
    if any(p.covers(offered[0]) for p in policy):
        assert any(f.covers(offered[0]) for f in found)


def test_a_range_that_runs_backwards_is_malformed():
    with pytest.raises(MalformedError):
        Selector.parse(IPv4TrafficSelector(starting_address_v4="10.0.0.9", ending_address_v4="10.0.0.1"))


def test_packets_are_matched_by_address_protocol_and_port():
    flow = Flow.parse(udp_packet("10.1.0.1", "10.2.0.1", 1000, 53, b"x"))
    assert (flow.protocol, flow.source_port, flow.destination_port) == (17, 1000, 53)
    assert flow.fits([Selector.of("10.1.0.0/24")], [Selector.of("10.2.0.0/24[udp/53]")])
    assert not flow.fits([Selector.of("10.1.0.0/24")], [Selector.of("10.2.0.0/24[udp/54]")])
    assert not flow.fits([Selector.of("10.1.0.0/24[tcp]")], [Selector.of("10.2.0.0/24")])
    source, destination = flow.selectors()
    assert (str(source), str(destination)) == ("10.1.0.1/32[udp/1000]", "10.2.0.1/32[udp/53]")


def test_a_later_fragment_shows_no_ports():
    packet = bytearray(udp_packet("10.1.0.1", "10.2.0.1", 1000, 53, b"x"))
    packet[6:8] = (0x2003).to_bytes(2)
    flow = Flow.parse(bytes(packet))
    assert flow.source_port is None
    assert not flow.fits([Selector.of("10.1.0.0/24")], [Selector.of("10.2.0.0/24[udp/53]")])
    assert flow.fits([Selector.of("10.1.0.0/24")], [Selector.of("10.2.0.0/24[udp]")])


def test_ipv6_extension_headers_are_walked():
    packet = echo_request("2001:db8::1", "2001:db8::2")
    with_options = (
        packet[:4]
        + (len(packet) - 40 + 8).to_bytes(2)
        + b"\x3c"
        + packet[7:40]
        + bytes([58, 0, 1, 4, 0, 0, 0, 0])
        + packet[40:]
    )
    flow = Flow.parse(with_options)
    assert flow.protocol == 58
    assert flow.source == int(ipaddress.ip_address("2001:db8::1"))


def test_what_is_behind_the_header_of_a_later_fragment_is_no_header():
    packet = echo_request("2001:db8::1", "2001:db8::2")
    fragment = bytes([60, 0, 0x01, 0x00, 0, 0, 0, 9])
    data = packet[:4] + (16).to_bytes(2) + b"\x2c" + packet[7:40] + fragment + b"\x3c\xff" + bytes(6)
    flow = Flow.parse(data)
    assert (flow.protocol, flow.fragment, flow.source_port) == (60, True, None)


@pytest.mark.parametrize("octets", [0, 4, 16, 24, 60])
def test_an_ipv4_header_that_cannot_be_is_malformed(octets):
    packet = udp_packet("10.1.0.1", "10.2.0.1", 1000, 53, b"x")[:23]
    with pytest.raises(MalformedError, match="octets of header"):
        Flow.parse(bytes([0x40 | octets // 4]) + packet[1:])


@pytest.mark.parametrize("size", [0, 1, 255])
def test_an_ipv6_extension_header_that_runs_over_the_packet_is_malformed(size):
    packet = echo_request("2001:db8::1", "2001:db8::2")
    head = packet[:6] + b"\x00" + packet[7:40]
    with pytest.raises(MalformedError, match="runs past"):
        Flow.parse(head + bytes([58, size]) + bytes(8 * size + 5))


@given(st.binary(max_size=80))
def test_octets_that_are_no_packet_are_malformed_and_nothing_else(octets):
    with contextlib.suppress(MalformedError):
        assert Flow.parse(octets).version in (4, 6)
