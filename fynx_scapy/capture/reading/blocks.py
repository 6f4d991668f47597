# SPDX-License-Identifier: GPL-2.0-or-later
"""Read pcap and pcapng in blocks of the file: where each packet is, and where the file becomes unreadable.

Scapy's readers stop silently at a truncated file, skip unknown data with a log line, and carry the interfaces of one
pcapng section into the next. We must report unreadable data with its offset, so this module parses both formats itself:
draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. A packet is a tuple that points into its block, because one object
for each of millions of packets would make the reader slow.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fynx_scapy.capture.headers.gzipped import GZIP, Unpacked
from fynx_scapy.capture.headers.times import COARSE, fine
from fynx_scapy.errors import CaptureError
from fynx_scapy.text import counted, printable, printable_lines

PCAP_MAGIC = {  # the first four octets: byte order, ticks per second
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
}
SECTION_HEADER, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
SECTION_MAGIC = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
OPTION_END, OPTION_COMMENT, OPTION_TSRESOL, OPTION_TSOFFSET = 0, 1, 9, 14
LARGEST = 1 << 24  # no link carries more in one frame: a longer record has a damaged length
BLOCK = 1 << 20
NO_LINK = -1  # the link type of a packet that is only counted; `Batch.faults` says why

Entry = tuple[float | None, int, int, int, int]
"""Time in seconds, start of its octets in the batch, number of octets captured, number on the wire, link type."""


@dataclass(slots=True)
class Batch:
    """The packets of one block of a file. ``base`` is the file offset of ``data``, ``first`` the first packet's number.

    ``faults`` maps an index to what is wrong with a packet whose record only has a valid length. ``end`` says why
    nothing can be read after this batch.
    """

    data: bytes
    base: int
    first: int
    order: str
    ng: bool
    entries: list[Entry]
    faults: dict[int, str] = field(default_factory=dict)
    end: str | None = None
    end_offset: int = 0

    def offset(self, entry: Entry) -> int:
        """The file offset of a packet's record."""
        head = 16 if not self.ng else 12 if entry[0] is None and self._kind(entry[1] - 12) == SIMPLE_PACKET else 28
        return self.base + entry[1] - head

    def comment(self, entry: Entry) -> str:
        """The first comment on a packet (pcapng only)."""
        start = entry[1] - 28
        if not self.ng or start < 0 or self._kind(start) not in (ENHANCED_PACKET, OLD_PACKET):
            return ""
        (length,) = struct.unpack_from(self.order + "I", self.data, start + 4)
        rest = self.data[entry[1] + entry[2] + -entry[2] % 4 : start + length - 4]
        found = next((value for code, value in options(self.order, rest) if code == OPTION_COMMENT), b"")
        return printable_lines(found.decode("utf-8", "backslashreplace"))

    def _kind(self, at: int) -> int:
        return int.from_bytes(self.data[at : at + 4], "little" if self.order == "<" else "big")


class Window:
    """The part of a stream in memory. ``at`` is the position up to which it was consumed."""

    __slots__ = ("at", "base", "broken", "data", "name", "read")

    def __init__(self, stream: BinaryIO, name: str) -> None:
        # Read what a pipe has without waiting for more, so that a live capture is shown as it arrives.
        self.read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self.name, self.data, self.base, self.at = name, b"", 0, 0
        self.broken = ""

    @property
    def offset(self) -> int:
        """The file offset of ``at``."""
        return self.base + self.at

    def more(self, need: int = 0) -> bool:
        """Read more and keep what was not consumed. False at the end of the stream."""
        try:
            fresh = self.read(max(BLOCK, need))
        except (OSError, EOFError, zlib.error) as error:
            self.broken = f"unreadable at offset {self.base + len(self.data)}: {error}"
            return False
        if not fresh:
            return False
        self.base += self.at
        self.data = self.data[self.at :] + fresh if self.at < len(self.data) else fresh
        self.at = 0
        return True

    def shortfall(self, place: str, need: int) -> str:
        """Why ``need`` octets cannot be read from here."""
        if self.broken:
            return f"{self.name}: {place}: {self.broken}"
        end = self.base + len(self.data)
        return (
            f"{self.name}: {place}: the file ends at offset {end}, {counted(need - (end - self.offset), 'octet')} short"
        )


def begins(head: bytes) -> bool:
    """Whether a file that begins with these four octets may be a capture, or a gzipped one."""
    return head in PCAP_MAGIC or head == SECTION_HEADER.to_bytes(4) or head[:2] == GZIP


def batches(source: Path | BinaryIO, name: str | None = None) -> Iterator[Batch]:
    """Every packet of a pcap or pcapng file (gzip too), in order; packets are numbered from 1.

    Raises CaptureError if the file cannot be opened or is not a capture. The last batch's ``end`` reports damage
    further on.
    """
    label = printable(name or str(source))
    if isinstance(source, Path):
        try:
            stream: BinaryIO = source.open("rb", buffering=1 << 16)
        except OSError as error:
            raise CaptureError(f"{label}: cannot be opened: {error.strerror}") from None
        with stream:
            yield from batches(stream, label)
        return
    buffered = source if isinstance(source, io.BufferedReader) else io.BufferedReader(source)  # type: ignore[type-var]
    if buffered.peek(2)[:2] == GZIP:
        buffered = Unpacked(buffered)  # type: ignore[assignment]
    window = Window(buffered, label)
    while len(window.data) < 4 and window.more():
        pass
    magic = window.data[:4]
    if len(magic) < 4:
        raise CaptureError(window.shortfall("header", 4))
    if magic in PCAP_MAGIC:
        while len(window.data) < 24 and window.more():
            pass
        if len(window.data) < 24:
            raise CaptureError(window.shortfall("header", 24))
        yield from _pcap(window, *PCAP_MAGIC[magic])
    elif magic == SECTION_HEADER.to_bytes(4, "big"):
        while len(window.data) < 12 and window.more():
            pass
        if len(window.data) >= 12 and window.data[8:12] not in SECTION_MAGIC:
            found = window.data[8:12].hex()
            raise CaptureError(f"{label}: header: expected the byte-order magic of pcapng, 1a2b3c4d, found {found}")
        yield from _pcapng(window)
    else:
        raise CaptureError(f"{label}: header: expected pcap or pcapng, found a file that begins with {magic.hex()}")


def reported(read: Iterator[Batch], progress: Callable[[int | None], None] | None) -> Iterator[Batch]:
    """The batches of a pass. ``progress`` is called with the offset after each, and with None when the pass ends."""
    if progress is None:
        yield from read
        return
    try:
        for batch in read:
            yield batch
            progress(batch.base + len(batch.data))
    finally:
        progress(None)


def _pcap(window: Window, order: str, ticks: int) -> Iterator[Batch]:
    link = struct.unpack_from(order + "I", window.data, 20)[0] & 0xFFFF  # the upper bits hold the length of an FCS
    unpack = struct.Struct(order + "4I").unpack_from
    window.at, number = 24, 1
    while True:
        data, at = window.data, window.at
        end, captured = len(data), 0
        entries: list[Entry] = []
        add, last = entries.append, end - 16
        while at <= last:
            seconds, fraction, captured, length = unpack(data, at)
            after = at + 16 + captured
            if after > end:
                break
            time = seconds + fraction / ticks if ticks <= COARSE else fine(seconds, fraction, ticks)
            add((time, at + 16, captured, length, link))
            at = after
        window.at = at
        if entries:
            yield Batch(data, window.base, number, order, False, entries)
            number += len(entries)
        left, place = end - at, f"packet {number} at offset {window.offset}"
        if left >= 16 and captured > LARGEST:
            text = f"{window.name}: {place}: a captured length of {captured} octets is impossible"
            yield Batch(b"", window.offset, number, order, False, [], end=text, end_offset=window.offset)
            return
        need = 16 if left < 16 else 16 + captured
        if not window.more(need - left):
            if left or window.broken:
                text = window.shortfall(place, need)
                yield Batch(b"", window.offset, number, order, False, [], end=text, end_offset=window.offset)
            return


@dataclass(slots=True)
class _Interface:
    linktype: int
    snaplen: int
    ticks: int = 10**6
    offset: int = 0


def options(order: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The options at the end of a block (draft-ietf-opsawg-pcapng section 3.5), without damaged ones."""
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
    for code, value in options(order, body[8:]):
        if code == OPTION_TSRESOL and len(value) == 1:
            interface.ticks = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
        elif code == OPTION_TSOFFSET and len(value) == 8:
            interface.offset = struct.unpack(order + "q", value)[0]
    return interface


class _Sections:
    """The state while reading a pcapng file: byte order and interfaces of the current section."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.order = "<"
        self.interfaces: list[_Interface] = []
        self.number = 1

    def packet(self, kind: int, at: int, length: int) -> Entry | str:
        """The entry for a packet block of any type, or what is wrong with the block."""
        data, order = self.window.data, self.order
        head = 12 if kind == SIMPLE_PACKET else 28
        if length < head + 4:
            return f"a block of type {kind} cannot have {length} octets"
        stamp: int | None
        if kind == SIMPLE_PACKET:
            (wire,) = struct.unpack_from(order + "I", data, at + 8)
            index, stamp, captured = 0, None, min(wire, length - 16)
        elif kind == OLD_PACKET:
            index, _, high, low, captured, wire = struct.unpack_from(order + "HH4I", data, at + 8)
            stamp = high << 32 | low
        else:
            index, high, low, captured, wire = struct.unpack_from(order + "5I", data, at + 8)
            stamp = high << 32 | low
        if index >= len(self.interfaces):
            return f"packet {{}} names interface {index}, which has no description block"
        if captured > length - head - 4:
            return f"a captured length of {captured} octets does not fit into a block of {length}"
        on = self.interfaces[index]
        if stamp is None and on.snaplen:
            captured = min(captured, on.snaplen)
        time = None if stamp is None else on.offset + stamp / on.ticks
        if stamp is not None and on.ticks > COARSE:
            time = fine(on.offset, stamp, on.ticks)
        return time, at + head, captured, wire, on.linktype

    def other(self, kind: int, at: int, length: int) -> str:
        """Process a block that is not a packet. Returns what is wrong with it, or an empty string."""
        data = self.window.data
        if kind == INTERFACE:
            if length < 20:
                # Keep its place in the list: packets refer to interfaces by number.
                self.interfaces.append(_Interface(NO_LINK, 0))
                return f"a block of type {kind} cannot have {length} octets"
            self.interfaces.append(_interface(self.order, data[at + 8 : at + length - 4]))
        return ""


def _pcapng(window: Window) -> Iterator[Batch]:
    file = _Sections(window)
    unpack, seven = struct.Struct("<II").unpack_from, struct.Struct("<7I").unpack_from
    while True:
        data, at = window.data, window.at
        end = len(data)
        entries: list[Entry] = []
        faults: dict[int, str] = {}
        bad, need, turned = "", 12, False
        while at + 8 <= end:
            kind, length = unpack(data, at)
            if kind == SECTION_HEADER:
                if at + 12 > end:
                    break
                order = SECTION_MAGIC.get(data[at + 8 : at + 12], "")
                if not order:
                    bad = f"a section header has the impossible byte-order magic {data[at + 8 : at + 12].hex()}"
                    break
                if order != file.order and entries:
                    turned = True  # all packets of a batch have the same byte order
                    break
                file.order, file.interfaces = order, []
                unpack, seven = struct.Struct(order + "II").unpack_from, struct.Struct(order + "7I").unpack_from
                _, length = unpack(data, at)
            after = at + length
            if length < (16 if kind == SECTION_HEADER else 12) or length & 3 or length > LARGEST:
                bad = f"a block length of {length} octets is impossible"
                break
            if after > end:
                need = length
                break
            if kind == ENHANCED_PACKET and length >= 32:
                _, _, index, high, low, captured, wire = seven(data, at)
                if index < len(file.interfaces) and captured <= length - 32:
                    on = file.interfaces[index]
                    stamp = high << 32 | low
                    time = on.offset + stamp / on.ticks if on.ticks <= COARSE else fine(on.offset, stamp, on.ticks)
                    entries.append((time, at + 28, captured, wire, on.linktype))
                    at = after
                    continue
            if kind in (ENHANCED_PACKET, OLD_PACKET, SIMPLE_PACKET):
                found = file.packet(kind, at, length)
                if isinstance(found, str):
                    number = file.number + len(entries)
                    place = f"block at offset {window.base + at}, after packet {number - 1}"
                    faults[len(entries)] = f"{window.name}: {place}: {found.format(number)}"
                    found = (None, at + 28, 0, 0, NO_LINK)
                entries.append(found)
            else:
                file.other(kind, at, length)
            at = after
        window.at = at
        if entries:
            yield Batch(data, window.base, file.number, file.order, True, entries, faults)
            file.number += len(entries)
        left, place = end - at, f"block at offset {window.offset}, after packet {file.number - 1}"
        if bad:
            text = f"{window.name}: {place}: {bad}"
        elif turned or window.more(need - left):
            continue
        elif left or window.broken:
            text = window.shortfall(place, need if left >= 8 else 8)
        else:
            return
        yield Batch(b"", window.offset, file.number, file.order, True, [], end=text, end_offset=window.offset)
        return
