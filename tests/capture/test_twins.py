# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that a capture holds twice: they are neither retransmissions nor replays, and are counted once."""

from __future__ import annotations

import io

import pytest

from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import Audit, Status, audit
from fynx_scapy.capture.reading.flows import EspFlow
from fynx_scapy.capture.reading.twins import Sighting, captured_twice
from fynx_scapy.keylog import KeyLog
from tests.capture.build import esp, ethernet, ike, ipv4, ipv6, pcap, udp
from tests.shared import shared

REQUEST = udp(500, 500, ike())


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((1.0, 7), (1.00001, 7), True),
        ((1.0, 7), (1.05, 7), True),  # the two sides of a slow path
        ((1.00001, 7), (1.0, 7), True),  # two interfaces, one file
        ((1.0, 7), (1.00001, 8), False),  # sent again: another IP packet
        ((1.0, 7), (2.0, 7), False),  # the sender numbers no packets, or it wrapped
        ((1.0, 0), (1.0005, 0), True),  # IPv6, or an atomic IPv4 datagram
        ((1.0, 0), (1.008, 0), True),
        ((1.0, 0), (1.02, 0), False),
        ((1.0, 0), (1.0005, 7), True),  # translated between IPv4 and IPv6
        ((None, 7), (None, 7), True),
        ((None, 0), (None, 0), False),  # nothing tells them apart
    ],
)
def test_rule(first: tuple[float | None, int], second: tuple[float | None, int], expected: bool) -> None:
    assert captured_twice(Sighting(*first), Sighting(*second)) is expected


def captured(frames: list[bytes], micros: list[int]) -> Capture:
    return Capture(io.BytesIO(pcap([ethernet(frame) for frame in frames], micros=micros)), KeyLog())


def judged(frames: list[bytes], micros: list[int]) -> Audit:
    with captured(frames, micros) as capture:
        return audit(capture)


def test_a_message_captured_twice_was_not_sent_again() -> None:
    message = ipv4(17, REQUEST, ident=9)
    # request, the same frame on the other port of the mirror, a true retransmission, and its copy
    frames = [message, message, ipv4(17, REQUEST, ident=10), ipv4(17, REQUEST, ident=10)]
    with captured(frames, [0, 20, 500_000, 500_020]) as capture:
        (exchange,) = capture.exchanges
        assert [message.twice for message in exchange.messages] == [False, True, False, True]
        assert (exchange.retransmissions, exchange.captured_twice) == (1, 2)
        assert capture.conversations[0].as_dict()["captured_twice"] == 2
        found = audit(capture)
        text = str(capture.ladder())
    (twice,) = found.find("capture.twice")
    assert (twice.title, twice.evidence, twice.status) == ("2 packets captured twice", (2, 4), Status.SEEN)
    (again,) = found.find("ike.retransmission")
    assert again.evidence == (1, 3)
    assert text.count("captured twice") == 2
    assert text.count("retransmission") == 1


@pytest.mark.parametrize("gap", [40, 1_000_000])
def test_ipv6_has_no_identification(gap: int) -> None:
    frames = [ipv6(17, REQUEST)] * 2
    found = judged(frames, [0, gap])
    assert bool(found.find("capture.twice", "1 packet captured twice")) == (gap == 40)
    assert bool(found.find("ike.retransmission")) == (gap != 40)


def test_both_sides_of_a_nat() -> None:
    inside = [ipv4(50, esp(number), src="10.0.0.1", ident=number) for number in range(1, 6)]
    outside = [ipv4(50, esp(number), src="192.0.2.1", ident=number) for number in range(1, 6)]
    frames = [frame for pair in zip(inside, outside, strict=True) for frame in pair]
    found = judged(frames, [at * 1000 + half for at in range(5) for half in (0, 15)])
    (twice,) = found.find("capture.twice")
    assert twice.title == "5 packets captured twice"
    assert "NAT" in twice.explanation
    assert len(found.find("flow.unknown")) == 1  # one flow, and not one for each side


def flow_of(frames: list[bytes], micros: list[int]) -> EspFlow:
    with captured(frames, micros) as capture:
        (flow,) = capture.flows
        return flow


@pytest.mark.parametrize("version", [4, 6])
def test_esp_captured_twice_is_no_replay(version: int) -> None:
    made = [
        ipv4(50, esp(number), ident=100 + number) if version == 4 else ipv6(50, esp(number)) for number in range(1, 5)
    ]
    flow = flow_of(
        [frame for frame in made for _ in range(2)], [at * 1000 + half for at in range(4) for half in (0, 9)]
    )
    assert (flow.twice, flow.duplicates, flow.replays, flow.packets) == (4, 0, 0, 8)
    # in bursts, as of a bridge: three packets, then the same three
    flow = flow_of(made[:3] * 2, [0, 1, 2, 30, 31, 32])
    assert (flow.twice, flow.duplicates, flow.replays) == (3, 0, 0)


def test_esp_replayed_is_no_copy() -> None:
    first, again = ipv4(50, esp(1), ident=1), ipv4(50, esp(1), ident=77)
    found = judged([first, ipv4(50, esp(2), ident=2), again], [0, 10, 20])
    assert found.find("flow.replay", "1 packet")
    assert not found.find("capture.twice")
    found = judged([first, ipv4(50, esp(2), ident=2), first], [0, 10, 3_000_000])  # recorded, and sent later
    assert found.find("flow.replay", "1 packet")


def test_inner_flows_count_a_packet_once() -> None:
    folder = shared("cases/C05-captured-twice")
    with Capture(folder / "bothnat.pcap", folder / "bothnat.keys") as capture:
        assert [flow.packets for flow in capture.inner_flows] == [3, 3]
        assert sum(packet.twice for packet in capture.esp()) == 6
        found = audit(capture)
        text = str(capture.conversations[0].ladder("packets"))
    assert [each.title for each in found.find("capture.twice")] == ["12 packets captured twice"]
    assert not found.find("ike.retransmission")
    assert not found.find("flow.replay")
    assert " ".join(text.split()).count("captured twice") == 9  # three are in the folded middle


def test_a_mirror_port_shows_fragments_twice() -> None:
    with Capture(shared("cases/C05-captured-twice/suricata-bypass.pcap"), KeyLog()) as capture:
        assert [exchange.retransmissions for exchange in capture.exchanges] == [0, 0, 0, 0]
        assert audit(capture).find("capture.twice", "33 packets")
