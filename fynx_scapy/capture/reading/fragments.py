# SPDX-License-Identifier: GPL-2.0-or-later
"""Reassembly of fragmented IP packets (RFC 791 section 3.2, RFC 8200 section 4.5)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fynx_scapy.capture.reading.losses import Loss, several, some
from fynx_scapy.capture.reading.packets import IpPacket

MOST_FRAGMENTED, MOST_FRAGMENT_OCTETS = 1024, 1 << 24
"""How many incomplete IP packets are kept, and how many octets of them. Beyond that, the oldest is dropped."""
MOST_GIVEN_UP = 10_000
LARGEST_PACKET = 0xFFFF
REUSED_AFTER = 120.0
"""Seconds after which a receiver has given a packet up (RFC 1122 section 3.3.2): its identification may come again."""
OVERHEAD = 200
"""What a fragment takes beside its octets."""
KEPT_OF_DROPPED = 28
"""How much of a dropped packet is kept: enough to see whether it was IPsec."""

MOST_MARKS = 1 << 16
"""How many fragments of completed packets are remembered, to recognise those that the capture holds again."""

Key = tuple[str, str, int, int, tuple[str, ...]]
OVERLAP = "its fragments contradict each other, so it cannot be known what the receiver made of them"


@dataclass(slots=True)
class _Pieces:
    """The fragments of one packet: their octets by offset, sorted, without overlaps."""

    first: IpPacket
    starts: list[int] = field(default_factory=list)
    octets: dict[int, tuple[bytes, int]] = field(default_factory=dict)  # captured octets, octets that were not captured
    covered: int = 0
    end: int | None = None  # known from the last fragment
    held: int = 0
    fault: str = ""

    @property
    def strict(self) -> bool:
        """Whether it is IPv6."""
        return ":" in self.first.src

    @property
    def complete(self) -> bool:
        """Whether all fragments are here."""
        return self.end == self.covered and not self.fault

    def add(self, packet: IpPacket) -> bool:
        """Add a fragment. False if it contradicts the others."""
        start, data = packet.offset, packet.payload
        stop = start + len(data) + packet.missing
        last = self.starts[-1] + self._size(self.starts[-1]) if self.starts else 0
        if stop > LARGEST_PACKET or (self.end is not None and stop > self.end):
            return False
        if not packet.more and (last > stop or self.end not in (None, stop)):
            return False
        if not self._agrees(start, stop, data):
            return False
        if not packet.more:
            self.end = stop
        if start == 0:
            self.first = packet
        self._fill(start, stop, data)
        return True

    def _size(self, start: int) -> int:
        data, missing = self.octets[start]
        return len(data) + missing

    def _near(self, start: int, stop: int) -> Iterator[int]:
        """The pieces that a range of octets touches."""
        at = max(0, bisect_right(self.starts, start) - 1)
        while at < len(self.starts) and self.starts[at] < stop:
            yield self.starts[at]
            at += 1

    def _agrees(self, start: int, stop: int, data: bytes) -> bool:
        """Whether a fragment has the octets that others have in the same place.

        In IPv6, fragments that overlap end the reassembly, unless they are exact copies (RFC 8200 section 4.5).
        """
        for other in self._near(start, stop):
            known, _ = self.octets[other]
            if (
                self.strict
                and other + self._size(other) > start
                and (other, self._size(other)) != (start, stop - start)
            ):
                return False
            low, high = max(start, other), min(start + len(data), other + len(known))
            if low < high and data[low - start : high - start] != known[low - other : high - other]:
                return False
        return True

    def _fill(self, start: int, stop: int, data: bytes) -> None:
        """Add what no other fragment has."""
        at = start
        for other in [*self._near(start, stop), stop]:
            if other > at:
                piece = data[at - start : other - start]
                self.starts.insert(bisect_left(self.starts, at), at)
                self.octets[at] = (piece, other - at - len(piece))
                self.covered += other - at
                self.held += len(piece) + OVERHEAD
            at = max(at, other + self._size(other) if other in self.octets else other)

    def joined(self) -> tuple[bytes, int]:
        """The octets up to the first that was not captured, and how many are missing from there on."""
        found = bytearray()
        for start in self.starts:
            data, missing = self.octets[start]
            found += data
            if missing:
                break
        return bytes(found), self.covered - len(found)

    def marks(self) -> frozenset[tuple[int, int]]:
        """What identifies the fragments: a capture may hold some of them again."""
        return frozenset((start, hash(data)) for start, (data, _) in self.octets.items())


@dataclass(slots=True)
class Fragments:
    """Reassembles IP packets in bounded memory, whatever the order of their fragments.

    Incomplete packets and contradicting fragments are reported, never guessed at. Fragments of a completed packet that
    the capture holds again are no loss.
    """

    given_up: int = 0
    _waiting: OrderedDict[Key, _Pieces] = field(default_factory=OrderedDict)
    _held: int = 0
    _lost: deque[IpPacket] = field(default_factory=lambda: deque(maxlen=MOST_GIVEN_UP))
    _done: OrderedDict[Key, frozenset[tuple[int, int]]] = field(default_factory=OrderedDict)
    _marks: int = 0

    def add(self, packet: IpPacket) -> IpPacket | None:
        """The packet itself if it is not a fragment, the reassembled one if this completes it, else None."""
        if not packet.offset and not packet.more:
            return packet
        # In IPv6 the first fragment alone says what follows.
        key = (packet.src, packet.dst, 0 if ":" in packet.src else packet.protocol, packet.ident, packet.within)
        pieces = self._waiting.get(key)
        if pieces is not None and not self._added(pieces, packet):
            if self._again(key, pieces) or _reused(pieces.first, packet):
                self._give_up(key)
                pieces = None
            else:
                pieces.fault = OVERLAP
        if pieces is None:
            pieces = self._waiting[key] = _Pieces(packet)
            if not self._added(pieces, packet):
                pieces.fault = OVERLAP
        if pieces.complete:
            self._forget(key)
            self._remember(key, pieces)
            payload, missing = pieces.joined()
            first = replace(pieces.first, frame=packet.frame)
            return replace(first, payload=payload, offset=0, more=False, missing=missing)
        while len(self._waiting) > MOST_FRAGMENTED or self._held > MOST_FRAGMENT_OCTETS:
            self._give_up(next(iter(self._waiting)))
        return None

    def _added(self, pieces: _Pieces, packet: IpPacket) -> bool:
        before = pieces.held
        fits = pieces.add(packet)
        self._held += pieces.held - before
        return fits

    def _give_up(self, key: Key) -> None:
        pieces = self._forget(key)
        if self._again(key, pieces):
            return
        self.given_up += 1
        first = pieces.first
        frame = replace(first.frame, data=b"")
        self._lost.append(replace(first, payload=first.payload[:KEPT_OF_DROPPED], frame=frame, fault=pieces.fault))

    def _forget(self, key: Key) -> _Pieces:
        pieces = self._waiting.pop(key)
        self._held -= pieces.held
        return pieces

    def _remember(self, key: Key, pieces: _Pieces) -> None:
        if key in self._done:
            return
        marks = self._done[key] = pieces.marks()
        self._marks += len(marks)
        while len(self._done) > MOST_FRAGMENTED or self._marks > MOST_MARKS:
            self._marks -= len(self._done.popitem(last=False)[1])

    def _again(self, key: Key, pieces: _Pieces) -> bool:
        """Whether all fragments are those of a packet that was complete before."""
        return not pieces.fault and key in self._done and pieces.marks() <= self._done[key]

    def losses(self) -> list[Loss]:
        """Packets that were dropped and that `incomplete` no longer lists."""
        more = self.given_up - len(self._lost)
        return some([Loss("fragments", more, f"{several(more, 'more IP packet')} with missing fragments")])

    def incomplete(self) -> Iterator[IpPacket]:
        """The first fragment of each packet that was never completed. Of dropped packets, only the last 10,000."""
        yield from self._lost
        for key, pieces in self._waiting.items():
            if not self._again(key, pieces):
                yield replace(pieces.first, fault=pieces.fault)


def _reused(first: IpPacket, packet: IpPacket) -> bool:
    """Whether a fragment that contradicts others is of a later packet, with the same identification."""
    before, now = first.frame.time, packet.frame.time
    return before is not None and now is not None and now - before > REUSED_AFTER
