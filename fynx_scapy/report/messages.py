# SPDX-License-Identifier: GPL-2.0-or-later
"""The details of a ladder's row: header, decrypted payloads with all their fields, and octets.

All are plain values for the template. They contain no keys, because no row shows the events that have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, PayloadType, name_of
from fynx_scapy.ike.events import EspReceived, EspSent, MessageEvent, MessageSent
from fynx_scapy.ladder import Row, payload_name
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE, HEADER_SIZE, NEXT_PAYLOAD
from fynx_scapy.layers.ikev2 import first_type, parse_message, parse_payloads
from fynx_scapy.layers.ikev2.records import payload_record

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MessageDetails:
    """A message or an ESP packet for the template. ``payloads`` are (name, fields)."""

    header: Fields
    encrypted: bool = False
    payloads: list[tuple[str, Fields]] = field(default_factory=list)
    octets: list[tuple[str, str]] = field(default_factory=list)


def message_details(row: Row) -> MessageDetails | None:
    """The details of a packet; None if its event does not have them."""
    event = row.event
    octets = [("on the wire", datagram.hex()) for datagram in row.octets]
    if isinstance(event, MessageEvent):
        if event.plaintext is not None:
            octets.append(("inside SK, padding included", event.plaintext.hex()))
        layers = _as_sent(event)
        request = not int(event.header.flags or 0) & FLAG_RESPONSE
        payloads = [(payload_name(layer, request=request), _fields(layer)) for layer in layers]
        return MessageDetails(_header(event), event.encrypted, payloads, octets)
    if isinstance(event, EspSent | EspReceived):
        header: Fields = {"SPI": f"{event.spi:08x}", "sequence number": event.seq, "octets inside": event.length}
        header["carried as"] = event.datagram.kind.value
        return MessageDetails(header, True, octets=octets)
    return None


def _header(event: MessageEvent) -> Fields:
    """The IKE header as it was sent (RFC 7296 section 3.1)."""
    sent = parse_message(event.wire[0])[0] if len(event.wire[0]) >= HEADER_SIZE else event.header
    flags = int(sent.flags or 0)
    names = {FLAG_INITIATOR: "Initiator", 0x10: "Version", FLAG_RESPONSE: "Response"}
    written = [name for bit, name in names.items() if flags & bit]
    return {
        "initiator's SPI": sent.init_SPI.hex(),
        "responder's SPI": sent.resp_SPI.hex(),
        "version": f"{sent.version >> 4}.{sent.version & 15}",
        "exchange": name_of(ExchangeType, sent.exch_type),
        "flags": ", ".join(written) or "none",
        "message ID": sent.id,
        "length": sum(map(len, event.wire)),
        "from": str(event.local if isinstance(event, MessageSent) else event.remote),
        "to": str(event.remote if isinstance(event, MessageSent) else event.local),
    }


def _as_sent(event: MessageEvent) -> list[Packet]:
    """The payloads parsed from the octets that were sent, so that every computed field has its value."""
    if event.plaintext is None:
        return parse_message(event.wire[0])[1] if len(event.wire[0]) >= HEADER_SIZE else list(event.payloads)
    return _inside(event, event.plaintext)


def _inside(event: MessageEvent, plaintext: bytes) -> list[Packet]:
    padding = plaintext[-1] + 1 if plaintext else 0
    first = event.wire[0][HEADER_SIZE] if event.wire[0][NEXT_PAYLOAD] == PayloadType.SK else first_type(event.payloads)
    return parse_payloads(first, plaintext[: max(0, len(plaintext) - padding)])


def _fields(layer: Packet) -> Fields:
    """The fields of a payload, without those that its name already gives."""
    record: Fields = _tidy(payload_record(layer))
    return {name: value for name, value in record.items() if name != "type" and (name, value) != ("critical", False)}


def _tidy(value: Any) -> Any:
    """Remove the attributes of a transform if there are none, or only the one that ``key_length`` shows already."""
    if isinstance(value, list):
        return [_tidy(element) for element in value]
    if not isinstance(value, dict):
        return value
    attributes = value.get("attributes")
    redundant = attributes == [] or (attributes and attributes == [_key_length(value.get("key_length"))])
    return {name: _tidy(inner) for name, inner in value.items() if name != "attributes" or not redundant}


def _key_length(bits: Any) -> Fields:
    return {"AF": 1, "type": "Key_Length", "value": bits}
