# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of a ladder: each packet that one endpoint sent, paired with what the other received or dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fynx_scapy.ike.events import (
    EspReceived,
    EspSent,
    Event,
    IntegrityFailed,
    MessageDropped,
    MessageReceived,
    MessageSent,
    ReplayDropped,
    Retransmitted,
)
from fynx_scapy.ladder.names import REMARKS, esp_text, exchange_title, is_response, message_text, message_title
from fynx_scapy.layers.ikeheader import HEADER_SIZE
from fynx_scapy.text import LONGEST, counted, printable

LOST, DELIVERED, DROPPED = "lost", "delivered", "dropped"


@dataclass(slots=True)
class Row:
    """One row of the ladder: a message, an ESP packet, or a remark of one endpoint."""

    time: float
    sender: str
    """Empty for a packet that neither endpoint sent, or that is a copy made in transit."""
    receiver: str
    """Empty for a remark."""
    title: str
    """Exchange and message ID."""
    text: str
    """The payloads, or the text of a remark."""
    octets: tuple[bytes, ...] = ()
    """The octets on the wire, datagram by datagram."""
    fate: str = ""
    """``lost``, ``delivered``, ``dropped``, or empty if not known."""
    reason: str = ""
    """Why the receiver dropped it."""
    attempt: int = 0
    """The number of the retransmission; 0 for the first transmission."""
    copy: bool = False
    """Whether it is a copy made in transit."""
    twice: bool = False
    """Whether it is the packet of an earlier row, which the capture holds twice."""
    bad: bool = False
    """Whether it is a remark that something failed."""
    event: Event | None = field(default=None, repr=False)
    numbers: tuple[int, ...] = ()
    """Of a captured packet, its number in the capture. Of several in one row, the first and the last."""

    def __post_init__(self) -> None:
        self.title, self.text = printable(self.title, LONGEST), printable(self.text, LONGEST)

    @property
    def is_packet(self) -> bool:
        """Whether it is a packet, not a remark."""
        return bool(self.receiver)

    @property
    def is_esp(self) -> bool:
        """Whether it is an ESP packet."""
        return self.title == "ESP"

    @property
    def number(self) -> str:
        """Its number in the capture, such as ``7`` or ``7–20``. Empty if it is not from a capture."""
        return "–".join(map(str, dict.fromkeys(self.numbers)))

    @property
    def changed(self) -> tuple[str, ...]:
        """The tap stages that altered it."""
        return self.event.changed if isinstance(self.event, MessageSent) else ()

    @property
    def marks(self) -> list[str]:
        """What is unusual about it, in words."""
        marks = [f"retransmission {self.attempt}"] if self.attempt else []
        marks += ["captured twice"] if self.twice else []
        marks += [f"changed: {', '.join(dict.fromkeys(self.changed))}"] if self.changed else []
        if self.is_packet and not self.sender:
            marks.append("a copy" if self.copy else "not sent by the peer")
        marks += [LOST] if self.fate == LOST else []
        return marks + ([f"dropped: {self.reason}"] if self.fate == DROPPED else [])


def _kin(row: Row, octets: bytes) -> bool:
    """Whether they are the same packet, perhaps changed in transit: same SPI and sequence number, or IKE header."""
    size = 8 if row.is_esp else HEADER_SIZE
    return len(octets) >= size and any(datagram[:size] == octets[:size] for datagram in row.octets)


class Reader:
    """Makes rows of events: it pairs what one endpoint sent with what the other received or dropped."""

    def __init__(self, ends: Sequence[str], *, one_sided: bool = False) -> None:
        self.ends = ends
        self.one_sided = one_sided
        self.rows: list[Row] = []

    def other(self, name: str) -> str:
        return self.ends[1] if name == self.ends[0] else self.ends[0]

    def read(self, name: str, event: Event) -> None:
        kind = next((kind for kind in type(event).__mro__ if kind in _READERS), None)
        if kind is not None:
            _READERS[kind](self, name, event)
        elif type(event) in REMARKS:
            self.rows.append(Row(event.time, name, "", "", REMARKS[type(event)](event), event=event))

    def read_message_sent(self, name: str, event: MessageSent) -> None:
        if is_response(event):
            # A response proves that its request arrived, even if the receiver kept no state (RFC 7296 section 2.6).
            self.mark_answered(name, event.spi_i, event.header.id)
        self.add_sent(name, event, message_title(event), message_text(event), event.wire)

    def read_message_received(self, name: str, event: MessageReceived) -> None:
        if not self.mark_arrived(name, event.wire):
            self.add_stray(name, event, message_title(event), message_text(event), event.wire)

    def read_esp_sent(self, name: str, event: EspSent) -> None:
        self.add_sent(name, event, "ESP", esp_text(event), (event.datagram.data,))

    def read_esp_received(self, name: str, event: EspReceived) -> None:
        if not self.mark_arrived(name, (event.datagram.data,)):
            self.add_stray(name, event, "ESP", esp_text(event), (event.datagram.data,))

    def add_sent(self, name: str, event: Event, title: str, text: str, octets: tuple[bytes, ...]) -> Row:
        fate = "" if self.one_sided else LOST
        self.rows.append(Row(event.time, name, self.other(name), title, text, octets, fate, event=event))
        return self.rows[-1]

    def read_retransmitted(self, name: str, event: Retransmitted) -> None:
        octets = tuple(datagram.data for datagram in event.datagrams)
        first = next((row for row in self.rows if row.sender == name and row.octets == octets), None)
        if not event.request:
            self.mark_answered(name, event.spi_i, event.message_id)
        title = exchange_title(event.exchange, event.request, event.message_id)
        row = self.add_sent(name, event, title, first.text if first else "", octets)
        row.attempt, row.event = event.attempt, first.event if first else event

    def in_flight(self, name: str, fits: Callable[[Row], bool]) -> Row | None:
        """The newest packet to ``name`` that has not arrived yet and for which ``fits`` is true."""
        rows = (row for row in reversed(self.rows) if row.receiver == name and row.sender and row.fate == LOST)
        return next((row for row in rows if fits(row)), None)

    def mark_arrived(self, name: str, octets: tuple[bytes, ...]) -> bool:
        row = self.in_flight(name, lambda row: row.octets == octets)
        if row is not None:
            row.fate = DELIVERED
        copy = any(row.octets == octets and row.receiver == name for row in self.rows)
        return row is not None or (copy and not self.one_sided)

    def mark_answered(self, name: str, spi_i: bytes, message_id: int) -> None:
        def asks(row: Row) -> bool:
            sent = row.event
            return (
                isinstance(sent, MessageSent)
                and not is_response(sent)
                and (sent.spi_i, sent.header.id) == (spi_i, message_id)
            )

        row = next((row for row in reversed(self.rows) if row.receiver == name and row.sender and asks(row)), None)
        if row is not None and row.fate == LOST:
            row.fate = DELIVERED

    def read_dropped(self, name: str, event: MessageDropped | IntegrityFailed | ReplayDropped) -> None:
        if isinstance(event, ReplayDropped):
            octets: tuple[bytes, ...] = (event.spi.to_bytes(4) + (event.seq & 0xFFFFFFFF).to_bytes(4),)
            reason = f"sequence number {event.seq} was seen or is too old"
        else:
            octets = (self.whole_datagram(name, event),) if isinstance(event, MessageDropped) else (event.data,)
            reason = event.reason if isinstance(event, MessageDropped) else "its ICV does not verify"
        row = self.in_flight(name, lambda row: row.octets == octets)
        if row is None:
            # A fragment alone does not determine the fate of its message.
            row = self.in_flight(name, lambda row: len(row.octets) == 1 and _kin(row, octets[0]))
            reason = reason if row is None or isinstance(event, ReplayDropped) else f"changed on its way, {reason}"
        if row is None:
            kin = [row for row in reversed(self.rows) if row.receiver == name and _kin(row, octets[0])]
            known = next((row for row in kin if row.sender), kin[0] if kin else None)
            title = known.title if known else "datagram"
            size = event.length if isinstance(event, MessageDropped) else len(octets[0])
            text = known.text if known else counted(size, "octet")
            fragment = known is not None and len(known.octets) > 1
            if fragment:
                text = f"a fragment of {text}"
            self.add_stray(name, event, title, text, octets if known is None or fragment else known.octets)
            row = self.rows[-1]
            row.copy = known is not None and (not fragment or octets[0] in known.octets)
        row.fate, row.reason = DROPPED, printable(reason, LONGEST)

    def whole_datagram(self, name: str, event: MessageDropped) -> bytes:
        """The whole datagram of a dropped message, of which the event may have only the beginning, if it was sent."""
        if event.length == len(event.data):
            return event.data
        sent = (octets for row in reversed(self.rows) if row.receiver == name for octets in row.octets)
        fits = (octets for octets in sent if len(octets) == event.length and octets.startswith(event.data))
        return next(fits, event.data)

    def add_stray(self, name: str, event: Event, title: str, text: str, octets: tuple[bytes, ...]) -> None:
        """Add a packet that neither endpoint sent in this form: injected, changed in transit, or a copy."""
        sender = self.other(name) if self.one_sided else ""
        self.rows.append(Row(event.time, sender, name, title, text, octets, DELIVERED, event=event))


_READERS: Mapping[type[Event], Callable[[Reader, str, Any], None]] = {
    MessageSent: Reader.read_message_sent,
    MessageReceived: Reader.read_message_received,
    Retransmitted: Reader.read_retransmitted,
    EspSent: Reader.read_esp_sent,
    EspReceived: Reader.read_esp_received,
    MessageDropped: Reader.read_dropped,
    IntegrityFailed: Reader.read_dropped,
    ReplayDropped: Reader.read_dropped,
}
