# SPDX-License-Identifier: GPL-2.0-or-later
"""From frames to IPsec packets: link headers, IP fragments, TCP streams and ports. Every reader uses this module."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fynx_scapy.capture.headers.ipsec import ah_content, contradiction, wesp_content
from fynx_scapy.capture.headers.kinds import TCP, UDP, LinkNotRead, NotRead
from fynx_scapy.capture.reading.blocks import batches
from fynx_scapy.capture.reading.fragments import Fragments
from fynx_scapy.capture.reading.frames import NO_FRAME, Frame, frame_of
from fynx_scapy.capture.reading.losses import Loss, several
from fynx_scapy.capture.reading.packets import (
    NATT_PORT,
    Classifier,
    IpPacket,
    IpsecPacket,
    carried,
    deeper,
    ip_inside,
    ip_packet,
    past_extensions,
)
from fynx_scapy.capture.reading.streams import Streams
from fynx_scapy.errors import CaptureError, MalformedError

MOST_PIECES = 10_000


class LostPiece(NamedTuple):
    """An IP packet of which fragments are missing. Only its ``first`` fragment shows the ports; else they are 0."""

    number: int
    time: float | None
    src: str
    dst: str
    protocol: int
    sport: int
    dport: int
    first: bool

    @classmethod
    def of(cls, piece: IpPacket) -> LostPiece:
        """The piece in short."""
        first = not piece.offset
        sport = dport = 0
        if first and piece.protocol == UDP and len(piece.payload) >= 4:
            sport, dport = struct.unpack_from("!HH", piece.payload)
        frame = piece.frame
        return cls(frame.number, frame.time, piece.src, piece.dst, piece.protocol, sport, dport, first)


@dataclass(slots=True)
class Walk:
    """One pass over the frames of a capture. ``foreign`` counts the packets that are not IPsec, ``unread`` those with
    headers that are not looked into.

    ``pieces`` are the IP packets of which fragments are missing, known after the last packet, at most 10,000.
    ``ports`` are UDP and TCP ports to treat like 4500. Anything unreadable becomes an `IpsecPacket` of kind
    ``unreadable`` or ``fragment`` with an ``error``. At the end, everything that was left out (`losses`) becomes one of
    kind ``lost``.
    """

    ports: frozenset[int] = frozenset()
    foreign: int = 0
    unread: dict[str, tuple[NotRead, int]] = field(default_factory=dict)
    fragments: Fragments = field(default_factory=Fragments)
    classify: Classifier = field(init=False)
    streams: Streams = field(init=False)
    pieces: list[LostPiece] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.classify = Classifier(self.ports)
        self.streams = Streams(self.ports | {NATT_PORT})

    def read(self, source: Path | BinaryIO, name: str | None = None) -> Iterator[IpsecPacket]:
        """Every IPsec packet of a capture from start to end, including what could not be read.

        Raises CaptureError if it cannot be opened or is not a capture. Damage to the file is its last packet.
        """
        for packets in self.groups(source, name):
            yield from packets

    def groups(self, source: Path | BinaryIO, name: str | None = None) -> Iterator[Iterable[IpsecPacket]]:
        """The same, frame by frame."""
        for batch in batches(source, name):
            for index in range(len(batch.entries)):
                yield self.frame(frame_of(batch, index))
            if batch.end:
                yield (IpsecPacket(Frame(batch.first, None, 0, b""), "unreadable", "", "", b"", error=batch.end),)
        yield self.rest()

    def frame(self, frame: Frame) -> Iterable[IpsecPacket]:
        """The IPsec packets that a frame completes: usually one or none; a TCP segment may complete any number.

        IPsec inside AH or WESP follows the packet that carries it.
        """
        found = self._guarded(frame, lambda: self._packets(ip_packet(frame)))
        if found is None:
            self.foreign += 1
            return ()
        return found

    def inside(self, packet: IpsecPacket, following: int, content: bytes) -> Iterable[IpsecPacket]:
        """The IPsec packets in what another one carries, given its next header and content."""
        name = packet.kind.upper()
        return self._guarded(packet.frame, lambda: self._packets(carried(packet, name, following, content))) or ()

    def _guarded(self, frame: Frame, read: Callable[[], Iterable[IpsecPacket] | None]) -> Iterable[IpsecPacket] | None:
        """What ``read`` finds, with the headers that could not be read. None: no IPsec."""
        try:
            return read()
        except CaptureError as error:
            return (IpsecPacket(frame, "unreadable", "", "", b"", error=str(error)),)
        except NotRead as header:
            self._not_read(header)
            return ()

    def _not_read(self, header: NotRead) -> None:
        if str(header) not in self.unread and len(self.unread) >= MOST_UNREAD:
            header = NotRead("more kinds of headers")
        _, count = self.unread.get(str(header), (header, 0))
        self.unread[str(header)] = header, count + 1

    def _packets(self, packet: IpPacket | None) -> Iterable[IpsecPacket] | None:
        """The IPsec packets that an IP packet completes, in tunnels too. None: no IPsec."""
        whole = packet and self.fragments.add(packet)
        if whole is None:
            return None if packet is None else ()
        whole = past_extensions(whole)
        if whole.protocol == TCP:
            found = self.streams.add(whole)
            return None if found is None else self._each(found, whole.within)
        one = self.classify(whole)
        if one is None:
            inside = ip_inside(whole)
            return None if inside is None else self._packets(inside)
        if one.kind not in WRAPPERS:
            return (one,)
        return self._each((one,), whole.within)

    def _each(self, found: Iterable[IpsecPacket], within: tuple[str, ...]) -> Iterator[IpsecPacket]:
        """Packets, each followed by what AH or WESP carries."""
        for packet in found:
            packet = replace(packet, within=within) if within and not packet.within else packet
            if packet.kind in WRAPPERS and not packet.error:
                yield from (self._ah if packet.kind == "ah" else self._wesp)(packet)
            else:
                yield packet

    def _ah(self, packet: IpsecPacket) -> Iterator[IpsecPacket]:
        try:
            following, content = ah_content(packet.data)
        except MalformedError as error:
            yield packet if packet.missing else replace(packet, odd=str(error))
            return
        odd = contradiction(following, content, packet.missing)
        yield replace(packet, odd=odd)
        if not odd:
            for found in self.inside(packet, following, content):
                if not (packet.missing and found.kind == "unreadable"):  # that it is cut is said of AH
                    yield found

    def _wesp(self, packet: IpsecPacket) -> Iterator[IpsecPacket]:
        if packet.missing:  # the trailer is not there
            yield packet
            return
        try:
            esp, clear = wesp_content(packet.data)
        except MalformedError as error:
            yield replace(packet, odd=str(error))
            return
        yield packet
        inside = replace(packet, kind="esp", data=esp, clear=clear)
        yield from self._guarded(packet.frame, lambda: (replace(inside, within=deeper(packet.within, "WESP")),)) or ()

    def rest(self) -> Iterator[IpsecPacket]:
        """At the end of the capture, the packets that were never completed."""
        for piece in map(past_extensions, self.fragments.incomplete()):
            if not self.classify.may_be_ipsec(piece):
                self.foreign += 1
                continue
            if len(self.pieces) < MOST_PIECES and not piece.fault:
                self.pieces.append(LostPiece.of(piece))
            wrong = piece.fault or "the other fragments are not in the capture"
            text = f"fragment {piece.ident:#x} of protocol {piece.protocol}: {wrong}"
            yield IpsecPacket(piece.frame, "fragment", piece.src, piece.dst, b"", error=text)
        yield from self.streams.rest()
        self.foreign += self.streams.foreign
        self.streams.foreign = 0
        for loss in self.losses:
            yield IpsecPacket(NO_FRAME, LOST, "", "", b"", error=loss.text)

    @property
    def losses(self) -> list[Loss]:
        """What the reader left out."""
        unread = [_unread(header, count) for header, count in self.unread.values()]
        return [*self.fragments.losses(), *self.streams.losses(), *unread]


def _unread(header: NotRead, count: int) -> Loss:
    packets = several(count, "packet")
    if not isinstance(header, LinkNotRead):
        return Loss("headers", count, f"{packets} not looked into: {header}")
    name = f": {header.name}" if header.name else ""
    return Loss("link types", count, f"{packets} of {header} {'is' if count == 1 else 'are'} not read{name}")


LOST = "lost"
WRAPPERS = frozenset(("ah", "wesp"))
MOST_UNREAD = 64
"""How many kinds of headers that are not read are counted by name."""
