# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened, told to whoever wants to know: logs, ladders, reports and captures read events and nothing else.

Every event is frozen. ``time`` is the engine's clock in seconds; ``spi_i`` and ``spi_r`` are the eight octets each of
the IKE SA that it concerns (zeros where there is none). Keys are fields that no repr shows. Text is printable, and cut
where it is long, whatever a peer has put into it.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from fynx_scapy.ike.basics.bounded import Bounded
from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from scapy.packet import Packet

    from fynx_scapy.crypto.keymat import SkKeys
    from fynx_scapy.crypto.transforms import Transform
    from fynx_scapy.esp.sa import InboundSa, OutboundSa
    from fynx_scapy.ike.message import Address, Datagram
    from fynx_scapy.ike.terms.cp import Settings

_SMALL, _LAYER = 512, 768
_HOLDS_OCTETS = ("bytes", "str", "tuple")


def _layers(packets: Iterable[Packet]) -> int:
    """How many payloads and substructures there are, and items of lists."""
    count = 0
    for packet in packets:
        count += 1
        for value in packet.fields.values():
            if type(value) is list and value:
                count += _layers(value) if hasattr(value[0], "fields") else len(value) // 8
    return count


def _octets(value: object) -> int:
    """Those of the text, the bytes and the lists in a field."""
    if isinstance(value, bytes | str):
        return len(value)
    return sum(64 + _octets(item) for item in value) if isinstance(value, tuple) else 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that one endpoint saw or did."""

    time: float
    spi_i: bytes = bytes(8)
    spi_r: bytes = bytes(8)
    _texts: ClassVar[tuple[str, ...]] = ()
    _weighed: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        kinds = inspect.get_annotations(cls)
        texts = [name for name, kind in kinds.items() if kind in ("str", str)]
        cls._texts = tuple(dict.fromkeys([*cls._texts, *texts]))
        own = [name for name, kind in kinds.items() if str(kind).startswith(_HOLDS_OCTETS)]
        cls._weighed = tuple(dict.fromkeys([*cls._weighed, *own]))

    def __post_init__(self) -> None:
        for name in self._texts:
            object.__setattr__(self, name, printable(getattr(self, name), LONGEST))

    @property
    def weight(self) -> int:
        """About how many octets of memory it keeps."""
        return _SMALL + sum(_octets(getattr(self, name)) for name in self._weighed)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent(Event):
    """An IKE message on its way: the header, its payloads in the clear, and the octets of the wire.

    ``payloads`` are the payload layers, those inside SK included and SK itself left out. ``plaintext`` is what SK
    held, padding included, or None when nothing was encrypted. ``wire`` holds one message, or one per fragment,
    without non-ESP marker.
    """

    header: Packet
    payloads: tuple[Packet, ...]
    plaintext: bytes | None
    wire: tuple[bytes, ...]
    local: Address
    remote: Address

    @property
    def weight(self) -> int:
        """With its layers: each takes far more than the few octets that a substructure may have on the wire."""
        return 2 * _SMALL + 8 * sum(map(len, self.wire)) + _LAYER * _layers(self.payloads)

    @property
    def encrypted(self) -> bool:
        """Whether the payloads travelled inside SK."""
        return self.plaintext is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(MessageEvent):
    """A message left for the first time. ``changed`` names the tap stages that altered it, in order."""

    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(MessageEvent):
    """A message arrived, its ICV (where it has one) was verified and it was new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retransmitted(Event):
    """A kept message went out again. ``attempt`` counts from 1; ``request`` is False for an answer out of the cache."""

    message_id: int
    exchange: int
    request: bool
    attempt: int
    datagrams: tuple[Datagram, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDropped(Event):
    """A datagram was not acted upon. ``reason`` says what was expected and what was found, ``data`` is the datagram.

    Of a long one that no SA knows only the beginning is kept; ``length`` is how many octets it had.
    """

    reason: str
    data: bytes
    remote: Address
    offset: int | None = None
    length: int = -1

    def __post_init__(self) -> None:
        Event.__post_init__(self)  # super() does not know a class that slots have made anew
        if self.length < 0:
            object.__setattr__(self, "length", len(self.data))

    @property
    def weight(self) -> int:
        """With the octets of the datagram."""
        return _SMALL + len(self.data) + len(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsDropped(Event):
    """So many earlier events, by kind, were let go, because there is a ceiling. It stands where the first one was."""

    kinds: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysDerived(Event):
    """An IKE SA has its keys. Comes before the first message that they protect.

    ``ke_secrets`` are the shared secrets of its key exchanges: with the capture, everything follows from them.
    """

    keys: SkKeys = field(repr=False)
    encr: Transform
    prf: Transform
    integ: Transform | None
    ke: Transform
    ke_secrets: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyExchangeRejected(Event):
    """The peer wants another key exchange method than that of our KE payload (RFC 7296 sections 1.2 and 1.3).

    ``sent`` and ``wanted`` are transform IDs; ``wanted`` is None when its notify does not have two octets. ``weaker``:
    than the first one that we offered. Unless ``followed``, ``reason`` says why it is not. When the answer was not
    ``encrypted``, anybody may have written it, to have a weaker method used.
    """

    sent: int
    wanted: int | None
    weaker: bool
    followed: bool
    encrypted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSaEstablished(Event):
    """Both ends are authenticated (RFC 7296 section 1.2)."""

    local_id: str
    remote_id: str
    initiator: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSaInstalled(Event):
    """A pair of ESP SAs carries traffic from now on.

    ``initiator``: whether it was this end that asked for it. ``ke_secrets`` are those of key exchanges of its own.
    """

    name: str
    inbound: InboundSa
    outbound: OutboundSa
    encr: Transform
    integ: Transform | None
    esn: bool
    local_ts: tuple[str, ...]
    remote_ts: tuple[str, ...]
    mode: str = "tunnel"
    initiator: bool
    local: Address
    remote: Address
    encr_key_in: bytes = field(repr=False)
    integ_key_in: bytes = field(repr=False)
    encr_key_out: bytes = field(repr=False)
    integ_key_out: bytes = field(repr=False)
    ke_secrets: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSaFailed(Event):
    """A Child SA was refused while the IKE SA lives on (RFC 7296 section 1.2)."""

    name: str
    notify_type: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationReceived(Event):
    """The peer's Configuration payload told us addresses, name servers and networks (RFC 7296 section 2.19)."""

    settings: Settings

    @property
    def weight(self) -> int:
        """With what the peer has told."""
        return _SMALL + len(repr(self.settings))


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesAssigned(Event):
    """The peer was lent these addresses of our pool (RFC 7296 section 2.19)."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesReleased(Event):
    """These addresses are free again: the IKE SA that had them, and its successors, have ended."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspected(Event):
    """An unprotected message hints that the peer has lost its state (RFC 7296 section 2.21.4).

    ``notify_type`` is what it says; ``acted`` whether a liveness check follows. Nothing else does.
    """

    notify_type: int
    acted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashDetected(Event):
    """The peer showed the token that it had given us: it has lost the IKE SA (RFC 6290 section 4.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSaRekeyed(Event):
    """A Child SA has a successor, known by our inbound SPIs; the old one is deleted next."""

    old_spi: int
    new_spi: int
    by_peer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSaRekeyed(Event):
    """The IKE SA has a successor with these SPIs; the old one is deleted next."""

    new_spi_i: bytes
    new_spi_r: bytes
    by_peer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeReached(Event):
    """An SA came to a limit: it is rekeyed now, or closed when the limit is ``hard``.

    ``limit`` is ``seconds``, ``bytes``, ``packets``, ``sequence numbers``, ``message IDs`` or ``reauthentication``,
    ``spi`` the inbound SPI of the Child SA, None for the IKE SA.
    """

    limit: str
    hard: bool
    spi: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaDeleted(Event):
    """An SA is gone: the IKE SA itself when ``child_spis`` is empty, else the inbound SPIs of the Child SAs."""

    child_spis: tuple[int, ...] = ()
    reason: str = ""
    by_peer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSaFailed(Event):
    """The IKE SA did not come up, or was given up."""

    code: str
    reason: str
    notify_type: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerNotified(Event):
    """The peer sent a Notify. ``data`` is its notification data."""

    notify_type: int
    data: bytes
    protocol: int
    spi: bytes
    encrypted: bool

    @property
    def weight(self) -> int:
        """With its octets."""
        return _SMALL + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDead(Event):
    """No answer within the retransmission schedule (RFC 7296 section 2.4)."""

    message_id: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMoved(Event):
    """An authenticated packet came from another address or port; all goes there now (RFC 7296 section 2.23)."""

    old: Address
    new: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepaliveSent(Event):
    """Nothing else was sent for the interval, so one octet went out to keep the NAT's mapping (RFC 3948 section 4)."""

    local: Address
    remote: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityFailed(Event):
    """An ICV did not verify; nothing was changed by the packet."""

    spi: int | None
    data: bytes
    remote: Address

    @property
    def weight(self) -> int:
        """With its octets."""
        return _SMALL + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDropped(Event):
    """An ESP packet whose sequence number was seen or is too old."""

    spi: int
    seq: int
    remote: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFailed(Event):
    """A datagram did not leave this machine; ``reason`` is the system's."""

    local: Address
    remote: Address
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveFailed(Event):
    """The system gave an error where a datagram was expected; ``reason`` is the system's."""

    local: Address
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalError(Event):
    """A fault of ours, not of the peer: an exception that nobody expected. The endpoint goes on.

    ``doing`` is what it was at (a datagram, a timer, an ICMP error), ``error`` the exception's type, ``where`` the line
    it arose at. ``reason`` is its text where that cannot hold a key, else empty.
    """

    doing: str
    error: str
    where: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpReceived(Event):
    """An ICMP error about a datagram of ours to ``remote``: a hint at most (RFC 7296 section 2.4).

    ``reporter`` is who sent it, ``mtu`` the path's MTU in bytes where that is what it tells; ``acted`` whether a
    liveness check follows. What is not ``believed`` speaks of a destination that we have not sent to: it is forged, or
    very old.
    """

    local: Address
    remote: Address
    reporter: str
    icmp_type: int
    code: int
    reason: str
    mtu: int | None
    acted: bool
    believed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EspSent(Event):
    """An ESP packet left. ``length`` is that of the inner packet in bytes, ``datagram`` what went out."""

    spi: int
    seq: int
    length: int
    datagram: Datagram

    @property
    def weight(self) -> int:
        """With the octets of the packet."""
        return 2 * _SMALL + len(self.datagram.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class EspReceived(Event):
    """An ESP packet was verified, opened and fits its selectors."""

    spi: int
    seq: int
    length: int
    next_header: int
    datagram: Datagram

    @property
    def weight(self) -> int:
        """With the octets of the packet."""
        return 2 * _SMALL + len(self.datagram.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class PuzzleSolved(Event):
    """We solved a puzzle; ``work`` counts the PRFs that it took (RFC 8019 section 7)."""

    prf: int
    difficulty: int
    work: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PuzzleIgnored(Event):
    """We did not solve a puzzle: unknown, or more than ``effort`` PRFs allow (RFC 8019 section 9)."""

    prf: int
    difficulty: int
    effort: int


_LASTING = (KeysDerived, IkeSaEstablished, IkeSaRekeyed, ChildSaInstalled, EventsDropped)


def lasting(event: Event) -> bool:
    """Whether a capture or a report cannot do without it: it is let go after everything else."""
    return isinstance(event, _LASTING)


def dropped(first: Event, kinds: Counter[str]) -> EventsDropped:
    """What stands in the place of ``first`` and of those behind it that were let go."""
    return EventsDropped(time=first.time, kinds=tuple(sorted(kinds.items())))


def event_log(most: int, octets: int) -> Bounded[Event]:
    """A list of events that has a ceiling."""
    return Bounded(most, octets, weigh=lambda event: event.weight, lasting=lasting, note=dropped)
