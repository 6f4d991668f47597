# SPDX-License-Identifier: GPL-2.0-or-later
"""Ladders of captures: packet numbers, times, the conversation's own ESP, long runs in few rows."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy.capture import Capture, KeyLog
from fynx_scapy.capture.showing import pictures
from fynx_scapy.cli import main
from tests.capture.build import enhanced, esp, ike, interface, ipv4, option, pcap, section, udp
from tests.capture.crossing import RAW_IP, crossing

PINGS = 30


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crossing(tmp_path_factory.mktemp("ladders"), pings=PINGS)


def message(spi_r: bytes = bytes(8)) -> bytes:
    return ipv4(17, udp(500, 500, ike(spi_r)))


def of(*packets: bytes) -> Capture:
    return Capture(io.BytesIO(pcap(packets, RAW_IP)), KeyLog())


def test_every_row_has_its_packet_number(crossed: Path) -> None:
    with Capture(crossed) as capture:
        for conversation in capture.conversations:
            ladder = conversation.ladder("packets")
            own = {message.number for message in conversation.messages}
            assert own <= {number for row in ladder.rows for number in row.numbers}
            row = ladder.packets[-1]
            assert (row.numbers, row.number) == ((max(own),), str(max(own)))
            assert re.search(rf"^ +{row.number} +\d+\.\d+ INFORMATIONAL response", str(ladder), re.MULTILINE)
            assert f'<span class="number">{row.number}</span>' in ladder.html()
            assert f">#{row.number}</text>" in ladder.svg()


def test_each_packet_is_in_one_ladder_and_none_before_its_start(crossed: Path) -> None:
    with Capture(crossed) as capture:
        for esp_ in ("flows", "packets"):
            rows = [row for ladder in capture.ladder(esp_) for row in ladder.rows]
            assert min(row.time for row in rows) == 0.0
        alone = [number for row in rows if len(row.numbers) == 1 for number in row.numbers]
        assert len(alone) == len(set(alone))


def test_long_runs_are_folded(crossed: Path) -> None:
    with Capture(crossed) as capture:
        ladder = capture.conversations[0].ladder("packets")
        esp_rows = [row for row in ladder.packets if row.is_esp]
        assert len(esp_rows) == 3 * 8
        folded = [row for row in esp_rows if len(row.numbers) == 2]
        assert [re.sub(r"SPI \w+", "SPI", row.text) for row in folded] == [
            f"… 27 ESP packets, SPI, seq {first}–{first + 26}" for first in (2, 3, 2, 3, 32, 33)
        ]
        assert len(str(ladder).splitlines()) < 80
        for picture in (str(ladder), ladder.html(), ladder.svg()):
            assert "… 27 ESP packets" in picture


def test_two_directions_of_esp_go_both_ways() -> None:
    there, back = ipv4(50, esp(1, 1)), ipv4(50, esp(1, 2), "10.0.0.2", "10.0.0.1")
    ladder = of(message(), *[there, back] * 10).conversations[0].ladder("packets")
    ways = [ladder.rightwards(row) for row in ladder.packets]
    assert ways == [True, True, False, True, False, True, False, True, False]


def test_one_packet_is_not_folded() -> None:
    ladder = of(message(), *[ipv4(50, esp(n)) for n in range(1, 8)]).conversations[0].ladder("packets")
    assert [row.numbers for row in ladder.packets] == [(number,) for number in range(1, 9)]


def test_flows_are_singular_and_plural() -> None:
    ladder = of(message(), ipv4(50, esp(1, 1)), ipv4(50, esp(1, 2)), ipv4(50, esp(4, 2))).conversations[0].ladder()
    texts = [row.text for row in ladder.packets if row.is_esp]
    assert texts[0] == "SPI 00000001, seq 1, 1 packet, 40 octets"
    assert texts[1] == "SPI 00000002, seq 1–4, 2 packets, 80 octets, 2 missing, in 1.000 s"
    assert [row.number for row in ladder.packets] == ["1", "2", "3–4"]


@pytest.mark.parametrize(
    ("step", "shown"), [(3, ["0.000000", "0.000003"]), (400, ["0.000000", "0.000400"]), (2000, ["0.000", "0.002"])]
)
def test_microseconds_where_they_matter(step: int, shown: list[str]) -> None:
    frames = [
        enhanced(message(spi), 1_700_000_000_000_000 + at * step) for at, spi in enumerate((bytes(8), b"responde"))
    ]
    octets = section() + interface(linktype=RAW_IP, options=option("<", 9, b"\6")) + b"".join(frames)
    ladder = Capture(io.BytesIO(octets), KeyLog()).conversations[0].ladder()
    assert re.findall(r"^ +\d+ +(\d+\.\d+) INF", str(ladder), re.MULTILINE) == shown
    assert re.findall(r'class="time">(\d+\.\d+) s', ladder.html()) == shown
    assert re.findall(r'class="soft" x="4" y="\d+">(\d+\.\d+)<', ladder.svg()) == shown


def test_a_message_sent_often_counts_its_retransmissions() -> None:
    ladder = of(*[message()] * 4).conversations[0].ladder()
    assert [row.attempt for row in ladder.packets] == [0, 1, 2, 3]


def test_the_rows_of_a_ladder_and_the_ladders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_ROWS", 3)
    assert "… 7 more rows not drawn" in str(of(*[message()] * 10).conversations[0].ladder())
    monkeypatch.setattr(pictures, "MOST_LADDERS", 1)
    two = of(message(), ipv4(17, udp(500, 500, b"\1" * 8 + ike()[8:]), "10.0.0.3"))
    ladders = two.ladder()
    assert len(ladders) == len(ladders.svg()) == 2
    assert str(ladders).endswith("… 1 more conversation not drawn: choose some by number")
    assert "… 1 more conversation not drawn" in ladders.html()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_a_ladder_keeps_to_a_width(crossed: Path, width: int) -> None:
    with Capture(crossed) as capture:
        lines = capture.conversations[0].ladder().text(width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("CREATE_CHILD_SA request" in line for line in lines)


def test_the_command_draws_each_under_its_number(crossed: Path) -> None:
    done = CliRunner().invoke(main, ["capture", str(crossed), "--ladder"])
    assert [line for line in done.stdout.splitlines() if re.fullmatch(r"conversation \d", line)] == [
        "conversation 1", "conversation 2",
    ]  # fmt: skip
    assert not re.search(r" -\d+\.\d", done.stdout)
