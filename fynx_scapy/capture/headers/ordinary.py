# SPDX-License-Identifier: GPL-2.0-or-later
"""The layout of an ordinary ESP packet in its frame, so that a pass can count or decrypt it in place.

Ordinary means unfragmented IPv4 or IPv6 without options, on a link type with a fixed header length.
"""

from __future__ import annotations

import struct

from fynx_scapy.capture.headers.kinds import AH, ESP, IPCOMP, TCP, UDP, WESP
from fynx_scapy.capture.headers.tunnels import PROTOCOLS

# Link type -> (octets before the IP header, offset and size of the protocol field, its values for IPv4 and IPv6)
LINKS: dict[int, tuple[int, int, int, bytes, bytes]] = {
    0: (4, 0, 4, b"\2\0\0\0", b"\x1e\0\0\0"),
    1: (14, 12, 2, b"\x08\0", b"\x86\xdd"),
    12: (0, 0, 0, b"", b""),
    14: (0, 0, 0, b"", b""),
    101: (0, 0, 0, b"", b""),
    108: (4, 0, 4, b"\0\0\0\2", b"\0\0\0\x1e"),
    113: (16, 14, 2, b"\x08\0", b"\x86\xdd"),
    228: (0, 0, 0, b"", b""),
    229: (0, 0, 0, b"", b""),
    276: (20, 0, 2, b"\x08\0", b"\x86\xdd"),
}
# version and header length, total length, flags and offset, protocol, addresses and the next four octets, then twelve
IPV4 = struct.Struct("!BxH2xHxB2x12sI4sI")
IPV6 = struct.Struct("!4s HB x 36s I4sI")
OTHERS = frozenset(range(256)) - {TCP, UDP, ESP, AH, IPCOMP, WESP, 0, 43, 44, 60, 135} - PROTOCOLS.keys()
"""Protocols that carry no IPsec and are neither tunnels nor extension headers."""


def fast_key(head: bytes) -> bytes:
    """The octets that identify the flow of an ordinary ESP packet: addresses, ports if any, and SPI."""
    if len(head) >= IPV4.size and head[0] == 0x45 and not (head[6] & 0x3F or head[7]) and head[9] in (ESP, UDP):
        return head[12:24] if head[9] == ESP else head[12:24] + head[28:32]
    if len(head) >= IPV6.size and head[0] >> 4 == 6 and head[6] in (ESP, UDP):
        return head[8:44] if head[6] == ESP else head[8:44] + head[48:52]
    return b""
