# SPDX-License-Identifier: GPL-2.0-or-later
"""A bounded queue of received inner packets. A full one refuses new packets and counts them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

PACKETS, OCTETS = 10_000, 16 << 20


class Inbox:
    """Inner packets that wait for their reader: at most ``most`` packets with ``most_octets`` octets in total.

    What does not fit is refused, so that a reader that falls behind gets the packets before the gap in order.
    ``dropped`` counts them. ``on_packet()`` is called when packets have arrived, for a reader that waits.
    """

    __slots__ = ("_packets", "dropped", "most", "most_octets", "octets", "on_packet")

    def __init__(
        self, most: int = PACKETS, most_octets: int = OCTETS, *, on_packet: Callable[[], object] | None = None
    ) -> None:
        self._packets: deque[bytes] = deque()
        self.most, self.most_octets = most, most_octets
        self.octets = 0
        """The total length of the packets that wait."""
        self.dropped = 0
        self.on_packet = on_packet

    def put(self, packet: bytes) -> bool:
        """Add a packet; False when it does not fit."""
        octets = self.octets + len(packet)
        if octets > self.most_octets or len(self._packets) >= self.most:
            self.dropped += 1
            return False
        self.octets = octets
        self._packets.append(packet)
        if self.on_packet is not None:
            self.on_packet()
        return True

    def put_many(self, packets: Iterable[bytes]) -> int:
        """Add packets in order; returns how many fitted. ``on_packet`` is called once."""
        before, kept, octets = len(self._packets), self._packets, self.octets
        for packet in packets:
            size = octets + len(packet)
            if size > self.most_octets or len(kept) >= self.most:
                self.dropped += 1
            else:
                octets = size
                kept.append(packet)
        self.octets = octets
        taken = len(kept) - before
        if taken and self.on_packet is not None:
            self.on_packet()
        return taken

    def take(self) -> bytes | None:
        """Remove and return the oldest packet; None when there is none."""
        if not self._packets:
            return None
        packet = self._packets.popleft()
        self.octets -= len(packet)
        return packet

    def take_many(self, most: int) -> list[bytes]:
        """Remove and return the oldest packets, ``most`` of them if there are as many."""
        if most >= len(self._packets):
            return self.drain()
        packets = [self._packets.popleft() for _ in range(most)]
        self.octets -= sum(map(len, packets))
        return packets

    def drain(self) -> list[bytes]:
        """Remove and return all packets, oldest first."""
        packets = list(self._packets)
        self._packets.clear()
        self.octets = 0
        return packets

    def __len__(self) -> int:
        return len(self._packets)
