# SPDX-License-Identifier: GPL-2.0-or-later
"""A ladder as HTML, with its style sheet."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from fynx_scapy.ladder.rows import DROPPED, LOST, Row
from fynx_scapy.ladder.times import decimals

STYLE = """
.ladder{--ladder-line:#8a94a6;--ladder-arrow:#2f6feb;--ladder-esp:#0f8a5f;--ladder-bad:#d1242f;--ladder-soft:#6b7484;
font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;max-width:62rem}
@media (prefers-color-scheme:dark){.ladder{--ladder-line:#566070;--ladder-arrow:#6ea8fe;--ladder-esp:#4cc38a;
--ladder-bad:#ff7b72;--ladder-soft:#98a2b3}}
.ladder .ends{display:flex;justify-content:space-between;padding-left:4.6rem}
.ladder .ends span{display:none}
.ladder .row,.ladder .row>summary{display:block}
.ladder .line{display:grid;grid-template-columns:4.6rem 1fr;align-items:stretch}
.ladder .time{color:var(--ladder-soft);font-size:11px;padding-top:.45rem}
.ladder .number{display:block}
.ladder .number::before{content:"#"}
.ladder .lane{border:solid var(--ladder-line);border-width:0 2px;padding:.35rem 0 .1rem}
.ladder .words{display:flex;flex-wrap:wrap;gap:0 .8rem;padding:0 1.4rem;justify-content:flex-start}
.ladder .left .words{justify-content:flex-end;text-align:right}
.ladder .title{color:var(--ladder-soft)}
.ladder .mark{color:var(--ladder-bad)}
.ladder .arrow{height:10px;position:relative;color:var(--ladder-arrow)}
.ladder .esp .arrow{color:var(--ladder-esp)}
.ladder .lost .arrow{color:var(--ladder-bad)}
.ladder .arrow::before{content:"";position:absolute;left:0;right:0;top:4px;border-top:2px solid}
.ladder .esp .arrow::before{top:3px;border-top:4px double}
.ladder .lost .arrow::before{border-top-style:dashed;right:28%}
.ladder .left.lost .arrow::before{right:0;left:28%}
.ladder .again .arrow::before{border-top-style:dashed}
.ladder .arrow::after{content:"";position:absolute;top:0;right:0;border:5px solid transparent;border-left:9px solid;
border-right:0}
.ladder .left .arrow::after{right:auto;left:0;border:5px solid transparent;border-right:9px solid;border-left:0}
.ladder .lost .arrow::after{content:"\\00d7";border:0;font:bold 18px/10px sans-serif;right:calc(28% - 7px)}
.ladder .left.lost .arrow::after{border:0;left:calc(28% - 7px);right:auto}
.ladder .remark .words{color:var(--ladder-soft);font-style:italic;padding:.1rem .7rem;text-align:left;
justify-content:flex-start}
.ladder .remark.left .words{justify-content:flex-end;text-align:right}
.ladder .remark.bad .words{color:var(--ladder-bad);font-style:normal;font-weight:bold}
.ladder summary{cursor:pointer;list-style:none}
.ladder summary::-webkit-details-marker{display:none}
.ladder summary .title::before{content:"\\25b8 ";font-size:.8em}
.ladder details[open]>summary .title::before{content:"\\25be "}
.ladder summary:hover .lane,.ladder summary:focus-visible .lane{
background:color-mix(in srgb,currentColor 7%,transparent)}
.ladder .opened{margin-left:4.6rem;border:solid var(--ladder-line);border-width:0 2px;padding:.5rem 1.4rem 1rem}
@media (max-width:40rem){.ladder{font-size:12px}.ladder .ends{padding-left:0}.ladder .line{grid-template-columns:1fr}
.ladder .time{padding:.3rem .4rem 0;border:solid var(--ladder-line);border-width:0 2px}
.ladder .number{display:inline;margin-left:.6rem}.ladder .lane{padding-top:0}
.ladder .words{padding:0 .6rem}.ladder .words span{overflow-wrap:anywhere}
.ladder .left .time{text-align:right}.ladder .opened{margin-left:0;padding:.4rem .5rem .8rem}}
"""
"""The style sheet of `Ladder.html`. It loads no external resources."""


def draw(rows: Sequence[Row], ends: tuple[str, str], details: Callable[[Row], str] | None = None) -> str:
    """The ladder as an HTML fragment; ``details`` as in `Ladder.html`."""
    places = decimals(rows)
    lines = "".join(_row(row, ends, places, details(row) if details and row.is_packet else "") for row in rows)
    left, right = map(html.escape, ends)
    head = f'<div class="ends"><span></span><b>{left}</b><b>{right}</b></div>'
    return f'<div class="ladder">{head}{lines}</div>'


def _row(row: Row, ends: tuple[str, str], places: int, details: str) -> str:
    left, right = ends
    if row.is_packet:
        classes = ["row", "right" if row.receiver == right else "left"]
        classes += ["esp"] if row.is_esp else []
        classes += ["lost"] if row.fate in (LOST, DROPPED) else []
        classes += ["again"] if row.attempt else []
        marks = "".join(f'<span class="mark">{html.escape(mark)}</span>' for mark in row.marks)
        words = f'<span class="title">{html.escape(row.title)}</span><span>{html.escape(row.text)}</span>{marks}'
        lane = f'<div class="lane"><div class="words">{words}</div><div class="arrow"></div></div>'
    else:
        classes = ["row", "remark", "right" if row.sender == left else "left", *(["bad"] if row.bad else [])]
        lane = f'<div class="lane"><div class="words"><span>{html.escape(row.text)}</span></div></div>'
    number = f'<span class="number">{row.number}</span>' if row.numbers else ""
    line = f'<div class="line"><span class="time">{row.time:.{places}f} s{number}</span>{lane}</div>'
    if not details:
        return f'<div class="{" ".join(classes)}">{line}</div>'
    opened = f'<div class="opened">{details}</div>'
    return f'<details class="{" ".join(classes)}"><summary>{line}</summary>{opened}</details>'
