# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP and AH flows: statistics from the unencrypted part of their packets, per SPI and address pair.

RFC 4303 sections 2.2 and 3.4.3. Only the low 32 bits of a sequence number are on the wire. They are extended to 64 bits
here, to the value nearest to the highest seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from fynx_scapy.capture.headers.ipsec import never_first, never_sent
from fynx_scapy.capture.reading.losses import several
from fynx_scapy.text import counted

WINDOW = 64
"""A packet that arrives after this many newer ones is ``late``: a replay window of the usual size drops it."""

NEWEST, OLDER = 1, 2
"""What a repeated sequence number repeats: the newest one, or an older one."""

MOST_GAPS = 4096
"""How many gaps of one flow are tracked. Beyond that, the oldest gap counts as lost."""


class EspFlow:
    """The packets of one SPI between two addresses, in one direction.

    ``packets``, ``octets`` (from SPI to ICV), ``first``/``last`` (seconds since the epoch, None if the capture has no
    times), ``first_number``/``last_number`` (packet numbers in the capture), ``lowest``/``highest`` (64-bit sequence
    numbers). ``missing`` counts sequence numbers between lowest and highest that never arrived, ``reordered`` those
    that arrived after a higher one, and ``late`` those of them that arrived too late for a window of 64. ``duplicates``
    repeat the newest number, ``replays`` an older one; packets that the capture holds twice (``twice``) are in neither.
    ``mirror`` says that the whole flow repeats another one, as it looks on the other side of a NAT. ``cut`` packets are
    truncated in the capture. ``zeros`` have sequence number 0 (and are not the 2^32nd), the first in ``zero_number``.
    """

    __slots__ = (
        "_gaps", "_given_up", "cut", "dst", "duplicates", "expected", "first", "first_number", "last",
        "last_number", "late", "lowest", "mirror", "octets", "packets", "ports", "protocol", "reordered", "replays",
        "spi", "src", "tcp", "twice", "zero_number", "zeros",
    )  # fmt: skip

    def __init__(self, protocol: str, spi: int, src: str, dst: str, number: int, time: float | None) -> None:
        self.protocol, self.spi, self.src, self.dst = protocol, spi, src, dst
        self.ports: list[tuple[int, int]] = []
        self.tcp = False
        self.packets = self.octets = self.cut = 0
        self.first = self.last = time
        self.first_number = self.last_number = number
        self.expected = -1  # the next sequence number, 64 bits; below zero before the first packet
        self.lowest = 0
        self.reordered = self.late = self.duplicates = self.replays = self.twice = 0
        self.zeros = self.zero_number = 0
        self.mirror = False
        self._gaps: list[list[int]] = []  # missing numbers as [first, last + 1], in ascending order
        self._given_up = 0

    def count(self, sequence: int, octets: int, time: float | None, number: int) -> int:
        """Count a packet: its 32-bit sequence number, length, time and packet number.

        Returns `NEWEST` or `OLDER` if its number was there before: see `again`. Else 0.
        """
        self.packets += 1
        self.octets += octets
        self.last, self.last_number = time, number
        expected = self.expected
        if expected < 0:
            self.lowest, self.expected = sequence, sequence + 1
            self._zero(sequence, number)
            return 0
        ahead = (sequence - expected + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if expected + ahead < 0:
            ahead += 1 << 32
        found = expected + ahead
        if ahead >= 0:
            if ahead:
                self._gaps.append([expected, found])
                if len(self._gaps) > MOST_GAPS:
                    first, after = self._gaps.pop(0)
                    self._given_up += after - first
            self.expected = found + 1
            return 0
        self._zero(found, number)
        if found == expected - 1:
            self.duplicates += 1
            return NEWEST
        return self._older(found)

    def _zero(self, found: int, number: int) -> None:
        if not found:
            self.zeros += 1
            self.zero_number = self.zero_number or number

    def impossible(self) -> Iterator[tuple[int, str]]:
        """What its packets have that none may have: the number of the first such packet, and a text."""
        ends = f"{self.protocol.upper()} from {self.src} to {self.dst}"
        if text := never_sent(self.protocol, self.spi):
            yield self.first_number, f"{several(self.packets, 'packet')} of {ends}: {text}"
        if self.zeros:
            name = f"{self.protocol.upper()} SA 0x{self.spi:08x} {self.src} > {self.dst}"
            yield self.zero_number, f"{several(self.zeros, 'packet')} of {name}: {never_first(self.protocol)}"

    def again(self, which: int) -> None:
        """Note that a packet whose number was there before is the same packet, captured twice."""
        self.twice += 1
        if which == NEWEST:
            self.duplicates -= 1
        else:
            self.replays -= 1

    @property
    def captured_twice(self) -> int:
        """How many of its packets are in the capture a second time."""
        return self.packets if self.mirror else self.twice

    def _older(self, found: int) -> int:
        if found < self.lowest:
            if found + 1 < self.lowest:
                self._gaps.insert(0, [found + 1, self.lowest])
            self.lowest = found
        else:
            at = bisect_right(self._gaps, found, key=lambda gap: gap[0]) - 1
            if at < 0 or found >= self._gaps[at][1]:
                self.replays += 1
                return OLDER
            first, after = self._gaps[at]
            self._gaps[at : at + 1] = [gap for gap in ([first, found], [found + 1, after]) if gap[0] < gap[1]]
        self.reordered += 1
        self.late += self.expected - 1 - found >= WINDOW
        return 0

    @property
    def highest(self) -> int:
        """The highest sequence number, 64 bits."""
        return self.expected - 1

    @property
    def missing(self) -> int:
        """How many sequence numbers between the lowest and the highest never arrived."""
        return self._given_up + sum(after - first for first, after in self._gaps)

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """The newest 4096 gaps: (first missing number, last missing number)."""
        return [(first, after - 1) for first, after in self._gaps]

    @property
    def seconds(self) -> float:
        """The time from the first packet to the last, in seconds."""
        return 0.0 if self.first is None or self.last is None else self.last - self.first

    @property
    def encapsulation(self) -> str:
        """The encapsulation: none, UDP (RFC 3948) or TCP (RFC 9329)."""
        return "TCP" if self.tcp else "UDP" if self.ports else ""

    def as_dict(self) -> dict[str, Any]:
        """The flow as plain values."""
        names = (
            "packets", "octets", "first", "last", "first_number", "last_number", "lowest", "highest", "missing",
            "reordered", "late", "duplicates", "replays", "captured_twice", "cut",
        )  # fmt: skip
        head = {"protocol": self.protocol, "spi": f"{self.spi:08x}", "src": self.src, "dst": self.dst}
        return head | {"encapsulation": self.encapsulation} | {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return (
            f"<{self.protocol.upper()} {self.spi:08x} {self.src} > {self.dst}: {counted(self.packets, 'packet')}, "
            f"{counted(self.octets, 'octet')}, {self.lowest} to {self.highest}, {self.missing} missing>"
        )
