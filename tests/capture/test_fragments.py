# SPDX-License-Identifier: GPL-2.0-or-later
"""IP fragments in any order, repeated, overlapping, cut by the capture, and many of them."""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.capture.dissect import Dissection
from fynx_scapy.capture.index import Index
from fynx_scapy.capture.reading import fragments as fragments_module
from fynx_scapy.capture.reading.fragments import Fragments
from fynx_scapy.capture.reading.frames import Frame
from fynx_scapy.capture.reading.packets import IpPacket
from fynx_scapy.keylog import KeyLog
from tests.capture.build import ethernet, ike, ipv4, ipv6, pcap, stream, udp

Piece = tuple[int, int]
WHOLE = bytes(range(256)) + bytes(range(64))


def fragment(at: int, end: int, data: bytes = WHOLE, ident: int = 1, **more: object) -> IpPacket:
    """The octets from ``at`` to ``end`` of a packet."""
    seen = Frame(ident, float(more.pop("time", 0.0)), 101, b"")  # type: ignore[arg-type]
    source = str(more.pop("src", "192.0.2.1"))
    return IpPacket(seen, source, "192.0.2.2", 17, data[at:end], at, end < len(data), ident, **more)  # type: ignore[arg-type]


def reference(pieces: Sequence[Piece]) -> int | None:
    """After which fragment all octets are there."""
    have = bytearray(len(WHOLE))
    ended = False
    for number, (at, end) in enumerate(pieces):
        have[at:end] = b"\1" * (end - at)
        ended = ended or end == len(WHOLE)
        if ended and all(have):
            return number
    return None


@st.composite
def fragmented(draw: st.DrawFn) -> list[Piece]:
    """One or two ways to split the packet, fragments repeated or left out, in any order."""
    found: list[Piece] = []
    for _ in range(draw(st.integers(1, 2))):
        cuts = sorted({0, len(WHOLE), *(8 * n for n in draw(st.lists(st.integers(1, 39), min_size=1, max_size=8)))})
        found += itertools.pairwise(cuts)
    found += draw(st.lists(st.sampled_from(found), max_size=3))
    shuffled = draw(st.permutations(found))
    return shuffled[: draw(st.integers(1, len(shuffled)))]


@settings(deadline=None)
@given(fragmented())
def test_any_order_gives_what_a_simple_reference_gives(pieces: list[Piece]) -> None:
    whole = reference(pieces)
    fragments = Fragments()
    for number, piece in enumerate(pieces):
        joined = fragments.add(fragment(*piece))
        if joined is not None:
            assert (number, joined.payload, joined.missing) == (whole, WHOLE, 0)
            break
    else:
        assert whole is None


def test_copies_of_a_completed_packet_are_no_loss() -> None:
    fragments = Fragments()
    first, last = fragment(0, 160), fragment(160, 320)
    found = [fragments.add(each) for each in (first, first, last, last)]
    assert [each is not None for each in found] == [False, False, True, False]
    assert not list(fragments.incomplete())
    later = bytes(reversed(WHOLE))  # another packet with the same identification
    assert fragments.add(fragment(160, 320, later)) is None
    joined = fragments.add(fragment(0, 160, later))
    assert joined is not None
    assert joined.payload == later


CONTRADICTIONS = {
    "other octets": [fragment(0, 160), fragment(0, 160, bytes(320)), fragment(160, 320)],
    "other octets, in part": [fragment(0, 160), fragment(80, 240, bytes(320)), fragment(240, 320)],
    "two ends": [fragment(160, 320), fragment(160, 240, WHOLE[:240]), fragment(0, 160)],
    "beyond the end": [fragment(160, 240, WHOLE[:240]), fragment(160, 304), fragment(0, 160)],
    "beyond the largest packet": [fragment(0, 65528, bytes(70000)), fragment(65528, 66000, bytes(66000))],
    "overlap in IPv6": [fragment(0, 160, src="fd00::1"), fragment(80, 320, src="fd00::1")],
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions_are_named_and_never_guessed_at(name: str) -> None:
    fragments = Fragments()
    assert [fragments.add(each) for each in CONTRADICTIONS[name]] == [None] * len(CONTRADICTIONS[name])
    (left,) = fragments.incomplete()
    assert "contradict" in left.fault


def test_an_identification_is_used_again_after_some_minutes() -> None:
    fragments = Fragments()
    other = bytes(320)
    assert fragments.add(fragment(0, 160)) is None
    assert fragments.add(fragment(0, 160, other, time=500.0)) is None
    joined = fragments.add(fragment(160, 320, other, time=500.0))
    assert joined is not None
    assert joined.payload == other
    assert [left.fault for left in fragments.incomplete()] == [""]


def test_what_the_capture_cut_of_a_fragment() -> None:
    message = ike(kind=43, body=b"\0\0" + (400).to_bytes(2) + bytes(396))
    datagram = udp(500, 500, message)
    frames = [ethernet(ipv4(17, datagram[:240], fragment=0x2000)), ethernet(ipv4(17, datagram[240:], fragment=30))]
    for order in (frames, frames[::-1]):
        data = pcap(order, snaplen=14 + 20 + 200)
        (record,) = Dissection(KeyLog()).records(stream(data), "a.pcap")
        assert (record["kind"], record["missing"]) == ("ike", len(message) - 192)
        assert record["error"] == f"the capture holds 192 of {len(message)} octets"
        assert Index().scan(stream(data), "a.pcap").kinds == {"ike": 1}


def test_the_first_ipv6_fragment_says_what_follows() -> None:
    datagram = udp(500, 500, ike(body=bytes(100)))
    head = struct.Struct("!BBHI")
    frames = [
        ethernet(ipv6(44, head.pack(17, 0, 1, 9) + datagram[:64])),
        ethernet(ipv6(44, head.pack(60, 0, 64, 9) + datagram[64:])),
    ]
    assert Index().scan(stream(pcap(frames)), "a.pcap").kinds == {"ike": 1}


@pytest.mark.parametrize("backwards", [False, True])
def test_the_time_per_fragment_does_not_grow(backwards: bool) -> None:
    def seconds(count: int) -> float:
        data = bytes(8 * count + 8)
        pieces = [fragment(at, at + 8, data) for at in range(0, 8 * count, 8)]
        fragments = Fragments()
        start = time.process_time()
        for each in reversed(pieces) if backwards else pieces:
            fragments.add(each)
        return time.process_time() - start

    assert seconds(8000) < 1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments_module, "MOST_FRAGMENT_OCTETS", 5000)
    fragments = Fragments()
    for number in range(100):
        assert fragments.add(fragment(0, 160, ident=number)) is None
    assert fragments._held <= 5000
    assert len(list(fragments.incomplete())) == 100
