# SPDX-License-Identifier: GPL-2.0-or-later
"""The cost of an unauthenticated request: a count of refused requests, and size checks with struct.

RFC 7296 section 2.6 requires protection against exhaustion of memory and CPU; RFC 8019 section 4.2 counts failures.
"""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fynx_scapy.iana import NotifyType, PayloadType
from fynx_scapy.layers.ikev2.payload import MAXIMUM_PAYLOADS

if TYPE_CHECKING:
    from fynx_scapy.ike.config import EndpointConfig

_GENERIC = struct.Struct("!BBH")
_SUBSTRUCTURE, _SELECTOR, _ATTRIBUTE = 8, 16, 4

MOST = 1024
"""The most proposals, transforms, selectors and attributes in one message, from any peer."""


class Levels:
    """Amounts by name that decay: after ``lifetime`` seconds 1/e (37 %) is left. At most ``size`` names are kept."""

    def __init__(self, lifetime: float, size: int) -> None:
        self._lifetime, self._size = lifetime, size
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def of(self, name: bytes, now: float) -> float:
        """The decayed amount of that name."""
        level, since = self._levels.get(name, (0.0, now))
        return level * math.exp((since - now) / self._lifetime) if level else 0.0

    def add(self, name: bytes, amount: float, now: float) -> None:
        """Add to the amount of a name. If the table is full, the least recently used name is dropped."""
        level = self.of(name, now) + amount
        self._levels.pop(name, None)
        self._levels[name] = (level, now)
        if len(self._levels) > self._size:
            self._levels.popitem(last=False)


def units(data: bytes) -> int:
    """How much a refused request counts: 1, and 1 more for each full KiB, since parsing takes longer."""
    return 1 + len(data) // 1024


def too_large(config: EndpointConfig, data: bytes) -> str | None:
    """Why an IKE_SA_INIT request has too many octets, or None."""
    if len(data) > config.init_size:
        return f"expected an IKE_SA_INIT request of at most {config.init_size} octets, found {len(data)}"
    return None


def too_many(most: int, kind: int, data: bytes, offset: int = 0) -> str | None:
    """Why the payloads hold more than ``most`` substructures, or None. ``kind`` is the type of the first payload.

    Every proposal, transform, selector and attribute of a Configuration payload counts as one, and so do every four
    octets of a transform's attributes, and each announced authentication method and attribute of ROHC in a notify.
    Malformed payloads are left to the parser.
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
    """Count the proposals and transforms of an SA payload, or a few more if lengths are wrong (section 3.3)."""
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
    """Count the selectors of a TS payload (section 3.13)."""
    return max(0, end - at - 4) // _SELECTOR


def _attributes(data: bytes, at: int, end: int) -> int:
    """Count the attributes of a Configuration payload (section 3.15)."""
    count, at = 0, at + 4
    while at + _ATTRIBUTE <= end:
        count, at = count + 1, at + _ATTRIBUTE + int.from_bytes(data[at + 2 : at + 4])
    return count


def _announcements(data: bytes, at: int, end: int) -> int:
    """Count the announcements of SUPPORTED_AUTH_METHODS or the attributes of ROHC_SUPPORTED; other notifies have none.

    RFC 9593 section 3.2, RFC 5857 section 3.1.1. An attribute with a value of its own has a bit set in front.
    """
    if at + 4 > end:
        return 0
    kind, count = int.from_bytes(data[at + 2 : at + 4]), 0
    at += 4 + data[at + 1]
    if kind == NotifyType.SUPPORTED_AUTH_METHODS:
        while at < end:
            count, at = count + 1, at + max(data[at], 2)
    elif kind == NotifyType.ROHC_SUPPORTED:
        while at + _ATTRIBUTE <= end:
            long = 0 if data[at] & 0x80 else int.from_bytes(data[at + 2 : at + 4])
            count, at = count + 1, at + _ATTRIBUTE + long
    return count


_COUNTS: Mapping[int, Callable[[bytes, int, int], int]] = {
    PayloadType.SA: _proposals,
    PayloadType.TSi: _selectors,
    PayloadType.TSr: _selectors,
    PayloadType.CP: _attributes,
    PayloadType.N: _announcements,
}
