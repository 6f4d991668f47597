# SPDX-License-Identifier: GPL-2.0-or-later
"""Attributes of transforms (RFC 7296 section 3.3.5), and of group policies and key bags (RFC 9838)."""

from __future__ import annotations

from typing import Any, ClassVar

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IanaRegistry
from fynx_scapy.layers.ikev2.fields import Octet, Octets, Short, ShortEnum
from fynx_scapy.layers.ikev2.structure import FormError, Structure
from fynx_scapy.text import counted


class _AttributeValue(Octets):
    """A number of two octets with AF 1, else as many octets as the length says."""

    __slots__ = []

    def any2i(self, pkt: Any, x: Any) -> Any:
        return x if isinstance(x, int) else super().any2i(pkt, x)

    def i2repr(self, pkt: Any, x: Any) -> str:
        return repr(x) if isinstance(x, int) else super().i2repr(pkt, x)


def attribute_fields(registry: type[IanaRegistry], default: int) -> list[Any]:
    """The fields of an attribute with the types of ``registry``."""
    return [
        Octet("AF", None),
        ShortEnum("type", default, registry),
        Short("length", None),
        _AttributeValue("value", b""),
    ]


class Attribute(Structure):
    """An attribute: with AF 1 (type/value) the value has two octets, with AF 0 (type/length/value) any number.

    If ``AF`` is None, it is 1 for a number that fits into two octets, else 0. ``sizes`` maps a type to the number of
    octets of its value, for types that are sent as numbers with AF 0.
    """

    name = "IKEv2 Attribute"
    sizes: ClassVar[dict[int, int]] = {}
    fields_desc = attribute_fields(IanaRegistry, 0)

    @classmethod
    def measure(cls, octets: bytes, offset: int) -> int:
        left = len(octets) - offset
        if left < 4:
            raise FormError(0, f"{cls._name}: expected at least 4 octets, found {left}")
        if octets[offset] & 0x80:
            return 4
        size = 4 + int.from_bytes(octets[offset + 2 : offset + 4])
        if size > left:
            raise FormError(2, f"{cls._name}: length {size - 4}, but {counted(left - 4, 'octet')} left")
        return size

    def read(self, octets: bytes) -> None:
        af = octets[0] >> 7
        self.fields.update(AF=af, type=int.from_bytes(octets[:2]) & 0x7FFF)
        if af:
            self.fields["value"] = int.from_bytes(octets[2:])
        else:
            self.fields.update(length=int.from_bytes(octets[2:4]), value=octets[4:])
        object.__setattr__(self, "explicit", 1)

    def self_build(self) -> bytes:
        af, kind, length, value = (self.internal(name) for name in ("AF", "type", "length", "value"))
        kind = int(kind) & 0x7FFF
        if af is None:
            af = isinstance(value, int) and value < 0x10000 and kind not in self.sizes
        if af:
            number = value if isinstance(value, int) else int.from_bytes(value or b"")
            if not 0 <= number < 0x10000:
                raise ConfigError(f"{self._name} {kind}: {value!r} does not fit into two octets: set AF=0")
            return (0x8000 | kind).to_bytes(2) + number.to_bytes(2)
        octets = self._octets(kind, value)
        return kind.to_bytes(2) + (len(octets) if length is None else int(length)).to_bytes(2) + octets

    def _octets(self, kind: int, value: Any) -> bytes:
        if not isinstance(value, int):
            return bytes(value or b"")
        return value.to_bytes(self.sizes.get(kind) or max(2, (value.bit_length() + 7) // 8))

    @property
    def number(self) -> int:
        """The value as a number, in either encoding."""
        value = self.internal("value")
        return value if isinstance(value, int) else int.from_bytes(value or b"")
