# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE header (RFC 7296 section 3.1), and messages as a packet or as a list of layers.

A message has two forms. Users get one Scapy packet with header and payloads chained (``pkt[IKEv2_SA]``, ``/``, show()).
The engine uses the header and a list of payloads, because every ``/`` copies both sides. :func:`chain` and
:func:`unchain` convert between them; :func:`parse_message` and :func:`build_message` use the list.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from scapy.layers.inet import UDP
from scapy.layers.ipsec import NON_ESP
from scapy.layers.isakmp import ISAKMP
from scapy.packet import NoPayload, Packet, bind_bottom_up, bind_top_down, split_bottom_up

from fynx_scapy.errors import MalformedError
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE, HEADER_SIZE, LENGTH, NEXT_PAYLOAD, VERSION, VERSION_2
from fynx_scapy.layers.ikev2.fields import FixedOctets, Flags, Int, NextPayload, Octet, OctetEnum
from fynx_scapy.layers.ikev2.payload import (
    PAYLOADS,
    Chained,
    IKEv2_Malformed,
    build_payloads,
    first_type,
    flat,
    malformed,
    notation,
    parse_payloads,
)
from fynx_scapy.text import counted

FLAG_NAMES = ["res0", "res1", "res2", "Initiator", "Version", "Response", "res6", "res7"]
_NO_PAYLOAD = NoPayload()
_assign = object.__setattr__


class IKEv2(Chained):
    """The IKE header (RFC 7296 section 3.1), and with its payloads an IKE message.

    SPIs are 8 octets, from bytes or hexadecimal digits. ``length`` is the length of the whole message.
    Over UDP port 4500 the non-ESP marker (RFC 3948 section 2.2) is added automatically.
    """

    name = "IKEv2"
    fields_desc = [
        FixedOctets("init_SPI", 8),
        FixedOctets("resp_SPI", 8),
        NextPayload(),
        Octet("version", VERSION_2),
        OctetEnum("exch_type", 0, ExchangeType),
        Flags("flags", 0, FLAG_NAMES),
        Int("id", 0),
        Int("length", None),
    ]

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *args: Any, **kargs: Any) -> type[Packet]:
        if not _pkt:
            return cls
        if _pkt[:4] == NON_ESP_MARKER and _mixed(kargs.get("_underlayer")):
            return NON_ESP  # type: ignore[no-any-return]
        if len(_pkt) < HEADER_SIZE:
            return IKEv2_Malformed
        return ISAKMP if _pkt[VERSION] < VERSION_2 else cls

    def computed(self, name: str, tail: bytes) -> Any:
        return 0 if name == "length" else super().computed(name, tail)  # do_build fills it in, with the payloads

    def dissect(self, s: bytes) -> None:
        self.read(s[:HEADER_SIZE])
        self.link(_parse_behind(self, s))

    def do_build(self) -> bytes:
        layer = self if self.explicit else self.one()
        octets: bytes = layer.self_build() + layer.payload.do_build()
        if layer.internal("length") is None:
            octets = octets[:LENGTH] + len(octets).to_bytes(4) + octets[HEADER_SIZE:]
        return NON_ESP_MARKER + octets if _wants_marker(self.underlayer) else octets

    def add_underlayer(self, underlayer: Packet) -> None:
        if not _wants_marker(underlayer):
            super().add_underlayer(underlayer)
            return
        marker = NON_ESP()
        _assign(marker, "payload", self)
        _assign(underlayer, "payload", marker)
        _assign(marker, "underlayer", underlayer)
        _assign(self, "underlayer", marker)
        ports = {**self._overload_fields, UDP: {"sport": 4500, "dport": 4500}}
        _assign(self, "overload_fields", ports)

    def answers(self, other: Packet) -> int:
        """Whether this is the response to ``other``, by SPIs, exchange type, message ID and Response flag."""
        if not isinstance(other, IKEv2):
            return 0
        return int(
            bool(int(self.flags) & FLAG_RESPONSE)
            and not int(other.flags) & FLAG_RESPONSE
            and self.init_SPI == other.init_SPI
            and other.resp_SPI in (self.resp_SPI, bytes(8))
            and self.exch_type == other.exch_type
            and self.id == other.id
        )

    def hashret(self) -> bytes:
        """The same for a request and its response. An initial request has no responder SPI yet."""
        responder = b"" if self.exch_type in _WITHOUT_RESPONDER_SPI else self.resp_SPI
        return self.init_SPI + responder + bytes((self.exch_type & 0xFF,)) + self.id.to_bytes(4)  # type: ignore[no-any-return]

    def mysummary(self) -> tuple[str, list[Any]]:
        exchange = self.get_field("exch_type").i2repr(self, self.exch_type)
        direction = "response" if int(self.flags) & FLAG_RESPONSE else "request"
        return f"IKEv2 {exchange} {direction} [{self.flags}] id={self.id}", []

    def _do_summary(self) -> tuple[int, str, list[Any]]:
        payloads = ", ".join(layer.mysummary() or layer.name for layer in self.iterpayloads() if layer is not self)
        return 1, f"{self.mysummary()[0]} {{{payloads}}}", []


NON_ESP_MARKER = bytes(4)
"""Marks IKE messages on port 4500, where ESP has an SPI (RFC 3948 section 2.2)."""

_WITHOUT_RESPONDER_SPI = frozenset({ExchangeType.IKE_SA_INIT, ExchangeType.IKE_SESSION_RESUME})


def _wants_marker(underlayer: Packet | None) -> bool:
    if not isinstance(underlayer, UDP) or 4500 not in (underlayer.sport, underlayer.dport):
        return False
    # A dissected packet had no marker here; Scapy keeps its octets until a field is changed.
    return underlayer.raw_packet_cache is None or not _mixed(underlayer)


def _mixed(underlayer: Packet | None) -> bool:
    """Ports 500 and 4500: a NAT has changed one of them, so the octets decide whether there is a marker."""
    return isinstance(underlayer, UDP) and {underlayer.sport, underlayer.dport} == {500, 4500}


def build_message(header: IKEv2, payloads: Sequence[Packet]) -> bytes:
    """The octets of a message. The header's next payload and length are computed if they are None."""
    layer = header.one()
    octets = layer.self_build()
    body = build_payloads(payloads)
    if layer.internal("next_payload") is None:
        octets = octets[:NEXT_PAYLOAD] + bytes((first_type(payloads),)) + octets[VERSION:]
    if layer.internal("length") is None:
        octets = octets[:LENGTH] + (len(octets) + len(body)).to_bytes(4)
    return octets + body


def _parse_behind(header: IKEv2, data: bytes) -> list[Packet]:
    """The payloads of a message after its header. A wrong length is noted in the header."""
    length = header.fields["length"]
    if length > len(data) or length < HEADER_SIZE:
        header.note_fault(f"length {length}, but {counted(len(data), 'octet')}, at offset 24")
        length = len(data)
    payloads = parse_payloads(header.fields["next_payload"], data[HEADER_SIZE:length], HEADER_SIZE)
    if length < len(data):
        text = f"{counted(len(data) - length, 'octet')} after the end of the message at offset {length}"
        payloads.append(malformed(0, data[length:], text))
    return payloads


def parse_message(data: bytes) -> tuple[IKEv2, list[Packet]]:
    """The header and the payloads of a message. Raises MalformedError only if it is shorter than a header."""
    if len(data) < HEADER_SIZE:
        raise MalformedError(f"expected an IKE header of {HEADER_SIZE} octets, found {len(data)}")
    header = IKEv2.from_octets(data[:HEADER_SIZE])
    return header, _parse_behind(header, data)


def chain(header: IKEv2, payloads: Sequence[Packet]) -> IKEv2:
    """Chain a header and payloads into one Scapy packet. The layers are copied."""
    packet = header.copy()
    packet.remove_payload()
    for layer in flat(payloads):
        alone = layer.copy()
        if not getattr(layer, "ends_chain", False):
            alone.remove_payload()
        packet.add_payload(alone)
    return packet


def unchain(packet: Packet) -> tuple[IKEv2, list[Packet]]:
    """Split a Scapy packet into copies of its header and payloads. Raises IndexError if it has no IKEv2 layer."""
    message = packet[IKEv2]
    layers = []
    layer = message
    while layer:
        # Detach first, then copy: copying a chained layer also copies everything after it.
        below, ends = layer.payload, getattr(layer, "ends_chain", False)
        if not ends:
            _assign(layer, "payload", _NO_PAYLOAD)
        try:
            alone = layer.copy()
        finally:
            _assign(layer, "payload", below)
        _assign(alone, "underlayer", None)
        if not ends:
            alone.overloaded_fields = {}
        layers.append(alone)
        layer = _NO_PAYLOAD if ends else below
    return layers[0], layers[1:]


def errors(packet: Packet) -> list[str]:
    """All faults of a message or a payload, in order, with the offset if known."""
    return [text for layer in packet.iterpayloads() if (text := getattr(layer, "malformed", None))]


# -- ports ------------------------------------------------------------------------------------------------------------


def bind() -> None:
    """Bind IKEv2 to UDP port 500 and to the non-ESP marker.

    In Scapy the first binding wins, so the bindings of ISAKMP and of scapy.contrib.ikev2, if loaded, are removed. The
    dispatch hook passes IKEv1 to ISAKMP. Modules that are loaded later bind after ours.
    """
    others = [ISAKMP]
    contrib = sys.modules.get("scapy.contrib.ikev2")
    if contrib is not None:
        others.append(contrib.IKEv2)
    for other in others:
        split_bottom_up(UDP, other, dport=500)
        split_bottom_up(UDP, other, sport=500)
        split_bottom_up(NON_ESP, other)
    bind_bottom_up(UDP, IKEv2, dport=500)
    bind_bottom_up(UDP, IKEv2, sport=500)
    bind_top_down(UDP, IKEv2, dport=500, sport=500)
    bind_bottom_up(NON_ESP, IKEv2)


bind()

__all__ = [
    "HEADER_SIZE",
    "PAYLOADS",
    "IKEv2",
    "build_message",
    "chain",
    "errors",
    "notation",
    "parse_message",
    "parse_payloads",
    "unchain",
]
