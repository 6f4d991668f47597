# SPDX-License-Identifier: GPL-2.0-or-later
"""List fields: lists of structures, and lists of named numbers."""
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scapy.compat import bytes_encode
from scapy.config import conf
from scapy.fields import PacketListField
from scapy.packet import Packet

from fynx_scapy import iana
from fynx_scapy.errors import ConfigError
from fynx_scapy.layers.ikev2.fields import ShortEnum
from fynx_scapy.layers.ikev2.structure import FormError, Structure, sequence
from fynx_scapy.text import counted


class Structures(PacketListField):
    """A list of structures, up to the end of the layer or until ``until(elements)`` is true.

    ``choose(octets, offset)`` returns the class of the next structure.

    The value is a structure or a list of structures; bytes are accepted instead of a structure. Structures chained with
    ``/``, as in Scapy's own layer, are split into a list.
    """

    __slots__ = ["choose", "until"]
    in_head = False

    def __init__(
        self,
        name: str,
        choose: Callable[[bytes, int], type[Structure]],
        until: Callable[[list[Any]], bool] | None = None,
    ):
        self.choose = choose
        self.until = until
        super().__init__(name, [], Structure)

    def any2i(self, pkt: Any, x: Any) -> list[Any]:
        elements: list[Any] = []
        for element in x if isinstance(x, (list, tuple)) else [] if x is None else [x]:
            if isinstance(element, (bytes, bytearray)):
                elements.append(conf.raw_layer(bytes(element)))
            elif isinstance(element, Structure) and element.payload:
                elements += _taken_apart(element)
            else:
                elements.append(element)
        if pkt is not None:
            for element in elements:
                if isinstance(element, Packet):
                    object.__setattr__(element, "parent", pkt)
        return elements

    def i2count(self, pkt: Any, x: Any) -> int:
        return len(x)

    def i2len(self, pkt: Any, x: Any) -> int:
        return len(self.addfield(pkt, b"", x))

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        last = len(val) - 1
        return s + b"".join(
            [
                element.build_in_list(n == last) if isinstance(element, Structure) else bytes_encode(element)
                for n, element in enumerate(val)
            ]
        )

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, list[Structure]]:
        elements, used = sequence(self.choose, s, self.until)
        for element in elements:
            object.__setattr__(element, "parent", pkt)
        return s[used:], elements


def _taken_apart(element: Any) -> list[Any]:
    elements = []
    while element:
        alone = element.copy()
        alone.remove_payload()
        elements.append(alone)
        element = element.payload
    return elements


class EnumList(ShortEnum):
    """A list of two-octet numbers with IANA's names, up to the end of the structure."""

    __slots__ = []
    in_head = False
    islist = 1

    def __init__(self, name: str, enum: type[iana.IanaRegistry]):
        super().__init__(name, [], enum)

    def any2i(self, pkt: Any, x: Any) -> list[Any]:
        return [self.any2i_one(pkt, one) for one in x] if isinstance(x, (list, tuple)) else [self.any2i_one(pkt, x)]

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        try:
            return s + b"".join([int(number).to_bytes(2) for number in val])
        except OverflowError:
            raise ConfigError(f"{self.name}={val!r}: every number must fit into two octets") from None

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, list[int]]:
        if len(s) % 2:
            raise FormError(
                len(s), f"{self.name}: expected a list of two-octet numbers, found {counted(len(s), 'octet')}"
            )
        return b"", [int.from_bytes(s[at : at + 2]) for at in range(0, len(s), 2)]

    def i2repr(self, pkt: Any, x: Any) -> str:
        return "[" + ", ".join(str(self.i2repr_one(pkt, one)) for one in x) + "]"

    def i2count(self, pkt: Any, x: Any) -> int:
        return len(x)

    def randval(self) -> None:
        return None
