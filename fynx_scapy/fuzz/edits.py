# SPDX-License-Identifier: GPL-2.0-or-later
"""An edit: one change of a message that we send, as a value that can be stored, repeated and left out.

A path names what is changed, as the verbs of the harness do: ``header.id``, ``SK.flags``, ``KE``, ``N[1].type``,
``SA.prop[0].trans[2].transform_id``, and of an ESP packet ``ESP.seq``. Four paths have no field: ``message`` is the
list of payloads, ``plaintext`` is what SK will hold, padding included, ``packet`` is a sealed ESP packet, and
``datagram`` is all that is sent.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from scapy.config import conf
from scapy.packet import Packet

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import PayloadType
from fynx_scapy.ike.message import Outgoing, OutgoingEsp
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_Payload
from fynx_scapy.layers.ikev2.payload import payload_type_of
from fynx_scapy.layers.ikev2.structure import Structure

Value: TypeAlias = "int | str | bytes | tuple[int | str | bytes, ...] | None"

MESSAGE, PLAINTEXT, PACKET, DATAGRAM = "message", "plaintext", "packet", "datagram"
ESP = "ESP"
"""The first word of the path of a field of an ESP packet."""
MOST_OCTETS = 4096
"""The most octets that one edit adds."""
MOST_COPIES = 1200
"""The most copies that one edit makes. An engine that limits a message to 1,024 substructures must see more."""


class Missed(LookupError):  # noqa: N818 -- the name says what happened
    """A message does not have what an edit changes."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: ``op`` is one of `OPS`, ``path`` what it changes, ``value`` its argument.

    ConfigError for an unknown op, a path that cannot be read, and a value of the wrong kind.
    """

    op: str
    path: str
    value: Value = None

    def __post_init__(self) -> None:
        if self.op not in OPS:
            near = difflib.get_close_matches(str(self.op), OPS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"expected one of the edits {', '.join(OPS)}, found {self.op!r}{hint}")
        if self.path not in _STAGES and not _PATH.fullmatch(self.path):
            raise ConfigError(f"expected a path such as KE.group or SA.prop[0], found {self.path!r}")
        wanted = OPS[self.op].value
        if not isinstance(self.value, wanted):
            names = " or ".join("nothing" if kind is type(None) else kind.__name__ for kind in _kinds(wanted))
            raise ConfigError(f"edit {self.op}: expected {names} as its value, found {self.value!r}")

    def __repr__(self) -> str:
        words = [repr(self.op), repr(self.path), *([] if self.value is None else [repr(self.value)])]
        return f"Edit({', '.join(words)})"

    @property
    def stage(self) -> str:
        """The tap stage at which it is made."""
        return "parts" if self.path.startswith(f"{ESP}.") else _STAGES.get(self.path, "payloads")

    def apply(self, message: Outgoing) -> None:
        """Make the change of header and payloads, or of an ESP packet. Missed when it has nothing like it."""
        if self.stage == "parts":
            self._change(message)
            return
        spot = Spot.of(message, self.path)
        OPS[self.op].act(spot, self.value)

    def _change(self, message: Outgoing) -> None:
        name = self.path.removeprefix(f"{ESP}.")
        if not isinstance(message, OutgoingEsp) or name not in _PARTS:
            raise Missed(f"{self.path}: no such field of an ESP packet")
        if self.op == "set":
            if type(self.value) is not _PARTS[name]:
                raise Missed(f"{self.path}: expected {_PARTS[name].__name__}")
            setattr(message.parts, name, self.value)
            return
        now = getattr(message.parts, name)
        if not isinstance(now, bytes):
            raise Missed(f"{self.path} has no octets yet")
        setattr(message.parts, name, self.octets(now))

    def octets(self, octets: bytes) -> bytes:
        """Make the change of octets. Missed for an op that octets do not have."""
        if self.op not in OF_OCTETS:
            raise Missed(f"{self.op} does not change octets")
        return OF_OCTETS[self.op](octets, self.value)


def shape(path: str) -> str:
    """A path without its indexes: edits of the same shape share a weight."""
    return re.sub(r"\[\d+\]", "", path)


_STAGES = {MESSAGE: "payloads", PLAINTEXT: "plaintext", PACKET: "wire", DATAGRAM: "datagrams"}
_PARTS: Mapping[str, type] = {
    "payload": bytes, "next_header": int, "spi": int, "seq": int, "iv": bytes, "tfc": bytes, "padding": bytes,
    "pad_length": int, "icv": bytes,
}  # fmt: skip
"""The fields of an ESP packet, and the kinds of their values."""
_PATH = re.compile(r"[A-Za-z][\w-]*(\([\w-]+\))?(\[\d+\])?(\.\w+(\[\d+\])?)*")
_STEP = re.compile(r"(\w+)(?:\[(\d+)\])?")
_FIRST = re.compile(r"([A-Za-z][\w-]*)(?:\(([\w-]+)\))?(?:\[(\d+)\])?")


def payload_paths(message: Outgoing) -> list[str]:
    """The path of each payload of a message, in order."""
    seen: dict[str, int] = {}
    paths = []
    for payload in message.payloads:
        word = PayloadType.notation(payload_type_of(payload))
        number = seen.get(word, 0)
        seen[word] = number + 1
        paths.append(f"{word}[{number}]" if number else word)
    return paths


@dataclass(slots=True)
class Spot:
    """The place of a path in a message: a field ``name`` of ``layer``, or item ``index`` of the list ``holder``."""

    layer: Any = None
    name: str = ""
    holder: list[Any] | None = None
    index: int = 0

    @classmethod
    def of(cls, message: Outgoing, path: str) -> Spot:
        """Find a path. Missed when there is nothing."""
        if path == MESSAGE:
            return cls(holder=message.payloads, index=len(message.payloads))
        first, *rest = path.split(".")
        spot = cls._first(message, first, path)
        for step in rest:
            match = _STEP.fullmatch(step)
            layer = spot.value if spot.name else spot.layer
            if match is None or not isinstance(layer, Structure) or match[1] not in layer.default_fields:
                raise Missed(f"{path}: no {step}")
            spot = cls(layer, match[1])
            if match[2] is not None:
                items, index = spot.value, int(match[2])
                if not isinstance(items, list) or index >= len(items):
                    raise Missed(f"{path}: no {step}")
                spot = cls(items[index], "", items, index)
        return spot

    @classmethod
    def _first(cls, message: Outgoing, word: str, path: str) -> Spot:
        if word in ("header", "SK"):
            return cls(message.header if word == "header" else message.sk)
        paths = payload_paths(message)
        if "(" in word:
            match = _FIRST.fullmatch(word)
            kind = match[2] if match else ""
            fitting = [
                index
                for index, payload in enumerate(message.payloads)
                if isinstance(payload, IKEv2_Notify) and payload.mysummary() == f"N({kind})"
            ]
            at = int(match[3] or 0) if match else 0
            if at >= len(fitting):
                raise Missed(f"{path}: no {word}")
            index = fitting[at]
        elif word.removesuffix("[0]") in paths:
            index = paths.index(word.removesuffix("[0]"))
        else:
            raise Missed(f"{path}: no {word} among {', '.join(paths) or 'no payloads'}")
        return cls(message.payloads[index], "", message.payloads, index)

    @property
    def value(self) -> Any:
        """The value of the field, computed fields being None."""
        return self.layer.internal(self.name)

    def assign(self, value: Any) -> None:
        """Set the field."""
        setattr(self.layer, self.name, value)

    @property
    def items(self) -> list[Any]:
        """The list that the field holds; Missed when it is none."""
        items = self.value if self.name else self.holder
        if not isinstance(items, list):
            raise Missed(f"{self.name} is no list")
        return items

    def held(self) -> tuple[list[Any], int]:
        """The list that has this item, and its index; Missed when it is a field."""
        if self.holder is None or self.name or self.index >= len(self.holder):
            raise Missed("a field is no item of a list")
        return self.holder, self.index


# -- octets -----------------------------------------------------------------------------------------------------------


def _flip(octets: bytes, bit: Any) -> bytes:
    if not octets:
        raise Missed("no octets to flip a bit of")
    changed, at = bytearray(octets), bit % (8 * len(octets))
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def _cut(octets: bytes, size: Any) -> bytes:
    cut: bytes = octets[:size]
    return cut


def _grow(octets: bytes, more: Any) -> bytes:
    grown: bytes = octets + more
    return grown


def _fill(octets: bytes, octet: Any) -> bytes:
    return bytes((octet & 0xFF,)) * len(octets)


def _last(octets: bytes, octet: Any) -> bytes:
    return octets[:-1] + bytes((octet & 0xFF,))


OF_OCTETS: Mapping[str, Callable[[bytes, Any], bytes]] = {
    "flip": _flip, "cut": _cut, "grow": _grow, "fill": _fill, "last": _last,
}  # fmt: skip
"""Edits of octets: of a field, of a whole payload or substructure, and of the plaintext."""


def _octets(change: Callable[[bytes, Any], bytes]) -> Callable[[Spot, Any], None]:
    """An edit of octets as an edit of a message."""

    def act(spot: Spot, value: Any) -> None:
        if spot.name:
            field = spot.layer.fieldtype[spot.name]
            octets = field.addfield(spot.layer, b"", spot.value)
            if spot.value is None or not isinstance(octets, bytes):
                raise Missed(f"{spot.name} has no octets yet")
            spot.assign(change(octets, value))
            return
        items, index = spot.held()
        item = items[index]
        if isinstance(item, IKEv2_Payload):
            body = item.octets()[4:]
            items[index] = raw_payload(payload_type_of(item), int(item.internal("flags") or 0), change(body, value))
        else:
            items[index] = conf.raw_layer(change(bytes(item), value))

    return act


def raw_payload(kind: int, flags: int, body: bytes) -> IKEv2_Payload:
    """A payload of any type from the octets after its generic header."""
    return IKEv2_Payload(payload_type=kind, flags=flags, load=body)


# -- fields and lists -------------------------------------------------------------------------------------------------


def _set(spot: Spot, value: Any) -> None:
    if not spot.name:
        raise Missed("expected a field to set")
    spot.assign(list(value) if isinstance(value, tuple) else value)


def _drop(spot: Spot, _: Any) -> None:
    items, index = spot.held()
    del items[index]


def _duplicate(spot: Spot, copies: Any) -> None:
    items, index = spot.held()
    items[index:index] = [_copy(items[index]) for _ in range(min(copies, MOST_COPIES))]


def _copy(item: Any) -> Any:
    return item.copy() if isinstance(item, Packet) else item


def _move(spot: Spot, to: Any) -> None:
    items, index = spot.held()
    items.insert(to % len(items), items.pop(index))


def _empty(spot: Spot, _: Any) -> None:
    del spot.items[:]


def _reverse(spot: Spot, _: Any) -> None:
    spot.items.reverse()


def _insert(spot: Spot, value: Any) -> None:
    """A payload (type, flags, body) before the place."""
    if spot.holder is None or spot.name:
        raise Missed("expected a payload to insert another before it")
    kind, flags, body = value
    spot.holder.insert(spot.index, raw_payload(kind, flags, body))


def _retype(spot: Spot, kind: Any) -> None:
    items, index = spot.held()
    item = items[index]
    if not isinstance(item, IKEv2_Payload):
        raise Missed("expected a payload to give another type")
    items[index] = raw_payload(kind, int(item.internal("flags") or 0), item.octets()[4:])


def _outside(spot: Spot, _: Any) -> None:
    """Datagrams are changed where they are sent."""
    raise Missed("expected an edit of the datagram")


@dataclass(frozen=True, slots=True)
class Op:
    """What an edit does, and the kind of its value."""

    act: Callable[[Spot, Any], None]
    value: Any


def _kinds(wanted: Any) -> tuple[type, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


OPS: Mapping[str, Op] = {
    "set": Op(_set, (int, str, bytes, tuple)),
    "flip": Op(_octets(_flip), int),
    "cut": Op(_octets(_cut), int),
    "grow": Op(_octets(_grow), bytes),
    "fill": Op(_octets(_fill), int),
    "last": Op(_octets(_last), int),
    "drop": Op(_drop, type(None)),
    "duplicate": Op(_duplicate, int),
    "move": Op(_move, int),
    "empty": Op(_empty, type(None)),
    "reverse": Op(_reverse, type(None)),
    "insert": Op(_insert, tuple),
    "retype": Op(_retype, int),
    "repeat": Op(_outside, int),
    "fragment": Op(_outside, tuple),
}
"""Every edit by its name."""
