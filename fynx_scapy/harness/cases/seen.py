# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer did after a mutation: its answers, its requests, what became of the IKE SA. Outcomes judge it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

from scapy.packet import Packet

from fynx_scapy.errors import FynxError, IntegrityError, LocalError, MalformedError, Timeout
from fynx_scapy.harness.forge import answers_on, takes_on
from fynx_scapy.iana import ExchangeType, PayloadType, name_of
from fynx_scapy.ike.events import (
    ChildSaFailed,
    ChildSaInstalled,
    Event,
    IkeSaEstablished,
    IkeSaFailed,
    IkeSaRekeyed,
    MessageReceived,
    Retransmitted,
    SaDeleted,
)
from fynx_scapy.ike.message import Datagram, DatagramKind, Header
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ladder import payload_name
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, HEADER_SIZE
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_Notify, parse_message
from fynx_scapy.session import Session

_SEALED = {PayloadType.SK, PayloadType.SKF}
MOST_HEARD = 2000
"""So many messages of the peer are kept for one case."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the peer."""

    header: Packet
    payloads: tuple[Packet, ...]
    encrypted: bool
    wire: tuple[bytes, ...]

    @property
    def response(self) -> bool:
        """Whether its Response flag is set."""
        return bool(int(self.header.flags or 0) & FLAG_RESPONSE)

    @property
    def exchange(self) -> int:
        """Its exchange type."""
        return int(self.header.exch_type)

    @property
    def message_id(self) -> int:
        """Its message ID."""
        return int(self.header.id)

    @property
    def notifies(self) -> list[IKEv2_Notify]:
        """Its Notify payloads."""
        return [payload for payload in self.payloads if isinstance(payload, IKEv2_Notify)]

    @property
    def error(self) -> IKEv2_Notify | None:
        """The first Notify of an error type."""
        return next((note for note in self.notifies if note.type < 16384), None)

    def has(self, *layers: type[Packet]) -> bool:
        """Whether it has payloads of all these classes."""
        return all(any(isinstance(payload, layer) for payload in self.payloads) for layer in layers)

    def __str__(self) -> str:
        """Its exchange and payloads, as in a ladder."""
        names = ", ".join(payload_name(payload, request=not self.response) for payload in self.payloads)
        inside = f"SK {{{names}}}" if self.encrypted else names
        return f"{name_of(ExchangeType, self.exchange)} {'response' if self.response else 'request'}: HDR, {inside}"


@dataclass(slots=True)
class Seen:
    """What happened from the mutated message on. ``fired`` says how often the mutation changed a message."""

    session: Session
    fired: int = 0
    heard: list[Heard] = field(default_factory=list)
    """The peer's messages, in order: what was inside SK and verified, and what was in the clear."""
    packets: int = 0
    """How many inner packets reached us."""
    events: list[Event] = field(default_factory=list)
    """Our endpoint's events."""
    error: FynxError | None = None
    """What our own step raised."""
    attempts: int = 0
    """How often we sent the mutated message again before it was answered, or given up."""
    sa: IkeSa | None = None
    """Our IKE SA in which it was sent."""
    known: frozenset[int] = frozenset()
    """The inbound SPIs of the Child SAs that we had before."""
    message_id: int | None = None
    """The message ID that the mutated message would have had."""
    after: tuple[bytes, bytes, bool, int] | None = None
    """Of the first message that was changed inside SK: both SPIs, whether it is a response, and its message ID."""
    sealed: list[Datagram] = field(default_factory=list)
    """The peer's protected datagrams."""
    watching: bool = False
    repeats: int = 0
    """How often the peer sent the same IKE datagram again since the mutated message, each time bit for bit."""
    datagrams: list[tuple[float, bytes]] = field(default_factory=list)
    """The peer's IKE datagrams with their times, those before the mutated message too."""
    earlier: list[Heard] = field(default_factory=list)
    """The peer's unprotected messages before the mutated one."""
    _known: set[bytes] = field(default_factory=set)

    # What came

    @property
    def answers(self) -> list[Heard]:
        """The peer's responses."""
        return [message for message in self.heard if message.response]

    @property
    def to_it(self) -> list[Heard]:
        """The answers to the mutated message, if its message ID is known; else all answers."""
        return [each for each in self.answers if self.message_id in (None, each.message_id)]

    @property
    def requests(self) -> list[Heard]:
        """The peer's requests."""
        return [message for message in self.heard if not message.response]

    @property
    def deleted(self) -> bool:
        """Whether the peer asked us to delete the IKE SA."""
        for message in self.heard:
            for payload in message.payloads:
                if message.encrypted and isinstance(payload, IKEv2_Delete) and payload.proto == 1:
                    return True
        return False

    @property
    def established(self) -> bool:
        """Whether our endpoint took the IKE SA for established since then."""
        return any(isinstance(event, IkeSaEstablished) for event in self.events)

    @property
    def installed(self) -> int:
        """How many Child SAs our endpoint has installed since then."""
        return sum(isinstance(event, ChildSaInstalled) for event in self.events)

    @property
    def ended(self) -> bool:
        """Whether our endpoint has ended the IKE SA since then, or failed to set it up. A rekey ends none."""
        replaced = {event.spi_i for event in self.events if isinstance(event, IkeSaRekeyed)}
        if any(isinstance(event, IkeSaFailed) for event in self.events):
            return True
        deleted = [event for event in self.events if isinstance(event, SaDeleted) and not event.child_spis]
        return any(event.spi_i not in replaced for event in deleted)

    @property
    def child_failed(self) -> bool:
        """Whether our endpoint reported that a Child SA was refused."""
        return any(isinstance(event, ChildSaFailed) for event in self.events)

    def alive(self) -> bool:
        """Whether the peer still answers in the IKE SA: an INFORMATIONAL request without payloads (section 2.4)."""
        with self.paused():
            return alive(self.session, self.sa, self.message_id)

    def pings(self) -> bool:
        """Whether a packet through the Child SA is answered."""
        with self.paused():
            try:
                self.session.ping()
            except (Timeout, LocalError):
                return False
            return True

    def uses_new_child(self) -> bool:
        """Whether the peer takes a packet in a Child SA that our end has installed since then."""
        sa = self.sa
        new = [child for spi, child in sa.children.items() if spi not in self.known] if sa is not None else []
        if sa is None or not new:
            return False
        with self.paused():
            return takes_on(self.session, sa, new[-1], self.session.echo())

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside this context is a probe, and is not part of what was seen."""
        before, self.watching = self.watching, False
        try:
            with self.session.client.taps.paused():
                yield
        finally:
            self.watching = before

    # Watching

    def event(self, host: str, event: Event) -> None:
        """A subscriber of the network."""
        if host != self.session.name or not self.watching or not self.fired:
            return
        if isinstance(event, MessageReceived) and self._before(event.header):
            return
        self.events.append(event)
        if isinstance(event, MessageReceived) and event.encrypted and len(self.heard) < MOST_HEARD:
            self.heard.append(Heard(event.header, tuple(event.payloads), True, event.wire))
        elif isinstance(event, Retransmitted) and event.request and not self.answers:
            self.attempts += 1

    def _before(self, header: Packet) -> bool:
        """Whether a message of the peer is one that we had when we sent the changed one: its event comes afterwards."""
        if self.after is None or (bytes(header.init_SPI), bytes(header.resp_SPI)) != self.after[:2]:
            return False
        ours, number = self.after[2:]
        theirs = bool(int(header.flags or 0) & FLAG_RESPONSE)
        return theirs != ours and int(header.id) < number + ours

    def datagram(self, time: float, datagram: Datagram, fate: str) -> None:
        """An observer of the network: it reads the peer's unprotected messages, also those that our endpoint drops."""
        if not self.watching or datagram.kind is not DatagramKind.IKE:
            return
        if self.session.sends(datagram) or fate not in ("delivered", "duplicated"):
            return
        if len(self.datagrams) >= MOST_HEARD or len(datagram.data) < HEADER_SIZE:
            return
        repeated = datagram.data in self._known
        self.repeats += bool(self.fired) and repeated
        self._known.add(datagram.data)
        self.datagrams.append((time, datagram.data))
        heard = self.heard if self.fired else self.earlier
        with contextlib.suppress(MalformedError):
            header, payloads = parse_message(datagram.data)
            if not _SEALED & {int(payload.payload_type or 0) for payload in payloads}:
                heard.append(Heard(header, tuple(payloads), False, (datagram.data,)))
            elif self.fired and not repeated:  # a retransmission says nothing new
                self.sealed.append(datagram)

    def finish(self) -> None:
        """Read what our endpoint did not: protected messages that came after our end of the IKE SA had ended."""
        read = {wire for message in self.heard for wire in message.wire}
        for datagram in self.sealed if self.sa is not None and not self.sa.established else ():
            if datagram.data in read or self.sa is None or not self.sa.envelope.has_keys:
                continue
            with contextlib.suppress(MalformedError, IntegrityError):
                message = self.sa.envelope.open(datagram.turned(), Header.parse(datagram.data))
                self.heard.append(Heard(message.header, tuple(message.payloads), True, message.wires))

    def __str__(self) -> str:
        """What came, in one line."""
        parts = [str(message) for message in self.heard[:4]] or ["no message of the peer"]
        if len(self.heard) > 4:
            parts.append(f"{len(self.heard) - 4} more")
        if self.error is not None and not isinstance(self.error, Timeout):
            parts.append(f"our step ended with: {self.error}")
        return "; ".join(parts)


def alive(s: Session, sa: IkeSa | None = None, message_id: int | None = None) -> bool:
    """Whether the peer answers an empty INFORMATIONAL request in an IKE SA, or in the one that replaced it.

    If ``message_id`` is given, that request may not have been taken; then the number is used again.
    """
    first = sa or (s.sa if s._sa is not None else None)
    if first is None:
        return False
    sa = first
    while sa.successor is not None:
        sa = sa.successor
    if sa is not first:
        return _asked(s, sa, None) or answers_on(s, first)
    return _asked(s, sa, message_id)


def _asked(s: Session, sa: IkeSa, message_id: int | None) -> bool:
    numbers = dict.fromkeys((sa.requests.next_id, message_id))
    for number in numbers:
        if number is None or not sa.established:
            continue
        sa.requests.clear()
        sa.requests.next_id = number
        exchange = sa.liveness()
        s.network.run(functools.partial(getattr, exchange, "done"), limit=patience(s))
        if exchange.answer is not None:
            return True
    sa.requests.clear()
    return False


def patience(s: Session) -> float:
    """How long to wait for an answer, in seconds: a request was sent as often as possible, and is not given up yet."""
    schedule = s.config.retransmission
    return schedule.total - schedule.wait(schedule.tries) / 2
