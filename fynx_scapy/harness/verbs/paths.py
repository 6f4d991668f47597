# SPDX-License-Identifier: GPL-2.0-or-later
"""Fields by their paths: ``header.version``, ``KE.group``, ``SA.prop[0].trans[1].transform_id``, ``N(COOKIE).notify``.

The first word is ``header``, ``SK`` (the generic header of the encrypted payload) or a payload in the notation of
RFC 7296 (``KE``, ``Ni``, ``TSi``); a Notify may have its type in parentheses. ``KE[1]`` is the second one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scapy.packet import Packet

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.iana import NotifyType, PayloadType, lookup
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Encrypted, IKEv2_Notify
from fynx_scapy.layers.ikev2.payload import PAYLOADS

HEADER, SK = "header", "SK"
_WORD = re.compile(r"([A-Za-z][\w+]*)(?:\(([\w-]+)\))?(?:\[(-?\d+)\])?")
_STEP = re.compile(r"(\w+)(?:\[(-?\d+)\])?")
_ALSO = {"Ni": PayloadType.Nonce, "Nr": PayloadType.Nonce}


def payload_types() -> dict[str, int]:
    """The payload types by their notation in RFC 7296."""
    return {PayloadType.notation(kind): int(kind) for kind in PAYLOADS} | {k: int(v) for k, v in _ALSO.items()}


@dataclass(frozen=True, slots=True)
class Place:
    """A payload of a message: its type, for a Notify perhaps its notify type, and which of them."""

    word: str
    payload_type: int
    notify_type: int | None
    number: int

    @classmethod
    def of(cls, text: str) -> Place:
        """Read a payload's notation. ConfigError, with the nearest one, when there is none like it."""
        match = _WORD.fullmatch(text)
        known = payload_types()
        word = match[1] if match else text
        if match is None or word not in known:
            near = difflib.get_close_matches(word, [*known, HEADER], n=1, cutoff=0.4)
            raise ConfigError(
                f"expected a payload such as KE, SA or N(COOKIE), found {text!r}"
                f"{f'; did you mean {near[0]}?' if near else ''}"
            )
        kind = None if match[2] is None else lookup(NotifyType, match[2])
        if kind is not None and known[word] != PayloadType.N:
            raise ConfigError(f"expected a notify type in parentheses after N only, found {text!r}")
        return cls(text, known[word], kind, int(match[3] or 0))

    def fits(self, payload: Packet) -> bool:
        """Whether it is such a payload."""
        kind: object = getattr(payload, "payload_type", None)
        return kind == self.payload_type and (
            self.notify_type is None or (isinstance(payload, IKEv2_Notify) and payload.type == self.notify_type)
        )

    def find(self, message: Outgoing) -> Packet:
        """That payload of a message; LocalError when it has none."""
        fitting = [payload for payload in message.payloads if self.fits(payload)]
        if not -len(fitting) <= self.number < len(fitting):
            have = ", ".join(message.types()) or "no payloads"
            raise LocalError(f"expected {self.word} in the message, found {have}")
        return fitting[self.number]

    def index(self, message: Outgoing) -> int:
        """Its position among the payloads."""
        found = self.find(message)
        return next(i for i, payload in enumerate(message.payloads) if payload is found)


@dataclass(frozen=True, slots=True)
class Path:
    """A field of a message."""

    text: str
    place: Place | None
    """The payload; None for the header and SK."""
    steps: tuple[tuple[str, int | None], ...]

    @classmethod
    def of(cls, text: str) -> Path:
        """Read a path. ConfigError, with the nearest name, for an unknown payload and an unknown field."""
        word, _, rest = text.partition(".")
        place = None if word in (HEADER, SK) else Place.of(word)
        matches = [_STEP.fullmatch(step) for step in rest.split(".")] if rest else []
        if not matches or None in matches:
            raise ConfigError(f"expected a field such as KE.group or SA.prop[0].proto, found {text!r}")
        steps = tuple((m[1], None if m[2] is None else int(m[2])) for m in matches if m is not None)
        layer = IKEv2 if word == HEADER else IKEv2_Encrypted if word == SK else PAYLOADS[_type(place)]
        _check_field(layer, steps[0][0], text)
        return cls(text, place, steps)

    def owner(self, message: Outgoing) -> tuple[Packet, str]:
        """The layer that has the field, and the field's name. LocalError when the message has no such field."""
        layer: Packet = (
            self.place.find(message)
            if self.place is not None
            else message.header if self.text.startswith(HEADER) else message.sk
        )  # fmt: skip
        for name, number in self.steps[:-1]:
            layer = self._inner(layer, name, number)
        name, number = self.steps[-1]
        if number is not None:
            raise LocalError(f"expected a field of {self.text!r} after its last index")
        _check_field(type(layer), name, self.text, LocalError)
        return layer, name

    def _inner(self, layer: Packet, name: str, number: int | None) -> Packet:
        _check_field(type(layer), name, self.text, LocalError)
        value = getattr(layer, name)
        if number is None:
            return value
        if not isinstance(value, list) or not -len(value) <= number < len(value):
            count = len(value) if isinstance(value, list) else "no list"
            raise LocalError(f"expected element {number} of {name} in {self.text!r}, found {count}")
        return value[number]


def _type(place: Place | None) -> int:
    assert place is not None
    return place.payload_type


def _check_field(
    layer: type[Packet], name: str, text: str, error: type[ConfigError | LocalError] = ConfigError
) -> None:
    known = list(_fields(layer))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known)}"
        raise error(f"{text}: {layer.__name__} has no field {name!r}{hint}")


def _fields(layer: type[Packet]) -> Iterator[str]:
    for field in layer.fields_desc:
        yield field.name
    if isinstance(getattr(layer, "key_length", None), property):
        yield "key_length"
