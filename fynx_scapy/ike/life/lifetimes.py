# SPDX-License-Identifier: GPL-2.0-or-later
"""Lifetimes: rekey an SA at a soft limit, close it at a hard limit (RFC 7296 section 2.8, RFC 4301 section 4.4.2.1).

Each peer has its own limits; they are not negotiated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from fynx_scapy.errors import Closing
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import LifetimeReached
from fynx_scapy.ike.terms.lifetime import Lifetime

if TYPE_CHECKING:
    from fynx_scapy.ike.basics.timers import Timer
    from fynx_scapy.ike.core.child import ChildSa
    from fynx_scapy.ike.core.record import SaRecord

# Section 2.2: an IKE SA is closed or rekeyed before its message IDs no longer fit in 32 bits.
_MESSAGE_IDS = 0xFFFF_0000
# Rekey a Child SA when one part in this many of its sequence numbers is left.
_RESERVE = 16
_LOOK_AGAIN = 5.0


class _Life:
    """The limits of an SA, and their timers."""

    __slots__ = (
        "_least_bytes",
        "_least_packets",
        "ended",
        "endpoint",
        "hard",
        "lifetime",
        "rekeyed",
        "soft",
        "timers",
    )  # fmt: skip

    def __init__(self, sa: SaRecord, lifetime: Lifetime) -> None:
        self.endpoint = sa.endpoint
        self.lifetime = lifetime
        self.timers: list[Timer] = []
        early = self.endpoint.randomness.uniform(0, lifetime.jitter) if lifetime.jitter else 0.0
        self.soft, self.hard = lifetime.soft.scaled(1 - early), lifetime.end
        self.rekeyed = self.ended = False
        self._least_packets = min(_or_never(self.soft.packets), _or_never(self.hard.packets))
        self._least_bytes = min(_or_never(self.soft.bytes), _or_never(self.hard.bytes))
        for seconds, act in ((self.soft.seconds, self._soft_time), (self.hard.seconds, self._hard_time)):
            if seconds is not None:
                self._set(sa.now + seconds, act)

    def stop(self) -> None:
        """Stop: the SA has ended."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    def count(self, packets: int, octets: int) -> None:
        """Check the limits. ``packets`` and ``octets`` are the totals so far in one direction."""
        if packets < self._least_packets and octets < self._least_bytes:
            return
        limit = "packets" if packets >= self._least_packets else "bytes"
        if packets >= _or_never(self.hard.packets) or octets >= _or_never(self.hard.bytes):
            self._end(limit)
        elif not self.rekeyed:
            self._least_packets, self._least_bytes = _or_never(self.hard.packets), _or_never(self.hard.bytes)
            self._soon(lambda now: self._renew(limit, now))

    def _soft_time(self, now: float) -> None:
        self._renew("seconds", now)

    def _hard_time(self, now: float) -> None:
        self._end("seconds")

    def _set(self, at: float, action: Callable[[float], None]) -> None:
        self.timers.append(self.endpoint.timers.set(at, action))

    def _soon(self, action: Callable[[float], None]) -> None:
        """Run an action after the current message or packet, which reached the limit, is processed."""
        self._set(self.endpoint.now, action)

    def _renew(self, limit: str, now: float) -> None:
        raise NotImplementedError

    def _end(self, limit: str) -> None:
        raise NotImplementedError


class IkeLife(_Life):
    """The lifetime of an IKE SA, and the time of its reauthentication."""

    __slots__ = ("began", "bytes", "packets", "reauthenticate_at", "sa")

    def __init__(self, sa: SaRecord, old: IkeLife | None = None) -> None:
        super().__init__(sa, sa.config.lifetime)
        self.sa = sa
        self.began: bool = sa.initiator if old is None else old.began
        """Whether we initiated the first IKE SA. Section 2.8.3 leaves reauthentication to its initiator."""
        self.reauthenticate_at: float | None = old.reauthenticate_at if old else self._first_reauthentication(sa)
        self.packets = self.bytes = 0
        if self.began and self.reauthenticate_at is not None:
            self._set(self.reauthenticate_at, self._reauthenticate)

    def _first_reauthentication(self, sa: SaRecord) -> float | None:
        after = sa.config.reauthenticate_after
        return None if after is None else sa.now + after * (1 - self.endpoint.randomness.uniform(0, 0.1))

    def message(self, octets: int) -> None:
        """Count a sent or received message."""
        self.packets += 1
        self.bytes += octets
        self.count(self.packets, self.bytes)
        if not self.rekeyed and max(self.sa.requests.next_id, self.sa.answers.expected) >= _MESSAGE_IDS:
            self.rekeyed = True
            self._soon(lambda now: self._rekey("message IDs", now))

    def _renew(self, limit: str, now: float) -> None:
        if not self.rekeyed and (self.lifetime.rekey_idle or self.sa.children):
            self.rekeyed = True
            self._rekey(limit, now)

    def _rekey(self, limit: str, now: float) -> None:
        sa = self.sa
        if sa.established:
            sa.emit(LifetimeReached(*sa.stamp, limit=limit, hard=False))
            sa.rekey()

    def _end(self, limit: str) -> None:
        if not self.ended:
            self.ended = True
            self._soon(lambda now: self._expire(limit, now))

    def _expire(self, limit: str, now: float) -> None:
        """Close an IKE SA that was not rekeyed in time, with all its Child SAs (section 2.8)."""
        sa = self.sa
        if sa.established and sa.rekeying is not None:
            # The peer answers now, or is dead: either decides.
            self._set(now + _LOOK_AGAIN, lambda now: self._expire(limit, now))
        elif sa.established:
            sa.emit(LifetimeReached(*sa.stamp, limit=limit, hard=True))
            sa.delete_ike(Closing.LIFETIME)

    def _reauthenticate(self, now: float) -> None:
        sa = self.sa
        if sa.established:
            sa.emit(LifetimeReached(*sa.stamp, limit="reauthentication", hard=False))
            sa.reauthenticate()


class ChildLife(_Life):
    """The lifetime of a Child SA, and of its sequence numbers (RFC 4303 section 3.3.3)."""

    __slots__ = ("_inbound", "_least_seq", "_outbound", "child", "last_seq")

    def __init__(self, sa: SaRecord, child: ChildSa) -> None:
        super().__init__(sa, child.config.lifetime)
        self.child = child
        self._inbound, self._outbound = child.inbound, child.outbound
        self.last_seq = child.outbound.limit
        reserve = self.last_seq // _RESERVE
        early = int(self.endpoint.randomness.uniform(0, self.lifetime.jitter) * reserve) if self.lifetime.jitter else 0
        self._least_seq = self.last_seq - reserve - early

    def sent(self) -> None:
        """Count a sent packet."""
        out = self._outbound
        if out.seq >= self._least_seq:
            if out.seq >= self.last_seq:
                return self._end("sequence numbers")
            if not self.rekeyed:
                self._least_seq = self.last_seq
                self._soon(lambda now: self._renew("sequence numbers", now))
        if out.packets >= self._least_packets or out.bytes >= self._least_bytes:
            self.count(out.packets, out.bytes)
        return None

    def received(self) -> None:
        """Count a valid received packet."""
        inbound = self._inbound
        if inbound.packets >= self._least_packets or inbound.bytes >= self._least_bytes:
            self.count(inbound.packets, inbound.bytes)

    def may_send(self, packets: int, octets: int) -> bool:
        """Whether so much more can be sent without reaching a limit."""
        out = self._outbound
        return (
            out.seq + packets < self._least_seq
            and out.packets + packets < self._least_packets
            and out.bytes + octets < self._least_bytes
        )

    def may_receive(self, packets: int, octets: int) -> bool:
        """Whether so much more can be received without reaching a limit."""
        inbound = self._inbound
        return inbound.packets + packets < self._least_packets and inbound.bytes + octets < self._least_bytes

    @property
    def _holder(self) -> SaRecord | None:
        """The IKE SA that has the Child SA now, or None when it was removed."""
        sa, child = self.endpoint.children.get(self.child.inbound.spi, (None, None))
        return sa if child is self.child and not self.child.gone else None

    def _renew(self, limit: str, now: float) -> None:
        sa, child = self._holder, self.child
        if sa is None or self.rekeyed or not sa.established or child.deleting or child.peer_rekeyed is not None:
            return
        if not self.lifetime.rekey_idle and not child.inbound.packets and not child.outbound.packets:
            # Section 2.8: "the endpoint MAY choose to close the SA instead of rekeying it when its lifetime expires".
            return
        self.rekeyed = True
        sa.emit(LifetimeReached(*sa.stamp, limit=limit, hard=False, spi=child.inbound.spi))
        sa.rekey_child(child)

    def _end(self, limit: str) -> None:
        """Stop using the Child SA in both directions.

        Section 2.8: "When the lifetime of a Security Association expires, the Security Association MUST NOT be used."
        """
        if not self.ended:
            self.ended = self.child.expired = True
            self._soon(lambda now: self._expire(limit, now))

    def _expire(self, limit: str, now: float) -> None:
        sa, child = self._holder, self.child
        if sa is None or child.deleting or child.rekeyed is not None or child.peer_rekeyed is not None:
            return
        if child.rekeying is not None or not sa.established:
            # Wait for the exchange in progress: it decides whether there is something to delete.
            self._set(now + _LOOK_AGAIN, lambda now: self._expire(limit, now))
            return
        sa.emit(LifetimeReached(*sa.stamp, limit=limit, hard=True, spi=child.inbound.spi))
        if self.rekeyed:
            # Section 2.8: "If an SA has expired or is about to expire and rekeying attempts using the mechanisms
            # described here fail, an implementation MUST close the IKE SA and any associated Child SAs".
            sa.delete_ike(Closing.LIFETIME)
        else:
            sa.delete_child(child)


def _or_never(limit: int | None) -> float:
    return math.inf if limit is None else limit
