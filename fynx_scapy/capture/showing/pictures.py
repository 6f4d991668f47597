# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations as ladders, and the HTML that a notebook shows."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.showing.text import inner as describe
from fynx_scapy.ladder import DELIVERED, STYLE, Ladder, Row
from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from fynx_scapy.capture.showing.shown import Shown
    from fynx_scapy.capture.transcript.conversations import ConversationBase
    from fynx_scapy.capture.transcript.messages import CapturedMessage

MOST_ESP_ROWS = 5000
TABLE_STYLE = (
    "table.fynx{border-collapse:collapse;font:13px/1.5 ui-monospace,monospace}"
    "table.fynx td,table.fynx th{padding:.1rem .8rem;text-align:left;border-bottom:1px solid #8886}"
)


class CaptureLadder(Ladder):
    """The ladder of a captured conversation, as text, HTML and SVG like any ladder."""

    def __init__(self, rows: list[Row], ends: tuple[str, str]) -> None:
        self.rows, self.ends = rows, ends

    @classmethod
    def of(cls, conversation: ConversationBase, esp: str = "flows") -> CaptureLadder:
        """Draw a conversation. ``esp`` is "flows", "packets" (at most 5000 rows) or "none"; else raises ConfigError."""
        from fynx_scapy.errors import ConfigError

        if esp not in ("flows", "packets", "none"):
            raise ConfigError(f'expected esp to be "flows", "packets" or "none", found {esp!r}')
        ends = (f"initiator {conversation.initiator}", f"responder {conversation.responder}")
        start = conversation.first or 0.0
        rows = [row for message in conversation.messages for row in _message(conversation, message, ends, start)]
        if esp != "none":
            rows += _flows(conversation, ends, start) if esp == "flows" else _packets(conversation, ends, start)
            rows.sort(key=lambda row: row.time)
        return cls(rows, ends)


def _message(
    conversation: ConversationBase, message: CapturedMessage, ends: tuple[str, str], start: float
) -> list[Row]:
    left = conversation.left(message)
    sender, receiver = ends if left else ends[::-1]
    time = 0.0 if message.time is None else message.time - start
    row = Row(time, sender, receiver, message.title, message.text, (message.data,), DELIVERED)
    row.attempt, row.twice = int(message.retransmission), message.twice
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


def _flows(conversation: ConversationBase, ends: tuple[str, str], start: float) -> list[Row]:
    rows = []
    for flow in conversation.flows:
        left = flow.src in conversation.hosts[0]
        sender, receiver = ends if left else ends[::-1]
        words = [f"SPI {flow.spi:08x}, seq {flow.lowest}–{flow.highest}, {flow.packets} packets, {flow.octets} octets"]
        for name in ("missing", "reordered", "duplicates", "replays"):
            if count := getattr(flow, name):
                words.append(f"{count} {name}")
        if flow.captured_twice:
            words.append(f"{flow.captured_twice} captured twice")
        if flow.seconds:
            words.append(f"in {flow.seconds:.3f} s")
        time = 0.0 if flow.first is None else flow.first - start
        rows.append(Row(time, sender, receiver, flow.protocol.upper(), ", ".join(words), fate=DELIVERED))
    return rows


def _packets(conversation: ConversationBase, ends: tuple[str, str], start: float) -> list[Row]:
    spis = {flow.spi for flow in conversation.flows}
    rows: list[Row] = []
    for packet in conversation.capture.esp():
        if packet.spi not in spis:
            continue
        if len(rows) == MOST_ESP_ROWS:
            rows.append(
                Row(rows[-1].time, ends[0], "", "", f"more than {MOST_ESP_ROWS} ESP packets: the rest is not shown")
            )
            break
        sender, receiver = ends if packet.src in conversation.hosts[0] else ends[::-1]
        text = f"SPI {packet.spi:08x}, seq {packet.sequence}, "
        if packet.payload is not None and packet.next_header is not None:
            text += describe(packet.payload, packet.next_header)
        else:
            text += packet.error or f"{packet.octets} octets, not decrypted"
        time = 0.0 if packet.time is None else packet.time - start
        rows.append(Row(time, sender, receiver, "ESP", text, fate=DELIVERED, twice=packet.twice))
    return rows


class Ladders(Sequence[CaptureLadder]):
    """The ladders of all conversations of a capture, in order."""

    def __init__(self, ladders: Sequence[CaptureLadder]) -> None:
        self._ladders = list(ladders)

    def __getitem__(self, at: Any) -> Any:
        return self._ladders[at]

    def __len__(self) -> int:
        return len(self._ladders)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self._ladders)) or "no IKE conversation in this capture"

    __repr__ = __str__

    def html(self) -> str:
        """All ladders as an HTML fragment, for use with `fynx_scapy.ladder.STYLE`."""
        return "".join(ladder.html() for ladder in self._ladders) or "<p>no IKE conversation in this capture</p>"

    def svg(self) -> list[str]:
        """One SVG picture per ladder."""
        return [ladder.svg() for ladder in self._ladders]

    def _repr_html_(self) -> str:
        return f"<style>{STYLE}</style>{self.html()}"


# -- what a notebook shows --------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def shown(cell: object) -> str:
        return html.escape("" if cell is None else printable(str(cell), LONGEST))

    names = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{shown(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="fynx"><tr>{names}</tr>{body}</table>'


MOST_ROWS = 50


def capture_html(capture: Shown) -> str:
    """A capture as tables of its conversations, flows and problems."""
    index = capture.index
    kinds = ", ".join(f"{count} {kind}" for kind, count in index.kinds.items())
    name = html.escape(printable(capture.name))
    parts = [f"<style>{TABLE_STYLE}</style><p><b>{name}</b>: {index.packets} packets ({kinds})</p>"]
    rows: list[list[object]] = [
        [c.number, c.initiator, c.responder, len(c), len(c.exchanges), len(c.spis)] for c in capture.conversations
    ]
    if rows:
        parts.append(_table(("", "initiator", "responder", "messages", "exchanges", "IKE SAs"), rows[:MOST_ROWS]))
    flows: list[list[object]] = [
        [f"{f.protocol.upper()} {f.spi:08x}", f.src, f.dst, f.packets, f.octets, f.missing, f.reordered, f.replays]
        for f in capture.flows
    ]
    if flows:
        head = ("flow", "from", "to", "packets", "octets", "missing", "reordered", "replays")
        parts.append(_table(head, flows[:MOST_ROWS]))
    if len(rows) > MOST_ROWS or len(flows) > MOST_ROWS:
        parts.append(f"<p>only the first {MOST_ROWS} rows of each table</p>")
    if index.problems:
        problems = [[p.number or "", p.offset, p.text] for p in index.problems[:MOST_ROWS]]
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
