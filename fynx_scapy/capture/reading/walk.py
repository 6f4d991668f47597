# SPDX-License-Identifier: GPL-2.0-or-later
"""From frames to IPsec packets: link headers, IP fragments, TCP streams and ports. Every reader uses this module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fynx_scapy.capture.reading.blocks import batches
from fynx_scapy.capture.reading.fragments import Fragments
from fynx_scapy.capture.reading.frames import Frame, frame_of
from fynx_scapy.capture.reading.losses import Loss, several
from fynx_scapy.capture.reading.packets import (
    IPSEC_PROTOCOLS,
    NATT_PORT,
    TCP,
    Classifier,
    IpsecPacket,
    ip_packet,
)
from fynx_scapy.capture.reading.streams import Streams
from fynx_scapy.errors import CaptureError


@dataclass(slots=True)
class Walk:
    """One pass over the frames of a capture. ``foreign`` counts the packets that are not IPsec.

    ``ports`` are UDP and TCP ports to treat like 4500. Anything unreadable becomes an `IpsecPacket` of kind
    ``unreadable`` or ``fragment`` with an ``error``. At the end, everything that was left out (`losses`) becomes one of
    kind ``lost``.
    """

    ports: frozenset[int] = frozenset()
    foreign: int = 0
    nested: Counter[str] = field(default_factory=Counter)
    fragments: Fragments = field(default_factory=Fragments)
    classify: Classifier = field(init=False)
    streams: Streams = field(init=False)

    def __post_init__(self) -> None:
        self.classify = Classifier(self.ports)
        self.streams = Streams(self.ports | {NATT_PORT})

    def read(self, source: Path | BinaryIO, name: str | None = None) -> Iterator[IpsecPacket]:
        """Every IPsec packet of a capture from start to end, including what could not be read.

        Raises CaptureError if it cannot be opened or is not a capture. Damage to the file is its last packet.
        """
        for batch in batches(source, name):
            for index in range(len(batch.entries)):
                yield from self.frame(frame_of(batch, index))
            if batch.end:
                yield IpsecPacket(Frame(batch.first, None, 0, b""), "unreadable", "", "", b"", error=batch.end)
        yield from self.rest()

    def frame(self, frame: Frame) -> Iterable[IpsecPacket]:
        """The IPsec packets that a frame completes: usually one or none; a TCP segment may complete any number."""
        try:
            packet = ip_packet(frame)
        except CaptureError as error:
            return (IpsecPacket(frame, "unreadable", "", "", b"", error=str(error)),)
        whole = packet and self.fragments.add(packet)
        if whole is None:
            self.foreign += packet is None
            return ()
        if whole.protocol == TCP:
            inside = self.streams.add(whole)
            if inside is not None:
                return inside
        found = self.classify(whole)
        if found is None:
            self.foreign += 1
            return ()
        if found.kind in _WRAPPERS:
            self._wrapped(found)
        return (found,)

    def _wrapped(self, packet: IpsecPacket) -> None:
        """Count IPsec inside a header (AH, WESP) whose content is not dissected."""
        inside = "esp" if packet.kind == "wesp" else IPSEC_PROTOCOLS.get(packet.data[0]) if packet.data else None
        if inside is not None:
            self.nested[f"{inside.upper()} inside {packet.kind.upper()}"] += 1

    def rest(self) -> Iterator[IpsecPacket]:
        """At the end of the capture, the packets that were never completed."""
        for piece in self.fragments.incomplete():
            if not self.classify.may_be_ipsec(piece):
                self.foreign += 1
                continue
            text = f"fragment {piece.ident:#x} of protocol {piece.protocol}: the other fragments are not in the capture"
            yield IpsecPacket(piece.frame, "fragment", piece.src, piece.dst, b"", error=text)
        for (src, sport, dst, dport), left in self.streams.incomplete():
            text = f"a TCP stream ends inside a message, with {left} octets left over"
            yield IpsecPacket(NO_FRAME, "fragment", src, dst, b"", sport, dport, error=text, tcp=True)
        for loss in self.losses:
            yield IpsecPacket(NO_FRAME, LOST, "", "", b"", error=loss.text)

    @property
    def losses(self) -> list[Loss]:
        """What the reader left out."""
        nested = [
            Loss("nested", count, f"{several(count, 'packet')} of {name} not dissected")
            for name, count in self.nested.items()
        ]
        return [*self.fragments.losses(), *self.streams.losses(), *nested]


NO_FRAME = Frame(0, None, 0, b"")
LOST = "lost"
_WRAPPERS = frozenset(("ah", "wesp"))
