# SPDX-License-Identifier: GPL-2.0-or-later
"""Events about datagrams: dropped messages, moved peers, ESP packets, and errors of the network.

Import them from `fynx_scapy.ike.events`, like all other events.
"""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.errors import TransportError
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.event import SMALL, Event
from fynx_scapy.ike.message import Address, Datagram


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDropped(Event):
    """We dropped a datagram. ``reason`` says what was expected and what was found; ``data`` is the datagram.

    ``code`` is why, as it is counted.

    If it belongs to no SA and is long, ``data`` is only its beginning; ``length`` is its full length in octets.
    """

    code: DropReason
    reason: str
    data: bytes
    remote: Address
    offset: int | None = None
    length: int = -1

    def __post_init__(self) -> None:
        Event.__post_init__(self)  # slots=True creates a new class, which super() without arguments does not know
        if self.length < 0:
            object.__setattr__(self, "length", len(self.data))

    @property
    def weight(self) -> int:
        """Includes the octets of the datagram."""
        return SMALL + len(self.data) + len(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMoved(Event):
    """An authenticated packet came from a new address or port. We now send to it (RFC 7296 section 2.23)."""

    old: Address
    new: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepaliveSent(Event):
    """We sent a NAT keepalive of one octet, since nothing else was sent for the interval (RFC 3948 section 4)."""

    local: Address
    remote: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityFailed(Event):
    """The ICV of a packet did not verify. The packet changed nothing."""

    spi: int | None
    data: bytes
    remote: Address

    @property
    def weight(self) -> int:
        """Includes the octets of the packet."""
        return SMALL + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDropped(Event):
    """We dropped an ESP packet: its sequence number was seen before or is too old."""

    spi: int
    seq: int
    remote: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFailed(Event):
    """The operating system could not send a datagram. ``reason`` is its error text, ``code`` that of the error."""

    local: Address
    remote: Address
    reason: str
    code: str = TransportError.code


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveFailed(Event):
    """The operating system reported an error while we were receiving. ``reason`` is its error text."""

    local: Address
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalError(Event):
    """A bug on our side, not a fault of the peer: an unexpected exception. The endpoint goes on.

    ``doing`` is what the endpoint was handling (a datagram, a timer, an ICMP error), ``error`` the type of the
    exception, ``where`` the line that raised it. ``reason`` is its text, or empty when the text might hold a key.
    """

    doing: str
    error: str
    where: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpReceived(Event):
    """An ICMP error about one of our datagrams to ``remote``. It is only a hint (RFC 7296 section 2.4).

    ``reporter`` sent the error. ``mtu`` is the path MTU in bytes, if the error reports one. ``acted``: whether we start
    a liveness check. ``believed`` is False when we have not sent to that destination: the error is forged, or very old.
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
    """We sent an ESP packet in ``datagram``. ``length`` is the length of the inner packet in bytes."""

    spi: int
    seq: int
    length: int
    datagram: Datagram
    changed: tuple[str, ...] = ()
    """The tap stages that changed it, in order."""

    @property
    def weight(self) -> int:
        """Includes the octets of the packet."""
        return 2 * SMALL + len(self.datagram.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class EspReceived(Event):
    """We received an ESP packet: it verified, was decrypted and matches its traffic selectors."""

    spi: int
    seq: int
    length: int
    next_header: int
    datagram: Datagram

    @property
    def weight(self) -> int:
        """Includes the octets of the packet."""
        return 2 * SMALL + len(self.datagram.data)
