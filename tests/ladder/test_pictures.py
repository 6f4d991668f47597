# SPDX-License-Identifier: GPL-2.0-or-later
"""The three pictures of a ladder, octet for octet: every kind of row in both directions, at both ends.

A wanted change of a picture is a change of its file: `ladder.txt`, `ladder.html` or `ladder.svg` beside this one.
"""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from fynx_scapy.ladder import STYLE, Ladder, Row

HERE = Path(__file__).parent
LEFT, RIGHT = "alice<b>", "bob"
INIT, AUTH = "IKE_SA_INIT request 0", "IKE_AUTH response 1"
WAYS = [(LEFT, RIGHT), (RIGHT, LEFT)]


def rows() -> list[Row]:
    """Each way a packet can fare, from left to right and back, and what both ends remark."""
    found = []
    for sender, receiver in WAYS:
        found += [
            Row(0.0, sender, receiver, INIT, "HDR, SA, KE, Ni, " + ", ".join(f"N({n}-&)" for n in range(40)), (b"1",)),
            Row(0.01, sender, receiver, AUTH, "HDR, SK {IDr, AUTH}", (b"2", b"3"), "delivered"),
            Row(1.5, sender, receiver, AUTH, "HDR, SK {}", (b"4",), "lost"),
            Row(2.5, sender, receiver, AUTH, "HDR, SK {}", (b"4",), "delivered", attempt=1),
            Row(3.25, sender, receiver, "ESP", "SPI 01020304, seq 1, 84 octets inside", (b"5",), "delivered"),
            Row(3.5, sender, receiver, "ESP", "SPI 01020304, seq 2", (b"6",), "dropped", "its ICV does not verify"),
            Row(3.75, "", receiver, "ESP", "SPI 01020304, seq 1", (b"5",), "dropped", "seq 1 was seen", copy=True),
            Row(4.0, "", receiver, "datagram", "40 octets", (b"7",), "delivered"),
            Row(86400.0, sender, "", "", "IKE SA established: <alice> with bob"),
            Row(86400.5, sender, "", "", "IKE SA failed: " + "no answer, " * 20, bad=True),
        ]
    return found


@pytest.fixture
def ladder() -> Ladder:
    ladder = Ladder([], ends=(LEFT, RIGHT))
    ladder.rows = rows()
    return ladder


def test_text(ladder: Ladder) -> None:
    assert f"{ladder}\n" == (HERE / "ladder.txt").read_text()


def test_html(ladder: Ladder) -> None:
    page = ladder.html(lambda row: f"<i>{html.escape(row.title)}</i>" if row.title == AUTH else "")
    assert f"<style>{STYLE}</style>{page}\n" == (HERE / "ladder.html").read_text()


def test_svg(ladder: Ladder) -> None:
    assert f"{ladder.svg()}\n" == (HERE / "ladder.svg").read_text()
