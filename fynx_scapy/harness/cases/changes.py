# SPDX-License-Identifier: GPL-2.0-or-later
"""What a mutation changed in a message, before -> after: field by field where the fields are known, else as octets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from scapy.packet import Packet

from fynx_scapy.harness.details import Change
from fynx_scapy.iana import ExchangeType, name_of
from fynx_scapy.ike.message import Datagram, Outgoing, OutgoingEsp
from fynx_scapy.ike.wire.taps import Delayed
from fynx_scapy.ladder import payload_name
from fynx_scapy.layers.ikeheader import HEADER_SIZE
from fynx_scapy.layers.ikev2 import build_message, first_type, parse_message, parse_payloads
from fynx_scapy.layers.ikev2.records import payload_record
from fynx_scapy.text import counted, printable

Fields = dict[str, str]
MOST_CHANGES = 40
"""So many changes of a case are kept; the last one counts the others."""
MOST_SHOWN = 160
"""So many characters of a value are kept."""
PAYLOADS = "payloads"


COMPUTED = "computed"
"""The value of a field that depends on what is sent, as long as it is not known."""

CHANGED_LATER = "computed, then changed"
"""The same, where a verb has replaced what computes it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A message or an ESP packet at one moment."""

    fields: Fields
    """Every field as text. The length and the next payload have a value only if a verb has set them."""
    octets: bytes = b""
    """What it would be in octets, without the values that are computed later."""
    unset: tuple[tuple[str, Packet, str, Any], ...] = ()
    """The fields that are computed later: their name in ``fields``, where they are, and the function."""

    @classmethod
    def of(cls, message: Outgoing) -> Picture:
        """As it is now."""
        if isinstance(message, OutgoingEsp):
            return cls({each.name: _text(getattr(message.parts, each.name)) for each in fields(message.parts)})
        found = _header(message.header)
        for layer, name in ((message.sk, "SK"), *((each, payload_name(each)) for each in message.outer)):
            found |= {f"{name} / {field}": _text(value) for field, value in layer.fields.items()}
        found |= {"SK / inside": str(message.encrypted)}
        found |= {"SK / iv": _text(message.iv)} if message.iv is not None else {}
        found |= _flat(message.payloads)
        names = dict(_named(message.payloads))
        unset = [
            (f"{names.get(id(layer), '')} / {name}", layer, name, function)
            for layer, name, function in message.computed
            if name not in layer.fields
        ]
        found |= {path: COMPUTED for path, *_ in unset if path in found}
        return cls(found, build_message(message.header, message.payloads), tuple(unset))


def of_message(stage: str, message: Outgoing, before: Picture) -> list[Change]:
    """What differs from before: fields, else octets. A verb may have had the values computed that it changes."""
    after, old = Picture.of(message), dict(before.fields)
    new = dict(after.fields)
    for path, layer, name, function in before.unset:
        for known, called, value in message.filled:
            if known is layer and called == name and path in old:
                old[path] = _text(value)
        for _, known, called, other in after.unset:
            if known is layer and called == name and other is not function and path in new:
                new[path] = CHANGED_LATER
    found = of_fields(stage, old, new)
    return found if found or before.octets == after.octets else [_octets(stage, before.octets, after.octets)]


def of_fields(stage: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """The fields that differ. Of a payload that was removed, the list of payloads says enough."""
    gone = {_payload(name) for name in before} - {_payload(name) for name in after}
    names = [name for name in dict.fromkeys([*before, *after]) if _payload(name) not in gone]
    differ = [name for name in names if before.get(name, "") != after.get(name, "")]
    return [Change(stage, name, before.get(name, ""), after.get(name, "")) for name in differ]


def of_octets(stage: str, message: Outgoing, before: bytes, after: bytes) -> list[Change]:
    """What differs in the octets of a message or in those inside SK; by fields, if the fields show it."""
    if before == after:
        return []
    read = _inside if stage == "plaintext" else _whole
    found = of_fields(stage, read(message, before), read(message, after))
    # Octets that are no longer what the fields said are best seen as octets.
    clear = 0 < len(found) <= 6 and not any("malformed" in each.field or each.field == PAYLOADS for each in found)
    return found if clear else [_octets(stage, before, after)]


def of_datagrams(stage: str, before: Sequence[Any], after: Sequence[Any]) -> list[Change]:
    """What became of the datagrams: dropped, repeated, delayed, changed."""
    before, after = list(before), list(after)
    old, new = ([_datagram(each) for each in some] for some in (before, after))
    if old != new or before == after:
        return [Change(stage, "datagrams", _several(old), _several(new))] if old != new else []
    both = zip(before, after, strict=True)
    return [_octets(stage, _data(one), _data(other)) for one, other in both if _data(one) != _data(other)]


def limited(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The first `MOST_CHANGES`. Each mutation of a message adds to them, each fragment, each transmission."""
    if len(changes) <= MOST_CHANGES:
        return tuple(changes)
    rest = f"{counted(len(changes) - MOST_CHANGES + 1, 'more change')}"
    return (*changes[: MOST_CHANGES - 1], Change("", rest, "", ""))


def _payload(name: str) -> str:
    return name.partition(" / ")[0]


def _header(header: Packet) -> Fields:
    values = {each.name: header.getfieldval(each.name) for each in header.fields_desc}
    for name in ("version", "flags"):
        values[name] = f"0x{int(values[name] or 0):02x}"
    values["exch_type"] = name_of(ExchangeType, int(values["exch_type"] or 0))
    return {f"header / {name}": _text(value) for name, value in values.items()}


def _whole(message: Outgoing, octets: bytes) -> Fields:
    if len(octets) < HEADER_SIZE:
        return {}
    header, payloads = parse_message(octets)
    return _header(header) | _flat(payloads)


def _inside(message: Outgoing, plaintext: bytes) -> Fields:
    padding = plaintext[-1] + 1 if plaintext else 0
    first = message.sk.next_payload
    first = first_type(message.payloads) if first is None else first
    return _flat(parse_payloads(first, plaintext[: max(0, len(plaintext) - padding)]))


def _named(layers: Sequence[Packet]) -> Iterator[tuple[int, str]]:
    """The identity of each payload, and its name; a second one with the same name is ``N(COOKIE) 2``."""
    seen: dict[str, int] = {}
    for layer in layers:
        name = payload_name(layer)
        seen[name] = seen.get(name, 0) + 1
        yield id(layer), name if seen[name] == 1 else f"{name} {seen[name]}"


def _flat(layers: Sequence[Packet]) -> Fields:
    """The payloads in order, and every field of each."""
    found: Fields = {PAYLOADS: _text(", ".join(map(payload_name, layers)))}
    for layer, (_, called) in zip(layers, _named(layers), strict=True):
        record = payload_record(layer)
        record.pop("type")
        record["critical"] = int(record["critical"])
        # Computed as a rule, so a value is there only if a verb has set it.
        record |= {name: value for name in ("next_payload", "length") if (value := layer.fields.get(name)) is not None}
        found |= dict(_leaves(called, record))
    return found


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name} / {key}", inner)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value, 1):
            yield from _leaves(f"{name} {number}", item)
    else:
        yield name, "" if value in ({}, [], None) else _text(value)


def _octets(stage: str, before: bytes, after: bytes) -> Change:
    """The part that differs, without what is equal at both ends."""
    begin = next((at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), None)
    begin = min(len(before), len(after)) if begin is None else begin
    end = 0
    while end < min(len(before), len(after)) - begin and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = (octets[begin : len(octets) - end] for octets in (before, after))
    return Change(stage, f"octets from {begin} of {len(before)}", _text(old), _text(new))


def _datagram(sent: Any) -> str:
    if isinstance(sent, Delayed):
        return f"{_datagram(sent.datagram)} after {sent.seconds:g} s"
    return f"{counted(len(sent.data), 'octet')} to {sent.remote}" if isinstance(sent, Datagram) else _text(sent)


def _several(told: Sequence[str]) -> str:
    if not told:
        return "none"
    some = "; ".join(told[:3])
    return some if len(told) <= 3 else f"{some}; … ({counted(len(told), 'datagram')})"


def _data(sent: Any) -> bytes:
    data: bytes = (sent.datagram if isinstance(sent, Delayed) else sent).data
    return data


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        octets = bytes(value)
        shown = octets[: MOST_SHOWN // 2].hex()
        return shown if 2 * len(octets) <= MOST_SHOWN else f"{shown}… ({len(octets)} octets)"
    return printable(str(value), MOST_SHOWN)
