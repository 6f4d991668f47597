# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a message can be changed, read from the descriptions of its layers' fields, and the edits that do it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scapy.fields import Field, IP6Field, IPField

from fynx_scapy.fuzz import values
from fynx_scapy.fuzz.edits import DATAGRAM, MESSAGE, MOST_OCTETS, PLAINTEXT, Edit, Value, payload_paths, shape
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2_Payload
from fynx_scapy.layers.ikev2.fields import FixedOctets, Flags, Octets, Remark, Reserved, _Enum
from fynx_scapy.layers.ikev2.structure import Structure

Chance = random.Random
Make = Callable[[Chance], Edit]

FRAGMENT_WAYS = (
    "in order", "reversed", "without the last", "twice", "total differs", "number 0", "number above the total",
    "other type", "empty last",
)  # fmt: skip
"""How SKF messages are sent (RFC 7383 section 2.6)."""
_DEPTH = 6
_LISTED = 6
"""How many items of a long list are looked at, from both ends."""
_SUBSTRUCTURE = 16
"""About how many octets a substructure has. Building each one only to ask would take most of the time of a case."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One kind of change at one place. ``way`` and the shape of ``path`` are what a weight is for."""

    path: str
    way: str
    make: Make

    @property
    def key(self) -> str:
        """What weights are kept by."""
        return f"{shape(self.path)} {self.way}"


def choices(message: Outgoing, spis: Sequence[bytes], *, encrypted: bool, fragments: bool) -> list[Choice]:
    """Every kind of change of a message. ``spis`` are those of the SAs that there are."""
    found = list(_header(message))
    paths = payload_paths(message)
    for path, payload in zip(paths, message.payloads, strict=True):
        found += _payload(path, payload, len(paths), spis)
        if isinstance(payload, Structure):
            found += _layer(path, payload, 0)
    found += _whole(message, spis)
    if encrypted:
        found += _sealed(fragments=fragments)
    found.append(Choice(DATAGRAM, "repeat", lambda chance: Edit("repeat", DATAGRAM, chance.choice((2, 2, 3, 10)))))
    return found


def setting(path: str, way: str, value: Callable[[Chance], Value]) -> Choice:
    """A change that sets a field to such a value."""
    return Choice(path, way, lambda chance: Edit("set", path, value(chance)))


def flipping(path: str, bits: int) -> Choice:
    """A change of one of the first ``bits`` bits."""
    return Choice(path, "flip", lambda chance: Edit("flip", path, chance.randrange(bits)))


def _header(message: Outgoing) -> Iterator[Choice]:
    number = int(message.header.internal("id") or 0)
    yield setting("header.id", "near", lambda chance: values.near(chance, number, 0xFFFFFFFF))
    yield setting("header.id", "limit", lambda chance: values.limit(chance, number, 0xFFFFFFFF))
    yield setting("header.exch_type", "type", values.exchange_type)
    flags = int(message.header.internal("flags") or 0)
    yield setting("header.flags", "bit", lambda chance: values.bit(chance, flags, 0xFF))
    yield setting("header.version", "limit", lambda chance: chance.choice((0x10, 0x21, 0x2F, 0x30, 0xFF, 0)))
    for name in ("init_SPI", "resp_SPI"):
        yield flipping(f"header.{name}", 64)
    yield setting("header.next_payload", "type", lambda chance: chance.randrange(256))
    yield setting("header.length", "any", lambda chance: chance.choice((0, 27, 28, 100, 0xFFFF, 0xFFFFFFFF)))


def _sealed(*, fragments: bool) -> Iterator[Choice]:
    """Changes around the payloads inside SK: its generic header, the plaintext, fragments."""
    yield setting("SK.next_payload", "type", lambda chance: chance.randrange(256))
    yield setting("SK.flags", "bit", lambda chance: values.bit(chance, 0, 0xFF))
    yield Choice(PLAINTEXT, "flip", lambda chance: Edit("flip", PLAINTEXT, chance.randrange(1 << 14)))
    yield Choice(PLAINTEXT, "cut", lambda chance: Edit("cut", PLAINTEXT, chance.choice(values.EDGES)))
    yield Choice(PLAINTEXT, "grow", lambda chance: Edit("grow", PLAINTEXT, values.octets(chance)))
    yield Choice(PLAINTEXT, "padding", lambda chance: Edit("last", PLAINTEXT, chance.choice((1, 7, 15, 16, 255))))
    if fragments:

        def fragment(chance: Chance) -> Edit:
            return Edit("fragment", DATAGRAM, (chance.choice((1, 2, 2, 3, 5, 9)), chance.choice(FRAGMENT_WAYS)))

        yield Choice(DATAGRAM, "fragment", fragment)


def _whole(message: Outgoing, spis: Sequence[bytes]) -> Iterator[Choice]:
    """Changes of the list of payloads."""
    yield Choice(MESSAGE, "insert", lambda chance: Edit("insert", MESSAGE, values.payload(chance, spis)))
    if message.payloads:
        yield Choice(MESSAGE, "empty", lambda chance: Edit("empty", MESSAGE))
        yield Choice(MESSAGE, "reverse", lambda chance: Edit("reverse", MESSAGE))


def _payload(path: str, payload: Any, count: int, spis: Sequence[bytes]) -> Iterator[Choice]:
    """Changes of a payload as a whole."""
    yield Choice(path, "drop", lambda chance: Edit("drop", path))
    copies = (1, 1, 2, 10, 60, 250)
    yield Choice(path, "duplicate", lambda chance: Edit("duplicate", path, chance.choice(copies)))
    if count > 1:
        yield Choice(path, "move", lambda chance: Edit("move", path, chance.randrange(count)))
    yield Choice(path, "insert", lambda chance: Edit("insert", path, values.payload(chance, spis)))
    if isinstance(payload, IKEv2_Payload):
        yield Choice(path, "retype", lambda chance: Edit("retype", path, _payload_type(chance)))
        yield from changes_of_octets(path, len(payload.octets()) - 4)


def _payload_type(chance: Chance) -> int:
    return int(chance.choice(list(PayloadType))) if chance.random() < 0.8 else chance.randrange(1, 256)


def changes_of_octets(path: str, size: int, *, fixed: bool = False) -> Iterator[Choice]:
    """Changes of octets: of a field, a substructure or a payload."""
    if size:
        yield flipping(path, 8 * size)
        yield Choice(path, "fill", lambda chance: Edit("fill", path, chance.choice((0, 0xFF, 1, 0x80))))
    if fixed:
        return
    if size:
        edges = (0, 1, size - 1, size - 1, size // 2)
        yield Choice(path, "cut", lambda chance: Edit("cut", path, chance.choice(edges)))
    yield Choice(path, "grow", lambda chance: Edit("grow", path, values.octets(chance, MOST_OCTETS)))


def _layer(path: str, layer: Structure, depth: int) -> Iterator[Choice]:
    """Changes of the fields of a layer and of what they hold."""
    for field in layer.fields_desc:
        yield from _field(f"{path}.{field.name}", layer, field, depth)


def _field(path: str, layer: Structure, field: Any, depth: int) -> Iterator[Choice]:
    value = layer.internal(field.name)
    if isinstance(field, Remark):
        return
    if isinstance(value, Structure):
        if depth < _DEPTH:
            yield from _layer(path, value, depth + 1)
        return
    if isinstance(value, list):
        yield from _list(path, layer, field, value, depth)
    elif isinstance(field, Octets):
        octets = field.addfield(layer, b"", value)
        yield from changes_of_octets(path, len(octets), fixed=isinstance(field, FixedOctets))
    elif isinstance(field, IPField | IP6Field):
        addresses = values.IPV4 if isinstance(field, IPField) else values.IPV6
        yield setting(path, "address", lambda chance: chance.choice(addresses))
    elif isinstance(field, Field) and (size := 3 if isinstance(field, Reserved) else int(field.sz)):
        yield from _number(path, field, _current(layer, field, value), (1 << 8 * size) - 1)


def _current(layer: Structure, field: Any, value: Any) -> int:
    """The number that a field has, computed if need be."""
    if value is not None:
        return int(value)
    if field.name == "length":
        return len(layer.self_build()) - layer.size_plus
    return int(layer.computed(field.name, b""))


def _number(path: str, field: Any, now: int, most: int) -> Iterator[Choice]:
    for way in values.NUMBERS:
        yield _drawn(path, way, now, most)
    if isinstance(field, _Enum):
        yield setting(path, "known", lambda chance: values.known(chance, field.enum))
        yield setting(path, "unknown", lambda chance: values.unknown(chance, field.enum, most))
    elif isinstance(field, Flags):
        yield setting(path, "critical", lambda chance: now ^ 0x80)


def _drawn(path: str, way: str, now: int, most: int) -> Choice:
    return setting(path, way, lambda chance: values.NUMBERS[way](chance, now, most))


def _list(path: str, layer: Structure, field: Any, items: list[Any], depth: int) -> Iterator[Choice]:
    """Changes of a list: longer, shorter, empty, in another order; and of its items."""
    if not items:
        return
    yield Choice(path, "empty", lambda chance: Edit("empty", path))
    if len(items) > 1:
        yield Choice(path, "reverse", lambda chance: Edit("reverse", path))
    for index in _looked_at(len(items)):
        item, place = items[index], f"{path}[{index}]"
        yield from _item(place, len(items))
        if isinstance(item, Structure):
            yield from changes_of_octets(place, _SUBSTRUCTURE)
            if depth < _DEPTH:
                yield from _layer(place, item, depth + 1)


def _item(place: str, count: int) -> Iterator[Choice]:
    """Changes of one item of a list as a whole."""
    copies = (1, 1, 2, 10, 60, 255, 1100)
    yield Choice(place, "drop", lambda chance: Edit("drop", place))
    yield Choice(place, "duplicate", lambda chance: Edit("duplicate", place, chance.choice(copies)))
    if count > 1:
        yield Choice(place, "move", lambda chance: Edit("move", place, chance.randrange(count)))


def _looked_at(count: int) -> list[int]:
    if count <= _LISTED:
        return list(range(count))
    return list(itertools.chain(range(_LISTED // 2), range(count - _LISTED // 2, count)))
