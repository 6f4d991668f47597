# SPDX-License-Identifier: GPL-2.0-or-later
"""The fields of the IKEv2 layers: Scapy's fields with checked names, hexadecimal octets and computed sizes."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

import difflib
import struct
from collections.abc import Callable
from typing import Any

from scapy.compat import bytes_encode
from scapy.fields import ByteField, EnumField, Field, FlagsField, FlagValue, IntField, ShortField
from scapy.volatile import RandBin, RandNum, VolatileValue

from fynx_scapy import iana
from fynx_scapy.errors import ConfigError
from fynx_scapy.layers.ikev2.structure import FormError


def octets_of(name: str, value: Any) -> Any:
    """Octets from bytes, or from hexadecimal digits (spaces, colons and a leading 0x are ignored).

    Values that Scapy expands at build time (random values, lists of alternatives) are returned unchanged. Raises
    ConfigError.
    """
    if type(value) is bytes or value is None:
        return value
    if isinstance(value, str):
        digits = value.replace(":", "").replace(" ", "").removeprefix("0x")
        try:
            return bytes.fromhex(digits)
        except ValueError:
            raise ConfigError(f"{name} takes bytes or hexadecimal digits: encode text first") from None
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, list):
        return [octets_of(name, one) for one in value]
    if isinstance(value, int):
        raise ConfigError(f"{name} takes bytes or hexadecimal digits, not the number {value}")
    return value


class _Enum(EnumField):
    """A number with IANA's names: accepts both, shows the name, and suggests the nearest one for an unknown name."""

    __slots__ = ["enum"]
    fmt_of = "B"

    def __init__(self, name: str, default: Any, enum: type[iana.IanaRegistry]):
        self.enum = enum
        super().__init__(name, default, enum, self.fmt_of)
        self.i2s.update(iana.private_names(enum))

    def any2i_one(self, pkt: Any, x: Any) -> Any:
        if type(x) is int or x is None:
            return x
        if isinstance(x, str):
            return int(iana.lookup(self.enum, x))
        return int(x) if isinstance(x, int) else x

    def i2m(self, pkt: Any, x: Any) -> Any:
        return self.any2i_one(pkt, x)

    def computed(self, pkt: Any) -> int:
        return 0


class OctetEnum(_Enum):
    """One octet with IANA's names."""


class ShortEnum(_Enum):
    """Two octets with IANA's names."""

    fmt_of = "H"


class NextPayload(OctetEnum):
    """The payload type of the next layer; computed if None."""

    def __init__(self, name: str = "next_payload"):
        super().__init__(name, None, iana.PayloadType)

    def any2i_one(self, pkt: Any, x: Any) -> Any:
        if isinstance(x, str) and x in _SCAPYS_PAYLOAD_NAMES:
            return _SCAPYS_PAYLOAD_NAMES[x]
        return super().any2i_one(pkt, x)

    def computed(self, pkt: Any) -> int:
        return int(pkt.following())


class Octet(ByteField):
    """One octet; None is 0."""

    def computed(self, pkt: Any) -> int:
        return 0


class Short(ShortField):
    """Two octets; None is 0."""

    def computed(self, pkt: Any) -> int:
        return 0


class Int(IntField):
    """Four octets; None is 0."""

    def computed(self, pkt: Any) -> int:
        return 0


class Length(ShortField):
    """The two-octet length of a structure; computed if None."""

    def __init__(self, name: str = "length"):
        super().__init__(name, None)


class SizeOf(ByteField):
    """One octet (or two, ``fmt="H"``) with the size of another field in octets, and ``plus``; computed if None."""

    __slots__ = ["of", "plus"]

    def __init__(self, name: str, of: str, fmt: str = "B", plus: int = 0):
        self.of = of
        self.plus = plus
        Field.__init__(self, name, None, fmt)

    def computed(self, pkt: Any) -> int:
        field = pkt.fieldtype[self.of]
        return self.plus + len(field.addfield(pkt, b"", pkt.internal(self.of)))


class CountOf(SizeOf):
    """One octet (or two) with the number of elements of a list; computed if None."""

    def computed(self, pkt: Any) -> int:
        return len(pkt.internal(self.of))


class Flags(FlagsField):
    """One octet of named bits, from a number or from names joined with +."""

    in_head = True

    def __init__(self, name: str, default: int, names: list[str]):
        super().__init__(name, default, 8, names)
        self.fmt = "!B"
        self.struct = struct.Struct("!B")

    def any2i(self, pkt: Any, x: Any) -> Any:
        if isinstance(x, str):
            for word in x.split("+") if x else ():
                if word not in self.names:
                    raise ConfigError(f"{self.name} has no flag {word!r}{_nearest(word, self.names)}")
        return super().any2i(pkt, x)

    def m2i(self, pkt: Any, x: int) -> FlagValue:
        return FlagValue(x, self.names)

    def i2m(self, pkt: Any, x: Any) -> int:
        return int(x or 0)

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return s + self.struct.pack(self.i2m(pkt, val))

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        if not s:
            raise FormError(0, f"{self.name} is missing")
        return s[1:], self.m2i(pkt, s[0])

    def computed(self, pkt: Any) -> int:
        return 0


def _nearest(word: str, names: Any) -> str:
    close = difflib.get_close_matches(word, list(names), 1, 0.4)
    return f"; did you mean {close[0]!r}?" if close else ""


class Reserved(Field):
    """Three reserved octets."""

    in_head = False

    def __init__(self, name: str = "res2"):
        super().__init__(name, 0, "3s")

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        try:
            return s + int(val or 0).to_bytes(3)
        except OverflowError:
            raise ConfigError(f"{self.name}={val!r} does not fit into three octets") from None

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, int]:
        if len(s) < 3:
            raise FormError(len(s), f"{self.name} has 3 octets, {len(s)} left")
        return s[3:], int.from_bytes(s[:3])

    def randval(self) -> Any:
        return RandNum(0, 0xFFFFFF)


class Octets(Field):
    """Octets up to the end of the structure, or ``size`` octets. A str is read as hexadecimal digits."""

    __slots__ = ["size"]
    in_head = False

    def __init__(self, name: str, default: bytes = b"", size: Callable[[Any], int] | None = None):
        self.size = size
        super().__init__(name, default, "0s")

    def any2i(self, pkt: Any, x: Any) -> Any:
        return octets_of(self.name, x)

    def i2m(self, pkt: Any, x: Any) -> bytes:
        if type(x) is bytes:
            return x
        if x is None:
            return b""
        return bytes_encode(x)  # type: ignore[no-any-return]

    def i2len(self, pkt: Any, x: Any) -> int:
        return len(self.i2m(pkt, x))

    def i2repr(self, pkt: Any, x: Any) -> str:
        return x.hex() if isinstance(x, bytes) else repr(x)

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return s + self.i2m(pkt, val)

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        if self.size is None:
            return b"", self.m2i(pkt, s)
        size = self.size(pkt)
        if size > len(s):
            raise FormError(0, f"{pkt._name}: {self.name} of {size} octets, {len(s)} left")
        return s[size:], self.m2i(pkt, s[:size])

    def randval(self) -> Any:
        return RandBin(RandNum(0, 255))


class FixedOctets(Octets):
    """A fixed number of octets, from bytes or hexadecimal digits. Shorter values are padded with zeros."""

    __slots__ = []
    in_head = True

    def __init__(self, name: str, octets: int):
        self.size = None
        Field.__init__(self, name, None, f"{octets}s")
        setattr(self, "default", b"")  # noqa: B010 -- any2i needs the size, which Field.__init__ sets after the default

    def any2i(self, pkt: Any, x: Any) -> Any:
        x = octets_of(self.name, x)
        if isinstance(x, bytes) and len(x) > self.sz:
            raise ConfigError(f"expected at most {self.sz} octets for {self.name}, found {len(x)}")
        return x

    def i2m(self, pkt: Any, x: Any) -> bytes:
        return super().i2m(pkt, x)[: self.sz].ljust(self.sz, b"\0")

    def i2h(self, pkt: Any, x: Any) -> Any:
        return x.ljust(self.sz, b"\0") if type(x) is bytes else x

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return s + self.i2m(pkt, val)

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        if len(s) < self.sz:
            raise FormError(len(s), f"{self.name} has {self.sz} octets, {len(s)} left")
        return s[self.sz :], s[: self.sz]

    def computed(self, pkt: Any) -> bytes:
        return b""

    def randval(self) -> Any:
        return RandBin(self.sz)


class Text(Octets):
    """Text as octets: a str is encoded as UTF-8, and printable octets are shown as text."""

    __slots__ = []

    def any2i(self, pkt: Any, x: Any) -> Any:
        return x.encode() if isinstance(x, str) else super().any2i(pkt, x)

    def i2repr(self, pkt: Any, x: Any) -> str:
        return readable(x) if isinstance(x, bytes) else repr(x)


def readable(octets: bytes) -> str:
    """Octets as text if they are printable ASCII, else as hexadecimal digits."""
    if octets and all(0x20 <= octet < 0x7F for octet in octets):
        return octets.decode("ascii")
    return octets.hex()


class Remark(Field):
    """A field that can be set and is shown, but is not on the wire."""

    in_head = False

    def __init__(self, name: str, default: Any = None):
        super().__init__(name, default, "0s")

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        return s

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        return s, None

    def randval(self) -> VolatileValue | None:
        return None


class PayloadKind(Remark):
    """The type of a payload without a class. It is not on the wire: the previous layer contains it."""

    def __init__(self, name: str = "payload_type"):
        super().__init__(name, None)

    def any2i(self, pkt: Any, x: Any) -> Any:
        return int(iana.lookup(iana.PayloadType, x)) if isinstance(x, str) else x


# Scapy's names of payload types that differ from IANA's notation.
_SCAPYS_PAYLOAD_NAMES = {
    "None": 0, "Notify": 41, "Delete": 42, "VendorID": 43, "Encrypted": 46, "Encrypted_Fragment": 53,
    "Proposal": 2, "Transform": 3,
}  # fmt: skip
