# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations as ladders, and the HTML that a notebook shows."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.reading.losses import several
from fynx_scapy.capture.showing.esp_rows import flow_rows, packet_rows
from fynx_scapy.ladder import DELIVERED, STYLE, Ladder, Row
from fynx_scapy.text import LONGEST, counted, printable

if TYPE_CHECKING:
    from fynx_scapy.capture.showing.shown import Shown
    from fynx_scapy.capture.transcript.conversations import ConversationBase
    from fynx_scapy.capture.transcript.messages import CapturedMessage

MOST_ROWS = 5000
"""A ladder has at most so many rows of messages and ESP."""
MOST_LADDERS = 500
"""So many ladders are drawn at most; each of the others is still there to be drawn by itself."""
NONE = "no IKE conversation in this capture"
TABLE_STYLE = (
    "table.fynx{border-collapse:collapse;font:13px/1.5 ui-monospace,monospace}"
    "table.fynx td,table.fynx th{padding:.1rem .8rem;text-align:left;border-bottom:1px solid #8886}"
)


class CaptureLadder(Ladder):
    """The ladder of a captured conversation, as text, HTML and SVG like any ladder."""

    def __init__(self, rows: list[Row], ends: tuple[str, str], title: str = "") -> None:
        self.rows, self.ends, self.title = rows, ends, title

    @classmethod
    def of(cls, conversation: ConversationBase, esp: str = "flows") -> CaptureLadder:
        """Draw a conversation. ``esp`` is "flows", "packets" (of long runs the first and last) or "none".

        Raises ConfigError for anything else.
        """
        (ladder,) = cls.each([conversation], esp)
        return ladder

    @classmethod
    def each(cls, conversations: Sequence[ConversationBase], esp: str = "flows") -> list[CaptureLadder]:
        """The ladders of conversations of one capture. Draws packets in one pass over it. Raises what `of` raises."""
        from fynx_scapy.errors import ConfigError

        if esp not in ("flows", "packets", "none"):
            raise ConfigError(f'expected esp to be "flows", "packets" or "none", found {esp!r}')
        if not conversations:
            return []
        ends = [(f"initiator {each.initiator}", f"responder {each.responder}") for each in conversations]
        inside: list[list[Row]] = [[] for _ in conversations]
        if esp == "flows":
            inside = [flow_rows(*each) for each in zip(conversations, ends, strict=True)]
        elif esp == "packets":
            inside = packet_rows(conversations, ends)
        drawn = zip(conversations, inside, ends, strict=True)
        return [cls(_placed(each, rows, names), names, f"conversation {each.number}") for each, rows, names in drawn]


def _placed(conversation: ConversationBase, esp: list[Row], ends: tuple[str, str]) -> list[Row]:
    """The rows of messages and ESP in the order of the capture, with times from the first of them."""
    sent: Counter[bytes] = Counter()
    placed = [(row.numbers[0], row) for row in esp]
    for message in conversation.messages:
        placed += [(message.number, row) for row in _message(conversation, message, ends, sent)]
    placed.sort(key=lambda each: each[0])
    rows = [row for _, row in placed]
    start = min((row.time for row in rows if not math.isnan(row.time)), default=0.0)
    time = 0.0
    for row in rows:
        time = row.time = time if math.isnan(row.time) else row.time - start
    if len(rows) > MOST_ROWS:
        text = f"… {several(len(rows) - MOST_ROWS, 'more row')} not drawn: choose packets with a filter"
        rows[MOST_ROWS:] = [Row(rows[MOST_ROWS].time, ends[0], "", "", text)]
    return rows


def _message(
    conversation: ConversationBase, message: CapturedMessage, ends: tuple[str, str], sent: Counter[bytes]
) -> list[Row]:
    """A message, and remarks on its errors and AUTH. ``sent`` counts how often its octets were sent again."""
    sender, receiver = ends if conversation.left(message) else ends[::-1]
    time = math.nan if message.time is None else message.time
    data, numbers = message.data, (message.number,)
    row = Row(time, sender, receiver, message.title, message.text, (data,), DELIVERED, numbers=numbers)
    if message.retransmission:
        sent[data] += 1
        row.attempt = sent[data]
    row.twice = message.twice
    rows = [row]
    if message.twice:
        return rows
    for text in message.errors:
        rows.append(Row(time, receiver, "", "", f"packet {message.number}: {text}"))
    for verdict in message.opened.auth:
        word = {True: "verifies", False: "DOES NOT VERIFY", None: "cannot be checked"}[verdict.verified]
        of = f" of {verdict.identity}" if verdict.identity else ""
        reason = f": {verdict.reason}" if verdict.reason and verdict.verified is not True else ""
        rows.append(Row(time, receiver, "", "", f"AUTH{of} {word}{reason}"))
    return rows


class Ladders(Sequence[CaptureLadder]):
    """The ladders of conversations, in order. Each is drawn when it is asked for; all as text are the first 500.

    Raises what `CaptureLadder.of` raises.
    """

    def __init__(self, conversations: Sequence[ConversationBase], esp: str = "flows") -> None:
        self._conversations, self._esp = conversations, esp
        CaptureLadder.each([], esp)

    @cached_property
    def _first(self) -> list[CaptureLadder]:
        return CaptureLadder.each(self._conversations[:MOST_LADDERS], self._esp)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[each] for each in range(len(self))[at]]
        at = range(len(self))[at]
        return self._first[at] if at < MOST_LADDERS else CaptureLadder.of(self._conversations[at], self._esp)

    def __len__(self) -> int:
        return len(self._conversations)

    def text(self, width: int | None = None, *, titles: bool = False) -> str:
        """The ladders as text; ``width`` as in `Ladder.text`. With ``titles``, each under its conversation's number."""
        drawn = [(f"{ladder.title}\n" if titles else "") + ladder.text(width) for ladder in self._first]
        return "\n\n".join([*drawn, *self._more()]) or NONE

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def html(self) -> str:
        """The ladders as an HTML fragment, for use with `fynx_scapy.ladder.STYLE`."""
        drawn = [ladder.html() for ladder in self._first]
        return "".join([*drawn, *(f"<p>{more}</p>" for more in self._more())]) or f"<p>{NONE}</p>"

    def svg(self) -> list[str]:
        """One SVG picture per ladder."""
        return [ladder.svg() for ladder in self]

    def _more(self) -> list[str]:
        more = len(self) - MOST_LADDERS
        return [f"… {several(more, 'more conversation')} not drawn: choose some by number"] if more > 0 else []

    def _repr_html_(self) -> str:
        return f"<style>{STYLE}</style>{self.html()}"


# -- what a notebook shows --------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def shown(cell: object) -> str:
        return html.escape("" if cell is None else printable(str(cell), LONGEST))

    names = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{shown(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="fynx"><tr>{names}</tr>{body}</table>'


MOST_TABLE_ROWS = 50


def capture_html(capture: Shown) -> str:
    """A capture as tables of its conversations, flows and problems."""
    index = capture.index
    kinds = ", ".join(f"{count} {kind}" for kind, count in index.kinds.items())
    name = html.escape(printable(capture.name))
    parts = [f"<style>{TABLE_STYLE}</style><p><b>{name}</b>: {counted(index.packets, 'packet')} ({kinds})</p>"]
    rows: list[list[object]] = [
        [c.number, c.initiator, c.responder, len(c), len(c.exchanges), len(c.spis)] for c in capture.conversations
    ]
    if rows:
        parts.append(_table(("", "initiator", "responder", "messages", "exchanges", "IKE SAs"), rows[:MOST_TABLE_ROWS]))
    flows: list[list[object]] = [
        [f"{f.protocol.upper()} {f.spi:08x}", f.src, f.dst, f.packets, f.octets, f.missing, f.reordered, f.replays]
        for f in capture.flows
    ]
    if flows:
        head = ("flow", "from", "to", "packets", "octets", "missing", "reordered", "replays")
        parts.append(_table(head, flows[:MOST_TABLE_ROWS]))
    if len(rows) > MOST_TABLE_ROWS or len(flows) > MOST_TABLE_ROWS:
        parts.append(f"<p>only the first {MOST_TABLE_ROWS} rows of each table</p>")
    if index.problems:
        problems = [[p.number or "", p.offset, p.text] for p in index.problems[:MOST_TABLE_ROWS]]
        parts.append(_table(("packet", "offset", "problem"), problems))
    return "".join(parts)


def conversation_html(conversation: ConversationBase) -> str:
    """A conversation as a table of its exchanges, followed by its ladder."""
    rows: list[list[object]] = []
    for exchange in conversation.exchanges:
        latency = "" if exchange.latency is None else f"{exchange.latency * 1000:.1f} ms"
        numbers = ", ".join(str(message.number) for message in exchange)
        by = "initiator" if exchange.by_initiator else "responder"
        rows.append([exchange.name, exchange.message_id, by, numbers, exchange.retransmissions or "", latency])
    table = _table(("exchange", "ID", "from", "packets", "retransmissions", "latency"), rows)
    return f"<style>{TABLE_STYLE}{STYLE}</style>{table}{CaptureLadder.of(conversation).html()}"
