# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for single fields of a message: its header, its payloads and what is inside them."""

from __future__ import annotations

from typing import Any

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.harness.verbs.mutation import CHECKS, Scene, payload_verb
from fynx_scapy.harness.verbs.paths import Path, Place
from fynx_scapy.ike.message import Outgoing


def _current(message: Outgoing, path: Path) -> tuple[Any, str, Any]:
    """The layer that has the field, the field's name, and its value as it would be sent."""
    layer, name = path.owner(message)
    message.fill()
    value = getattr(layer, name)
    if value is None:  # computed when it is built
        value = getattr(type(layer)(layer.octets() if hasattr(layer, "octets") else bytes(layer)), name)
    return layer, name, value


@payload_verb
def set_field(_: Scene, message: Outgoing, path: str, value: Any) -> None:
    """Set a field, such as ``KE.group`` or ``SA.prop[0].trans[1].transform_id``; lengths and counts, too."""
    layer, name = Path.of(path).owner(message)
    setattr(layer, name, value)


@payload_verb
def add_to_field(_: Scene, message: Outgoing, path: str, number: int) -> None:
    """Add a number to a field; the result wraps at the size of a 32-bit number."""
    layer, name, value = _current(message, Path.of(path))
    if not isinstance(value, int):
        raise LocalError(f"expected a number in {path}, found {value!r}")
    setattr(layer, name, (value + number) % (1 << 32))


@payload_verb
def flip_bits(_: Scene, message: Outgoing, path: str, mask: int = 1, *, at: int = -1) -> None:
    """Invert the bits of ``mask`` in a field: in a number, or in the octet number ``at`` of octets."""
    layer, name, value = _current(message, Path.of(path))
    if isinstance(value, int):
        setattr(layer, name, value ^ mask)
        return
    octets = bytearray(bytes(value))
    if not -len(octets) <= at < len(octets):
        raise LocalError(f"expected octet {at} in {path}, found {len(octets)} octets")
    octets[at] ^= mask
    setattr(layer, name, bytes(octets))


@payload_verb
def resize_field(scene: Scene, message: Outgoing, path: str, size: int) -> None:
    """Cut the octets of a field to ``size``, or extend them with random octets."""
    layer, name, value = _current(message, Path.of(path))
    octets = bytes(value)
    setattr(layer, name, octets[:size] + scene.randomness.octets(max(0, size - len(octets))))


@payload_verb
def set_header(_: Scene, message: Outgoing, /, **fields: Any) -> None:
    """Set fields of the IKE header: init_SPI, resp_SPI, version, exch_type, flags, id, length, next_payload."""
    for name, value in fields.items():
        setattr(message.header, name, value)


@payload_verb
def flip_flags(_: Scene, message: Outgoing, mask: int) -> None:
    """Invert flags of the IKE header: 0x08 Initiator, 0x10 Version, 0x20 Response, the others are reserved."""
    message.header.flags = int(message.header.flags) ^ mask


@payload_verb
def add_to_message_id(_: Scene, message: Outgoing, number: int) -> None:
    """Add a number to the message ID; it wraps at 32 bits."""
    message.header.id = (int(message.header.id) + number) % (1 << 32)


@payload_verb
def critical(_: Scene, message: Outgoing, *payloads: str) -> None:
    """Set the critical bit of these payloads, by default of all."""
    for payload in _chosen(message, payloads):
        payload.flags = int(payload.flags) | 0x80


@payload_verb
def reserved_bits(_: Scene, message: Outgoing, *payloads: str) -> None:
    """Set all reserved bits of the generic headers of these payloads, by default of all."""
    for payload in _chosen(message, payloads):
        payload.flags = int(payload.flags) | 0x7F


@payload_verb
def reserved_everywhere(_: Scene, message: Outgoing) -> None:
    """Set every RESERVED field of the message to ones: in the header, the payloads and their substructures."""
    message.header.flags = int(message.header.flags) | 0xC7
    message.sk.flags = int(message.sk.flags) | 0x7F
    for payload in message.payloads:
        payload.flags = int(payload.flags) | 0x7F
        _reserve(payload)


def _reserve(layer: Any) -> None:
    for field in layer.fields_desc:
        if field.name == "res2":
            layer.res2 = field.ones if hasattr(field, "ones") else 0xFF
        if field.name == "reserved":
            layer.reserved = b"\xff" * len(bytes(layer.reserved or b"\0\0\0"))
        inner = getattr(layer, field.name, None)
        for element in inner if isinstance(inner, list) else ():
            if hasattr(element, "fields_desc"):
                if hasattr(element, "flags") and field.name in ("prop", "trans"):
                    element.flags = 0xFF
                _reserve(element)


@payload_verb
def spi_size(_: Scene, message: Outgoing, size: int) -> None:
    """Give the SPI of every proposal of SA, or else of the first Notify or Delete, another size."""
    from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_Notify, IKEv2_SA

    if (offer := message.get(IKEv2_SA)) is not None:
        for proposal in offer.prop:
            proposal.SPI = bytes(proposal.SPI).ljust(size, b"\x5a")[:size]
        return
    if (delete := message.get(IKEv2_Delete)) is not None:
        delete.SPI = [bytes(spi).ljust(size, b"\x5a")[:size] for spi in delete.SPI]
        delete.SPIsize = size
        return
    note = message.get(IKEv2_Notify)
    if note is None:
        raise LocalError("expected an SA, a Delete or a Notify payload in the message, found none")
    note.SPI = bytes(note.SPI or b"").ljust(size, b"\x5a")[:size]


def _chosen(message: Outgoing, words: tuple[str, ...]) -> list[Any]:
    return [Place.of(word).find(message) for word in words] if words else list(message.payloads)


def _check_header(**fields: Any) -> None:
    for name in fields:
        Path.of(f"header.{name}")
    if not fields:
        raise ConfigError("expected fields of the IKE header, found none")


CHECKS["set_field"] = CHECKS["add_to_field"] = CHECKS["flip_bits"] = CHECKS["resize_field"] = lambda path, *_, **__: (
    Path.of(path)
)
CHECKS["set_header"] = _check_header
CHECKS["critical"] = CHECKS["reserved_bits"] = lambda *words: [Place.of(word) for word in words]
