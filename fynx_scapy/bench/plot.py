# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as a picture: a bar a figure, with its floor and its bound on the same axis. SVG, self-contained.

Figures of one topic that follow each other and have the same unit share an axis, logarithmic where they span more than
a factor of thirty. A floor or a bound that is far from its figure is not drawn; the text has it.
"""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Callable, Sequence

from fynx_scapy.bench.figures import Figure, number
from fynx_scapy.bench.results import Results, Topic

_WIDTH, _LEFT, _RIGHT = 1180, 460, 860
_ROW, _BAR = 22, 12
_WIDEST = 30
"""An axis that spans more than this factor is logarithmic."""
_FAR = 8
"""A floor or a bound that is so many times as large or as small as its figure is not drawn."""
_LONGEST = 66
"""The most characters of a name that fit left of the bars."""
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.soft{fill:#57606a;font-size:12px}.topic{font-weight:600;"
    "font-size:15px}.track{fill:#8a94a6;opacity:.14}.plain{fill:#2f6feb}.met{fill:#0f8a5f}.missed{fill:#d1242f}"
    ".floor{stroke:#57606a;stroke-width:2}.bound{stroke:#9a6700;stroke-width:2;stroke-dasharray:3 2}"
    "text.missed{font-weight:600}.end{text-anchor:end}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}.floor{stroke:#9198a1}"
    ".plain{fill:#4493f8}.met{fill:#3fb950}.missed,text.missed{fill:#f85149}.bound{stroke:#d29922}}"
)
_LEGEND = (
    ("plain", "no bound"),
    ("met", "bound met"),
    ("missed", "bound missed"),
    ("floor", "what it is compared with"),
    ("bound", "its bound"),
)


def draw(results: Results) -> str:
    """The results as a self-contained SVG picture."""
    parts = [_text(8, 24, f"fynx bench{' --quick' if results.quick else ''}", "topic")]
    about = (results.machine.get(name, "") for name in ("processor", "system"))
    versions = (f"{name} {results.machine[name]}" for name in ("Python", "cryptography") if name in results.machine)
    parts.append(_text(8, 44, " · ".join(filter(None, (*about, *versions))), "soft"))
    parts += _legend(68)
    y = 96
    for topic in results.topics:
        drawn, y = _topic(topic, y)
        parts += drawn
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" role="img">'
        f"<title>What fynx-scapy costs</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _legend(y: int) -> list[str]:
    parts, x = [], 8
    for kind, words in _LEGEND:
        if kind in ("floor", "bound"):
            parts.append(f'<line class="{kind}" x1="{x + 6}" y1="{y - 11}" x2="{x + 6}" y2="{y + 3}"/>')
        else:
            parts.append(f'<rect class="{kind}" x="{x}" y="{y - 10}" width="12" height="12" rx="2"/>')
        parts.append(_text(x + 18, y, words, "soft"))
        x += 34 + 7 * len(words)
    return parts


def _topic(topic: Topic, y: int) -> tuple[list[str], int]:
    """A topic from a height on, and the height below it."""
    parts = [_text(8, y, topic.name, "topic"), _text(8, y + 18, topic.title, "soft")]
    y += 30
    for reason in filter(None, (topic.skipped and f"skipped: {topic.skipped}", topic.failed)):
        parts.append(_text(8, y + 12, reason, "missed" if topic.failed else "soft"))
        y += _ROW
    for _, group in itertools.groupby(topic.figures, key=lambda figure: figure.unit):
        figures = list(group)
        scale = _scale(figures)
        for figure in figures:
            parts += _row(figure, y, scale)
            y += _ROW
        y += 6
    return parts, y + 22


def _ticks(figure: Figure) -> dict[str, float]:
    """The floor and the bound of a figure, in its unit, where they are near enough to be drawn."""
    found = {}
    floor = None if figure.floor is None or figure.floor.skipped else figure.floor.value
    if floor is not None:
        found["floor"] = floor
    if figure.bound is not None and (figure.floor is None or floor is not None):
        found["bound"] = figure.bound.limit * (1.0 if floor is None else floor)
    return {
        kind: value
        for kind, value in found.items()
        if math.isfinite(value) and (not value or not figure.value or 1 / _FAR <= value / figure.value <= _FAR)
    }


def _scale(figures: Sequence[Figure]) -> Callable[[float], float]:
    """Where a number lies on the axis that these figures share."""
    drawn = [figure for figure in figures if not figure.skipped]
    values = [value for figure in drawn for value in (figure.value, *_ticks(figure).values())]
    numbers = [value for value in values if value > 0 and math.isfinite(value)]
    most, least = max(numbers, default=1.0), min(numbers, default=1.0)
    if most <= least * _WIDEST:
        return lambda value: _LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, value / most))
    low = math.log(least) - 0.5
    span = math.log(most) - low
    return lambda value: (
        _LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, (math.log(value) - low) / span) if value > 0 else 0.0)
    )


def _row(figure: Figure, y: int, scale: Callable[[float], float]) -> list[str]:
    name = figure.name if len(figure.name) <= _LONGEST else f"{figure.name[: _LONGEST - 1]}…"
    parts = [_text(_LEFT - 10, y + 11, name, "end")]
    if figure.skipped:
        return [*parts, _text(_LEFT, y + 11, f"skipped: {figure.skipped}", "soft")]
    kind = {True: "met", False: "missed", None: "plain"}[figure.met]
    parts.append(_bar("track", y, _RIGHT))
    parts.append(_bar(kind, y, scale(figure.value)))
    parts += [_tick(mark, y, scale(value)) for mark, value in _ticks(figure).items()]
    words = f"{number(figure.value)} {figure.unit}"
    if figure.ratio is not None:
        words += f" · {number(figure.ratio)} ×"
    if figure.bound is not None:
        words += f" ({figure.bound})"
    return [*parts, _text(_RIGHT + 10, y + 11, words, "missed" if kind == "missed" else "")]


def _bar(kind: str, y: int, end: float) -> str:
    return f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="{_BAR}" rx="2"/>'


def _tick(kind: str, y: int, x: float) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="{y - 3}" x2="{x:.1f}" y2="{y + _BAR + 3}"/>'


def _text(x: int, y: int, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{html.escape(words)}</text>'
