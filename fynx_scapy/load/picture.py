# SPDX-License-Identifier: GPL-2.0-or-later
"""A load as a picture: what there was over time, and how long things took. SVG, self-contained."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from fynx_scapy.bench.figures import number
from fynx_scapy.load.quantiles import Quantiles
from fynx_scapy.load.report import LoadReport, Point

_WIDTH, _LEFT, _PLOT, _HEIGHT, _GAP = 960, 70, 600, 110, 46
_ROW = 24
_BARS = 700
"""Where the table of times begins, in pixels from the left."""
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.soft{fill:#57606a;font-size:12px}.title{font-weight:600;"
    "font-size:15px}.end{text-anchor:end}.axis{stroke:#8a94a6;opacity:.5}.line{fill:none;stroke:#2f6feb;"
    "stroke-width:2}.area{fill:#2f6feb;opacity:.12}.bad{stroke:#d1242f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}.line{stroke:#4493f8}.area{fill:#4493f8}"
    ".bad{stroke:#f85149}}"
)

Series = Sequence[tuple[float, float]]


def draw(report: LoadReport) -> str:
    """The report as a self-contained SVG picture."""
    plan = report.plan
    rate = f" at {plan.rate:g} a second" if plan.rate is not None else ""
    parts = [
        _text(8, 24, f"{report.tunnels} of {plan.tunnels} tunnels{rate}, held {report.hold_seconds:.0f} s", "title")
    ]
    y = 50
    for title, series in _panels(report):
        parts += _panel(title, series, y)
        y += _HEIGHT + _GAP
    y = max(y, _times(report, parts, 50))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" role="img">'
        f"<title>Load on a gateway</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _panels(report: LoadReport) -> Iterator[tuple[str, Series]]:
    points = report.points
    yield "tunnels that are up", [(point.seconds, point.tunnels) for point in points]
    yield "tunnels set up, a second", _rates(points, lambda point: point.set_up)
    if any(point.failed for point in points):
        yield "tunnels that failed, a second", _rates(points, lambda point: point.failed)
    if any(point.rekeys for point in points):
        yield "rekeys, a second", _rates(points, lambda point: point.rekeys)
    if report.plan.traffic is not None:
        bits = 8e-6 * report.plan.traffic.size
        yield "Mbit/s of pings that were answered", _rates(points, lambda point: bits * point.packets_in)


def _rates(points: Sequence[Point], total: Callable[[Point], float]) -> Series:
    """How fast a total grows between each two points."""
    return [
        (after.seconds, (total(after) - total(before)) / (after.seconds - before.seconds))
        for before, after in pairwise(points)
        if after.seconds > before.seconds
    ]


def _panel(title: str, series: Series, y: int) -> Iterator[str]:
    most = max((value for _, value in series), default=0.0) or 1.0
    end = max((seconds for seconds, _ in series), default=0.0) or 1.0
    bottom = y + _HEIGHT
    yield _text(_LEFT, y - 6, title, "soft")
    for share in (0.0, 0.5, 1.0):
        height = bottom - share * (_HEIGHT - 8)
        yield f'<line class="axis" x1="{_LEFT}" y1="{height:.1f}" x2="{_LEFT + _PLOT}" y2="{height:.1f}"/>'
        yield _text(_LEFT - 8, height + 4, number(share * most), "soft end")
        yield _text(_LEFT + share * _PLOT, bottom + 16, f"{share * end:.3g} s", "soft end" if share == 1 else "soft")
    places = [(_LEFT + _PLOT * at / end, bottom - (_HEIGHT - 8) * value / most) for at, value in series]
    if places:
        line = " ".join(f"{x:.1f},{height:.1f}" for x, height in places)
        kind = "line bad" if "failed" in title else "line"
        yield f'<polygon class="area" points="{places[0][0]:.1f},{bottom} {line} {places[-1][0]:.1f},{bottom}"/>'
        yield f'<polyline class="{kind}" points="{line}"/>'


def _times(report: LoadReport, parts: list[str], y: int) -> int:
    """A table of how long things took, and of what failed. Returns the height below it."""
    parts.append(_text(_BARS, y - 6, "median · 99 % · most, in ms", "soft"))
    rows: list[tuple[str, Quantiles]] = [
        ("tunnel setup", report.setups),
        ("first packet", report.first_packets),
        ("IKE SA rekey", report.ike_rekeys),
        ("Child SA rekey", report.child_rekeys),
        ("latency", report.latencies),
    ]
    for name, times in rows:
        if times.count:
            y += _ROW
            values = " · ".join(number(1000 * value) for value in (times.at(0.5), times.at(0.99), times.most))
            parts += [_text(_BARS, y, name, ""), _text(_WIDTH - 8, y, values, "end")]
    for words, counter in (("failed", report.failures), ("lost", report.lost), ("no rekey", report.rekey_failures)):
        for code, count in counter.most_common(8):
            y += _ROW
            parts += [_text(_BARS, y, f"{words}: {code}", "soft"), _text(_WIDTH - 8, y, str(count), "end")]
    if report.packets_out and math.isfinite(report.lost_packets):
        y += _ROW
        parts += [_text(_BARS, y, "pings lost", ""), _text(_WIDTH - 8, y, f"{report.lost_packets:.2f} %", "end")]
    return y + 2 * _ROW


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}">{html.escape(words)}</text>'
