# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface of an endpoint for features: the data that they may read, and the methods that they may call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from scapy.packet import Packet

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.counts import Counts, DropReason
from fynx_scapy.ike.basics.randomness import Randomness
from fynx_scapy.ike.basics.timers import Timers
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.directory import Directory
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import Event
from fynx_scapy.ike.message import Burst, Datagram, Header, Message, Outgoing
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.pool import Pools
from fynx_scapy.ike.terms.selectors import Flow, Selector
from fynx_scapy.ike.wire.taps import Taps

T = TypeVar("T")


class EndpointRecord(ABC):
    """An endpoint as its features see it. ``now`` is its only clock, in seconds."""

    hosts: tuple[str, ...]
    """Its IP addresses as text."""
    configs: list[IkeConfig]
    config: EndpointConfig
    randomness: Randomness
    taps: Taps
    timers: Timers
    now: float
    directory: Directory[Any]
    """Its IKE SAs, by our SPI, by the peer's address and by its identity."""
    in_flight: int
    """How many of our requests wait for their answers."""
    children: Mapping[int, tuple[SaRecord, ChildSa]]
    """Its Child SAs with their IKE SA, by inbound SPI, oldest first."""
    pools: Pools
    """The pools of addresses that it assigns to peers."""
    counts: Counts
    """The ESP packets that it has sent and received, and what it has dropped."""

    def __init__(self) -> None:
        self._kept: dict[object, object] = {}
        self.in_flight = 0
        self.esp_events = False
        """Whether each ESP packet is an event. A network turns it on while somebody wants such events."""

    @property
    def sas(self) -> Mapping[bytes, SaRecord]:
        """Its IKE SAs, by our SPI."""
        return self.directory.by_spi

    @property
    def host(self) -> str:
        """Its first IP address."""
        return self.hosts[0]

    def of(self, kind: Callable[[EndpointRecord], T]) -> T:
        """The object of class ``kind`` that a feature keeps for this endpoint. It is created on first use."""
        feature = self._kept.get(kind)
        if feature is None:
            feature = self._kept[kind] = kind(self)
        return feature  # type: ignore[return-value]  # the key is its class

    # Called by the network

    @abstractmethod
    def receive(self, datagram: Datagram, now: float) -> None:
        """Handle a received datagram."""

    @abstractmethod
    def receive_burst(self, burst: Burst, now: float) -> None:
        """Handle ESP packets that have come from one address."""

    @abstractmethod
    def handle_timer(self, now: float) -> None:
        """Run the timers that are due."""

    @abstractmethod
    def next_timer(self) -> float | None:
        """When to call `handle_timer` next, or None."""

    @abstractmethod
    def send(self, packet: bytes, now: float) -> bool:
        """Send an inner IP packet; False when no policy matches it."""

    @abstractmethod
    def send_many(self, packets: Sequence[bytes], now: float) -> int:
        """Send inner IP packets; returns how many were taken."""

    @abstractmethod
    def output(self) -> list[Datagram | Burst]:
        """Take what is to be sent, in order."""

    @abstractmethod
    def datagrams(self) -> list[Datagram]:
        """Take what is to be sent, in order, as one datagram each."""

    @abstractmethod
    def packets(self) -> list[bytes]:
        """Take the received inner packets, decrypted, in order."""

    @abstractmethod
    def events(self) -> list[Event]:
        """Take the events since the last call."""

    # Exchanges and extensions

    @property
    @abstractmethod
    def extensions(self) -> tuple[Callable[[SaRecord], object], ...]:
        """The extension classes of its IKE SAs, in order; `registry` adds to them."""

    @abstractmethod
    def responder_for(self, request: Message) -> type[Exchange] | None:
        """The exchange class that answers a request, or None."""

    # Events and output

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Queue an event."""

    @abstractmethod
    def transmit(self, message: Outgoing | None, datagrams: Sequence[Datagram], attempt: int = 0) -> None:
        """Queue the datagrams of a message after the last taps. ``message`` is None when no tap is to see it."""

    @abstractmethod
    def drop(self, datagram: Datagram, code: DropReason, reason: str, offset: int | None = None) -> None:
        """Count and report a dropped datagram."""

    @abstractmethod
    def reject(
        self,
        datagram: Datagram,
        header: Header,
        kind: NotifyType,
        data: bytes = b"",
        more: Sequence[Packet] = (),
        *,
        response: bool = True,
    ) -> None:
        """Send an unprotected answer with the same SPIs and message ID: one Notify and ``more``. No state is kept."""

    @abstractmethod
    def send_now(self, packet: bytes, flow: Flow) -> bool:
        """Send an inner packet through the Child SA that policy selects; False when there is none."""

    # IKE SAs and Child SAs

    @property
    @abstractmethod
    def past_spis(self) -> deque[int]:
        """The inbound SPIs of the last Child SAs that ended."""

    @abstractmethod
    def connect(
        self, config: IkeConfig, now: float, packet: bytes | None = None, *, authenticate: bool = True
    ) -> SaRecord:
        """Begin an IKE SA with ``config.remote``; ``packet`` is the inner packet that triggers it."""

    @abstractmethod
    def adopt(self, sa: SaRecord) -> None:
        """Register an IKE SA by our SPI."""

    @abstractmethod
    def new_ike_spi(self) -> bytes:
        """Choose an unused IKE SPI of eight octets."""

    @abstractmethod
    def free_ike_spi(self, spi: bytes) -> bytes:
        """Check an SPI that a tap sent instead of ours; LocalError when it cannot name a new IKE SA here."""

    @abstractmethod
    def owns(self, spi: bytes) -> bool:
        """Whether an IKE SPI is one of ours."""

    @abstractmethod
    def new_child_spi(self) -> int:
        """Choose an unused ESP SPI."""

    @abstractmethod
    def add_child(self, sa: SaRecord, child: ChildSa) -> None:
        """Add a Child SA of an IKE SA. Packets may use it from now on."""

    @abstractmethod
    def move_child(self, child: ChildSa, sa: SaRecord) -> None:
        """Give a Child SA to the IKE SA that succeeds its own."""

    @abstractmethod
    def sa_changed(self, sa: SaRecord) -> None:
        """Note that a `Deciding` attribute of an IKE SA has changed."""

    @abstractmethod
    def number_of_children(self, identity: Identity | None) -> int:
        """How many Child SAs it has with the peer of that identity."""

    @abstractmethod
    def overlapping(self, local: Iterable[Selector], remote: Iterable[Selector]) -> Iterable[tuple[SaRecord, ChildSa]]:
        """Child SAs with their IKE SA: at least all those that may take packets that these selectors take."""

    @abstractmethod
    def remove_child(self, child: ChildSa) -> None:
        """Remove a Child SA."""

    @abstractmethod
    def linger(self, sa: SaRecord) -> None:
        """Keep an ended IKE SA until the peer has no retransmissions left, then discard it."""

    @abstractmethod
    def release(self, sa: SaRecord) -> None:
        """Unregister an IKE SA."""
