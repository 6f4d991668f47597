# SPDX-License-Identifier: GPL-2.0-or-later
"""The octets of one direction of a TCP connection, in order whatever the order of its segments (RFC 9293 section 3.4).

Octets that the capture does not hold are gaps of known size, so that what is behind them keeps its place.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from operator import itemgetter

from fynx_scapy.capture.reading.frames import Frame
from fynx_scapy.capture.reading.packets import is_ike
from fynx_scapy.layers.ikeheader import HEADER_SIZE

MESSAGE = 2 + 4 + HEADER_SIZE
"""A length field, the non-ESP marker and the header of IKE."""
OVERHEAD = 400
"""What a waiting segment takes beside its octets."""

StreamKey = tuple[str, int, str, int]


def ahead(number: int, position: int) -> int:
    """How far a sequence number of 32 bits is ahead of a position."""
    return (number - position + 0x80000000 & 0xFFFFFFFF) - 0x80000000


@dataclass(slots=True)
class Stream:
    """One direction of a connection. Positions are sequence numbers that go on beyond 32 bits."""

    ends: StreamKey
    start: int  # the position of its first octet
    following: int  # the position behind the octets in order
    sure: bool  # whether `start` is known, from a SYN, the prefix or the other direction
    answering: bool  # it sent SYN and ACK
    accepted: bool  # whether it carries IPsec
    begun: bool = False  # whether `data` begins with a length field
    prefixed: bool = False
    plain: bool = False  # whether it began with something other than the prefix
    acknowledged: int | None = None  # what its first segment says of the other direction's beginning
    data: bytearray = field(default_factory=bytearray)  # in order, not yet split into messages
    searched: int = 0
    holes: list[tuple[int, int]] = field(default_factory=list)  # positions of octets that are not in the capture
    waiting: dict[int, tuple[bytes, int, Frame]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)  # positions of what waits, as a heap
    held: int = 0  # octets that wait
    segments: int = 0
    rewinds: int = 0

    @property
    def base(self) -> int:
        return self.following - len(self.data)

    @property
    def memory(self) -> int:
        return len(self.data) + self.held + OVERHEAD * len(self.waiting)

    def wait(self, position: int, data: bytes, missing: int, frame: Frame) -> None:
        """Keep a segment until those before it arrive."""
        known = self.waiting.get(position)
        if known is not None:
            if len(known[0]) + known[1] >= len(data) + missing:
                return
            self.held -= len(known[0])
        else:
            heapq.heappush(self.order, position)
        self.waiting[position] = (data, missing, replace(frame, data=b""))
        self.held += len(data)

    def ready(self) -> tuple[int, bytes, int, Frame] | None:
        """The next segment that waits for none before it."""
        if not self.order or self.order[0] > self.following:
            return None
        position = heapq.heappop(self.order)
        data, missing, frame = self.waiting.pop(position)
        self.held -= len(data)
        return position, data, missing, frame

    def append(self, position: int, data: bytes, missing: int) -> bytes:
        """Add the octets of a segment that are new. Returns those."""
        known = self.following - position
        fresh, absent = data[known:], missing - max(0, known - len(data))
        if fresh or absent > 0:
            self.data += fresh
            self.following += len(fresh)
            self.gap(absent)
        return fresh

    def keep(self, position: int, data: bytes, missing: int, frame: Frame) -> None:
        """Keep a segment: in its place, or until those before it arrive."""
        if position < self.start:
            data, position = data[self.start - position :], self.start
        if position > self.following:
            self.wait(position, data, missing, frame)
            return
        self.append(position, data, missing)
        while (found := self.ready()) is not None:
            self.append(*found[:3])

    def gap(self, octets: int) -> None:
        """Go on behind octets that are not in the capture."""
        if octets > 0:
            self.holes.append((self.following, self.following + octets))
            self.data += bytes(octets)
            self.following += octets

    def hole(self, start: int, end: int) -> int | None:
        """The first position between two that is not in the capture."""
        at = bisect_right(self.holes, start, key=itemgetter(1))
        if at == len(self.holes) or self.holes[at][0] >= end:
            return None
        return max(start, self.holes[at][0])

    def captured(self, octets: int) -> int:
        """How many of the first octets of ``data`` are in the capture."""
        base, end = self.base, self.base + octets
        return octets - sum(max(0, min(high, end) - max(low, base)) for low, high in self.holes)

    def drop(self, octets: int) -> None:
        """Forget octets at the beginning of ``data``."""
        if octets > 0:
            del self.data[:octets]
            self.searched = max(0, self.searched - octets)
            del self.holes[: bisect_right(self.holes, self.base, key=itemgetter(1))]

    def search(self) -> int:
        """Where an IKE message begins in octets whose meaning is unknown; -1 if nowhere."""
        data, at = self.data, self.searched
        while (at := data.find(bytes(4), at + 2) - 2) >= 0 and at + MESSAGE <= len(data):
            length = int.from_bytes(data[at : at + 2])
            if length >= MESSAGE and is_ike(bytes(data[at + 6 : at + MESSAGE]), length - MESSAGE):
                return at
            at += 1
        self.searched = max(0, len(data) - MESSAGE)
        return -1


def begins(data: bytes) -> bool:
    """Whether a segment begins with a length field: an IKE message follows, or complete messages fill the segment."""
    length = int.from_bytes(data[:2])
    return (data[2:6] == bytes(4) and is_ike(data[6:length])) or complete(data)


def complete(data: bytes) -> bool:
    """Whether complete messages fill these octets."""
    at = 0
    while at + 2 < len(data):
        length = int.from_bytes(data[at : at + 2])
        if length < 3:
            return False
        at += length
    return at == len(data) > 0
