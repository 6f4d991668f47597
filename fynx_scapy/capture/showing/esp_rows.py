# SPDX-License-Identifier: GPL-2.0-or-later
"""The ESP of a conversation as rows of its ladder: a row for each flow, or for each packet, with long runs folded."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.capture.reading.losses import several
from fynx_scapy.capture.showing.text import inner as describe
from fynx_scapy.capture.showing.text import unusual
from fynx_scapy.ladder import DELIVERED, Row

if TYPE_CHECKING:
    from fynx_scapy.capture.follow.inner import Inner
    from fynx_scapy.capture.reading.flows import EspFlow
    from fynx_scapy.capture.transcript.conversations import ConversationBase

SHOWN = 3
"""So many packets of a run are drawn at its beginning, and as many at its end."""

FlowKey = tuple[int, str, str]


def flow_rows(conversation: ConversationBase, ends: tuple[str, str]) -> list[Row]:
    """A row for each flow, at its first packet. Times are absolute."""
    rows = []
    for flow in conversation.flows:
        words = [f"SPI {flow.spi:08x}", _sequence(flow.lowest, flow.highest)]
        words += [several(flow.packets, "packet"), several(flow.octets, "octet")]
        words += [found] if (found := unusual(flow.as_dict())) else []
        if flow.seconds:
            words.append(f"in {flow.seconds:.{3 if flow.seconds >= 1e-3 else 6}f} s")
        numbers = (flow.first_number, flow.last_number)
        rows.append(_row(conversation, ends, flow.src, flow.first, numbers, ", ".join(words), flow.protocol.upper()))
    return rows


@dataclass(slots=True)
class _Folded:
    """The packets of one flow in the middle of a run."""

    first: Inner
    last: Inner
    packets: int = 0


@dataclass(slots=True)
class _Run:
    """ESP packets without an IKE message between them. Only the first and the last few are kept."""

    head: list[Inner] = field(default_factory=list)
    tail: deque[Inner] = field(default_factory=deque)
    folded: dict[FlowKey, _Folded] = field(default_factory=dict)

    def take(self, packet: Inner) -> None:
        if len(self.head) < SHOWN:
            self.head.append(packet)
            return
        self.tail.append(packet)
        if len(self.tail) > SHOWN:
            middle = self.tail.popleft()
            place = self.folded.setdefault((middle.spi, middle.src, middle.dst), _Folded(middle, middle))
            place.last = middle
            place.packets += 1


class PacketRows:
    """Makes the rows of one conversation's ESP packets, which it is given in the order of the capture.

    Memory does not grow with the packets: of a long run, those in the middle become one row for each SPI.
    """

    def __init__(self, conversation: ConversationBase, ends: tuple[str, str]) -> None:
        self.conversation, self.ends = conversation, ends
        self.flows: list[EspFlow] = conversation.flows
        self._borders = deque(message.number for message in conversation.messages)
        self._runs: list[_Run] = [_Run()]

    def take(self, packet: Inner) -> None:
        """Take the next packet."""
        if self._borders and self._borders[0] < packet.number:
            while self._borders and self._borders[0] < packet.number:
                self._borders.popleft()
            if self._runs[-1].head:
                self._runs.append(_Run())
        self._runs[-1].take(packet)

    def rows(self) -> list[Row]:
        """The rows. Times are absolute."""
        return [row for run in self._runs for row in self._of(run)]

    def _of(self, run: _Run) -> list[Row]:
        rows = [self._packet(packet) for packet in run.head]
        if sum(each.packets for each in run.folded.values()) == 1:  # a fold of one packet is no shorter
            rows += [self._packet(each.first) for each in run.folded.values()]
        else:
            rows += [self._fold(each) for each in run.folded.values()]
        return rows + [self._packet(packet) for packet in run.tail]

    def _fold(self, folded: _Folded) -> Row:
        first, last = folded.first, folded.last
        words = f"… {several(folded.packets, 'ESP packet')}, SPI {first.spi:08x}, "
        words += _sequence(first.sequence, last.sequence)
        return _row(self.conversation, self.ends, first.src, first.time, (first.number, last.number), words)

    def _packet(self, packet: Inner) -> Row:
        text = f"SPI {packet.spi:08x}, seq {packet.sequence}, "
        if packet.payload is not None and packet.next_header is not None:
            text += describe(packet.payload, packet.next_header)
        else:
            text += packet.error or f"{several(packet.octets, 'octet')}, not decrypted"
        row = _row(self.conversation, self.ends, packet.src, packet.time, (packet.number,), text)
        row.twice = packet.twice
        return row


def packet_rows(conversations: Sequence[ConversationBase], ends: Iterable[tuple[str, str]]) -> list[list[Row]]:
    """The rows of the ESP packets of each conversation, from one pass over their capture."""
    makers = [PacketRows(each, names) for each, names in zip(conversations, ends, strict=True)]
    by_flow = {(f.spi, f.src, f.dst): maker for maker in makers for f in maker.flows if f.protocol == "esp"}
    for packet in conversations[0].capture.esp() if by_flow else ():
        maker = by_flow.get((packet.spi, packet.src, packet.dst))
        if maker is not None:
            maker.take(packet)
    return [maker.rows() for maker in makers]


def _sequence(lowest: int, highest: int) -> str:
    return f"seq {lowest}" if lowest == highest else f"seq {lowest}–{highest}"


def _row(
    conversation: ConversationBase, ends: tuple[str, str], src: str, time: float | None, numbers: tuple[int, ...],
    text: str, title: str = "ESP",
) -> Row:  # fmt: skip
    sender, receiver = ends if src in conversation.hosts[0] else ends[::-1]
    return Row(math.nan if time is None else time, sender, receiver, title, text, fate=DELIVERED, numbers=numbers)
