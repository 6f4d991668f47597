# SPDX-License-Identifier: GPL-2.0-or-later
"""A ladder as text."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from fynx_scapy.ladder.rows import DROPPED, LOST, Row
from fynx_scapy.ladder.times import decimals

WIDTH = 112
NARROW, LEAST = 100, 40
"""Below the first width, titles have no column of their own. The second is the least that is drawn."""
_NUMBER, _TITLE, _INDENT = 5, 27, 12
_STAY = "\N{NO-BREAK SPACE}"  # keeps an arrow on the line of the word before it


def columns() -> int:
    """The width of the terminal. If the output is not a terminal, `WIDTH`."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH


def draw(rows: Sequence[Row], ends: tuple[str, str], width: int) -> str:
    """The ladder as lines of at most ``width`` characters."""
    width = max(width, LEAST)
    title, indent = (_TITLE, _INDENT) if width >= NARROW else (0, _INDENT // 2)
    places = decimals(rows)
    longest = max((len(row.number) for row in rows), default=0)
    number = max(longest, _NUMBER) + 1 if longest else 0
    time = places + 6
    lines = _head(ends, number + time + title, width)
    for row in rows:
        start = (f"{row.number:>{number - 1}} " if number else "") + f"{row.time:{time - 1}.{places}f} "
        if not row.is_packet:
            lines += _wrap(f"{start}{'':{title}}", f"* {row.sender}: {row.text}", width)
            continue
        line = "=" if row.is_esp else "-"
        lost = row.fate in (LOST, DROPPED)
        text = row.text + (f"  [{'; '.join(row.marks)}]" if row.marks else "")
        if title:
            start += f"{row.title:{title}}"
        else:
            text = f"{row.title}: {text}"
        if row.receiver == ends[1]:
            lines += _wrap(start, f"{text}{_STAY * 2}{line * 2}{'X' if lost else '>'}", width)
        else:
            tip = f"{'X' if lost else '<'}{line * 2}{_STAY * 2}"
            lines += _wrap(start + " " * indent, f"{tip}{text}", width, hanging=5)
    return "\n".join(lines).replace(_STAY, " ")


def _head(ends: tuple[str, str], start: int, width: int) -> list[str]:
    """The names of both endpoints, on one line if they fit."""
    left, right = ends
    gap = width - start - len(left) - len(right)
    return [f"{'':{start}}{left}{'':{gap}}{right}"] if gap >= 2 else [f"{'':{start}}{left}", f"{right:>{width}}"]


def _wrap(start: str, text: str, width: int, hanging: int = 2) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=start, subsequent_indent=" " * (len(start) + hanging), break_on_hyphens=False
    )
