# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of events: frozen, with printable text and a weight."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from scapy.packet import Packet

SMALL, LAYER = 512, 768
"""About how many octets of memory an event takes, and how many a layer with its fields."""

_HOLDS_OCTETS = ("bytes", "str", "tuple")


def count_layers(packets: Iterable[Packet]) -> int:
    """Count payloads, substructures and, by eights, other list items."""
    count = 0
    for packet in packets:
        count += 1
        for value in packet.fields.values():
            if type(value) is list and value:
                count += count_layers(value) if hasattr(value[0], "fields") else len(value) // 8
    return count


def _octets(value: object) -> int:
    """The memory of the text, the bytes and the tuples in a field, in octets."""
    if isinstance(value, bytes | str):
        return len(value)
    return sum(64 + _octets(item) for item in value) if isinstance(value, tuple) else 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an endpoint saw or did."""

    time: float
    spi_i: bytes = bytes(8)
    spi_r: bytes = bytes(8)
    _texts: ClassVar[tuple[str, ...]] = ()
    _weighed: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        kinds = inspect.get_annotations(cls)
        texts = [name for name, kind in kinds.items() if kind in ("str", str)]
        cls._texts = tuple(dict.fromkeys([*cls._texts, *texts]))
        own = [name for name, kind in kinds.items() if str(kind).startswith(_HOLDS_OCTETS)]
        cls._weighed = tuple(dict.fromkeys([*cls._weighed, *own]))

    def __post_init__(self) -> None:
        for name in self._texts:
            object.__setattr__(self, name, printable(getattr(self, name), LONGEST))

    @property
    def weight(self) -> int:
        """About how many octets of memory the event takes."""
        return SMALL + sum(_octets(getattr(self, name)) for name in self._weighed)
