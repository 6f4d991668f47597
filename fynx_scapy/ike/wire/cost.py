# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stranger's request may cost: refused work that counts for a while, and sizes that are looked at by struct.

RFC 7296 section 2.6 asks that neither memory nor work can be had for nothing; RFC 8019 section 4.2 counts what failed.
"""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikev2.payload import MAXIMUM_PAYLOADS

if TYPE_CHECKING:
    from fynx_scapy.ike.config import EndpointConfig

_GENERIC = struct.Struct("!BBH")
_SUBSTRUCTURE, _SELECTOR, _ATTRIBUTE = 8, 16, 4

MOST = 1024
"""Proposals, transforms, selectors and attributes of one message that are read, whoever sent it."""


class Levels:
    """Amounts by name that fade: after ``lifetime`` seconds a bit more than a third is left. At most ``size`` names."""

    def __init__(self, lifetime: float, size: int) -> None:
        self._lifetime, self._size = lifetime, size
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def of(self, name: bytes, now: float) -> float:
        """What is left of what was added under that name."""
        level, since = self._levels.get(name, (0.0, now))
        return level * math.exp((since - now) / self._lifetime) if level else 0.0

    def add(self, name: bytes, amount: float, now: float) -> None:
        """Add to it. Where the table is full, the name that was quiet the longest is let go."""
        level = self.of(name, now) + amount
        self._levels.pop(name, None)
        self._levels[name] = (level, now)
        if len(self._levels) > self._size:
            self._levels.popitem(last=False)


def units(data: bytes) -> int:
    """How much a refused request counts: 1, and 1 more for each full KiB, since reading it takes as long."""
    return 1 + len(data) // 1024


def too_large(config: EndpointConfig, data: bytes) -> str | None:
    """Why a request has more octets than a stranger's may, or None."""
    if len(data) > config.init_size:
        return f"expected an IKE_SA_INIT request of at most {config.init_size} octets, found {len(data)}"
    return None


def too_many(most: int, kind: int, data: bytes, offset: int = 0) -> str | None:
    """Why payloads, the first being of that kind, hold more than ``most`` substructures, or None.

    Every proposal, transform, selector, and every attribute of a Configuration payload counts as one, and so do every
    four octets of a transform's attributes. What cannot be read is left to the parser.
    """
    count = 0
    for _ in range(MAXIMUM_PAYLOADS):
        if not kind or offset + 4 > len(data):
            break
        following, _, length = _GENERIC.unpack_from(data, offset)
        if length < 4:
            break
        if kind in _COUNTS:
            count += _COUNTS[kind](data, offset + 4, min(offset + length, len(data)))
        if count > most:
            return f"expected at most {most} proposals, transforms, selectors and attributes, found {count}"
        kind, offset = following, offset + length
    return None


def _proposals(data: bytes, at: int, end: int) -> int:
    """Those of an SA payload with their transforms, or a few more where lengths make no sense (section 3.3)."""
    count = 0
    while at + _SUBSTRUCTURE <= end:
        size = max(int.from_bytes(data[at + 2 : at + 4]), _SUBSTRUCTURE)
        count += 1
        last, transform = min(at + size, end), at + _SUBSTRUCTURE + data[at + 6]
        while transform + _SUBSTRUCTURE <= last:
            length = max(int.from_bytes(data[transform + 2 : transform + 4]), _SUBSTRUCTURE)
            count += 1 + (min(length, last - transform) - _SUBSTRUCTURE) // _ATTRIBUTE
            transform += length
        at += size
    return count


def _selectors(data: bytes, at: int, end: int) -> int:
    """Those of a TS payload (section 3.13)."""
    return max(0, end - at - 4) // _SELECTOR


def _attributes(data: bytes, at: int, end: int) -> int:
    """Those of a Configuration payload (section 3.15)."""
    count, at = 0, at + 4
    while at + _ATTRIBUTE <= end:
        count, at = count + 1, at + _ATTRIBUTE + int.from_bytes(data[at + 2 : at + 4])
    return count


_COUNTS: Mapping[int, Callable[[bytes, int, int], int]] = {
    PayloadType.SA: _proposals,
    PayloadType.TSi: _selectors,
    PayloadType.TSr: _selectors,
    PayloadType.CP: _attributes,
}
