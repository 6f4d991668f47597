# SPDX-License-Identifier: GPL-2.0-or-later
"""The record of an endpoint: what every feature may read of it, and ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from scapy.packet import Packet

from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.randomness import Randomness
from fynx_scapy.ike.basics.timers import Timers
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import Event
from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing
from fynx_scapy.ike.terms.pool import Pools
from fynx_scapy.ike.terms.selectors import Flow
from fynx_scapy.ike.wire.taps import Taps

T = TypeVar("T")


class EndpointRecord(ABC):
    """One side as its features see it. ``now`` is its clock, the only one, in seconds."""

    hosts: tuple[str, ...]
    """Its IP addresses as text."""
    configs: list[IkeConfig]
    config: EndpointConfig
    randomness: Randomness
    taps: Taps
    timers: Timers
    now: float
    sas: Mapping[bytes, SaRecord]
    """Its IKE SAs by the SPI that it chose."""
    children: dict[int, tuple[SaRecord, ChildSa]]
    """Its Child SAs by their inbound SPI, with their IKE SA, oldest first."""
    pools: Pools
    """The addresses that it lends."""

    def __init__(self) -> None:
        self._kept: dict[object, object] = {}

    @property
    def host(self) -> str:
        """Its first IP address."""
        return self.hosts[0]

    def of(self, kind: Callable[[EndpointRecord], T]) -> T:
        """What a feature keeps for this endpoint: its object of that kind, made when it is first asked for."""
        found = self._kept.get(kind)
        if found is None:
            found = self._kept[kind] = kind(self)
        return found  # type: ignore[return-value]  # the key says its type

    # What carries its datagrams calls

    @abstractmethod
    def receive(self, datagram: Datagram, now: float) -> None:
        """Take in a datagram."""

    @abstractmethod
    def handle_timer(self, now: float) -> None:
        """Do what is due."""

    @abstractmethod
    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called, or None."""

    @abstractmethod
    def send(self, packet: bytes, now: float) -> bool:
        """Send an inner IP packet; False when no policy takes it."""

    @abstractmethod
    def datagrams(self) -> list[Datagram]:
        """What is to leave, in order."""

    @abstractmethod
    def packets(self) -> list[bytes]:
        """Inner packets that arrived, decrypted, in order."""

    @abstractmethod
    def events(self) -> list[Event]:
        """What happened since the last call."""

    # What it knows

    @property
    @abstractmethod
    def extensions(self) -> tuple[Callable[[SaRecord], object], ...]:
        """The kinds of extensions of its IKE SAs, in order; `registry` adds to them."""

    @abstractmethod
    def responder_for(self, request: Message) -> type[Exchange] | None:
        """The exchange that answers a request, or None."""

    # What it tells and sends

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Queue an event."""

    @abstractmethod
    def transmit(self, message: Outgoing | None, datagrams: Sequence[Datagram], attempt: int = 0) -> None:
        """Queue the datagrams of a message, IKE or not, as the last tap leaves them; None for one that nobody taps."""

    @abstractmethod
    def drop(self, datagram: Datagram, reason: str, offset: int | None = None) -> None:
        """Tell that a datagram was not acted upon."""

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
        """Answer a stranger in the clear: same SPIs, same message ID, one Notify (or ``more``), and no state."""

    @abstractmethod
    def send_now(self, packet: bytes, flow: Flow) -> bool:
        """Send an inner packet through the Child SA that policy picks; False when there is none for it."""

    # IKE SAs and Child SAs

    @property
    @abstractmethod
    def past_spis(self) -> deque[int]:
        """The inbound SPIs of the last Child SAs that ended."""

    @abstractmethod
    def connect(
        self, config: IkeConfig, now: float, packet: bytes | None = None, *, authenticate: bool = True
    ) -> SaRecord:
        """Begin an IKE SA with ``config.remote``; ``packet`` is the inner packet that asks for it."""

    @abstractmethod
    def adopt(self, sa: SaRecord) -> None:
        """Datagrams on its SPI are its own from now on."""

    @abstractmethod
    def new_ike_spi(self) -> bytes:
        """Eight octets that name no IKE SA of ours."""

    @abstractmethod
    def free_ike_spi(self, spi: bytes) -> bytes:
        """An SPI that was sent in the place of our own; LocalError unless it can name a new IKE SA here."""

    @abstractmethod
    def owns(self, spi: bytes) -> bool:
        """Whether an IKE SPI is one that we have chosen."""

    @abstractmethod
    def new_child_spi(self) -> int:
        """An ESP SPI that is not in use here."""

    @abstractmethod
    def remove_child(self, child: ChildSa) -> None:
        """Forget a Child SA."""

    @abstractmethod
    def linger(self, sa: SaRecord) -> None:
        """Let go of an IKE SA that has ended once the peer has no retransmission left to send."""

    @abstractmethod
    def release(self, sa: SaRecord) -> None:
        """Forget an IKE SA."""
