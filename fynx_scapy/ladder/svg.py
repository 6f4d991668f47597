# SPDX-License-Identifier: GPL-2.0-or-later
"""A ladder as an SVG picture."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence

from fynx_scapy.ladder.rows import DROPPED, LOST, Row
from fynx_scapy.ladder.times import decimals

_LEFT, _RIGHT, _WIDTH, _CHARS = 80, 920, 1000, 100
_NUMBER = 10  # characters of packet numbers that fit left of the lanes
_STYLE = (
    "text{font:13px monospace;fill:#57606a}.end{font-weight:bold}.life{stroke:#8a94a6;stroke-width:2}"
    ".ike{stroke:#2f6feb;fill:#2f6feb}.esp{stroke:#0f8a5f;fill:#0f8a5f}.lost{stroke:#d1242f;fill:#d1242f;"
    "stroke-dasharray:6 4}.soft{font-size:11px}"
    "@media(prefers-color-scheme:dark){text{fill:#b6bec9}}"
)


def draw(rows: Sequence[Row], ends: tuple[str, str]) -> str:
    """The ladder as a self-contained SVG picture."""
    parts: list[str] = []
    y, places = 50, decimals(rows)
    for row in rows:
        marks = f"  [{'; '.join(row.marks)}]" if row.marks else ""
        words = f"{row.title}: {row.text}{marks}" if row.is_packet else row.text
        at_right = row.receiver != ends[1] if row.is_packet else row.sender == ends[1]
        x, anchor = (_RIGHT - 12, "end") if at_right else (_LEFT + 12, "start")
        parts.append(f'<text class="soft" x="4" y="{y}">{row.time:.{places}f}</text>')
        if row.numbers:
            number = row.number if len(row.number) <= _NUMBER else f"{row.numbers[0]}–…"
            parts.append(f'<text class="soft" x="4" y="{y + 14}">#{number}</text>')
        for line in textwrap.wrap(words, _CHARS, break_on_hyphens=False):
            kind = "" if row.is_packet else ' class="soft" font-style="italic"'
            parts.append(f'<text{kind} x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(line)}</text>')
            y += 17
        if row.is_packet:
            parts.append(_arrow(row, y - 8, rightwards=row.receiver == ends[1]))
        y += 14 if row.is_packet else 5
    left, right = map(html.escape, ends)
    names = (
        f'<text class="end" x="{_LEFT}" y="18" text-anchor="middle">{left}</text>'
        f'<text class="end" x="{_RIGHT}" y="18" text-anchor="middle">{right}</text>'
    )
    lives = "".join(f'<line class="life" x1="{x}" y1="26" x2="{x}" y2="{y}"/>' for x in (_LEFT, _RIGHT))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 10}" role="img">'
        f"<style>{_STYLE}</style>{names}{lives}{''.join(parts)}</svg>"
    )


def _arrow(row: Row, y: int, *, rightwards: bool) -> str:
    start, end = (_LEFT, _RIGHT) if rightwards else (_RIGHT, _LEFT)
    back = -9 if end > start else 9
    if row.fate in (LOST, DROPPED):
        end = start + (end - start) * 72 // 100
        head = f"M{end - 6},{y - 6}L{end + 6},{y + 6}M{end - 6},{y + 6}L{end + 6},{y - 6}"
        return f'<path class="lost" stroke-width="2" d="M{start},{y}H{end}{head}"/>'
    kind, width = ("esp", 4) if row.is_esp else ("ike", 2)
    tip = f'<path class="{kind}" d="M{end},{y}l{back},-5v10z"/>'
    return f'<path class="{kind}" stroke-width="{width}" d="M{start},{y}H{end + back}"/>{tip}'
