# SPDX-License-Identifier: GPL-2.0-or-later
"""From frames to IPsec packets: link headers, IP fragments, TCP streams and ports, in one place for every reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...errors import CaptureError
from .frames import Frame
from .packets import NATT_PORT, TCP, Classifier, Fragments, IpsecPacket, ip_packet
from .streams import Streams


@dataclass(slots=True)
class Walk:
    """One way through the frames of a capture. ``foreign`` counts the packets that are not IPsec.

    ``ports`` are UDP and TCP ports that are used as 4500 is. What cannot be read becomes an `IpsecPacket` of the kind
    ``unreadable`` or ``fragment``, with its ``error``.
    """

    ports: frozenset[int] = frozenset()
    foreign: int = 0
    fragments: Fragments = field(default_factory=Fragments)
    classify: Classifier = field(init=False)
    streams: Streams = field(init=False)

    def __post_init__(self) -> None:
        self.classify = Classifier(self.ports)
        self.streams = Streams(self.ports | {NATT_PORT})

    def frame(self, frame: Frame) -> Iterable[IpsecPacket]:
        """The IPsec packets that a frame completes: mostly one or none, of a TCP segment any number."""
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
        return (found,)

    def rest(self) -> Iterator[IpsecPacket]:
        """What never became whole, at the end of the capture."""
        for piece in self.fragments.incomplete():
            if not self.classify.may_be_ipsec(piece):
                self.foreign += 1
                continue
            text = f"fragment {piece.ident:#x} of protocol {piece.protocol}: the other fragments are not in the capture"
            yield IpsecPacket(piece.frame, "fragment", piece.src, piece.dst, b"", error=text)
        for (src, sport, dst, dport), left in self.streams.incomplete():
            text = f"a TCP stream ends within a message, {left} octets are left over"
            yield IpsecPacket(NO_FRAME, "fragment", src, dst, b"", sport, dport, error=text, tcp=True)


NO_FRAME = Frame(0, None, 0, b"")
