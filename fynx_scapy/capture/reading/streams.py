# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE and ESP in TCP (RFC 9329, RFC 8229): put streams together and split them into messages.

The originator of a connection sends the prefix ``IKETCP`` first; the answering direction begins with a length field
(section 4). So a stream is known from its first octets, whatever the size of its segments. If the capture begins later,
a stream on port 4500 or one of ``ports`` is read from the first octets that look like a message.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from fynx_scapy.capture.reading.frames import NO_FRAME, Frame
from fynx_scapy.capture.reading.losses import Loss, several, some
from fynx_scapy.capture.reading.packets import IpPacket, IpsecPacket, classified
from fynx_scapy.capture.reading.segments import MESSAGE, Stream, StreamKey, ahead, begins, complete

PREFIX = b"IKETCP"
SYN, RST, ACK = 0x02, 0x04, 0x10
MOST_STREAMS = 4096
MOST_WAITING = 1 << 18
"""How many octets of one stream wait for a missing segment. Beyond that, the gap is reported and skipped."""
MOST_HELD = 1 << 25
"""How many octets of all streams are kept. Beyond that, the oldest stream is dropped."""
MOST_UNKNOWN = 1 << 16
"""How many octets of a stream are searched for the beginning of a message before they are dropped."""
MOST_REWINDS = 64
"""How often the beginning of a stream is put to an earlier segment, which comes out of order."""
MOST_UNDECIDED = 1 << 20
"""How many octets of a stream are kept until its prefix, or that of the other direction, tells what it is."""
FAR = 1 << 26
"""A segment this far from the last one belongs to another connection between the same ports."""

_HEADER = struct.Struct("!HHIIBB")


class Streams:
    """The TCP connections of a capture that carry IPsec, one stream per direction, in bounded memory.

    ``foreign`` counts the segments that were kept until it was known that their stream carries something else.
    """

    def __init__(self, ports: frozenset[int]) -> None:
        self.ports = ports
        self.foreign = 0
        self._streams: OrderedDict[StreamKey, Stream] = OrderedDict()
        self._undecided: OrderedDict[StreamKey, Stream] = OrderedDict()
        self._dropped: OrderedDict[StreamKey, int] = OrderedDict()  # octets that belong to no message
        self._evicted = 0  # streams
        self._held = 0

    def add(self, packet: IpPacket) -> Iterator[IpsecPacket] | None:
        """The messages that a segment completes, or None if its connection carries no IPsec."""
        payload = packet.payload
        if len(payload) < 20:
            return self._without_header(packet)
        sport, dport, number, acknowledged, offset, flags = _HEADER.unpack_from(payload)
        ends = (packet.src, sport, packet.dst, dport)
        data, missing = (payload[(offset >> 4) * 4 :], packet.missing) if offset >= 0x50 else (b"", 0)
        if flags & RST:
            data, missing = b"", 0  # a reason for people (RFC 9293 section 3.5.3)
        syn = bool(flags & SYN)
        number = number + syn & 0xFFFFFFFF
        stream = self._streams.get(ends) or self._undecided.get(ends)
        before: list[Stream] = []
        if stream is not None and self._another(stream, number, data, syn):
            before, stream = [stream], None
        if stream is None:
            if not self._wanted(ends, data, syn):
                return None
            # Nothing of a connection that has just ended belongs to the next.
            other = None if syn else self._other(ends)
            stream = self._begin(ends, number, data, flags, other)
        stream.segments += 1
        if data and flags & ACK and ahead(number, stream.start) == 0:
            stream.acknowledged = acknowledged or None  # 0: not filled in, by a tool that made the packets
        if stream.accepted:
            return self._fed(packet.frame, stream, (number, data, missing), before)
        if not self._decide(stream, number, data, missing, packet.frame):
            return None
        return self._fed(packet.frame, stream, None, before)

    def _without_header(self, packet: IpPacket) -> Iterator[IpsecPacket] | None:
        """A segment whose TCP header the capture cut."""
        if not packet.missing or len(packet.payload) < 4:
            return None
        sport, dport = struct.unpack_from("!HH", packet.payload)
        if not self.ports & {sport, dport}:
            return None
        ends = (packet.src, packet.dst)
        cut = IpsecPacket(packet.frame, "unreadable", *ends, packet.payload, sport, dport, packet.missing, None, True)
        return iter((cut,))

    # -- which streams

    def _other(self, ends: StreamKey) -> Stream | None:
        """The other direction of a connection."""
        key = (ends[2], ends[3], ends[0], ends[1])
        return self._streams.get(key) or self._undecided.get(key)

    def _another(self, stream: Stream, number: int, data: bytes, syn: bool) -> bool:
        """Whether a segment begins another connection between the same ports."""
        if syn:
            return ahead(number, stream.start) != 0 and (stream.sure or stream.begun)
        if data[:6] == PREFIX and ahead(number, stream.start) > 0:
            return True
        return abs(ahead(number, stream.following)) > FAR

    def _wanted(self, ends: StreamKey, data: bytes, syn: bool) -> bool:
        """Whether the first segment of a stream may be that of one that carries IPsec."""
        other = self._other(ends)
        known = bool(self.ports & {ends[1], ends[3]}) or (other is not None and other.accepted)
        return known or syn or bool(data and data[:6] == PREFIX[: len(data)])

    def _begin(self, ends: StreamKey, number: int, data: bytes, flags: int, other: Stream | None) -> Stream:
        syn = bool(flags & SYN)
        start, sure = number, syn or data[:6] == PREFIX
        if not sure and other is not None and other.prefixed and other.acknowledged is not None:
            behind = ahead(number, other.acknowledged)
            if 0 <= behind <= MOST_WAITING:
                start, sure = number - behind, True
        accepted = bool(self.ports & {ends[1], ends[3]}) or data[:6] == PREFIX
        accepted = accepted or (other is not None and other.accepted)
        stream = Stream(ends, start, start, sure, syn and bool(flags & ACK), accepted)
        (self._streams if accepted else self._undecided)[ends] = stream
        self._undecided.pop(ends, None) if accepted else self._streams.pop(ends, None)
        while len(self._undecided) > MOST_STREAMS:
            self._refuse(next(iter(self._undecided.values())))
        return stream

    def _decide(self, stream: Stream, number: int, data: bytes, missing: int, frame: Frame) -> bool:
        """Keep a segment of an undecided stream. False if its first octets show that it carries something else."""
        other, held = self._other(stream.ends), stream.memory
        stream.keep(stream.following + ahead(number, stream.following), data, missing, frame)
        self._held += stream.memory - held
        head = stream.data[:6]
        if head == PREFIX or (other is not None and other.accepted):
            self._accept(stream)
        elif stream.memory > MOST_UNDECIDED or not (stream.answering or head == PREFIX[: len(head)]):
            for each in (stream, other):
                if each is not None:
                    self._refuse(each)
            self.foreign -= 1  # the caller counts this one
            return False
        return True

    def _accept(self, stream: Stream) -> None:
        stream.accepted = True
        self._undecided.pop(stream.ends, None)
        self._streams[stream.ends] = stream

    def _refuse(self, stream: Stream) -> None:
        """Forget an undecided stream: it carries no IPsec."""
        self._undecided.pop(stream.ends, None)
        self._held -= stream.memory
        self.foreign += stream.segments

    # -- segments in order

    def _fed(
        self, frame: Frame, stream: Stream, segment: tuple[int, bytes, int] | None, before: list[Stream]
    ) -> Iterator[IpsecPacket]:
        """The messages that a segment completes. ``segment`` is None if the stream has it already."""
        for ended in before:
            if not ended.accepted:
                self._refuse(ended)
                continue
            self._held -= ended.memory
            yield from self._rest(ended)
        if not stream.accepted or (segment is not None and not segment[1] and not segment[2]):
            return
        held = stream.memory
        if segment is not None:
            yield from self._segment(frame, stream, *segment)
        else:
            self._synchronise(stream, 0)
            yield from self._drained(frame, stream)
        self._held += stream.memory - held
        if stream.prefixed:
            other = self._other(stream.ends)
            if other is not None and not other.begun and not other.prefixed:
                yield from self._answers(frame, stream, other)
        if stream.ends in self._streams:
            self._streams.move_to_end(stream.ends)
        while self._held > MOST_HELD and self._undecided:
            self._refuse(next(iter(self._undecided.values())))
        while len(self._streams) > MOST_STREAMS or (self._held > MOST_HELD and self._streams):
            _, oldest = self._streams.popitem(last=False)
            self._held -= oldest.memory
            self._evicted += 1
            self._drop(oldest.ends, len(oldest.data) + oldest.held)

    def _answers(self, frame: Frame, stream: Stream, other: Stream) -> Iterator[IpsecPacket]:
        """Read what the answering direction has sent so far."""
        if not other.accepted:
            self._accept(other)
        held = other.memory
        start = stream.acknowledged
        if not other.sure and start is not None and 0 <= ahead(other.start & 0xFFFFFFFF, start) <= MOST_WAITING:
            self._rewind(other, frame, other.start - ahead(other.start & 0xFFFFFFFF, start))
            other.sure = True
        self._synchronise(other, 0)
        yield from self._drained(frame, other)
        self._held += other.memory - held

    def _segment(self, frame: Frame, stream: Stream, number: int, data: bytes, missing: int) -> Iterator[IpsecPacket]:
        position = stream.following + ahead(number, stream.following)
        if position < stream.start and not stream.sure:
            if stream.begun or stream.prefixed:
                yield from self._earlier(frame, stream, position, data[: stream.start - position])
            elif stream.rewinds < MOST_REWINDS:
                self._rewind(stream, frame, position)
            else:
                self._drop(stream.ends, min(len(data), stream.start - position))
        if position < stream.start:  # a keepalive (RFC 9293 section 3.8.4), or what was handled above
            data, position = data[stream.start - position :], stream.start
        if position > stream.following:
            stream.wait(position, data, missing, frame)
            if stream.held <= MOST_WAITING:
                return
            yield from self._skip(frame, stream)
        else:
            yield from self._append(frame, stream, position, data, missing)
        yield from self._drained(frame, stream)

    def _drained(self, frame: Frame, stream: Stream) -> Iterator[IpsecPacket]:
        while (found := stream.ready()) is not None:
            position, data, missing, _ = found
            yield from self._append(frame, stream, position, data, missing)
        yield from self._cut(frame, stream)

    def _rewind(self, stream: Stream, frame: Frame, position: int) -> None:
        """Let a stream begin earlier, as nothing of it was read so far."""
        if stream.data:
            stream.wait(stream.base, bytes(stream.data), 0, frame)
        stream.data.clear()
        stream.holes.clear()
        stream.searched = 0
        stream.rewinds += 1
        stream.start = stream.following = position

    def _earlier(self, frame: Frame, stream: Stream, position: int, data: bytes) -> Iterator[IpsecPacket]:
        """Octets before those with which reading began: complete messages right before them, or nothing."""
        body = data[6:] if data[:6] == PREFIX else data
        if position + len(data) == stream.start and complete(body):
            early = replace(stream, data=bytearray(body), following=stream.start, holes=[], begun=True)
            yield from self._cut(frame, early)
            stream.start = position
            stream.sure = stream.sure or body is not data
        else:
            self._drop(stream.ends, len(data))

    def _skip(self, frame: Frame, stream: Stream) -> Iterator[IpsecPacket]:
        """Continue after a gap, with the first segment there."""
        first = stream.order[0]
        missing = first - stream.following
        length = int.from_bytes(stream.data[:2])
        if stream.begun and len(stream.data) >= 2 and len(stream.data) + missing <= length:
            stream.gap(missing)  # within a message, whose length is known
            return
        absent = f"{missing} octets of a TCP stream are not in the capture"
        yield self._unreadable(frame, stream, f"{absent}; {len(stream.data)} before them were discarded")
        stream.data.clear()
        stream.holes.clear()
        stream.searched = 0
        stream.begun, stream.sure, stream.following = False, False, first

    def _unreadable(self, frame: Frame, stream: Stream, text: str) -> IpsecPacket:
        src, sport, dst, dport = stream.ends
        return IpsecPacket(frame, "unreadable", src, dst, b"", sport, dport, error=text, tcp=True)

    def _append(self, frame: Frame, stream: Stream, position: int, data: bytes, missing: int) -> Iterator[IpsecPacket]:
        at = len(stream.data)
        fresh = stream.append(position, data, missing)
        if stream.begun or not stream.accepted or self._synchronise(stream, at):
            return
        if len(stream.data) > at + len(fresh):  # the snap length cut it, and with it what would tell where to begin
            src, sport, dst, dport = stream.ends
            absent = len(stream.data) - at - len(fresh)
            yield IpsecPacket(frame, "unreadable", src, dst, fresh, sport, dport, absent, None, True)
            self._lose(stream, at)
            stream.drop(len(stream.data))

    # -- messages

    def _synchronise(self, stream: Stream, at: int) -> bool:
        """Find the first length field. ``at`` is where the latest segment begins in the stream's octets."""
        data = stream.data
        if stream.base == stream.start and not stream.plain:
            other = self._other(stream.ends)
            if data[:6] == PREFIX and stream.hole(stream.base, stream.base + 6) is None:
                stream.drop(6)
                stream.begun = stream.prefixed = stream.sure = True
                return True
            if (other is not None and other.prefixed) or (stream.answering and not (other and other.plain)):
                stream.begun = bool(data)
                return stream.begun
            if data == PREFIX[: len(data)]:
                return False
            if stream.sure:
                stream.plain = True
        at = at if begins(bytes(data[at:])) else stream.search()
        if at >= 0:
            self._lose(stream, at)
            stream.begun = True
            return True
        if len(data) > MOST_UNKNOWN:
            self._lose(stream, len(data) - MESSAGE)
        return False

    def _lose(self, stream: Stream, octets: int) -> None:
        """Drop octets that belong to no message."""
        if octets > 0:
            self._drop(stream.ends, stream.captured(octets))
            stream.drop(octets)

    def _cut(self, frame: Frame, stream: Stream) -> Iterator[IpsecPacket]:
        """Section 3: a 16-bit length that counts itself, then ESP or an IKE message after its non-ESP marker."""
        at, data, base = 0, stream.data, stream.base
        src, sport, dst, dport = stream.ends
        while stream.begun and len(data) - at >= 2:
            length = int.from_bytes(data[at : at + 2])
            cut = stream.hole(base + at, base + at + 2) is not None
            if length < 2 or cut:
                text = f"expected a length of at least 2 in a TCP stream (RFC 9329 section 3), found {length}"
                if cut:
                    text = "the capture does not hold the length of a message in a TCP stream (snap length)"
                yield self._unreadable(frame, stream, text)
                stream.drop(at)
                stream.begun, stream.sure, stream.plain = False, False, True
                if not self._synchronise(stream, len(data)):
                    self._lose(stream, len(data))
                at, base = 0, stream.base
                continue
            if len(data) - at < length:
                break
            end = base + at + length
            hole = stream.hole(base + at + 2, end)
            missing = 0 if hole is None else end - hole
            message = bytes(data[at + 2 : at + length - missing])
            at += length
            if message or missing:  # section 3: an empty message is ignored
                kind, body, error = classified(message, missing)
                yield IpsecPacket(frame, kind, src, dst, body, sport, dport, missing, error, True)
        stream.drop(at)

    # -- the end

    def rest(self) -> Iterator[IpsecPacket]:
        """At the end of the capture: what waited for segments that never came, and messages without an end."""
        self.foreign += sum(stream.segments for stream in self._undecided.values())
        self._undecided.clear()
        for stream in self._streams.values():
            yield from self._rest(stream)
        self._streams.clear()
        self._held = 0

    def _rest(self, stream: Stream) -> Iterator[IpsecPacket]:
        while stream.order:
            frame = stream.waiting[stream.order[0]][2]
            yield from self._skip(frame, stream)
            yield from self._drained(frame, stream)
        if not stream.begun:
            self._lose(stream, len(stream.data))
        elif stream.data:
            (src, sport, dst, dport), left = stream.ends, several(len(stream.data), "octet")
            text = f"a TCP stream ends inside a message, with {left} left over"
            yield IpsecPacket(NO_FRAME, "fragment", src, dst, b"", sport, dport, error=text, tcp=True)

    def _drop(self, ends: StreamKey, octets: int) -> None:
        if ends not in self._dropped and len(self._dropped) >= MOST_STREAMS:
            ends = next(reversed(self._dropped))  # too many streams: keep at least the sum right
        if octets:
            self._dropped[ends] = self._dropped.get(ends, 0) + octets

    def losses(self) -> list[Loss]:
        """What was left out: octets that belong to no message, and streams beyond the limit."""
        octets = sum(self._dropped.values())
        found = []
        if octets:
            src, sport, dst, dport = next(iter(self._dropped))
            text = f"{several(octets, 'octet')} of TCP outside any message; the first of "
            text += f"{several(len(self._dropped), 'stream')}: {src} port {sport} to {dst} port {dport}"
            found.append(Loss("tcp octets", octets, text))
        text = f"{several(self._evicted, 'TCP stream')} dropped: at most {MOST_STREAMS} are followed at a time"
        return some([Loss("tcp streams", self._evicted, text), *found])
