# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames out of pcap and pcapng files, with the place in the file where each begins.

Scapy's readers end in silence where a file is cut off, skip what they do not understand with a log line, and carry the
interfaces of one pcapng section into the next. What cannot be read has to be reported here with its offset, so the
two formats are walked by hand: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import CaptureError

PCAP_MAGIC = {  # the first four octets: byte order, ticks per second
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
}
SECTION_HEADER, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
OPTION_END, OPTION_COMMENT, OPTION_TSRESOL, OPTION_TSOFFSET = 0, 1, 9, 14
LARGEST = 1 << 24  # no link carries more in one frame: a longer record is a damaged length


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured frame.

    ``offset`` is where its record begins, ``missing`` counts the octets that the capture cut off, ``order`` is the byte
    order of the file (some link headers are in it).
    """

    number: int
    time: float | None
    linktype: int
    data: bytes
    offset: int = 0
    missing: int = 0
    comment: str = ""
    order: str = "<"


class _Input:
    """A stream that knows how far it was read, and says so where it ends too early."""

    def __init__(self, stream: BinaryIO, name: str):
        self.stream, self.name, self.at = stream, name, 0

    def fail(self, place: str, text: str) -> CaptureError:
        return CaptureError(f"{self.name}: {place}: {text}")

    def read(self, count: int, place: str) -> bytes:
        """``count`` octets, or b"" at a clean end of the file; CaptureError where it ends in between."""
        try:
            data = self.stream.read(count)
        except (OSError, EOFError, zlib.error) as error:
            raise self.fail(place, f"unreadable at offset {self.at}: {error}") from None
        if data and len(data) < count:
            raise self.fail(place, f"the file ends at offset {self.at + len(data)}, {count - len(data)} octets short")
        self.at += len(data)
        return data

    def need(self, count: int, place: str) -> bytes:
        data = self.read(count, place)
        if len(data) < count:
            raise self.fail(place, f"the file ends at offset {self.at}, {count} octets short")
        return data


def frames(source: Path | BinaryIO, name: str | None = None) -> Iterator[Frame]:
    """Every frame of a pcap or pcapng file (gzip too), in order; packets are numbered from 1.

    Raises CaptureError with packet number and offset where the file cannot be read any further; every frame before that
    place has been yielded by then.
    """
    label = name or str(source)
    if isinstance(source, Path):
        try:
            stream: BinaryIO = source.open("rb")
        except OSError as error:
            raise CaptureError(f"{label}: cannot be opened: {error.strerror}") from None
        with stream:
            yield from frames(stream, label)
        return
    buffered = source if isinstance(source, io.BufferedReader) else io.BufferedReader(source)  # type: ignore[type-var]
    if buffered.peek(2)[:2] == b"\x1f\x8b":
        buffered = gzip.open(buffered)  # type: ignore[assignment]  # noqa: SIM115 -- closed with the file below it
    reader = _Input(buffered, label)
    magic = reader.need(4, "header")
    if magic in PCAP_MAGIC:
        yield from _pcap(reader, *PCAP_MAGIC[magic])
    elif magic == SECTION_HEADER.to_bytes(4, "big"):
        yield from _pcapng(reader)
    else:
        raise reader.fail("header", f"neither pcap nor pcapng: it begins with {magic.hex()}")


def _pcap(reader: _Input, order: str, ticks: int) -> Iterator[Frame]:
    header = reader.need(20, "header")
    linktype = struct.unpack_from(order + "I", header, 16)[0] & 0xFFFF  # the upper bits hold the length of an FCS
    record = struct.Struct(order + "4I")
    number = 0
    while True:
        number += 1
        offset, place = reader.at, f"packet {number} at offset {reader.at}"
        head = reader.read(16, place)
        if not head:
            return
        seconds, fraction, captured, length = record.unpack(head)
        if captured > LARGEST:
            raise reader.fail(place, f"a captured length of {captured} octets cannot be")
        data = reader.need(captured, place) if captured else b""
        time = seconds + fraction / ticks
        yield Frame(number, time, linktype, data, offset, max(0, length - captured), "", order)


@dataclass(slots=True)
class _Interface:
    linktype: int
    snaplen: int
    ticks: int = 10**6
    offset: int = 0


def _options(order: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The options at the end of a block (draft-ietf-opsawg-pcapng section 3.5); damaged ones are left out."""
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == OPTION_END:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def _interface(order: str, body: bytes) -> _Interface:
    linktype, _, snaplen = struct.unpack_from(order + "HHI", body)
    interface = _Interface(linktype, snaplen)
    for code, value in _options(order, body[8:]):
        if code == OPTION_TSRESOL and len(value) == 1:
            interface.ticks = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
        elif code == OPTION_TSOFFSET and len(value) == 8:
            interface.offset = struct.unpack(order + "q", value)[0]
    return interface


def _enhanced(order: str, body: bytes) -> tuple[int, int | None, int, bytes, bytes]:
    interface, high, low, captured, length = struct.unpack_from(order + "5I", body)
    return interface, high << 32 | low, length, body[20 : 20 + captured], body[20 + captured + -captured % 4 :]


def _old(order: str, body: bytes) -> tuple[int, int | None, int, bytes, bytes]:
    interface, _, high, low, captured, length = struct.unpack_from(order + "HH4I", body)
    return interface, high << 32 | low, length, body[20 : 20 + captured], body[20 + captured + -captured % 4 :]


def _simple(order: str, body: bytes) -> tuple[int, int | None, int, bytes, bytes]:
    (length,) = struct.unpack_from(order + "I", body)
    return 0, None, length, body[4 : 4 + length], b""


PACKET_BLOCKS: dict[int, Callable[[str, bytes], tuple[int, int | None, int, bytes, bytes]]] = {
    ENHANCED_PACKET: _enhanced,
    OLD_PACKET: _old,
    SIMPLE_PACKET: _simple,
}


def _pcapng(reader: _Input) -> Iterator[Frame]:
    order, number = "<", 0
    interfaces: list[_Interface] = []
    kind, offset = SECTION_HEADER, 0  # its first four octets are read
    while True:
        place = f"block at offset {offset}, after packet {number}"
        raw_length = reader.need(4, place)
        if kind == SECTION_HEADER:
            magic = reader.need(4, place)
            if magic not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
                raise reader.fail(place, f"a section header's byte-order magic cannot be {magic.hex()}")
            order, interfaces = ("<" if magic[0] == 0x4D else ">"), []
        (length,) = struct.unpack(order + "I", raw_length)
        done = reader.at - offset
        if length < done + 4 or length % 4 or length > LARGEST:
            raise reader.fail(place, f"a block length of {length} octets cannot be")
        body = reader.need(length - done, place)[:-4]
        try:
            if kind == INTERFACE:
                interfaces.append(_interface(order, body))
            elif kind in PACKET_BLOCKS:
                number += 1
                index, stamp, wire, data, rest = PACKET_BLOCKS[kind](order, body)
                if index >= len(interfaces):
                    raise reader.fail(place, f"packet {number} names interface {index}, which nothing describes")
                yield _frame(interfaces[index], number, stamp, wire, data, rest, offset, order)
        except struct.error:
            raise reader.fail(place, f"a block of type {kind} cannot have {length} octets") from None
        offset = reader.at
        head = reader.read(4, f"block at offset {offset}, after packet {number}")
        if not head:
            return
        (kind,) = struct.unpack(order + "I", head)


def _frame(
    on: _Interface, number: int, stamp: int | None, wire: int, data: bytes, rest: bytes, offset: int, order: str
) -> Frame:
    if stamp is None and on.snaplen:
        data = data[: on.snaplen]
    time = None if stamp is None else on.offset + stamp / on.ticks
    comment = next((value for code, value in _options(order, rest) if code == OPTION_COMMENT), b"")
    missing = max(0, wire - len(data))
    return Frame(number, time, on.linktype, data, offset, missing, comment.decode("utf-8", "replace"), order)
