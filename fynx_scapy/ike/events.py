# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened, told to whoever wants to know: logs, ladders, reports and captures read events and nothing else.

Every event is frozen. ``time`` is the engine's clock in seconds; ``spi_i`` and ``spi_r`` are the eight octets each of
the IKE SA that it concerns (zeros where there is none). Keys are fields that no repr shows. Text is printable, and cut
where it is long, whatever a peer has put into it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.ike.basics.bounded import Bounded
from fynx_scapy.ike.basics.event import LAYER, SMALL, count_layers
from fynx_scapy.ike.basics.event import Event as Event
from fynx_scapy.ike.datagram_events import EspReceived as EspReceived
from fynx_scapy.ike.datagram_events import EspSent as EspSent
from fynx_scapy.ike.datagram_events import IcmpReceived as IcmpReceived
from fynx_scapy.ike.datagram_events import IntegrityFailed as IntegrityFailed
from fynx_scapy.ike.datagram_events import InternalError as InternalError
from fynx_scapy.ike.datagram_events import KeepaliveSent as KeepaliveSent
from fynx_scapy.ike.datagram_events import MessageDropped as MessageDropped
from fynx_scapy.ike.datagram_events import PeerMoved as PeerMoved
from fynx_scapy.ike.datagram_events import ReceiveFailed as ReceiveFailed
from fynx_scapy.ike.datagram_events import ReplayDropped as ReplayDropped
from fynx_scapy.ike.datagram_events import SendFailed as SendFailed

if TYPE_CHECKING:
    from scapy.packet import Packet

    from fynx_scapy.crypto.keymat import SkKeys
    from fynx_scapy.crypto.transforms import Transform
    from fynx_scapy.esp.sa import InboundSa, OutboundSa
    from fynx_scapy.ike.message import Address, Datagram
    from fynx_scapy.ike.terms.cp import Settings


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
        return 2 * SMALL + 8 * sum(map(len, self.wire)) + LAYER * count_layers(self.payloads)

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
        return SMALL + len(repr(self.settings))


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
        return SMALL + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeDropped(Event):
    """An exchange of the peer's that waited for its next request was given up. ``exchange`` is its exchange type."""

    exchange: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDead(Event):
    """No answer within the retransmission schedule (RFC 7296 section 2.4)."""

    message_id: int
    attempts: int


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
