# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE messages of a capture, stored in little memory."""

from __future__ import annotations

import tempfile
import weakref
from array import array
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from fynx_scapy.capture.headers.times import Time
from fynx_scapy.capture.reading.packets import IpsecPacket

MOST_IN_MEMORY = 1 << 24  # octets of IKE messages; beyond that they go to a temporary file


class Stored(NamedTuple):
    """An IKE message as captured. ``data`` begins with the IKE header."""

    number: int
    time: float | None
    src: str
    sport: int
    dst: str
    dport: int
    data: bytes
    kind: str
    missing: int
    tcp: bool
    ident: int


class Messages:
    """The IKE messages of a capture, in columns of some 40 octets per message. Their own octets go to disk early."""

    def __init__(self) -> None:
        self._numbers, self._times = array("Q"), array("d")
        self._fine: dict[int, Time] = {}
        self._ends, self._starts, self._missing = array("L"), array("Q"), array("L")
        self._idents = array("L")
        self._known: dict[tuple[str, int, str, int, str, bool], int] = {}
        self._list: list[tuple[str, int, str, int, str, bool]] = []
        self._octets: BinaryIO = _spool()
        self._end = 0
        self.close = weakref.finalize(self, self._octets.close)
        """Close the temporary file. This happens when the object is destroyed, at the latest."""

    def add(self, packet: IpsecPacket) -> None:
        """Store a message."""
        ends = (packet.src, packet.sport or 0, packet.dst, packet.dport or 0, packet.kind, packet.tcp)
        index = self._known.get(ends)
        if index is None:
            index = self._known[ends] = len(self._list)
            self._list.append(ends)
        time = packet.frame.time
        self._numbers.append(packet.frame.number)
        self._times.append(float("nan") if time is None else time)
        if isinstance(time, Time):
            self._fine[len(self._times) - 1] = time
        self._ends.append(index)
        self._starts.append(self._end)
        self._missing.append(packet.missing)
        self._idents.append(packet.ident)
        self._octets.seek(self._end)
        self._octets.write(packet.data)
        self._end += len(packet.data)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, at: int) -> Stored:
        if not 0 <= at < len(self):
            raise IndexError(at)
        start = self._starts[at]
        end = self._starts[at + 1] if at + 1 < len(self) else self._end
        self._octets.seek(start)
        data = self._octets.read(end - start)
        time = self._times[at]
        src, sport, dst, dport, kind, tcp = self._list[self._ends[at]]
        known = None if time != time else self._fine.get(at, time)
        missing, ident = self._missing[at], self._idents[at]
        return Stored(self._numbers[at], known, src, sport, dst, dport, data, kind, missing, tcp, ident)

    def __iter__(self) -> Iterator[Stored]:
        return (self[at] for at in range(len(self)))


def _spool() -> BinaryIO:
    """A file that stays in memory while it is small."""
    return tempfile.SpooledTemporaryFile(MOST_IN_MEMORY)  # type: ignore[return-value]
