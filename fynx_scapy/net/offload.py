# SPDX-License-Identifier: GPL-2.0-or-later
"""Many UDP datagrams in one call: Linux' UDP_SEGMENT cuts what we send, UDP_GRO joins what we receive.

Both take and give one buffer of datagrams of one size, of which only the last may be smaller. A call costs the same for
one datagram as for many, so two datagrams pay already.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Sequence

# From linux/udp.h; Python's socket module does not name them.
_UDP_SEGMENT, _UDP_GRO = 103, 104

SEGMENTS = 64
"""The most datagrams that one call sends: UDP_MAX_SEGMENTS of Linux before 6.10, and half of it since."""

OCTETS = 65507
"""The most octets that one call sends: the largest UDP datagram over IPv4."""

_SIZE = struct.Struct("=H")

Ancillary = tuple[int, int, bytes]


def can_segment(sock: socket.socket) -> bool:
    """Whether the kernel knows UDP_SEGMENT. One that does not would send all octets as a single datagram."""
    return _accepts(sock, _UDP_SEGMENT, 0)


def join_received(sock: socket.socket) -> bool:
    """Have the kernel join datagrams of one sender. Returns whether it can."""
    return _accepts(sock, _UDP_GRO, 1)


def _accepts(sock: socket.socket, option: int, value: int) -> bool:
    try:
        sock.setsockopt(socket.IPPROTO_UDP, option, value)
    except OSError:
        return False
    return True


def run_end(packets: Sequence[bytes], first: int) -> int:
    """The index after the last packet that one call can send together with the one at ``first``."""
    size = len(packets[first])
    end = min(first + SEGMENTS, first + OCTETS // size, len(packets)) if size else first + 1
    for index in range(first + 1, end):
        length = len(packets[index])
        if length != size:
            return index + 1 if 0 < length < size else index
    return max(end, first + 1)


def segmented(size: int) -> Ancillary:
    """The control message that has the kernel cut a buffer into datagrams of ``size`` octets."""
    return socket.IPPROTO_UDP, _UDP_SEGMENT, _SIZE.pack(size)


def segment_size(kind: int, data: bytes) -> int:
    """The size in octets of the datagrams in a received buffer, by a control message of UDP; 0 if that says nothing."""
    return int.from_bytes(data[:4], sys.byteorder) if kind == _UDP_GRO and len(data) >= 2 else 0


def split(data: bytes, size: int) -> list[bytes]:
    """The datagrams of a received buffer."""
    return [data[begin : begin + size] for begin in range(0, len(data), size)] if 0 < size < len(data) else [data]
