# SPDX-License-Identifier: GPL-2.0-or-later
"""What one pass over ESP counts: inner flows, ICVs, and packets that were not decrypted or contradict themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fynx_scapy.capture.follow.inner import Inner, InnerFlows
from fynx_scapy.capture.reading.flows import EspFlow

MOST_NUMBERS = 100


class Closed(NamedTuple):
    """ESP packets of one flow with the same error, or without a key. ``numbers`` are the first 100 packets.

    ``keyed`` says whether there is a key for the SPI, ``icv`` is ok, bad or unchecked. ``opened``: they were decrypted,
    and ``error`` is about their content.
    """

    spi: int
    src: str
    dst: str
    keyed: bool
    icv: str
    error: str
    opened: bool
    packets: int
    numbers: tuple[int, ...]


@dataclass(slots=True)
class ClosedPackets:
    """The ESP packets that a pass did not decrypt, by flow and reason."""

    _numbers: dict[tuple[int, str, str, bool, str, str, bool], list[int]] = field(default_factory=dict)
    _counts: Counter[tuple[int, str, str, bool, str, str, bool]] = field(default_factory=Counter)

    def add(self, packet: Inner) -> None:
        """Add a packet."""
        opened = packet.payload is not None
        place = (packet.spi, packet.src, packet.dst, packet.keyed, packet.icv, packet.error or "", opened)
        self._counts[place] += 1
        numbers = self._numbers.setdefault(place, [])
        if len(numbers) < MOST_NUMBERS:
            numbers.append(packet.number)

    def __iter__(self) -> Iterator[Closed]:
        return (Closed(*place, count, tuple(self._numbers[place])) for place, count in self._counts.items())


@dataclass(slots=True)
class Tally:
    """What one pass over ESP found: inner flows, ICVs, and the packets with an error or without a key, by SA.

    ``icvs`` counts ESP packets as ``opened``, ``bad`` or ``closed``, ``clear`` the AH packets.
    """

    flows: InnerFlows = field(default_factory=InnerFlows)
    icvs: dict[str, int] = field(default_factory=lambda: {"opened": 0, "bad": 0, "closed": 0})
    faults: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    packets: ClosedPackets = field(default_factory=ClosedPackets)
    clear: int = 0

    def read(self, packets: Iterable[Inner]) -> None:
        """Count the packets of a pass."""
        count, icvs, opened = self.flows.count, self.icvs, 0
        for packet in packets:
            if packet.payload is None:
                icvs["bad" if packet.icv == "bad" else "closed"] += 1
                self._unopened(packet)
                continue
            if packet.protocol == "esp":
                opened += 1
            else:
                self.clear += 1
            if packet.error:
                self._unopened(packet)
            elif not packet.twice and not packet.outer:
                count(packet)
        icvs["opened"] += opened

    def unread(self, flows: Iterable[EspFlow]) -> None:
        """Count the packets of a capture whose ESP nobody can look into."""
        for flow in flows:
            if flow.protocol == "esp":
                self.icvs["closed"] += flow.packets
                if flow.packets > flow.cut:
                    self.closed[sa_name(flow.spi, flow.src, flow.dst)] += flow.packets - flow.cut

    def _unopened(self, packet: Inner) -> None:
        name = sa_name(packet.spi, packet.src, packet.dst)
        if packet.keyed:
            self.faults[f"{name}: {packet.error}"] += 1
        elif not packet.error:  # a truncated packet is already reported as unreadable
            self.closed[name] += 1
        if packet.keyed or not packet.error:
            self.packets.add(packet)


def sa_name(spi: int, src: str, dst: str) -> str:
    """One direction of a Child SA, as texts name it."""
    return f"ESP SA 0x{spi:08x} {src} > {dst}"
