# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures, frames and packets built by hand for the tests."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Sequence

ETHERNET = 1


def pcap(
    frames: Sequence[bytes],
    linktype: int = ETHERNET,
    order: str = "<",
    nano: bool = False,
    micros: Sequence[int] = (),
    snaplen: int = 65535,
) -> bytes:
    """A pcap file with a frame a second, from 1000.25 seconds on; or at these microseconds after that.

    It holds at most ``snaplen`` octets of each frame.
    """
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    fraction = 250_000_000 if nano else 250_000
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype)
    for at, frame in enumerate(frames):
        after = micros[at] if micros else at * 1_000_000
        second, rest = divmod(after, 1_000_000)
        held = frame[:snaplen]
        times = (1000 + second, fraction + rest * (1000 if nano else 1))
        out += struct.pack(order + "4I", *times, len(held), len(frame)) + held
    return out


def block(order: str, kind: int, body: bytes) -> bytes:
    """One block of a pcapng file."""
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def option(order: str, code: int, value: bytes) -> bytes:
    """One option of a pcapng block."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    """A section header."""
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str = "<", linktype: int = ETHERNET, options: bytes = b"", snaplen: int = 0) -> bytes:
    """An interface description."""
    return block(order, 1, struct.pack(order + "HHI", linktype, 0, snaplen) + options)


def enhanced(
    frame: bytes, stamp: int, order: str = "<", index: int = 0, options: bytes = b"", wire: int | None = None
) -> bytes:
    """An enhanced packet block."""
    head = struct.pack(order + "5I", index, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), wire or len(frame))
    return block(order, 6, head + frame + bytes(-len(frame) % 4) + options)


def ipv4(
    protocol: int, payload: bytes, src: str = "10.0.0.1", dst: str = "10.0.0.2", ident: int = 7, fragment: int = 0
) -> bytes:
    """An IPv4 packet without checksum; ``fragment`` is the field of flags and offset."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident, fragment, 64, protocol, 0)
    return head + socket.inet_aton(src) + socket.inet_aton(dst) + payload


def ipv6(following: int, payload: bytes, src: str = "fd00::1", dst: str = "fd00::2") -> bytes:
    """An IPv6 packet."""
    ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + ends + payload


def udp(sport: int, dport: int, payload: bytes) -> bytes:
    """A UDP datagram without checksum."""
    return struct.pack("!4H", sport, dport, 8 + len(payload), 0) + payload


def ethernet(packet: bytes, tags: bytes = b"") -> bytes:
    """An Ethernet frame; the ethertype follows from the packet's version."""
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return bytes(12) + tags + kind + packet


def ike(spi_r: bytes = bytes(8), *, version: int = 0x20, body: bytes = b"", kind: int = 0, length: int = -1) -> bytes:
    """An IKE header of an INFORMATIONAL request, and what follows it."""
    size = 28 + len(body) if length < 0 else length
    return b"initiate" + spi_r + struct.pack("!BBBBII", kind, version, 37, 8, 1, size) + body


def stream(data: bytes) -> io.BufferedReader:
    """What a file of these octets is to who reads it."""
    return io.BufferedReader(io.BytesIO(data))


def esp(sequence: int, spi: int = 0x11223344, size: int = 40) -> bytes:
    """An ESP packet of ``size`` octets that nobody can open."""
    return struct.pack("!II", spi, sequence) + bytes(size - 8)


def tcp(sport: int, dport: int, number: int, payload: bytes, flags: int = 0x18) -> bytes:
    """A TCP segment without checksum."""
    return struct.pack("!HHIIBBHHH", sport, dport, number & 0xFFFFFFFF, 0, 0x50, flags, 0xFFFF, 0, 0) + payload


def framed(*messages: bytes) -> bytes:
    """IKE messages (with their marker) and ESP packets as they go over TCP (RFC 9329 section 3)."""
    return b"".join(struct.pack("!H", 2 + len(message)) + message for message in messages)


LINK_HEADERS: list[tuple[int, bytes, bytes]] = [  # link type, what stands before IPv4, before IPv6
    (0, b"\2\0\0\0", b"\x1e\0\0\0"),
    (0, b"\0\0\0\2", b"\0\0\0\x18"),
    (1, bytes(12) + b"\x08\0", bytes(12) + b"\x86\xdd"),
    (1, bytes(12) + b"\x81\0\0\5\x08\0", bytes(12) + b"\x81\0\0\5\x86\xdd"),
    (1, bytes(12) + b"\x88\xa8\0\5\x81\0\0\6\x08\0", bytes(12) + b"\x88\xa8\0\5\x81\0\0\6\x86\xdd"),
    (12, b"", b""),
    (101, b"", b""),
    (108, b"\0\0\0\2", b"\0\0\0\x1c"),
    (113, bytes(14) + b"\x08\0", bytes(14) + b"\x86\xdd"),
    (228, b"", b""),
    (276, b"\x08\0" + bytes(18), b"\x86\xdd" + bytes(18)),
]
