# SPDX-License-Identifier: GPL-2.0-or-later
"""Events of datagrams: dropped, moved, sent and received as ESP, and what a network could not do.

They are read as `fynx_scapy.ike.events`, like all others.
"""

from __future__ import annotations

from dataclasses import dataclass

from fynx_scapy.ike.basics.event import SMALL, Event
from fynx_scapy.ike.message import Address, Datagram


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
        return SMALL + len(self.data) + len(self.reason)


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
        return SMALL + len(self.data)


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
    changed: tuple[str, ...] = ()
    """The tap stages that altered it, in order."""

    @property
    def weight(self) -> int:
        """With the octets of the packet."""
        return 2 * SMALL + len(self.datagram.data)


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
        return 2 * SMALL + len(self.datagram.data)
