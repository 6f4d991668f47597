# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE and ESP in TCP (RFC 9329, RFC 8229): reassemble streams and split them into messages.

A connection is recognised by the prefix ``IKETCP`` that its originator sends first (section 4). If that is not in the
capture, a segment on port 4500 or one of ``ports`` counts as the beginning if it holds only complete messages.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from fynx_scapy.capture.reading.losses import Loss, several, some
from fynx_scapy.capture.reading.packets import IpPacket, IpsecPacket, classified, is_ike

PREFIX = b"IKETCP"
SYN = 0x02
MOST_STREAMS = 4096
MOST_WAITING = 1 << 18
"""How many octets of one stream wait for a missing segment. Beyond that, the gap is reported and skipped."""

_HEADER = struct.Struct("!HHIIBB")
StreamKey = tuple[str, int, str, int]


@dataclass(slots=True)
class _Stream:
    following: int  # the next sequence number
    begun: bool = False  # whether the position of a length field is known
    data: bytearray = field(default_factory=bytearray)
    waiting: dict[int, bytes] = field(default_factory=dict)
    held: int = 0


class Streams:
    """The TCP connections of a capture that carry IPsec, one stream per direction, in bounded memory."""

    def __init__(self, ports: frozenset[int]) -> None:
        self.ports = ports
        self._streams: OrderedDict[StreamKey, _Stream] = OrderedDict()
        self._dropped: OrderedDict[StreamKey, int] = OrderedDict()  # octets that belong to no message
        self._evicted = 0  # streams

    def add(self, packet: IpPacket) -> Iterator[IpsecPacket] | None:
        """The messages that a segment completes, or None if its connection carries no IPsec."""
        payload = packet.payload
        if len(payload) < 20:
            return None
        sport, dport, number, _, offset, flags = _HEADER.unpack_from(payload)
        ends = (packet.src, sport, packet.dst, dport)
        stream = self._streams.get(ends)
        data = payload[(offset >> 4) * 4 :] if offset >= 0x50 else b""
        if stream is None or flags & SYN:
            if data[:6] != PREFIX and not self.ports & {sport, dport} and not self._reverse(ends):
                return None
            stream = self._streams[ends] = _Stream(number + (flags & SYN > 0) & 0xFFFFFFFF)
            if len(self._streams) > MOST_STREAMS:
                self._streams.popitem(last=False)
                self._evicted += 1
        return self._fed(packet, ends, stream, number, data)

    def _reverse(self, ends: StreamKey) -> bool:
        return (ends[2], ends[3], ends[0], ends[1]) in self._streams

    def _fed(
        self, packet: IpPacket, ends: StreamKey, stream: _Stream, number: int, data: bytes
    ) -> Iterator[IpsecPacket]:
        if not data:
            return
        self._streams.move_to_end(ends)
        ahead = (number - stream.following + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if ahead > 0:
            if number not in stream.waiting:
                stream.waiting[number] = data
                stream.held += len(data)
            if stream.held <= MOST_WAITING:
                return
            yield from self._skip(packet, ends, stream)
        else:
            self._append(ends, stream, number, data)
        while (found := self._ready(stream)) is not None:
            self._append(ends, stream, *found)
        yield from self._cut(packet, ends, stream)

    def _skip(self, packet: IpPacket, ends: StreamKey, stream: _Stream) -> Iterator[IpsecPacket]:
        """Continue after a gap, with the first segment there."""
        first = min(stream.waiting, key=lambda at: at - stream.following & 0xFFFFFFFF)
        missing = first - stream.following & 0xFFFFFFFF
        text = f"{missing} octets of a TCP stream are not in the capture; {len(stream.data)} before them were discarded"
        yield IpsecPacket(packet.frame, "unreadable", ends[0], ends[2], b"", ends[1], ends[3], error=text, tcp=True)
        stream.data.clear()
        stream.begun, stream.following = False, first

    def _ready(self, stream: _Stream) -> tuple[int, bytes] | None:
        for number, data in stream.waiting.items():
            if (stream.following - number & 0xFFFFFFFF) < 0x80000000:
                del stream.waiting[number]
                stream.held -= len(data)
                return number, data
        return None

    def _drop(self, ends: StreamKey, octets: int) -> None:
        if ends not in self._dropped and len(self._dropped) >= MOST_STREAMS:
            ends = next(reversed(self._dropped))  # too many streams: keep at least the sum right
        self._dropped[ends] = self._dropped.get(ends, 0) + octets

    def losses(self) -> list[Loss]:
        """What was left out: octets that belong to no message, and streams beyond the limit."""
        octets = sum(self._dropped.values())
        found = []
        if octets:
            src, sport, dst, dport = next(iter(self._dropped))
            text = f"{several(octets, 'octet')} of TCP outside any message"
            first = f"the first of {several(len(self._dropped), 'stream')}: {src} port {sport} to {dst} port {dport}"
            found.append(Loss("tcp octets", octets, f"{text}; {first}"))
        text = f"{several(self._evicted, 'TCP stream')} dropped: at most {MOST_STREAMS} are followed at a time"
        return some([*found, Loss("tcp streams", self._evicted, text)])

    def _append(self, ends: StreamKey, stream: _Stream, number: int, data: bytes) -> None:
        fresh = data[stream.following - number & 0xFFFFFFFF :]
        if not fresh:
            return
        if not stream.begun:
            if fresh[:6] == PREFIX:
                stream.begun, fresh, stream.following = True, fresh[6:], stream.following + 6 & 0xFFFFFFFF
            elif stream.data or begins(fresh):
                stream.begun = not stream.data
            elif PREFIX.startswith(fresh[:6]):
                pass  # the prefix is split over two segments
            else:
                self._drop(ends, len(fresh))
                stream.following = stream.following + len(fresh) & 0xFFFFFFFF
                return
        stream.data += fresh
        stream.following = stream.following + len(fresh) & 0xFFFFFFFF
        if not stream.begun and len(stream.data) >= 6:
            stream.begun = stream.data[:6] == PREFIX
            if not stream.begun:
                self._drop(ends, len(stream.data))
            del stream.data[: 6 if stream.begun else len(stream.data)]

    def _cut(self, packet: IpPacket, ends: StreamKey, stream: _Stream) -> Iterator[IpsecPacket]:
        """Section 3: a 16-bit length that counts itself, then ESP or an IKE message after its non-ESP marker."""
        at, data = 0, stream.data
        while stream.begun and len(data) - at >= 2:
            length = int.from_bytes(data[at : at + 2])
            if length < 2:
                text = f"expected a length of at least 2 in a TCP stream (RFC 9329 section 3), found {length}"
                yield IpsecPacket(packet.frame, "unreadable", ends[0], ends[2], b"", ends[1], ends[3], 0, text, True)
                stream.begun = False
                data.clear()
                return
            if len(data) - at < length:
                break
            message = bytes(data[at + 2 : at + length])
            at += length
            if message:
                kind, body, error = classified(message)
                yield IpsecPacket(packet.frame, kind, ends[0], ends[2], body, ends[1], ends[3], 0, error, True)
        del data[:at]

    def incomplete(self) -> Iterator[tuple[StreamKey, int]]:
        """Streams that end inside a message, with the number of octets left over."""
        for ends, stream in self._streams.items():
            left = len(stream.data) + stream.held
            if left:
                yield ends, left


def begins(data: bytes) -> bool:
    """Whether a segment begins with a length field: an IKE message follows, or complete messages fill the segment."""
    length = int.from_bytes(data[:2])
    if data[2:6] == bytes(4) and is_ike(data[6:length]):
        return True
    at = 0
    while at + 2 < len(data):
        length = int.from_bytes(data[at : at + 2])
        if length < 3:
            return False
        at += length
    return at == len(data)
