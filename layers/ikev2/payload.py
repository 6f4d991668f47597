# SPDX-License-Identifier: GPL-2.0-or-later
"""The generic payload header (RFC 7296 section 3.2), and lists of payloads: parsed, built, identified by type.

A payload class registers itself by its ``payload_type``. A payload that does not fit its class becomes
:class:`IKEv2_Malformed`, which says what is wrong and where, and builds back the same octets.
"""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from scapy.config import conf
from scapy.packet import Packet, bind_top_down

from fynx_scapy.iana import PayloadType
from fynx_scapy.layers.ikeheader import HEADER_SIZE
from fynx_scapy.layers.ikev2.fields import Flags, Length, NextPayload, Octets, PayloadKind, Remark
from fynx_scapy.layers.ikev2.structure import FormError, Structure
from fynx_scapy.text import counted, printable

MAXIMUM_PAYLOADS = 200
"""The most payloads parsed from one message. Scapy walks a chain by recursion, and Python allows a thousand frames."""

PAYLOADS: dict[int, type[IKEv2_Payload]] = {}
"""The class of each payload type."""

PAYLOAD_FLAG_NAMES = [*(f"bit_{n}" for n in range(7)), "critical"]
_assign = object.__setattr__


class Chained(Structure):
    """Common base of the header and the payloads: each contains the type of the next payload."""

    ends_chain: ClassVar[bool] = False

    def following(self) -> int:
        """The payload type of the next layer, 0 if there is none."""
        return payload_type_of(self.payload)

    def add_payload(self, payload: Any) -> None:
        super().add_payload(payload)
        if self.payload is payload and not self.ends_chain and payload_type_of(payload):
            self.overloaded_fields = {"next_payload": payload_type_of(payload)}

    def default_payload_class(self, payload: bytes) -> type[Packet]:
        return IKEv2_Payload if self.next_payload else conf.raw_layer

    def link(self, layers: Iterable[Packet]) -> None:
        """Chain layers after this one, in place."""
        below: Packet = self
        for layer in layers:
            _assign(below, "payload", layer)
            _assign(layer, "underlayer", below)
            below = layer


class IKEv2_Payload(Chained):
    """The generic payload header (RFC 7296 section 3.2) with uninterpreted octets, for unknown payload types.

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
            # For ls() and Scapy's add_payload; dissection uses PAYLOADS.
            bind_top_down(Chained, cls, next_payload=int(kind))

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
        """The octets of this payload only. If its next payload is None, it becomes ``following``."""
        layer = self.one()
        built: bytes = layer.self_build()
        if layer.internal("next_payload") is None and not self.ends_chain:
            built = bytes((following,)) + built[1:]
        return built


GENERIC = IKEv2_Payload.fields_desc[:3]
"""The fields of the generic payload header. Every payload class starts with them."""


class IKEv2_Malformed(Chained):
    """Malformed octets of a message. It builds back the same octets.

    ``payload_type`` comes from the previous layer. ``error`` says what is wrong, at which offset of the message.
    """

    name = "IKEv2 malformed payload"
    fields_desc = [PayloadKind(), Remark("error", ""), Octets("data")]

    @property
    def malformed(self) -> str:
        return printable(str(self.internal("error") or "malformed octets"))

    @property
    def critical(self) -> bool:
        """The critical bit, if the octets include one."""
        data = self.internal("data")
        return len(data) > 1 and bool(data[1] & 0x80)

    def following(self) -> int:
        return 0

    def dissect(self, s: bytes) -> None:
        self.read(s)
        if len(s) < HEADER_SIZE:
            self.fields["error"] = f"expected an IKE header of {HEADER_SIZE} octets, found {len(s)}"

    def octets(self, following: int = 0) -> bytes:
        """The unchanged octets."""
        return self.self_build()

    def mysummary(self) -> str:
        return f"malformed ({self.malformed})"


Structure.malformed_class = IKEv2_Malformed


def payload_type_of(layer: Packet) -> int:
    """The payload type of a layer, 0 if it is not an IKEv2 payload."""
    return int(layer.payload_type or 0) if isinstance(layer, (IKEv2_Payload, IKEv2_Malformed)) else 0


def notation(layer: Packet) -> str:
    """IANA's notation of a payload: SA, KE, IDi, …, UNKNOWN-n."""
    return PayloadType.notation(payload_type_of(layer))


# -- lists of payloads ------------------------------------------------------------------------------------------------


def flat(payloads: Sequence[Packet]) -> list[Packet]:
    """The single layers of a list whose layers may be chained."""
    layers: list[Packet] = []
    for layer in payloads:
        layers.append(layer)
        if layer.payload and not getattr(layer, "ends_chain", False):
            layers += list(layer.iterpayloads())[1:]
    return layers


def first_type(payloads: Sequence[Packet]) -> int:
    """The payload type of the first layer, 0 for none: the next payload field of the layer before them."""
    return payload_type_of(payloads[0]) if payloads else 0


def build_payloads(payloads: Sequence[Packet], last: int = 0) -> bytes:
    """The octets of a list of payloads. The layers are not modified.

    A next payload field that is None is computed from the next layer; in the last layer it becomes ``last``.
    """
    layers = flat(payloads)
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


def malformed(kind: int, data: bytes, error: str) -> IKEv2_Malformed:
    """A layer for malformed octets."""
    layer = IKEv2_Malformed.from_octets(data)
    layer.fields["payload_type"] = kind
    layer.fields["error"] = error
    return layer


def parse_payloads(first: int, data: bytes, offset: int = 0) -> list[Packet]:
    """Parse ``data`` into payloads; the first one has the type ``first``. Never raises.

    Octets that do not fit become :class:`IKEv2_Malformed`. ``offset`` is the start of ``data`` in its message; offsets
    in error texts count from the start of the message.
    """
    layers: list[Packet] = []
    kind, at, end = first, 0, len(data)
    while kind:
        if len(layers) == MAXIMUM_PAYLOADS:
            text = f"more than {MAXIMUM_PAYLOADS} payloads, at offset {offset + at}"
            layers.append(malformed(kind, data[at:], text))
            return layers
        cls = PAYLOADS.get(kind, IKEv2_Payload)
        try:
            if at == end:
                raise FormError(0, f"expected a payload {PayloadType.notation(kind)}, found the end of the message")
            size = cls.measure(data, at)
        except FormError as fault:  # the start of the next payload is unknown
            layers.append(malformed(kind, data[at:], str(fault.moved(offset + at))))
            return layers
        octets = data[at : at + size]
        layer: Any
        try:
            layer = cls.from_octets(octets)
            if cls is IKEv2_Payload:
                layer.fields["payload_type"] = kind
        except FormError as fault:
            layer = malformed(kind, octets, str(fault.moved(offset + at)))
        layers.append(layer)
        at += size
        kind = 0 if cls.ends_chain else octets[0]
    if at < end:
        layers.append(
            malformed(0, data[at:], f"{counted(end - at, 'octet')} after the last payload at offset {offset + at}")
        )
    return layers


__all__ = [
    "PAYLOADS",
    "IKEv2_Malformed",
    "IKEv2_Payload",
    "build_payloads",
    "first_type",
    "notation",
    "parse_payloads",
    "payload_type_of",
]
