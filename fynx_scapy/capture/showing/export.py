# SPDX-License-Identifier: GPL-2.0-or-later
"""Export decrypted packets as pcapng for other tools: inner packets, and IKE messages without SK.

draft-ietf-opsawg-pcapng, link type raw IP. A decrypted IKE message is written without SK: the header, the payloads
outside SK and those inside it, in UDP between the same addresses. Undecrypted messages are written unchanged. Each
packet has a comment that says what it was.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fynx_scapy.capture.follow.inner import Inner
from fynx_scapy.capture.headers.times import nanoseconds
from fynx_scapy.files import writing
from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from fynx_scapy.capture.showing.shown import Shown
    from fynx_scapy.capture.transcript.messages import CapturedMessage

LINK_RAW = 101
MOST_IN_UDP = 65_507
_TICKS = 10**9
_LAST = (1 << 64) - 1


class PcapngWriter:
    """Writes raw IP packets, each with a time in nanoseconds and a comment."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        file.write(_block(1, struct.pack("<HHI", LINK_RAW, 0, 0) + struct.pack("<HHB3xI", 9, 1, 9, 0)))

    def write(self, time: float | None, packet: bytes, comment: str) -> None:
        """Write one packet. An unknown time is written as 0, one beyond 64 bits as the nearest that fits."""
        stamp = min(max(nanoseconds(time) or 0, 0), _LAST)
        head = struct.pack("<5I", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(packet), len(packet))
        text = printable(comment, LONGEST).encode()
        option = struct.pack("<HH", 1, len(text)) + text + bytes(-len(text) % 4) + bytes(4)
        self._file.write(_block(6, head + packet + bytes(-len(packet) % 4) + option))


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def ip_udp(src: str, sport: int, dst: str, dport: int, payload: bytes) -> bytes:
    """A UDP datagram in an IP packet. Over IPv4 it has no UDP checksum, as RFC 768 allows."""
    length = 8 + len(payload)
    if ":" in src:
        ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        udp = struct.pack("!4H", sport, dport, length, 0) + payload
        udp = udp[:6] + _checksum(ends + struct.pack("!II", length, 17) + udp) + udp[8:]
        return struct.pack("!IHBB", 6 << 28, length, 17, 64) + ends + udp
    ends = socket.inet_pton(socket.AF_INET, src) + socket.inet_pton(socket.AF_INET, dst)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0)
    return ipv4_checked(head + ends) + struct.pack("!4H", sport, dport, length, 0) + payload


def ip_around(inner: Inner) -> bytes:
    """An IP packet with the outer addresses for what ESP carried in transport mode (RFC 4303 section 3.1.1)."""
    payload, following = inner.payload or b"", inner.next_header or 0
    if ":" in inner.src:
        ends = socket.inet_pton(socket.AF_INET6, inner.src) + socket.inet_pton(socket.AF_INET6, inner.dst)
        return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + ends + payload
    ends = socket.inet_pton(socket.AF_INET, inner.src) + socket.inet_pton(socket.AF_INET, inner.dst)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, following, 0)
    return ipv4_checked(head + ends) + payload


def ipv4_checked(header: bytes) -> bytes:
    """An IPv4 header of 20 octets with its checksum filled in (RFC 1071)."""
    total = sum(struct.unpack("!10H", header)) - int.from_bytes(header[10:12])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    checksum: bytes = (total ^ 0xFFFF).to_bytes(2)
    return header[:10] + checksum + header[12:]


def _checksum(data: bytes) -> bytes:
    """The checksum of RFC 1071. UDP over IPv6 needs it (RFC 8200 section 8.1)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ((total ^ 0xFFFF) or 0xFFFF).to_bytes(2)


def message_packet(message: CapturedMessage) -> tuple[bytes, str]:
    """An IKE message as an IP packet with decrypted payloads, and its comment."""
    plain = message.opened.plain
    data = plain if plain is not None and len(plain) + 4 <= MOST_IN_UDP else message.data[: MOST_IN_UDP - 4]
    # IKE on port 500 has no non-ESP marker (RFC 7296 section 3.1). Messages in TCP or on port 4500 are written with
    # port 500, so that tools that only know the standard ports can read them.
    sport, dport = (
        (500, 500) if message.tcp or 4500 in (message.sport, message.dport) else (message.sport, message.dport)
    )
    state = "opened" if plain is not None else "in the clear" if message.opened.opened is None else f"ICV {message.icv}"
    comment = f"packet {message.number}: {message.title}, {message.text} [{state}]"
    return ip_udp(message.src, sport, message.dst, dport, data), comment


def inner_packet(inner: Inner) -> tuple[bytes, str]:
    """What a decrypted ESP packet carried, as an IP packet, and its comment."""
    assert inner.payload is not None
    packet = inner.payload if inner.is_ip else ip_around(inner)
    mode = "tunnel" if inner.is_ip else "transport"
    where = f"{inner.protocol.upper()} SPI {inner.spi:08x}, seq {inner.sequence}, {inner.src} > {inner.dst}"
    return packet, f"packet {inner.number}: {where}, {mode} mode [ICV {inner.icv}]"


def save_decrypted(capture: Shown, path: Path) -> int:
    """Write a capture's decrypted packets in order, readable by the owner only (mode 600). Returns how many.

    Raises OSError if the file cannot be written.
    """
    with writing(path, secret=True) as file:
        return write_decrypted(capture, file)


def write_decrypted(capture: Shown, file: BinaryIO) -> int:
    """Write a capture's decrypted packets in order to an open file. Returns how many."""
    count = 0
    writer = PcapngWriter(file)
    for _, time, packet, comment in merge(_messages(capture), _inners(capture), key=lambda each: each[0]):
        writer.write(time, packet, comment)
        count += 1
    return count


_Item = tuple[int, float | None, bytes, str]


def _messages(capture: Shown) -> Iterator[_Item]:
    for message in capture.messages:
        yield (message.number, message.time, *message_packet(message))


def _inners(capture: Shown) -> Iterator[_Item]:
    for inner in capture.inner():
        yield (inner.number, inner.time, *inner_packet(inner))
