# SPDX-License-Identifier: GPL-2.0-or-later
"""The events that an endpoint reports. Logs, ladders, reports and captures read nothing else.

Every event is frozen. ``time`` is the engine's clock in seconds. ``spi_i`` and ``spi_r`` are the SPIs of the IKE SA,
eight octets each (zeros where there is none). The repr shows no keys. Text that comes from a peer is made printable
and cut to a maximum length.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.errors import Closing
from fynx_scapy.ike.auth_events import AuthenticationLimited as AuthenticationLimited
from fynx_scapy.ike.auth_events import EapNotified as EapNotified
from fynx_scapy.ike.auth_events import PeerCertificateAccepted as PeerCertificateAccepted
from fynx_scapy.ike.auth_events import PeerCertificateRefused as PeerCertificateRefused
from fynx_scapy.ike.auth_events import PpkNotUsed as PpkNotUsed
from fynx_scapy.ike.auth_events import PpkUsed as PpkUsed
from fynx_scapy.ike.basics.bounded import Bounded
from fynx_scapy.ike.basics.event import LAYER, SMALL, count_layers
from fynx_scapy.ike.basics.event import Event as Event
from fynx_scapy.ike.basics.states import State
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
    from fynx_scapy.esp.inbound import InboundSa
    from fynx_scapy.esp.outbound import OutboundSa
    from fynx_scapy.ike.message import Address, Datagram
    from fynx_scapy.ike.terms.cp import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent(Event):
    """An IKE message: its header, its decrypted payloads, and its octets on the wire.

    ``payloads`` are the payload layers. They include those inside SK, but not SK itself. ``plaintext`` is the decrypted
    content of SK with its padding, or None when nothing was encrypted. ``wire`` holds one message, or one per fragment,
    without the non-ESP marker.
    """

    header: Packet
    payloads: tuple[Packet, ...]
    plaintext: bytes | None
    wire: tuple[bytes, ...]
    local: Address
    remote: Address

    @property
    def weight(self) -> int:
        """Includes the layers: each takes far more memory than the few octets that a substructure has on the wire."""
        return 2 * SMALL + 8 * sum(map(len, self.wire)) + LAYER * count_layers(self.payloads)

    @property
    def encrypted(self) -> bool:
        """Whether the payloads were inside SK."""
        return self.plaintext is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(MessageEvent):
    """We sent a message for the first time. ``changed`` names the tap stages that changed it, in order."""

    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(MessageEvent):
    """We received a new message, and its ICV (if it has one) verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retransmitted(Event):
    """We sent a message again. ``attempt`` counts from 1; ``request`` is False for an answer from the cache."""

    message_id: int
    exchange: int
    request: bool
    attempt: int
    datagrams: tuple[Datagram, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsDropped(Event):
    """Older events were dropped because the list was full. ``kinds`` counts them by type.

    This event takes the place of the first one that was dropped.
    """

    kinds: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysDerived(Event):
    """The keys of an IKE SA were derived. This event comes before the first message that they protect.

    ``ke_secrets`` are the shared secrets of its key exchanges. With a capture of the messages, they give all the keys.
    """

    keys: SkKeys = field(repr=False)
    encr: Transform
    prf: Transform
    integ: Transform | None
    ke: Transform
    ke_secrets: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyExchangeRejected(Event):
    """The peer asks for another key exchange method than that of our KE payload (RFC 7296 sections 1.2 and 1.3).

    ``sent`` and ``wanted`` are transform IDs; ``wanted`` is None when the notify data does not have two octets.
    ``weaker``: whether the method is weaker than the first one that we offered. ``followed``: whether we use it; if
    not, ``reason`` says why. An answer that was not ``encrypted`` may be forged to force a weaker method.
    """

    sent: int
    wanted: int | None
    weaker: bool
    followed: bool
    encrypted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSaEstablished(Event):
    """Both peers are authenticated (RFC 7296 section 1.2)."""

    local_id: str
    remote_id: str
    initiator: bool
    seconds: float = 0.0
    """How long it took, since our first request or the peer's."""
    proof: str = ""
    """How the peer has proven its identity, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSaInstalled(Event):
    """A pair of ESP SAs is ready to carry traffic.

    ``initiator``: whether we asked for it. ``ke_secrets`` are the shared secrets of its own key exchanges (PFS).
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
    """A Child SA could not be set up. The IKE SA itself is not affected (RFC 7296 section 1.2)."""

    name: str
    notify_type: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationReceived(Event):
    """The peer's Configuration payload gave us addresses, name servers and networks (RFC 7296 section 2.19)."""

    settings: Settings

    @property
    def weight(self) -> int:
        """Includes the peer's settings."""
        return SMALL + len(repr(self.settings))


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesAssigned(Event):
    """We assigned these addresses from our pool to the peer (RFC 7296 section 2.19)."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesReleased(Event):
    """These addresses are free again: their IKE SA and all its successors have ended."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspected(Event):
    """An unprotected message hints that the peer has lost its state (RFC 7296 section 2.21.4).

    ``acted``: whether we start a liveness check. We never do more than that.
    """

    notify_type: int
    acted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashDetected(Event):
    """The peer sent the QCD token that it had given us: it has lost the IKE SA (RFC 6290 section 4.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSaRekeyed(Event):
    """A Child SA was rekeyed. Both SPIs are our inbound ones. The old Child SA is deleted next."""

    old_spi: int
    new_spi: int
    by_peer: bool
    seconds: float | None = None
    """How long our exchange took; None for the peer's, which we answer at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSaRekeyed(Event):
    """The IKE SA was rekeyed; these are the SPIs of the new one. The old IKE SA is deleted next."""

    new_spi_i: bytes
    new_spi_r: bytes
    by_peer: bool
    seconds: float | None = None
    """How long our exchange took; None for the peer's, which we answer at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeReached(Event):
    """An SA reached a lifetime limit. It is rekeyed now, or closed when the limit is ``hard``.

    ``limit`` is ``seconds``, ``bytes``, ``packets``, ``sequence numbers``, ``message IDs``, ``reauthentication``, or
    ``authentication`` (that of AUTH_LIFETIME, RFC 4478).
    ``spi`` is the inbound SPI of the Child SA, None for the IKE SA.
    """

    limit: str
    hard: bool
    spi: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaDeleted(Event):
    """SAs were deleted: the Child SAs with these inbound SPIs, or the IKE SA itself when ``child_spis`` is empty."""

    child_spis: tuple[int, ...] = ()
    reason: str = ""
    by_peer: bool = False
    code: str = Closing.BY_US
    """Why, for programs: one of `Closing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IkeSaFailed(Event):
    """The IKE SA could not be set up, or was abandoned. ``code`` is that of the error."""

    code: str
    reason: str
    notify_type: int | None = None
    initiator: bool = False
    """Whether we began it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """The IKE SA went from one state to another; docs/states.md has the table."""

    old: State
    new: State


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(Event):
    """We answered a request of the peer with an error notify. ``code`` is that of the error, ``exchange`` its type."""

    exchange: int
    message_id: int
    notify_type: int
    code: str
    reason: str
    remote: Address


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
        """Includes the notification data."""
        return SMALL + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeDropped(Event):
    """We gave up an exchange of the peer that was waiting for its next request. ``exchange`` is its exchange type."""

    exchange: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDead(Event):
    """The peer did not answer within the retransmission schedule (RFC 7296 section 2.4)."""

    message_id: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnecting(Event):
    """A client has lost the peer of a session, and sets it up again in ``wait`` seconds. ``code`` says why it was lost.

    ``attempt`` counts from 1. The SPIs are those of the IKE SA that was lost.
    """

    attempt: int
    wait: float
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PuzzleSolved(Event):
    """We solved a puzzle. ``work`` is the number of PRF computations that it took (RFC 8019 section 7)."""

    prf: int
    difficulty: int
    work: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PuzzleIgnored(Event):
    """We did not solve a puzzle: its PRF is unknown, or it takes more than ``effort`` PRF computations.

    RFC 8019 section 9.
    """

    prf: int
    difficulty: int
    effort: int


_LASTING = (KeysDerived, IkeSaEstablished, IkeSaRekeyed, ChildSaInstalled, EventsDropped)


def lasting(event: Event) -> bool:
    """Whether captures and reports need this event: it is dropped last."""
    return isinstance(event, _LASTING)


def dropped(first: Event, kinds: Counter[str]) -> EventsDropped:
    """The event that replaces ``first`` and the later events that were dropped."""
    return EventsDropped(time=first.time, kinds=tuple(sorted(kinds.items())))


def event_log(most: int, octets: int) -> Bounded[Event]:
    """A bounded list of at most ``most`` events and about ``octets`` octets of memory."""
    return Bounded(most, octets, weigh=lambda event: event.weight, lasting=lasting, note=dropped)
