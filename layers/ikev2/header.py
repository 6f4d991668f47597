# SPDX-License-Identifier: GPL-2.0-or-later
"""The IKE header (RFC 7296 section 3.1), the generic payload header (section 3.2), and messages as lists of layers.

Two views of one message: people get one Scapy packet, header and payloads chained (``pkt[IKEv2_SA]``, ``/``, show());
the engine gets the header and a list of payloads, because every ``/`` copies both its sides. :func:`chain` and
:func:`unchain` turn one into the other; :func:`parse_message` and :func:`build_message` know only the list.

A payload class binds itself by its ``payload_type``. A payload that does not fit its class becomes
:class:`IKEv2_Malformed`, which says what is wrong and where, and builds back the octets it was made of.
"""
# ruff: noqa: N801 -- the class names are Scapy's

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from scapy.config import conf
from scapy.layers.inet import UDP
from scapy.layers.ipsec import NON_ESP
from scapy.layers.isakmp import ISAKMP
from scapy.packet import NoPayload, Packet, bind_bottom_up, bind_top_down, split_bottom_up

from fynx_scapy.errors import MalformedError
from fynx_scapy.iana import ExchangeType, PayloadType

from .fields import FixedOctets, Flags, Int, Length, NextPayload, Octet, OctetEnum, Octets, PayloadKind, Remark
from .structure import FormError, Structure

HEADER_SIZE = 28
"""Octets of the IKE header."""

MAXIMUM_PAYLOADS = 200
"""How many payloads are read of one message: Scapy walks a chain by recursion, and Python ends at a thousand frames."""

PAYLOADS: dict[int, type[IKEv2_Payload]] = {}
"""The class of each payload type."""

FLAG_NAMES = ["res0", "res1", "res2", "Initiator", "Version", "Response", "res6", "res7"]
PAYLOAD_FLAG_NAMES = [*(f"bit_{n}" for n in range(7)), "critical"]
_NO_PAYLOAD = NoPayload()
_assign = object.__setattr__


class _Chained(Structure):
    """What the header and the payloads share: each says the type of the payload behind it."""

    ends_chain: ClassVar[bool] = False
    first_octet = 0

    def following(self) -> int:
        """The payload type of the layer behind this one, 0 if there is none."""
        return payload_type_of(self.payload)

    def add_payload(self, payload: Any) -> None:
        super().add_payload(payload)
        if self.payload is payload and not self.ends_chain and payload_type_of(payload):
            self.overloaded_fields = {"next_payload": payload_type_of(payload)}

    def default_payload_class(self, payload: bytes) -> type[Packet]:
        return IKEv2_Payload if self.next_payload else conf.raw_layer

    def link(self, layers: Iterable[Packet]) -> None:
        """Chain layers behind this one, in place."""
        below: Packet = self
        for layer in layers:
            _assign(below, "payload", layer)
            _assign(layer, "underlayer", below)
            below = layer


class IKEv2_Payload(_Chained):
    """The generic payload header (RFC 7296 section 3.2) before octets that no class of ours describes.

    Payload classes derive from it, put ``*GENERIC`` first in their fields and set ``payload_type``.
    """

    name = "IKEv2 Payload"
    size_at = 2
    fields_desc = [
        NextPayload(),
        Flags("flags", 0, PAYLOAD_FLAG_NAMES),
        Length(),
        PayloadKind(),
        Octets("load"),
    ]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        kind = cls.__dict__.get("payload_type")
        if kind is not None and cls.__dict__.get("bound", True):
            PAYLOADS[int(kind)] = cls
            # Shown by ls() and used by Scapy's own add_payload; dissection looks into PAYLOADS.
            bind_top_down(_Chained, cls, next_payload=int(kind))

    @property
    def critical(self) -> bool:
        """The critical bit (RFC 7296 section 2.5)."""
        return bool(int(self.internal("flags")) & 0x80)

    def dissect(self, s: bytes) -> None:
        try:
            size = self.measure(s, 0)
            self.read(s[:size])
        except FormError as fault:
            self.malform(s, str(fault))
            return
        kind = 0 if self.ends_chain else self.fields["next_payload"]
        self.link(parse_payloads(kind, s[size:], offset=size))

    def mysummary(self) -> str:
        return notation(self)

    def octets(self, following: int = 0) -> bytes:
        """This payload alone as octets; a next payload that was left None becomes ``following``."""
        layer = self.one()
        built: bytes = layer.self_build()
        if layer.internal("next_payload") is None and not self.ends_chain:
            built = bytes((following,)) + built[1:]
        return built


GENERIC = IKEv2_Payload.fields_desc[:3]
"""The fields of the generic payload header, with which every payload class begins."""


class IKEv2_Malformed(_Chained):
    """Octets of a message that have no form: what is wrong with them, and the octets, which it builds back.

    ``payload_type`` is what the layer before announced, ``error`` says what is wrong at which offset of the message.
    """

    name = "IKEv2 malformed payload"
    fields_desc = [PayloadKind(), Remark("error", ""), Octets("data")]

    @property
    def malformed(self) -> str:
        return str(self.internal("error") or "octets without a form")

    @property
    def critical(self) -> bool:
        """The critical bit, where there is a generic header to hold it."""
        data = self.internal("data")
        return len(data) > 1 and bool(data[1] & 0x80)

    def following(self) -> int:
        return 0

    def dissect(self, s: bytes) -> None:
        self.read(s)
        if len(s) < HEADER_SIZE:
            self.fields["error"] = f"{len(s)} octets are no IKE message, whose header has {HEADER_SIZE}"

    def octets(self, following: int = 0) -> bytes:
        """The octets, as they were."""
        return self.self_build()

    def mysummary(self) -> str:
        return f"malformed ({self.malformed})"


Structure.malformed_class = IKEv2_Malformed


class IKEv2(_Chained):
    """The IKE header (RFC 7296 section 3.1), and with its payloads an IKE message.

    SPIs are 8 octets, given as bytes or hexadecimal digits. ``length`` is that of the whole message.
    Over UDP with port 4500 the non-ESP marker (RFC 3948 section 2.2) is put between by itself.
    """

    name = "IKEv2"
    fields_desc = [
        FixedOctets("init_SPI", 8),
        FixedOctets("resp_SPI", 8),
        NextPayload(),
        Octet("version", 0x20),
        OctetEnum("exch_type", 0, ExchangeType),
        Flags("flags", 0, FLAG_NAMES),
        Int("id", 0),
        Int("length", None),
    ]

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *args: Any, **kargs: Any) -> type[Packet]:
        if not _pkt:
            return cls
        if len(_pkt) < HEADER_SIZE:
            return IKEv2_Malformed
        return ISAKMP if _pkt[17] < 0x20 else cls

    def computed(self, name: str, tail: bytes) -> Any:
        return 0 if name == "length" else super().computed(name, tail)  # do_build knows the payloads

    def dissect(self, s: bytes) -> None:
        self.read(s[:HEADER_SIZE])
        self.link(_parse_behind(self, s))

    def do_build(self) -> bytes:
        layer = self if self.explicit else self.one()
        octets: bytes = layer.self_build() + layer.payload.do_build()
        if layer.internal("length") is None:
            octets = octets[:24] + len(octets).to_bytes(4) + octets[HEADER_SIZE:]
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
        """Whether this is the response to ``other``: both SPIs, exchange, message ID and response flag decide."""
        if not isinstance(other, IKEv2):
            return 0
        return int(
            bool(int(self.flags) & 0x20)
            and not int(other.flags) & 0x20
            and self.init_SPI == other.init_SPI
            and other.resp_SPI in (self.resp_SPI, bytes(8))
            and self.exch_type == other.exch_type
            and self.id == other.id
        )

    def hashret(self) -> bytes:
        """Equal for a request and its response; an initial exchange gets its responder SPI only in the response."""
        responder = b"" if self.exch_type in _WITHOUT_RESPONDER_SPI else self.resp_SPI
        return self.init_SPI + responder + bytes((self.exch_type & 0xFF,)) + self.id.to_bytes(4)  # type: ignore[no-any-return]

    def mysummary(self) -> tuple[str, list[Any]]:
        exchange = self.get_field("exch_type").i2repr(self, self.exch_type)
        return f"IKEv2 {exchange} {'response' if int(self.flags) & 0x20 else 'request'} [{self.flags}] id={self.id}", []

    def _do_summary(self) -> tuple[int, str, list[Any]]:
        payloads = ", ".join(layer.mysummary() or layer.name for layer in self.iterpayloads() if layer is not self)
        return 1, f"{self.mysummary()[0]} {{{payloads}}}", []


NON_ESP_MARKER = bytes(4)
"""What says on port 4500 that IKE follows and not ESP (RFC 3948 section 2.2)."""

_WITHOUT_RESPONDER_SPI = frozenset({ExchangeType.IKE_SA_INIT, ExchangeType.IKE_SESSION_RESUME})


def _wants_marker(underlayer: Packet | None) -> bool:
    return isinstance(underlayer, UDP) and 4500 in (underlayer.sport, underlayer.dport)


def payload_type_of(layer: Packet) -> int:
    """The payload type of a layer, 0 if it is no IKEv2 payload."""
    return int(layer.payload_type or 0) if isinstance(layer, (IKEv2_Payload, IKEv2_Malformed)) else 0


def notation(layer: Packet) -> str:
    """IANA's notation of a payload: SA, KE, IDi, …, UNKNOWN-n."""
    return PayloadType.notation(payload_type_of(layer))


# -- lists of payloads ------------------------------------------------------------------------------------------------


def _flat(payloads: Sequence[Packet]) -> list[Packet]:
    """The layers one by one, whether they came as a list or chained."""
    layers: list[Packet] = []
    for layer in payloads:
        layers.append(layer)
        if layer.payload and not getattr(layer, "ends_chain", False):
            layers += list(layer.iterpayloads())[1:]
    return layers


def first_type(payloads: Sequence[Packet]) -> int:
    """The payload type of the first layer, 0 for none: the next payload field of what stands before them."""
    return payload_type_of(payloads[0]) if payloads else 0


def build_payloads(payloads: Sequence[Packet], last: int = 0) -> bytes:
    """The octets of payloads one behind the other. The layers handed in are not modified.

    A next payload that is None is computed from the layer that follows; the last one's becomes ``last``.
    """
    layers = _flat(payloads)
    kinds = [payload_type_of(layer) for layer in layers[1:]] + [last]
    return (
        b"".join(
            [
                layer.octets(kind) if isinstance(layer, (IKEv2_Payload, IKEv2_Malformed)) else layer.self_build()
                for layer, kind in zip(layers, kinds, strict=True)
            ]
        )
        if layers
        else b""
    )


def build_message(header: IKEv2, payloads: Sequence[Packet]) -> bytes:
    """A whole message: the header, whose next payload and length are computed where they are None, and its payloads."""
    layer = header.one()
    octets = layer.self_build()
    body = build_payloads(payloads)
    if layer.internal("next_payload") is None:
        octets = octets[:16] + bytes((first_type(payloads),)) + octets[17:]
    if layer.internal("length") is None:
        octets = octets[:24] + (len(octets) + len(body)).to_bytes(4)
    return octets + body


def _malformed(kind: int, data: bytes, error: str) -> IKEv2_Malformed:
    layer = IKEv2_Malformed.from_octets(data)
    layer.fields["payload_type"] = kind
    layer.fields["error"] = error
    return layer


def parse_payloads(first: int, data: bytes, offset: int = 0) -> list[Packet]:
    """The payloads that ``data`` holds, of which the first is of type ``first``. Never raises.

    What does not fit becomes :class:`IKEv2_Malformed`. ``offset`` is where ``data`` begins in its message; the offsets
    in error texts count from that message's start.
    """
    layers: list[Packet] = []
    kind, at, end = first, 0, len(data)
    while kind:
        if len(layers) == MAXIMUM_PAYLOADS:
            text = f"more than {MAXIMUM_PAYLOADS} payloads, at offset {offset + at}"
            layers.append(_malformed(kind, data[at:], text))
            return layers
        cls = PAYLOADS.get(kind, IKEv2_Payload)
        try:
            if at == end:
                raise FormError(0, f"a payload of type {PayloadType.notation(kind)} is announced, but the message ends")
            size = cls.measure(data, at)
        except FormError as fault:  # no way to know where the next payload begins
            layers.append(_malformed(kind, data[at:], str(fault.moved(offset + at))))
            return layers
        octets = data[at : at + size]
        layer: Any
        try:
            layer = cls.from_octets(octets)
            if cls is IKEv2_Payload:
                layer.fields["payload_type"] = kind
        except FormError as fault:
            layer = _malformed(kind, octets, str(fault.moved(offset + at)))
        layers.append(layer)
        at += size
        kind = 0 if cls.ends_chain else octets[0]
    if at < end:
        layers.append(_malformed(0, data[at:], f"{end - at} octets behind the last payload at offset {offset + at}"))
    return layers


def _parse_behind(header: IKEv2, data: bytes) -> list[Packet]:
    """The payloads of a message whose header is read already; notes in the header what its length gets wrong."""
    length = header.fields["length"]
    if length > len(data) or length < HEADER_SIZE:
        header.wrong(f"length says {length} octets, there are {len(data)}, at offset 24")
        length = len(data)
    payloads = parse_payloads(header.fields["next_payload"], data[HEADER_SIZE:length], HEADER_SIZE)
    if length < len(data):
        text = f"{len(data) - length} octets behind the message at offset {length}"
        payloads.append(_malformed(0, data[length:], text))
    return payloads


def parse_message(data: bytes) -> tuple[IKEv2, list[Packet]]:
    """The header and the payloads of a message. Raises MalformedError only if it is shorter than a header."""
    if len(data) < HEADER_SIZE:
        raise MalformedError(f"{len(data)} octets are no IKE message, whose header has {HEADER_SIZE}")
    header = IKEv2.from_octets(data[:HEADER_SIZE])
    return header, _parse_behind(header, data)


def chain(header: IKEv2, payloads: Sequence[Packet]) -> IKEv2:
    """One Scapy packet of a header and its payloads, for people. The layers handed in are copied."""
    packet = header.copy()
    packet.remove_payload()
    for layer in _flat(payloads):
        alone = layer.copy()
        if not getattr(layer, "ends_chain", False):
            alone.remove_payload()
        packet.add_payload(alone)
    return packet


def unchain(packet: Packet) -> tuple[IKEv2, list[Packet]]:
    """The header and the payloads of a Scapy packet, each a copy without a payload. Raises IndexError without IKEv2."""
    message = packet[IKEv2]
    layers = []
    layer = message
    while layer:
        # Alone first, then copied: copying a chain copies everything behind it as well.
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
    """Everything that is wrong with a message or a payload, in order; each text says the offset where there is one."""
    return [text for layer in packet.iterpayloads() if (text := getattr(layer, "malformed", None))]


# -- ports ------------------------------------------------------------------------------------------------------------


def bind() -> None:
    """Make IKEv2 what follows UDP port 500 and the non-ESP marker.

    The first binding wins in Scapy, so those of its ISAKMP and of scapy.contrib.ikev2, if it is loaded, are taken away;
    the dispatch hook hands IKEv1 to ISAKMP. What is loaded later binds itself behind ours.
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
    "IKEv2_Malformed",
    "IKEv2_Payload",
    "build_message",
    "build_payloads",
    "chain",
    "errors",
    "first_type",
    "notation",
    "parse_message",
    "parse_payloads",
    "payload_type_of",
    "unchain",
]
