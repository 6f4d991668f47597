# SPDX-License-Identifier: GPL-2.0-or-later
"""A payload layer as a dict of plain values, with the layer's field names, IANA's names and hexadecimal octets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scapy.fields import ConditionalField, EnumField
from scapy.packet import Packet

from fynx_scapy.layers.ikev2.header import notation
from fynx_scapy.layers.ikev2.notify import NotifyData
from fynx_scapy.text import counted

Record = dict[str, Any]
# Fields that only locate the next structure, and a payload's flags, which ``critical`` replaces
FRAMING = {"next_payload", "flags", "length", "payload_type", "error"}
FOR_PEOPLE = ("text", "vendor")  # an identity, an EAP message, notification data; the name of a vendor ID
RENAMED = {"type": "notify_type"}  # a record's own ``type`` is the payload's notation


def payload_record(layer: Packet) -> Record:
    """One payload. ``type`` is IANA's notation, ``critical`` the critical bit; the rest are its fields.

    A malformed payload has its octets, and ``malformed``, which says what is wrong and where.
    """
    record: Record = {"type": notation(layer), "critical": layer.critical}
    record |= {RENAMED.get(name, name): value for name, value in _fields(layer)}
    record |= {name: text for name in FOR_PEOPLE if (text := getattr(layer, name, None))}
    return record | _wrong(layer)


def faults(layer: Packet) -> Iterator[str]:
    """What is wrong with a payload and with the structures in it."""
    yield from _wrong(layer).values()
    for field in layer.fields_desc:
        if field.holds_packets:
            value = layer.getfieldval(field.name)
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, Packet):
                    yield from faults(inner)


def cut(layers: list[Packet], missing: int) -> bool:
    """Whether the last payload ends beyond what the capture holds of a message; it then says so.

    ``missing`` octets at the end of the message were not captured. The parser calls the payload malformed, but what it
    misses was sent.
    """
    if not missing or not layers or not layers[-1].payload_type or not _wrong(layers[-1]):
        return False
    layer = layers[-1]
    octets = bytes(layer)
    length = int.from_bytes(octets[2:4]) if len(octets) >= 4 else len(octets) + missing
    if not len(octets) < length <= len(octets) + missing:
        return False  # its fault is the sender's
    layer.error = f"the capture holds {len(octets)} of {length} octets"
    if len(octets) < 4:
        layer.error = f"the capture holds {counted(len(octets), 'octet')}"
    return True


def _wrong(layer: Packet) -> dict[str, str]:
    """The error of a malformed layer of ours. Scapy's layers (EAP and its methods) report none."""
    text = getattr(layer, "malformed", None)
    return {"malformed": text} if text else {}


def _fields(layer: Packet) -> Iterator[tuple[str, Any]]:
    for described in layer.fields_desc:
        field: Any = described
        if isinstance(field, ConditionalField):
            if not field._evalcond(layer):
                continue
            field = field.fld
        if field.name in FRAMING:
            continue
        value = layer.getfieldval(field.name)
        if field.name.startswith("res") and not value:
            continue  # RESERVED and zero, as required
        yield field.name, _plain(layer, field, value)


def _plain(layer: Packet, field: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(layer, field, element) for element in value]
    if isinstance(value, Packet):
        return _structure(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and isinstance(field, EnumField):
        name = str(field.i2repr_one(layer, value))
        return name if not name.isdecimal() else f"UNKNOWN-{value}" if value else "NONE"
    return value if isinstance(value, (int, str, type(None))) else str(value)


def _structure(inner: Packet) -> Record:
    """A structure inside a payload, and the layers that Scapy dissected after it (EAP methods)."""
    record = dict(_fields(inner))
    if getattr(inner, "key_length", None) is not None:
        record["key_length"] = inner.key_length
    if isinstance(inner, NotifyData) and inner.text:
        record["text"] = inner.text
    record |= _wrong(inner)
    if inner.payload:
        record["payload"] = _structure(inner.payload)
    return record
