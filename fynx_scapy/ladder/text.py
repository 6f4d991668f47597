# SPDX-License-Identifier: GPL-2.0-or-later
"""A ladder as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from fynx_scapy.ladder.rows import DROPPED, LOST, Row

WIDTH = 112
_TIME, _TITLE, _INDENT = 9, 27, 12
_STAY = "\N{NO-BREAK SPACE}"  # keeps an arrow on the line of the word before it


def draw(rows: Iterable[Row], ends: tuple[str, str]) -> str:
    """The ladder as lines of `WIDTH` characters."""
    left, right = ends
    gap = WIDTH - _TIME - _TITLE - len(left) - len(right)
    lines = [f"{'':{_TIME + _TITLE}}{left}{'':{gap}}{right}"]
    for row in rows:
        if not row.is_packet:
            lines += _wrap(f"{row.time:8.3f} {'':{_TITLE}}", f"* {row.sender}: {row.text}")
            continue
        line = "=" if row.is_esp else "-"
        lost = row.fate in (LOST, DROPPED)
        text = row.text + (f"  [{'; '.join(row.marks)}]" if row.marks else "")
        start = f"{row.time:8.3f} {row.title:{_TITLE}}"
        if row.receiver == right:
            lines += _wrap(start, f"{text}{_STAY * 2}{line * 2}{'X' if lost else '>'}")
        else:
            lines += _wrap(start + " " * _INDENT, f"{'X' if lost else '<'}{line * 2}{_STAY * 2}{text}", hanging=5)
    return "\n".join(lines).replace(_STAY, " ")


def _wrap(start: str, text: str, hanging: int = 2) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=" " * (len(start) + hanging), break_on_hyphens=False
    )
