# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins TCP segments that follow one another, so that one write hands up to 64 KiB to the kernel of a TUN device.

It is what Linux calls generic receive offload, with the rules of its `tcp_gro_receive`: only segments of one flow,
without a gap, whose headers differ in nothing but what the kernel can compute for each of them again. What is no such
segment stays as it is: UDP, fragments, IP options, SYN, FIN, RST, ECE, CWR, pure acknowledgements.

The kernel takes a joined segment's checksum for granted, and computes new ones should it forward the segment. So each
checksum is verified here first: a packet that was damaged before it came into the tunnel has to stay one.
"""

from __future__ import annotations

import functools
import operator
import random
import struct
from collections.abc import Iterable, Sequence
from typing import Final

PLAIN: Final = bytes(10)
"""The header that stands before a packet as it is: no checksum to be computed, nothing to be cut."""

Write = tuple[list[bytes], list[bytes]]
"""The buffers of one write, of which the first is the virtio-net header, and the packets that are in them."""

MOST_OCTETS: Final = 65535
"""The most octets of a joined segment: IPv4 cannot say more."""
MOST_SEGMENTS: Final = 512
"""The most segments in one; a write takes 1,024 buffers."""

_VNET = struct.Struct("=BBHHHH")
"""struct virtio_net_hdr: flags, kind of segments, length of the headers, size of a segment, where the checksum covers
from, and where it stands from there on. In the byte order of this machine."""
_NEEDS_CHECKSUM = 1
_TCP_IPV4, _TCP_IPV6 = 1, 4
_CHECKSUM_AT = 16
"""Where a TCP header has its checksum."""

_TCP = 6
_ACK, _PSH = 0x10, 0x08
_DONT_FRAGMENT = b"\x40\x00"
_IPV4_HEADER, _IPV6_HEADER = 20, 40
_LEAST_TCP_HEADER = 20
_EXTENSIONS = frozenset({0, 43, 44, 60})
"""Headers of IPv6 that TCP may follow: hop-by-hop options, routing, fragment, destination options."""
_NONE, _ELSEWHERE = -1, 0

_number = int.from_bytes

# The Internet checksum is a sum of 16-bit words in which carries go round (RFC 1071). So it is the remainder of the
# whole packet, read as one number, divided by 65535; and that Python computes in C. A packet with a valid checksum and
# its pseudo-header leave no remainder (one of zeros aside, which no packet is).
_MODULUS = 0xFFFF

# All packets of a run are verified by one division, of their weighted sum: without weights, damage to one of them could
# make up for damage to another. They are random, so that no pattern of damage makes up for them either.
_WEIGHTS: Final = random.SystemRandom().sample(range(1, _MODULUS), MOST_SEGMENTS)


class Run:
    """Segments of one flow that follow one another, one at least."""

    __slots__ = (
        "_at",
        "_expected",
        "_head",
        "_length_place",
        "_mask",
        "_most",
        "_octets",
        "_step",
        "_sum",
        "_whole",
        "open",
        "packets",
    )

    def __init__(self, packet: bytes, at: int, head: int) -> None:
        """Begin with a packet whose TCP header is at octet ``at``, and its payload at ``head``."""
        self.packets = [packet]
        self.open = not packet[at + 13] & _PSH
        """Whether another segment may follow. One with PSH, or one that is smaller, is the last."""
        self._at, self._head = at, head
        self._whole = self._octets = len(packet)
        # A run ends where sequence numbers begin anew: the carry would turn the port into that of another flow.
        self._most = min(MOST_SEGMENTS, 1 + (0xFFFF_FFFF - _number(packet[at + 4 : at + 8])) // (len(packet) - head))
        self._mask, place, self._length_place = _comparison(at, head)
        self._step = (len(packet) - head) << place
        self._sum = _aligned(_WEIGHTS[0] * _number(packet), len(packet))
        self._expected = (_number(packet[:head]) & self._mask) + self._step

    def take(self, packets: Sequence[bytes], start: int) -> int:
        """Add the packets from index ``start`` on that are the segments that follow; returns how many are."""
        if not self.open:
            return 0
        whole, head, mask, expected, step = self._whole, self._head, self._mask, self._expected, self._step
        payload = whole - head
        room = min(self._most - len(self.packets), (MOST_OCTETS - self._octets) // payload)
        found = []
        for packet in packets[start : start + room]:
            if len(packet) != whole or _number(packet[:head]) & mask != expected or packet[self._at + 13] & _PSH:
                break
            found.append(packet)
            expected += step
        weights = _WEIGHTS[len(self.packets) :]
        self._sum += _aligned(sum(map(operator.mul, weights, map(_number, found))), whole)
        self.packets += found
        self._expected = expected
        self._octets += len(found) * payload
        last = start + len(found)
        return len(found) + (last < len(packets) and self._ends_with(packets[last]))

    def _ends_with(self, packet: bytes) -> bool:
        """Add the packet if it is the last segment of the run, and there is room for it."""
        size, head = len(packet), self._head
        if not (head < size <= self._whole and self._octets + size - head <= MOST_OCTETS):
            return False
        shorter = self._expected - ((self._whole - size) << self._length_place)
        if len(self.packets) == self._most or _number(packet[:head]) & self._mask != shorter:
            return False
        self.open = False
        self._sum += _aligned(_WEIGHTS[len(self.packets)] * _number(packet), size)
        self.packets.append(packet)
        self._octets += size - head
        return True

    def writes(self) -> list[Write]:
        """One write for all segments, or one each if a checksum is wrong."""
        packets = self.packets
        if len(packets) == 1 or not self._valid():
            return plain(packets)
        head = self._head
        kind = _TCP_IPV4 if self._at == _IPV4_HEADER else _TCP_IPV6
        header = _VNET.pack(_NEEDS_CHECKSUM, kind, head, self._whole - head, self._at, _CHECKSUM_AT)
        return [([header, self._headers(), *[packet[head:] for packet in packets]], packets)]

    def _valid(self) -> bool:
        """Whether all checksums are right, those of IPv4 headers too: they are verified together."""
        first, at, weights = self.packets[0], self._at, _WEIGHTS[: len(self.packets)]
        if at == _IPV4_HEADER:  # the header itself adds up to nothing
            others = _number(first[12:20]) + _TCP + self._whole - at
        else:  # the header has the addresses and the length of the pseudo-header, and besides:
            others = _TCP - _number(first[:4]) - _number(first[6:8])
        total = self._sum + sum(weights) * others
        if at == _IPV4_HEADER:  # only the last one may be shorter
            total += weights[-1] * (len(self.packets[-1]) - self._whole)
        return total % _MODULUS == 0

    def _headers(self) -> bytes:
        """The headers of the joined segment: the first one's, with the length of all and the last one's PSH."""
        at, first = self._at, self.packets[0]
        made = bytearray(first[: self._head])
        made[at + 13] |= self.packets[-1][at + 13] & _PSH
        length = self._octets - at
        if at == _IPV4_HEADER:
            addresses = first[12:20]
            made[2:4] = self._octets.to_bytes(2)
            made[10:12] = b"\0\0"
            made[10:12] = (-_number(made[:at]) % _MODULUS).to_bytes(2)
        else:
            addresses = first[8:40]
            made[4:6] = length.to_bytes(2)
        # The kernel adds the sum of all that follows to that of the pseudo-header, which it finds in the field.
        made[at + _CHECKSUM_AT : at + _CHECKSUM_AT + 2] = ((_number(addresses) + _TCP + length) % _MODULUS).to_bytes(2)
        return bytes(made)


def coalesced(packets: Sequence[bytes]) -> list[Write]:
    """The writes that hand over these packets. Within a flow the order stays."""
    found: list[Run | bytes] = []
    latest: dict[bytes, Run] = {}
    index = 0
    while index < len(packets):
        packet = packets[index]
        at = _tcp_at(packet)
        if at <= _ELSEWHERE:
            if at == _ELSEWHERE:
                latest.clear()  # we do not know whose it is: nothing may overtake it
            found.append(packet)
            index += 1
            continue
        flow = packet[12:24] if at == _IPV4_HEADER else packet[8:44]
        run = latest.get(flow)
        if run is not None and (taken := run.take(packets, index)):
            index += taken
            continue
        run = _begun(packet, at)
        index += 1
        if run is None:
            latest.pop(flow, None)
            found.append(packet)
        else:
            latest[flow] = run
            found.append(run)
            index += run.take(packets, index)
    writes: list[Write] = []
    for one in found:
        writes += one.writes() if isinstance(one, Run) else plain([one])
    return writes


def plain(packets: Iterable[bytes]) -> list[Write]:
    """One write for each packet."""
    return [([PLAIN, packet], [packet]) for packet in packets]


def _tcp_at(packet: bytes) -> int:
    """The octet at which a packet has its TCP header, or `_ELSEWHERE`; `_NONE` if it is of no TCP flow."""
    if len(packet) < _IPV4_HEADER:
        return _NONE
    if packet[0] >> 4 == 4:
        if packet[9] != _TCP:
            return _NONE
        # An identification of a packet that must not be fragmented means nothing (RFC 6864): any other will do.
        return _IPV4_HEADER if packet[0] == 0x45 and packet[6:8] == _DONT_FRAGMENT else _ELSEWHERE
    if packet[0] >> 4 != 6 or len(packet) < _IPV6_HEADER:
        return _NONE
    return _IPV6_HEADER if packet[6] == _TCP else _ELSEWHERE if packet[6] in _EXTENSIONS else _NONE


def _begun(packet: bytes, at: int) -> Run | None:
    """A run that begins with a packet, or None if that cannot be joined with another."""
    size = len(packet)
    if size < at + _LEAST_TCP_HEADER or packet[at + 13] & ~_PSH != _ACK:
        return None
    says = _number(packet[2:4]) if at == _IPV4_HEADER else _IPV6_HEADER + _number(packet[4:6])
    head = at + (packet[at + 12] >> 4) * 4
    return Run(packet, at, head) if at + _LEAST_TCP_HEADER <= head < size == says <= MOST_OCTETS else None


def _aligned(number: int, octets: int) -> int:
    """The number of a packet with so many octets, padded to whole words as checksums see it."""
    return number << 8 if octets & 1 else number


@functools.cache
def _comparison(at: int, head: int) -> tuple[int, int, int]:
    """For headers as one number: the mask of what is compared, and the places of sequence number and length in it.

    Not compared are PSH, checksums, and the identification of IPv4.
    """
    mask = bytearray(b"\xff" * head)
    mask[at + 13] ^= _PSH
    for place in (at + _CHECKSUM_AT, at + _CHECKSUM_AT + 1, *((4, 5, 10, 11) if at == _IPV4_HEADER else ())):
        mask[place] = 0
    return _number(mask), 8 * (head - at - 8), 8 * (head - (4 if at == _IPV4_HEADER else 6))
