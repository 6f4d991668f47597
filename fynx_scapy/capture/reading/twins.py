# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that a capture holds twice: taken on a mirror port, a bridge, "any" interface, or on both sides of a NAT.

A retransmission has the same octets too, but is another IP packet: its IP identification differs (RFC 791 section 3.1),
or it comes after a timeout. IPv6 has no identification, and IPv4 may have 0 (RFC 6864): only the time tells then.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from fynx_scapy.capture.headers.kinds import AH, ESP, UDP
from fynx_scapy.capture.reading.blocks import Entry

SAME_ID = 0.1
"""Seconds between two copies of one IP packet, at most. Retransmission timeouts are longer."""
NO_ID = 0.01
"""The same for packets without identification."""
MOST_NEAR = 32
"""How many frames before one are searched for the same packet."""
MOST_MARKS = 4096
MOST_SIGHTINGS = 4


class Sighting(NamedTuple):
    """When a packet was captured (None: unknown), and its IP identification (0: none)."""

    time: float | None
    ident: int


def captured_twice(one: Sighting, other: Sighting) -> bool:
    """Whether two packets with the same octets are one packet, captured twice."""
    both = one.ident and other.ident
    if both and one.ident != other.ident:
        return False
    if one.time is None or other.time is None:
        return bool(both)
    return abs(one.time - other.time) <= (SAME_ID if both else NO_ID)


@dataclass(slots=True)
class Sightings:
    """The latest packets, by their octets, in bounded memory."""

    _seen: dict[Hashable, list[Sighting]] = field(default_factory=dict)

    def add(self, octets: Hashable, sighting: Sighting) -> tuple[bool, bool]:
        """Add a packet. Returns whether its octets were seen before, and whether it is a packet captured twice."""
        before = self._seen.setdefault(octets, [])
        found = bool(before), any(captured_twice(each, sighting) for each in before)
        before.append(sighting)
        del before[:-MOST_SIGHTINGS]
        if len(self._seen) > MOST_MARKS:
            del self._seen[next(iter(self._seen))]
        return found


def ident_before(data: bytes, at: int) -> int:
    """The IP identification of a packet whose ESP or AH is at an offset, 0 if there is none right before it."""
    for head, protocols in ((20, (ESP, AH)), (28, (UDP,))):  # IPv4 without options, and UDP
        start = at - head
        if start >= 0 and data[start] == 0x45 and data[start + 9] in protocols:
            return int.from_bytes(data[start + 4 : start + 6])
    return 0


def held_before(octets: bytes, sighting: Sighting, near: Iterable[tuple[bytes, Entry]]) -> bool:
    """Whether one of the frames before has these octets, and is the same packet. ``near`` are frames, newest first."""
    for data, (time, start, size, _, _) in itertools.islice(near, MOST_NEAR):
        if time is not None and sighting.time is not None and abs(sighting.time - time) > SAME_ID:
            return False
        at = data.find(octets, start, start + size)
        if at >= 0 and captured_twice(Sighting(time, ident_before(data, at)), sighting):
            return True
    return False
