# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE and ESP in TCP (RFC 9329): streams put together whatever the segments."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.capture.dissect import Dissection
from fynx_scapy.capture.index import Index
from fynx_scapy.capture.reading import streams as streams_module
from fynx_scapy.keylog import KeyLog
from tests.capture.build import esp, ethernet, framed, ike, ipv4, pcap, stream, tcp

MARKED = bytes(4) + ike()
BODY = framed(MARKED, esp(1), b"\xff", esp(2), MARKED)
SYN, ACK = 0x02, 0x10


def segments(*parts: tuple[int, bytes], sport: int = 40000, dport: int = 4500, first: int = 1000) -> list[bytes]:
    """Segments by their place in the stream."""
    return [ethernet(ipv4(6, tcp(sport, dport, first + at, data))) for at, data in parts]


def scan(frames: list[bytes], ports: frozenset[int] = frozenset()) -> Index:
    return Index(ports).scan(stream(pcap(frames)), "a.pcap")


EXPECTED = Counter(ike=2, esp=2, keepalive=1)


def test_the_originators_prefix_and_several_messages_in_a_segment() -> None:
    index = scan(segments((0, b"IKETCP" + BODY), dport=443))
    assert index.kinds == EXPECTED
    assert [(m.sport, m.dport, m.tcp, m.data) for m in index.messages] == [(40000, 443, True, ike())] * 2
    (flow,) = index.flows
    assert (flow.packets, flow.encapsulation) == (2, "TCP")


def test_the_answers_come_without_a_prefix() -> None:
    # --> IKETCP, messages     <-- messages
    back = ethernet(ipv4(6, tcp(443, 40000, 77, BODY), src="10.0.0.2", dst="10.0.0.1"))
    index = scan([*segments((0, b"IKETCP" + BODY), dport=443), back])
    assert index.kinds == Counter(ike=4, esp=4, keepalive=2)
    assert len(index.flows) == 2


def test_another_stream_is_not_ipsec() -> None:
    index = scan(segments((0, b"GET / HTTP/1.1\r\n\r\n" * 5), dport=443))
    assert (index.foreign, sum(index.kinds.values())) == (1, 0)


def test_a_capture_that_begins_within_a_stream() -> None:
    assert scan(segments((0, b"\x11" * 33), (33, BODY))).kinds == EXPECTED


def test_a_length_that_cannot_be() -> None:
    index = scan(segments((0, b"IKETCP" + framed(MARKED) + b"\0\1" + bytes(10)), dport=443))
    assert index.kinds == Counter(ike=1, unreadable=1)
    assert "expected a length of at least 2 in a TCP stream" in index.problems[0].text


def test_a_stream_that_ends_within_a_message() -> None:
    index = scan(segments((0, b"IKETCP" + BODY[:-3]), dport=443))
    assert index.kinds == Counter(ike=1, esp=2, keepalive=1, fragment=1)
    assert "ends inside a message" in index.problems[0].text


def test_what_is_lost_is_reported_and_the_stream_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "MOST_WAITING", 300)
    size = len(BODY)
    frames = segments(
        (0, b"IKETCP" + BODY), (6 + 2 * size, BODY), (6 + 3 * size, BODY), (6 + 4 * size, BODY), dport=443
    )  # fmt: skip
    index = scan(frames)
    assert index.kinds["ike"] == 8
    assert [problem.text.split(" octets")[0] for problem in index.problems] == [str(size)]


def test_number_spaces_wrap() -> None:
    whole = b"IKETCP" + BODY
    assert scan(segments((0, whole[:9]), (9, whole[9:]), dport=443, first=2**32 - 8)).kinds == EXPECTED


@given(st.data())
def test_any_segments_in_any_order_with_repetitions(data: st.DataObject) -> None:
    whole = b"IKETCP" + BODY
    cuts = sorted({0, len(whole), *data.draw(st.lists(st.integers(1, len(whole) - 1), max_size=8))})
    parts = [(at, whole[at:end]) for at, end in itertools.pairwise(cuts)]
    # The connection's first segment tells what it is; the rest comes as it likes, some of it twice.
    syn = ethernet(ipv4(6, tcp(40000, 4500, 999, b"", SYN)))
    mixed = data.draw(st.permutations([*parts, *data.draw(st.lists(st.sampled_from(parts), max_size=3))]))
    assert scan([syn, *segments(*mixed)]).kinds == EXPECTED


def test_dissect_has_a_record_for_each_message() -> None:
    work = Dissection(KeyLog())
    records = list(work.records(stream(pcap(segments((0, b"IKETCP" + BODY), dport=443))), "a.pcap"))
    assert [(record["number"], record["kind"]) for record in records] == [
        (1, kind) for kind in ("ike", "esp", "keepalive", "esp", "ike")
    ]


# -- both directions, whatever the segments

HERE, THERE = "10.0.0.1", "10.0.0.2"
Way = tuple[int, bytes, bool]  # where in the stream, what, whether the originator sends


class Connection:
    """A TCP connection: SYNs, then the originator's prefix and messages, and the answers."""

    def __init__(self, port: int = 443, first: int = 1000, back: int = 77) -> None:
        self.port, self.first, self.back = port, first, back

    def segment(self, at: int, data: bytes, originator: bool, flags: int = 0x18) -> bytes:
        """One segment; position 0 is the first octet behind the SYN."""
        numbers = (self.first + 1 + at, self.back + 1 + at)
        ports = (40000, self.port) if originator else (self.port, 40000)
        ends = (HERE, THERE) if originator else (THERE, HERE)
        body = tcp(*ports, numbers[not originator], data, flags)
        return ethernet(ipv4(6, body, src=ends[0], dst=ends[1]))

    @property
    def syns(self) -> list[bytes]:
        return [self.segment(-1, b"", True, SYN), self.segment(-1, b"", False, SYN | ACK)]

    def frames(self, ways: list[Way]) -> list[bytes]:
        return [self.segment(*way) for way in ways]


SENT = {
    True: b"IKETCP" + framed(MARKED, esp(1), esp(2), MARKED),
    False: framed(MARKED, esp(1), b"\xff", esp(2), MARKED),
}
BOTH = Counter(ike=4, esp=4, keepalive=1)


def sized(size: int, originator: bool) -> list[Way]:
    """A stream in segments of one size."""
    whole = SENT[originator]
    return [(at, whole[at : at + size], originator) for at in range(0, len(whole), size)]


@pytest.mark.parametrize("port", [443, 4500, 40001])
@pytest.mark.parametrize("size", [1, 2, 7, 100, 1400])
@pytest.mark.parametrize("order", ["in order", "backwards", "answers first"])
def test_segments_of_any_size(size: int, port: int, order: str) -> None:
    ways = [*sized(size, True), *sized(size, False)]
    if order == "backwards":
        ways.reverse()
    elif order == "answers first":
        ways = [*sized(size, False), *sized(size, True)]
    connection = Connection(port)
    index = scan([*connection.syns, *connection.frames(ways)])
    assert (index.kinds, index.problems, index.foreign) == (BOTH, [], 0)


@pytest.mark.parametrize("port", [443, 4500])
@pytest.mark.parametrize("size", [1, 50, 100, 1400])
def test_without_syns_the_answers_begin_with_their_first_octet(size: int, port: int) -> None:
    index = scan(Connection(port).frames([*sized(size, True), *sized(size, False)]))
    assert (index.kinds, index.problems) == (BOTH, [])


@st.composite
def mixed(draw: st.DrawFn) -> list[Way]:
    """Both streams in overlapping segments, some of them twice, in any order."""
    found: list[Way] = []
    for originator, whole in SENT.items():
        for _ in range(draw(st.integers(1, 2))):  # a retransmission may have other segments
            cuts = sorted({0, len(whole), *draw(st.lists(st.integers(1, len(whole) - 1), max_size=9))})
            overlap = draw(st.integers(0, 9))
            found += [(at, whole[at : end + overlap], originator) for at, end in itertools.pairwise(cuts)]
    found += draw(st.lists(st.sampled_from(found), max_size=4))
    found += draw(st.lists(st.sampled_from([(-1, b"\0", True), (-1, b"", False)]), max_size=2))  # TCP's keepalives
    return draw(st.permutations(found))


@given(mixed(), st.sampled_from([443, 4500]), st.sampled_from([1000, 2**32 - 30]))
def test_any_order_overlap_and_repetition_gives_the_same_messages(ways: list[Way], port: int, first: int) -> None:
    connection = Connection(port, first, first)
    index = scan([*connection.syns, *connection.frames(ways)])
    assert (index.kinds, index.problems, index.foreign) == (BOTH, [], 0)
    assert sorted(message.data for message in index.messages) == [ike()] * 4


@given(mixed(), st.data())
def test_what_is_lost_is_never_lost_in_silence(ways: list[Way], data: st.DataObject) -> None:
    held = [way for way in ways if data.draw(st.integers(0, 9))]
    connection = Connection(data.draw(st.sampled_from([443, 4500])))
    index = scan([*connection.syns, *connection.frames(held)])
    carried = sum(count for kind, count in index.kinds.items() if kind in ("ike", "esp", "keepalive"))
    for originator, whole in SENT.items():
        have = bytearray(len(whole))
        for at, octets, by in held:
            if by == originator and at >= 0:
                have[at : at + len(octets)] = b"\1" * len(octets)
        if any(have) and not all(have) and (connection.port == 4500 or originator):
            end = have.rfind(1) + 1
            if not all(have[:end]) or originator:
                assert index.problems or index.foreign or end in ENDS[originator], (carried, held)


def ends(whole: bytes, at: int) -> set[int]:
    """Where a stream could end without a trace: behind a message."""
    found = {at}
    while at < len(whole):
        at += int.from_bytes(whole[at : at + 2])
        found.add(at)
    return found


ENDS = {True: ends(SENT[True], 6), False: ends(SENT[False], 0)}


def test_a_second_connection_between_the_same_ports() -> None:
    first, second = Connection(first=1000), Connection(first=900, back=5000)
    frames = [*first.syns, *first.frames(sized(50, True)[:-1]), *second.syns, *second.frames(sized(50, True))]
    index = scan(frames)
    assert index.kinds == Counter(ike=3, esp=4, fragment=1)
    assert "ends inside a message" in index.problems[0].text
    # Without its SYN, the prefix tells.
    index = scan([*first.syns, *first.frames(sized(1400, True)), *Connection(first=9**9).frames(sized(1400, True))])
    assert index.kinds == Counter(ike=4, esp=4)


def test_a_syn_again_and_what_a_reset_says_change_nothing() -> None:
    connection = Connection()
    ways = sized(50, True)
    reset = connection.segment(50, b"no such service", True, 0x14)
    frames = [*connection.syns, *connection.frames(ways[:1]), *connection.syns, reset, *connection.frames(ways[1:])]
    index = scan([*frames, connection.segment(len(SENT[True]), b"", True, 0x11)])
    assert (index.kinds, index.problems) == (Counter(ike=2, esp=2), [])


def test_data_on_the_syn() -> None:
    connection = Connection()
    whole = SENT[True]
    frames = [connection.segment(-1, whole[:40], True, SYN), connection.segment(40, whole[40:], True)]
    assert scan(frames).kinds == Counter(ike=2, esp=2)


def test_other_connections_are_no_ipsec() -> None:
    connection = Connection()
    hello = b"\x16\x03\x01\x02\x00\x01" * 20
    ways = [(0, hello, True), (0, hello, False), (len(hello), hello, True)]
    index = scan([*connection.syns, *connection.frames(ways)])
    assert (index.foreign, sum(index.kinds.values()), index.problems) == (5, 0, [])
    assert scan(connection.syns).foreign == 2
    assert scan([*connection.syns, connection.segment(0, b"IKE", True)]).foreign == 3


def test_a_gap_within_a_message_costs_this_message_only() -> None:
    ways = sized(20, True)
    connection = Connection()
    index = scan([*connection.syns, *connection.frames([*ways[:1], *ways[2:]])])
    assert index.kinds == Counter(ike=2, esp=2)
    assert [problem.text for problem in index.problems] == ["the capture holds 8 of 28 octets"]


def test_what_the_snap_length_cut_of_a_segment() -> None:
    connection = Connection(4500)
    frames = [*connection.syns, *connection.frames([*sized(1400, True), *sized(1400, False)])]
    for held in range(54, 54 + len(SENT[True])):
        records = Dissection(KeyLog()).records(stream(pcap(frames, snaplen=held)), "a.pcap")
        errors = {record["error"] for record in records if record["error"]}
        assert errors, held
        assert all(("the capture " in each and " hold" in each) or "outside any message" in each for each in errors)


def test_segments_backwards_take_linear_time() -> None:
    connection = Connection(4500)
    whole = b"IKETCP" + framed(*[esp(number, size=400) for number in range(20)])
    ways = [(at, whole[at : at + 1], True) for at in range(len(whole) - 1, -1, -1)]
    for frames in ([*connection.syns, *connection.frames(ways)], connection.frames(ways)):
        start = time.process_time()
        index = scan(frames)
        assert time.process_time() - start < 2
        assert index.kinds["esp"] == 20 or index.problems


@pytest.mark.parametrize("port", [443, 4500])
def test_all_streams_together_are_bounded(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "MOST_HELD", 20_000)
    frames = []
    for other in range(50):
        frames += [ethernet(ipv4(6, tcp(other, port, 9, b"", SYN)))]
        frames += [ethernet(ipv4(6, tcp(other, port, 5000, bytes(999))))]
    index = scan(frames)
    dropped = sum(loss.count for loss in index.losses if loss.what == "tcp streams")
    assert (dropped > 30) == (port == 4500)
    assert index.foreign == (0 if port == 4500 else 100)
