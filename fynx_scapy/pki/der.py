# SPDX-License-Identifier: GPL-2.0-or-later
"""DER elements (X.690), for the few fields that cryptography does not hand out as octets or refuses to make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fynx_scapy.errors import MalformedError

SEQUENCE, SET = 0x30, 0x31
BIT_STRING, OCTET_STRING, OBJECT, GENERALIZED_TIME = 0x03, 0x04, 0x06, 0x18
VERSION = 0xA0
_LENGTH_OCTETS = 4


class Element(NamedTuple):
    """One element."""

    tag: int
    content: bytes
    whole: bytes
    """The element with its tag and length."""


def elements(data: bytes) -> list[Element]:
    """The elements that follow each other in ``data``. MalformedError, with the offset, if it does not end with one."""
    found, at = [], 0
    while at < len(data):
        start, length = at + 2, data[at + 1] if at + 1 < len(data) else 0
        if length & 0x80:
            count = length & 0x7F
            if not 0 < count <= _LENGTH_OCTETS:
                raise MalformedError(f"expected a DER length of 1 to {_LENGTH_OCTETS} octets at offset {at}")
            length, start = int.from_bytes(data[start : start + count]), start + count
        end = start + length
        if end > len(data):
            raise MalformedError(f"expected a DER element that ends with the data, at offset {at}")
        found.append(Element(data[at], data[start:end], data[at:end]))
        at = end
    return found


def inside(data: bytes, tag: int = SEQUENCE) -> list[Element]:
    """The elements of a constructed element. MalformedError if ``data`` is not just one, with this tag."""
    outer = elements(data)
    if len(outer) != 1 or outer[0].tag != tag:
        raise MalformedError(f"expected one DER element with the tag {tag:#04x}")
    return elements(outer[0].content)


def parts(data: bytes) -> list[bytes]:
    """The elements inside a SEQUENCE, each with its tag and length. MalformedError as `inside`."""
    return [each.whole for each in inside(data)]


def element(tag: int, *contents: bytes) -> bytes:
    """One element: its tag, the length, and the contents joined."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(items: Iterable[bytes]) -> bytes:
    """A SEQUENCE of these elements."""
    return element(SEQUENCE, *items)


def bits(octets: bytes) -> bytes:
    """A BIT STRING of whole octets."""
    return element(BIT_STRING, b"\x00", octets)


def object_identifier(dotted: str) -> bytes:
    """An object identifier (section 8.19)."""
    first, second, *rest = map(int, dotted.split("."))
    return element(OBJECT, *map(_arc, [40 * first + second, *rest]))


def _arc(value: int) -> bytes:
    septets = [value & 0x7F]
    while value := value >> 7:
        septets.append(value & 0x7F | 0x80)
    return bytes(reversed(septets))
