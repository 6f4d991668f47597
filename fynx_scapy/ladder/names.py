# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of messages, payloads and events, as in RFC 7296 appendix C: ``HDR, SK {IDi, AUTH, SA, TSi, TSr}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fynx_scapy.iana import ExchangeType, KeMethod, NotifyType, PayloadType, ProtocolId, name_of
from fynx_scapy.ike.events import (
    ChildSaFailed,
    ChildSaInstalled,
    EapNotified,
    EspReceived,
    EspSent,
    Event,
    EventsDropped,
    ExchangeDropped,
    IkeSaEstablished,
    IkeSaFailed,
    InternalError,
    KeyExchangeRejected,
    MessageEvent,
    PeerDead,
    SaDeleted,
)
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.text import counted


def payload_name(layer: Any, *, request: bool = True) -> str:
    """A payload in the notation of RFC 7296 appendix C: ``Ni``, ``N(COOKIE)``, ``D(ESP)``, ``EAP request Identity``"""
    kind = int(getattr(layer, "payload_type", 0) or 0)
    if kind == PayloadType.Nonce:
        return "Ni" if request else "Nr"
    name = PayloadType.notation(kind) if kind else "octets"
    if kind == PayloadType.N and hasattr(layer, "type"):
        return f"N({name_of(NotifyType, layer.type or 0)})"
    if kind == PayloadType.V and getattr(layer, "vendor", None):
        return f"V({layer.vendor})"
    if kind == PayloadType.EAP and getattr(layer, "text", None):
        name = f"EAP {layer.text}"
    if kind == PayloadType.D and hasattr(layer, "proto"):
        return f"D({name_of(ProtocolId, layer.proto or 0)})"
    return name if getattr(layer, "malformed", None) is None else f"{name}?"


def message_title(event: MessageEvent) -> str:
    """Exchange, direction and message ID: ``IKE_AUTH request 1``."""
    return exchange_title(event.header.exch_type, not is_response(event), event.header.id)


def message_text(event: MessageEvent) -> str:
    """The payloads, and the number of fragments: ``HDR, SK {IDi, AUTH, SA, TSi, TSr} in 2 fragments``."""
    names = [payload_name(layer, request=not is_response(event)) for layer in event.payloads]
    if event.encrypted:
        # The puzzle solution comes before SK (RFC 8019 section 7.2.2).
        outside = names[:1] if names[:1] == ["PS"] else []
        fragments = f" in {counted(len(event.wire), 'fragment')}" if len(event.wire) > 1 else ""
        names = [*outside, f"SK {{{', '.join(names[len(outside) :])}}}{fragments}"]
    return ", ".join(["HDR", *names])


def exchange_title(exchange: int, request: bool, message_id: int) -> str:
    """Like `message_title`, from these values alone."""
    return f"{name_of(ExchangeType, int(exchange))} {'request' if request else 'response'} {message_id}"


def is_response(event: MessageEvent) -> bool:
    """Whether it has the R flag (RFC 7296 section 3.1)."""
    return bool(int(event.header.flags or 0) & FLAG_RESPONSE)


def esp_text(event: EspSent | EspReceived) -> str:
    """An ESP packet: SPI, sequence number and size of the inner packet."""
    if isinstance(event, EspReceived) and event.next_header == 59:
        return f"SPI {event.spi:08x}, seq {event.seq}, dummy packet"
    return f"SPI {event.spi:08x}, seq {event.seq}, {counted(event.length, 'octet')} inside"


def _deleted(event: SaDeleted) -> str:
    spis = ", ".join(f"{spi:08x}" for spi in event.child_spis)
    return f"Child SA {spis} is gone: {event.reason}" if spis else f"IKE SA is gone: {event.reason}"


def _installed(event: ChildSaInstalled) -> str:
    local, remote = ", ".join(event.local_ts), ", ".join(event.remote_ts)
    return f"Child SA in {event.inbound.spi:08x}, out {event.outbound.spi:08x}: {local} === {remote}"


def _child_failed(event: ChildSaFailed) -> str:
    name = f" ({name_of(NotifyType, event.notify_type)})" if event.notify_type else ""
    return f"no Child SA{name}: {event.reason}"


def _rejected(event: KeyExchangeRejected) -> str:
    wanted = "another method" if event.wanted is None else name_of(KeMethod, event.wanted)
    weaker = ", which is weaker than the first one offered" if event.weaker else ""
    fate = "" if event.followed else ": not followed"
    return f"the peer wants {wanted} instead of {name_of(KeMethod, event.sent)}{weaker}{fate}"


REMARKS: Mapping[type[Event], Callable[[Any], str]] = {
    IkeSaEstablished: lambda event: f"IKE SA established: {event.local_id} with {event.remote_id}",
    IkeSaFailed: lambda event: f"IKE SA failed: {event.reason}",
    EapNotified: lambda event: f"EAP message for the user: {event.text}",
    KeyExchangeRejected: _rejected,
    ChildSaInstalled: _installed,
    ChildSaFailed: _child_failed,
    SaDeleted: _deleted,
    ExchangeDropped: lambda event: f"the peer's {name_of(ExchangeType, event.exchange)} was abandoned: {event.reason}",
    EventsDropped: lambda event: f"{counted(sum(count for _, count in event.kinds), 'earlier event')} not kept",
    PeerDead: lambda event: (
        f"peer is dead: no answer to message {event.message_id} in {counted(event.attempts, 'attempt')}"
    ),
    InternalError: lambda event: f"internal error while handling {event.doing}: {event.error} at {event.where}",
}
"""The texts of events that are not packets. KeysDerived and PeerNotified have none: the messages show them."""
