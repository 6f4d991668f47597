# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE and ESP in TCP (RFC 9329): streams put together whatever the segments."""

from __future__ import annotations

import itertools
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
