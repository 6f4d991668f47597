# SPDX-License-Identifier: GPL-2.0-or-later
"""Rebuild a recorded request for a new run: the recorded payloads in order, with fresh values where needed.

SPIs, KE, nonce, AUTH, NAT detection hashes and cookies must be fresh. The engine computes them for the new message, and
they replace the recorded values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from scapy.packet import Packet

from fynx_scapy.iana import NotifyType, PayloadType
from fynx_scapy.layers.ikev2 import IKEv2_Notify, IKEv2_SA
from fynx_scapy.layers.ikev2.payload import parse_payloads

COMPUTED = (PayloadType.KE, PayloadType.Nonce, PayloadType.CERT, PayloadType.AUTH, PayloadType.D, PayloadType.PS)
"""Payloads that the engine computes as a whole."""

COMPUTED_NOTIFIES = (
    NotifyType.NAT_DETECTION_SOURCE_IP,
    NotifyType.NAT_DETECTION_DESTINATION_IP,
    NotifyType.COOKIE,
    NotifyType.REKEY_SA,
)
"""Notifies that the engine computes as a whole."""

BEYOND = (
    NotifyType.USE_PPK,
    NotifyType.PPK_IDENTITY,
    NotifyType.NO_PPK_AUTH,
    NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED,
)
"""Notifies that announce what a replay does without: it has no PPK, and sends no IKE_INTERMEDIATE."""


def copied(payload: Packet) -> Packet:
    """A copy of a payload. Its Next Payload field is set only when the message is built."""
    (copy,) = parse_payloads(payload.payload_type, b"\0" + payload.octets()[1:])  # no next payload yet
    if "next_payload" in copy.fields:
        copy.next_payload = None
    return copy


COUNTED = ("next_payload", "length", "SPIsize", "SPInum", "trans_nb", "number_of_TSs")
"""Fields that are computed if they are left None."""


def loosened(payload: Packet) -> None:
    """Have lengths and numbers of a copied payload computed anew, so that they stay right when a field is changed.

    Not if they were recorded wrong: then the payload stays as it is.
    """
    kept = bytes(payload)
    before = [(layer, dict(layer.fields)) for layer in _layers(payload)]
    for layer, fields in before:
        for name in COUNTED:
            if fields.get(name) is not None:
                setattr(layer, name, None)
        layer.clear_cache()
    if bytes(payload) != kept:
        for layer, fields in before:
            layer.fields = fields
            layer.clear_cache()


def _layers(payload: Packet) -> Iterator[Packet]:
    """A payload and all structures in it."""
    yield payload
    for value in list(payload.fields.values()):
        for inner in value if isinstance(value, list) else ():
            if isinstance(inner, Packet):
                yield from _layers(inner)


def rebuilt(recorded: Sequence[Packet], computed: Iterable[Packet]) -> list[Packet]:
    """The recorded payloads, with computed ones instead of those that must be fresh."""
    rest = list(computed)

    def take(like: Packet) -> Packet | None:
        for place, payload in enumerate(rest):
            if payload.payload_type == like.payload_type and kind(payload) == kind(like):
                return rest.pop(place)
        return None

    copies: list[Packet] = []
    for payload in recorded:
        if kind(payload) in BEYOND:
            continue
        own = take(payload)
        if is_computed(payload):
            copies += [own] if own is not None else []
            continue
        copy = copied(payload)
        if own is not None and isinstance(copy, IKEv2_SA) and isinstance(own, IKEv2_SA):
            for proposal in copy.prop:
                proposal.SPI, proposal.SPIsize = own.prop[0].SPI, None
        copies.append(copy)
    # A longer chain than the recorded one stays in front of AUTH.
    chain = [p for p in rest if p.payload_type == PayloadType.CERT]
    rest = [p for p in rest if p.payload_type != PayloadType.CERT]
    at = next((at for at, p in enumerate(copies) if p.payload_type == PayloadType.AUTH), len(copies))
    copies[at:at] = chain
    # Payloads that only the new peer asked for, and payloads that such a message must have.
    first = [p for p in rest if kind(p) == NotifyType.COOKIE or p.payload_type == PayloadType.PS]
    last = [p for p in rest if p.payload_type in COMPUTED and p.payload_type != PayloadType.PS]
    return [*first, *copies, *last]


def kind(payload: Packet) -> int | None:
    """The type of a Notify, None for any other payload."""
    return int(payload.type) if isinstance(payload, IKEv2_Notify) else None


def is_computed(payload: Packet) -> bool:
    """Whether the engine computes a payload as a whole."""
    return payload.payload_type in COMPUTED or kind(payload) in COMPUTED_NOTIFIES


def spis(recorded: Sequence[Packet], sent: Sequence[Packet]) -> dict[Any, Any]:
    """Recorded SPI -> new SPI, from the SA payloads of a request."""
    old = next((p for p in recorded if isinstance(p, IKEv2_SA)), None)
    new = next((p for p in sent if isinstance(p, IKEv2_SA)), None)
    if old is None or new is None or not old.prop or not new.prop:
        return {}
    return {bytes(old.prop[0].SPI or b""): bytes(new.prop[0].SPI or b"")}
