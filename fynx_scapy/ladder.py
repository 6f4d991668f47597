# SPDX-License-Identifier: GPL-2.0-or-later
"""A conversation as a ladder: text, HTML and SVG, drawn from the events of both ends and from nothing else.

Payloads are written as in RFC 7296 appendix C: ``HDR, SK {IDi, AUTH, SA, TSi, TSr}``.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fynx_scapy.iana import ExchangeType, KeMethod, NotifyType, PayloadType, ProtocolId, name_of
from fynx_scapy.ike.events import (
    ChildSaFailed,
    ChildSaInstalled,
    EspReceived,
    EspSent,
    Event,
    EventsDropped,
    IkeSaEstablished,
    IkeSaFailed,
    IntegrityFailed,
    InternalError,
    KeyExchangeRejected,
    MessageDropped,
    MessageEvent,
    MessageReceived,
    MessageSent,
    PeerDead,
    ReplayDropped,
    Retransmitted,
    SaDeleted,
)
from fynx_scapy.text import LONGEST, printable

RESPONSE = 0x20
LOST, DELIVERED, DROPPED = "lost", "delivered", "dropped"


@dataclass(slots=True)
class Row:
    """One line of the ladder: a message, an ESP packet, or (``receiver`` empty) what one end has to say about it.

    ``title`` names exchange and message ID, ``text`` the payloads. ``fate`` tells whether it arrived: ``lost``,
    ``delivered``, ``dropped`` for the ``reason`` that the receiver gives, or empty where nobody knows. ``sender`` is
    empty for a message that neither end sent, or that is a ``copy`` made on its way. ``attempt`` counts
    retransmissions, ``bad`` marks a remark that something failed. ``octets`` is what was on the wire, one
    element a datagram.
    """

    time: float
    sender: str
    receiver: str
    title: str
    text: str
    octets: tuple[bytes, ...] = ()
    fate: str = ""
    reason: str = ""
    attempt: int = 0
    copy: bool = False
    bad: bool = False
    event: Event | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.title, self.text = printable(self.title, LONGEST), printable(self.text, LONGEST)

    @property
    def is_packet(self) -> bool:
        """Whether something travelled, as opposed to a remark."""
        return bool(self.receiver)

    @property
    def is_esp(self) -> bool:
        """Whether it is an ESP packet."""
        return self.title == "ESP"

    @property
    def changed(self) -> tuple[str, ...]:
        """The tap stages that altered it."""
        return self.event.changed if isinstance(self.event, MessageSent) else ()

    @property
    def marks(self) -> list[str]:
        """What is unusual about it, in words."""
        found = [f"retransmission {self.attempt}"] if self.attempt else []
        found += [f"changed: {', '.join(self.changed)}"] if self.changed else []
        if self.is_packet and not self.sender:
            found.append("a copy" if self.copy else "not sent by the peer")
        found += [LOST] if self.fate == LOST else []
        return found + ([f"dropped: {self.reason}"] if self.fate == DROPPED else [])


# -- names ------------------------------------------------------------------------------------------------------------


def payload_name(layer: Any, *, request: bool = True) -> str:
    """A payload in the notation of RFC 7296 appendix C: ``Ni``, ``N(COOKIE)``, ``D(ESP)``, …"""
    kind = int(getattr(layer, "payload_type", 0) or 0)
    if kind == PayloadType.Nonce:
        return "Ni" if request else "Nr"
    name = PayloadType.notation(kind) if kind else "octets"
    if kind == PayloadType.N and hasattr(layer, "type"):
        return f"N({name_of(NotifyType, layer.type or 0)})"
    if kind == PayloadType.D and hasattr(layer, "proto"):
        return f"D({name_of(ProtocolId, layer.proto or 0)})"
    return name if getattr(layer, "malformed", None) is None else f"{name}?"


def message_title(event: MessageEvent) -> str:
    """Exchange, direction and message ID: ``IKE_AUTH request 1``."""
    return _title(event.header.exch_type, not _response(event), event.header.id)


def message_text(event: MessageEvent) -> str:
    """The payloads: ``HDR, SK {IDi, AUTH, SA, TSi, TSr}``, and in how many fragments they went."""
    names = [payload_name(layer, request=not _response(event)) for layer in event.payloads]
    if event.encrypted:
        # A puzzle's solution stands before SK (RFC 8019 section 7.2.2).
        outside = names[:1] if names[:1] == ["PS"] else []
        fragments = f" in {len(event.wire)} fragments" if len(event.wire) > 1 else ""
        names = [*outside, f"SK {{{', '.join(names[len(outside) :])}}}{fragments}"]
    return ", ".join(["HDR", *names])


def _title(exchange: int, request: bool, message_id: int) -> str:
    return f"{name_of(ExchangeType, int(exchange))} {'request' if request else 'response'} {message_id}"


def _response(event: MessageEvent) -> bool:
    return bool(int(event.header.flags or 0) & RESPONSE)


def _esp_text(event: EspSent | EspReceived) -> str:
    if isinstance(event, EspReceived) and event.next_header == 59:
        return f"SPI {event.spi:08x}, seq {event.seq}, dummy packet"
    return f"SPI {event.spi:08x}, seq {event.seq}, {event.length} octets inside"


def _deleted(event: SaDeleted) -> str:
    spis = ", ".join(f"{spi:08x}" for spi in event.child_spis)
    return f"Child SA {spis} is gone: {event.reason}" if spis else f"IKE SA is gone: {event.reason}"


def _installed(event: ChildSaInstalled) -> str:
    local, remote = ", ".join(event.local_ts), ", ".join(event.remote_ts)
    return f"Child SA in {event.inbound.spi:08x}, out {event.outbound.spi:08x}: {local} === {remote}"


def _child_failed(event: ChildSaFailed) -> str:
    name = f" ({name_of(NotifyType, event.notify_type)})" if event.notify_type else ""
    return f"no Child SA{name}: {event.reason}"


def _rejected(event: KeyExchangeRejected) -> str:
    wanted = "another method" if event.wanted is None else name_of(KeMethod, event.wanted)
    weaker = ", which is weaker than the first one offered" if event.weaker else ""
    fate = "" if event.followed else ": not followed"
    return f"the peer wants {wanted} in the place of {name_of(KeMethod, event.sent)}{weaker}{fate}"


REMARKS: Mapping[type[Event], Callable[[Any], str]] = {
    IkeSaEstablished: lambda event: f"IKE SA established: {event.local_id} with {event.remote_id}",
    IkeSaFailed: lambda event: f"IKE SA failed: {event.reason}",
    KeyExchangeRejected: _rejected,
    ChildSaInstalled: _installed,
    ChildSaFailed: _child_failed,
    SaDeleted: _deleted,
    EventsDropped: lambda event: f"{sum(count for _, count in event.kinds)} earlier events were not kept",
    PeerDead: lambda event: f"peer is dead: no answer to message {event.message_id} in {event.attempts} attempts",
    InternalError: lambda event: f"a fault of ours at {event.doing}: {event.error} at {event.where}",
}
"""What an event says that is no packet. KeysDerived and PeerNotified are told by the messages themselves."""


# -- rows -------------------------------------------------------------------------------------------------------------


def _kin(row: Row, octets: bytes) -> bool:
    """Whether they are the same packet but for a change on its way: by SPI and sequence number, or the IKE header."""
    size = 8 if row.is_esp else 28
    return len(octets) >= size and any(each[:size] == octets[:size] for each in row.octets)


class _Reader:
    """Pairs what one end sent with what the other end made of it."""

    def __init__(self, ends: Sequence[str], *, one_sided: bool = False) -> None:
        self.ends = ends
        self.one_sided = one_sided
        self.rows: list[Row] = []

    def other(self, who: str) -> str:
        return self.ends[1] if who == self.ends[0] else self.ends[0]

    def read(self, who: str, event: Event) -> None:
        kind = next((kind for kind in type(event).__mro__ if kind in _READERS), None)
        if kind is not None:
            _READERS[kind](self, who, event)
        elif type(event) in REMARKS:
            self.rows.append(Row(event.time, who, "", "", REMARKS[type(event)](event), event=event))

    def message_sent(self, who: str, event: MessageSent) -> None:
        if _response(event):
            # An answer proves that its request arrived, even where nothing was kept of it (RFC 7296 section 2.6).
            self.answered(who, event.spi_i, event.header.id)
        self.sent(who, event, message_title(event), message_text(event), event.wire)

    def message_received(self, who: str, event: MessageReceived) -> None:
        if not self.arrived(who, event.wire):
            self.stray(who, event, message_title(event), message_text(event), event.wire)

    def esp_sent(self, who: str, event: EspSent) -> None:
        self.sent(who, event, "ESP", _esp_text(event), (event.datagram.data,))

    def esp_received(self, who: str, event: EspReceived) -> None:
        if not self.arrived(who, (event.datagram.data,)):
            self.stray(who, event, "ESP", _esp_text(event), (event.datagram.data,))

    def sent(self, who: str, event: Event, title: str, text: str, octets: tuple[bytes, ...]) -> Row:
        fate = "" if self.one_sided else LOST
        self.rows.append(Row(event.time, who, self.other(who), title, text, octets, fate, event=event))
        return self.rows[-1]

    def retransmitted(self, who: str, event: Retransmitted) -> None:
        octets = tuple(datagram.data for datagram in event.datagrams)
        first = next((row for row in self.rows if row.sender == who and row.octets == octets), None)
        if not event.request:
            self.answered(who, event.spi_i, event.message_id)
        title = _title(event.exchange, event.request, event.message_id)
        row = self.sent(who, event, title, first.text if first else "", octets)
        row.attempt, row.event = event.attempt, first.event if first else event

    def under_way(self, who: str, fits: Callable[[Row], bool]) -> Row | None:
        """The newest packet to ``who`` that has not arrived and that fits."""
        rows = (row for row in reversed(self.rows) if row.receiver == who and row.sender and row.fate == LOST)
        return next((row for row in rows if fits(row)), None)

    def arrived(self, who: str, octets: tuple[bytes, ...]) -> bool:
        row = self.under_way(who, lambda row: row.octets == octets)
        if row is not None:
            row.fate = DELIVERED
        copy = any(row.octets == octets and row.receiver == who for row in self.rows)
        return row is not None or (copy and not self.one_sided)

    def answered(self, who: str, spi_i: bytes, message_id: int) -> None:
        def asks(row: Row) -> bool:
            sent = row.event
            return (
                isinstance(sent, MessageSent)
                and not _response(sent)
                and (sent.spi_i, sent.header.id) == (spi_i, message_id)
            )

        row = next((row for row in reversed(self.rows) if row.receiver == who and row.sender and asks(row)), None)
        if row is not None and row.fate == LOST:
            row.fate = DELIVERED

    def dropped(self, who: str, event: MessageDropped | IntegrityFailed | ReplayDropped) -> None:
        if isinstance(event, ReplayDropped):
            octets: tuple[bytes, ...] = (event.spi.to_bytes(4) + (event.seq & 0xFFFFFFFF).to_bytes(4),)
            reason = f"sequence number {event.seq} was seen or is too old"
        else:
            octets = (self.whole(who, event),) if isinstance(event, MessageDropped) else (event.data,)
            reason = event.reason if isinstance(event, MessageDropped) else "its ICV does not verify"
        row = self.under_way(who, lambda row: row.octets == octets)
        if row is None:
            # One fragment says nothing about the fate of its message.
            row = self.under_way(who, lambda row: len(row.octets) == 1 and _kin(row, octets[0]))
            reason = reason if row is None or isinstance(event, ReplayDropped) else f"changed on its way, {reason}"
        if row is None:
            kin = [row for row in reversed(self.rows) if row.receiver == who and _kin(row, octets[0])]
            known = next((row for row in kin if row.sender), kin[0] if kin else None)
            title = known.title if known else "datagram"
            size = event.length if isinstance(event, MessageDropped) else len(octets[0])
            text = known.text if known else f"{size} octets"
            fragment = known is not None and len(known.octets) > 1
            if fragment:
                text = f"a fragment of {text}"
            self.stray(who, event, title, text, octets if known is None or fragment else known.octets)
            row = self.rows[-1]
            row.copy = known is not None and (not fragment or octets[0] in known.octets)
        row.fate, row.reason = DROPPED, printable(reason, LONGEST)

    def whole(self, who: str, event: MessageDropped) -> bytes:
        """The datagram of which the event holds the beginning, where it is known who sent it."""
        if event.length == len(event.data):
            return event.data
        sent = (octets for row in reversed(self.rows) if row.receiver == who for octets in row.octets)
        fits = (octets for octets in sent if len(octets) == event.length and octets.startswith(event.data))
        return next(fits, event.data)

    def stray(self, who: str, event: Event, title: str, text: str, octets: tuple[bytes, ...]) -> None:
        """Something that nobody is known to have sent as it is: injected, changed on its way, or a copy."""
        sender = self.other(who) if self.one_sided else ""
        self.rows.append(Row(event.time, sender, who, title, text, octets, DELIVERED, event=event))


_READERS: Mapping[type[Event], Callable[[_Reader, str, Any], None]] = {
    MessageSent: _Reader.message_sent,
    MessageReceived: _Reader.message_received,
    Retransmitted: _Reader.retransmitted,
    EspSent: _Reader.esp_sent,
    EspReceived: _Reader.esp_received,
    MessageDropped: _Reader.dropped,
    IntegrityFailed: _Reader.dropped,
    ReplayDropped: _Reader.dropped,
}


class Ladder:
    """The rows of a conversation between two ends, and three pictures of them.

    ``events`` are (who, event) in order, as `Session.events` has them; ``ends`` names the left and the right end, by
    default those who appear first. Events of anybody else are left out. ``one_sided``: the events of one end are all
    that there is, so that what it received was sent by the other, and what became of what it sent is not known.
    """

    def __init__(
        self, events: Iterable[tuple[str, Event]], ends: Sequence[str] | None = None, *, one_sided: bool = False
    ) -> None:
        found = list(events)
        names = list(dict.fromkeys([*(ends or ()), *(who for who, _ in found), "initiator", "responder"]))
        self.ends = (names[0], names[1])
        reader = _Reader(self.ends, one_sided=one_sided)
        for who, event in found:
            if who in self.ends:
                reader.read(who, event)
        self.rows = reader.rows

    @property
    def packets(self) -> list[Row]:
        """The rows that are messages or ESP packets."""
        return [row for row in self.rows if row.is_packet]

    def rightwards(self, row: Row) -> bool:
        """Whether a packet runs from the left end to the right one."""
        return row.receiver == self.ends[1]

    def __str__(self) -> str:
        return "\n".join(_text(self))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<style>{STYLE}</style>{self.html()}"  # what a notebook shows

    def html(self, details: Callable[[Row], str] | None = None) -> str:
        """The ladder as an HTML fragment, to be shown with `STYLE`.

        ``details`` gives the HTML that a packet opens to; without it, or where it gives an empty string, nothing opens.
        """
        rows = "".join(_html_row(self, row, details(row) if details and row.is_packet else "") for row in self.rows)
        left, right = map(html.escape, self.ends)
        head = f'<div class="ends"><span></span><b>{left}</b><b>{right}</b></div>'
        return f'<div class="ladder">{head}{rows}</div>'

    def svg(self) -> str:
        """The ladder as a self-contained SVG picture, readable on light and dark ground."""
        return _svg(self)


# -- text -------------------------------------------------------------------------------------------------------------

WIDTH = 112
_TIME, _TITLE, _INDENT = 9, 27, 12
_STAY = "\N{NO-BREAK SPACE}"  # keeps an arrow on the line of the word before it


def _text(ladder: Ladder) -> list[str]:
    left, right = ladder.ends
    gap = WIDTH - _TIME - _TITLE - len(left) - len(right)
    lines = [f"{'':{_TIME + _TITLE}}{left}{'':{gap}}{right}"]
    for row in ladder.rows:
        if not row.is_packet:
            lines += _wrap(f"{row.time:8.3f} {'':{_TITLE}}", f"* {row.sender}: {row.text}")
            continue
        line = "=" if row.is_esp else "-"
        lost = row.fate in (LOST, DROPPED)
        text = row.text + (f"  [{'; '.join(row.marks)}]" if row.marks else "")
        start = f"{row.time:8.3f} {row.title:{_TITLE}}"
        if ladder.rightwards(row):
            lines += _wrap(start, f"{text}{_STAY * 2}{line * 2}{'X' if lost else '>'}")
        else:
            lines += _wrap(start + " " * _INDENT, f"{'X' if lost else '<'}{line * 2}{_STAY * 2}{text}", hanging=5)
    return [line.replace(_STAY, " ") for line in lines]


def _wrap(start: str, text: str, hanging: int = 2) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=" " * (len(start) + hanging), break_on_hyphens=False
    )


# -- HTML -------------------------------------------------------------------------------------------------------------

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
"""
"""The style sheet of `Ladder.html`, which loads nothing from anywhere."""


def _html_row(ladder: Ladder, row: Row, details: str) -> str:
    if row.is_packet:
        classes = ["row", "right" if ladder.rightwards(row) else "left"]
        classes += ["esp"] if row.is_esp else []
        classes += ["lost"] if row.fate in (LOST, DROPPED) else []
        classes += ["again"] if row.attempt else []
        marks = "".join(f'<span class="mark">{html.escape(mark)}</span>' for mark in row.marks)
        words = f'<span class="title">{html.escape(row.title)}</span><span>{html.escape(row.text)}</span>{marks}'
        lane = f'<div class="lane"><div class="words">{words}</div><div class="arrow"></div></div>'
    else:
        classes = ["row", "remark", "right" if row.sender == ladder.ends[0] else "left", *(["bad"] if row.bad else [])]
        lane = f'<div class="lane"><div class="words"><span>{html.escape(row.text)}</span></div></div>'
    line = f'<div class="line"><span class="time">{row.time:.3f} s</span>{lane}</div>'
    if not details:
        return f'<div class="{" ".join(classes)}">{line}</div>'
    opened = f'<div class="opened">{details}</div>'
    return f'<details class="{" ".join(classes)}"><summary>{line}</summary>{opened}</details>'


# -- SVG --------------------------------------------------------------------------------------------------------------

_SVG_LEFT, _SVG_RIGHT, _SVG_WIDTH, _SVG_CHARS = 80, 920, 1000, 100
_SVG_STYLE = (
    "text{font:13px monospace;fill:#57606a}.end{font-weight:bold}.life{stroke:#8a94a6;stroke-width:2}"
    ".ike{stroke:#2f6feb;fill:#2f6feb}.esp{stroke:#0f8a5f;fill:#0f8a5f}.lost{stroke:#d1242f;fill:#d1242f;"
    "stroke-dasharray:6 4}.soft{font-size:11px}"
    "@media(prefers-color-scheme:dark){text{fill:#b6bec9}}"
)


def _svg(ladder: Ladder) -> str:
    parts: list[str] = []
    y = 50
    for row in ladder.rows:
        marks = f"  [{'; '.join(row.marks)}]" if row.marks else ""
        words = f"{row.title}: {row.text}{marks}" if row.is_packet else row.text
        at_right = not ladder.rightwards(row) if row.is_packet else row.sender == ladder.ends[1]
        x, anchor = (_SVG_RIGHT - 12, "end") if at_right else (_SVG_LEFT + 12, "start")
        parts.append(f'<text class="soft" x="4" y="{y}">{row.time:.3f}</text>')
        for line in textwrap.wrap(words, _SVG_CHARS, break_on_hyphens=False):
            kind = "" if row.is_packet else ' class="soft" font-style="italic"'
            parts.append(f'<text{kind} x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(line)}</text>')
            y += 17
        if row.is_packet:
            parts.append(_svg_arrow(ladder, row, y - 8))
        y += 14 if row.is_packet else 5
    left, right = map(html.escape, ladder.ends)
    ends = (
        f'<text class="end" x="{_SVG_LEFT}" y="18" text-anchor="middle">{left}</text>'
        f'<text class="end" x="{_SVG_RIGHT}" y="18" text-anchor="middle">{right}</text>'
    )
    lives = "".join(f'<line class="life" x1="{x}" y1="26" x2="{x}" y2="{y}"/>' for x in (_SVG_LEFT, _SVG_RIGHT))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SVG_WIDTH} {y + 10}" role="img">'
        f"<style>{_SVG_STYLE}</style>{ends}{lives}{''.join(parts)}</svg>"
    )


def _svg_arrow(ladder: Ladder, row: Row, y: int) -> str:
    start, end = (_SVG_LEFT, _SVG_RIGHT) if ladder.rightwards(row) else (_SVG_RIGHT, _SVG_LEFT)
    back = -9 if end > start else 9
    if row.fate in (LOST, DROPPED):
        end = start + (end - start) * 72 // 100
        head = f"M{end - 6},{y - 6}L{end + 6},{y + 6}M{end - 6},{y + 6}L{end + 6},{y - 6}"
        return f'<path class="lost" stroke-width="2" d="M{start},{y}H{end}{head}"/>'
    kind, width = ("esp", 4) if row.is_esp else ("ike", 2)
    tip = f'<path class="{kind}" d="M{end},{y}l{back},-5v10z"/>'
    return f'<path class="{kind}" stroke-width="{width}" d="M{start},{y}H{end + back}"/>{tip}'
