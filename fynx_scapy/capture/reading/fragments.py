# SPDX-License-Identifier: GPL-2.0-or-later
"""Reassembly of fragmented IP packets (RFC 791 section 3.2, RFC 8200 section 4.5)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fynx_scapy.capture.reading.losses import Loss, several, some
from fynx_scapy.capture.reading.packets import IpPacket

Key = tuple[str, str, int, int, tuple[str, ...]]

MOST_FRAGMENTED, MOST_FRAGMENT_OCTETS = 1024, 1 << 23
"""How many incomplete IP packets are kept, and how many octets of them. Beyond that, the oldest is dropped."""
MOST_GIVEN_UP = 10_000


@dataclass(slots=True)
class Fragments:
    """Reassembles IP packets in bounded memory. Reports overlaps (RFC 5722) and incomplete packets, never guesses."""

    given_up: int = 0
    _waiting: OrderedDict[Key, list[IpPacket]] = field(default_factory=OrderedDict)
    _held: int = 0
    _lost: deque[IpPacket] = field(default_factory=lambda: deque(maxlen=MOST_GIVEN_UP))

    def add(self, packet: IpPacket) -> IpPacket | None:
        """The packet itself if it is not a fragment, the reassembled one if this completes it, else None."""
        if not packet.offset and not packet.more:
            return packet
        key = (packet.src, packet.dst, packet.protocol, packet.ident, packet.within)
        pieces = self._waiting.setdefault(key, [])
        if all(piece.offset != packet.offset for piece in pieces):
            pieces.append(packet)
            self._held += len(packet.payload)
        pieces.sort(key=lambda piece: piece.offset)
        at = 0
        for piece in pieces:
            if piece.offset != at or piece.missing:
                break
            at += len(piece.payload)
        else:
            if not pieces[-1].more:
                self._forget(key)
                return replace(packet, payload=b"".join(piece.payload for piece in pieces), offset=0, more=False)
        while len(self._waiting) > MOST_FRAGMENTED or self._held > MOST_FRAGMENT_OCTETS:
            first = self._forget(next(iter(self._waiting)))
            self.given_up += 1
            # 28 octets are enough to see whether it was IPsec.
            self._lost.append(replace(first, payload=first.payload[:28], frame=replace(first.frame, data=b"")))
        return None

    def _forget(self, key: Key) -> IpPacket:
        pieces = self._waiting.pop(key)
        self._held -= sum(len(piece.payload) for piece in pieces)
        return pieces[0]

    def losses(self) -> list[Loss]:
        """Packets that were dropped and that `incomplete` no longer lists."""
        more = self.given_up - len(self._lost)
        return some([Loss("fragments", more, f"{several(more, 'more IP packet')} with missing fragments")])

    def incomplete(self) -> Iterator[IpPacket]:
        """The first fragment of each packet that was never completed. Of dropped packets, only the last 10,000."""
        yield from self._lost
        for pieces in self._waiting.values():
            yield pieces[0]
