# SPDX-License-Identifier: GPL-2.0-or-later
"""The queue of what an endpoint sends. ESP packets that follow one another on the same path form a `Burst`."""

from __future__ import annotations

from fynx_scapy.ike.basics.counts import Counts, DropReason
from fynx_scapy.ike.message import Burst, Datagram, Route


class Outbox:
    """What is to be sent, in order, at most ``most`` ESP packets and as many other datagrams.

    ESP packets and other datagrams may have ``most_octets`` octets each. What does not fit is refused and counted.
    Neither kind takes the room of the other: a full data path does not hold up IKE.
    """

    __slots__ = (
        "_counts", "_datagrams", "_items", "_last", "_octets", "_others", "_packets", "_route", "_tos", "most",
        "most_octets",
    )  # fmt: skip

    def __init__(self, most: int, most_octets: int, counts: Counts) -> None:
        self.most, self.most_octets, self._counts = most, most_octets, counts
        self._reset()

    def _reset(self) -> None:
        self._items: list[Datagram | Burst] = []
        self._last: list[bytes] | None = None
        self._route: Route | None = None
        self._tos = 0
        self._packets = self._octets = self._datagrams = self._others = 0

    def put(self, datagram: Datagram) -> None:
        """Add a datagram."""
        others = self._others + len(datagram.data)
        if self._datagrams >= self.most or others > self.most_octets:
            self._counts.drop(DropReason.OUTBOX_FULL)
            return
        self._datagrams += 1
        self._others = others
        self._last = None
        self._items.append(datagram)

    @property
    def full(self) -> bool:
        """Whether another ESP packet would be refused for certain. Ask before it takes a sequence number."""
        return self._packets >= self.most or self._octets >= self.most_octets

    def put_esp(self, packet: bytes, route: Route, tos: int) -> None:
        """Add an ESP packet; it joins the last burst if that has the same route and TOS. Ask `full` before."""
        self._packets += 1
        self._octets += len(packet)
        if self._last is not None and tos == self._tos and route == self._route:
            self._last.append(packet)
        else:
            self._last, self._route, self._tos = [packet], route, tos
            self._items.append(Burst(self._last, *route, tos))

    def fits(self, packets: int, octets: int) -> bool:
        """Whether so many ESP packets with so many octets fit."""
        return self._packets + packets <= self.most and self._octets + octets <= self.most_octets

    def put_many(self, packets: list[bytes], route: Route, tos: int) -> None:
        """Add ESP packets like `put_esp`. Ask `fits` before."""
        self._packets += len(packets)
        self._octets += sum(map(len, packets))
        if self._last is not None and tos == self._tos and route == self._route:
            self._last += packets
        else:
            self._last, self._route, self._tos = packets, route, tos
            self._items.append(Burst(packets, *route, tos))

    def drain(self) -> list[Datagram | Burst]:
        """Remove and return everything, in order. ESP packets count as sent from now on."""
        items, counts = self._items, self._counts
        counts.esp_packets_out += self._packets
        counts.esp_bytes_out += self._octets
        self._reset()
        return items

    def __len__(self) -> int:
        return self._datagrams + self._packets
