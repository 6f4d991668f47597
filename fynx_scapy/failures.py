# SPDX-License-Identifier: GPL-2.0-or-later
"""The error that an event stands for: what an API raises where the engine reports.

The engine goes on after an event; whoever waits for an IKE SA or a Child SA wants an exception of `errors`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fynx_scapy.errors import (
    CertificateError,
    FynxError,
    IntegrityError,
    MalformedError,
    NegotiationError,
    PeerError,
    ReplayError,
    SessionClosed,
    Timeout,
    TransportError,
    UnexpectedError,
    Unreachable,
)
from fynx_scapy.events import (
    ChildSaFailed,
    Event,
    ExchangeDropped,
    IcmpReceived,
    IkeSaFailed,
    IntegrityFailed,
    InternalError,
    MessageDropped,
    PeerDead,
    ReceiveFailed,
    ReplayDropped,
    RequestRefused,
    SaDeleted,
    SendFailed,
)
from fynx_scapy.reasons import CERTIFICATES


def error_of(event: Event) -> FynxError | None:
    """The error that an event stands for, with its context, or None: most events are no failures."""
    error = _error(event)
    if error is None:
        return None
    spis = {"spi_i": event.spi_i.hex(), "spi_r": event.spi_r.hex()} if any(event.spi_i) else {}
    ends = {name: str(value) for name in ("local", "remote") if (value := getattr(event, name, None)) is not None}
    return error.about(**spis, **ends)


def _error(event: Event) -> FynxError | None:
    match event:
        case IkeSaFailed(notify_type=int(kind)) | RequestRefused(notify_type=kind):
            return PeerError(kind, reason=event.reason)
        case IkeSaFailed(code=str(code)) if code in CERTIFICATES:
            return CertificateError(code.partition(".")[2], event.reason)
        case IkeSaFailed():
            return _of_code(event.code)(event.reason)
        case SaDeleted():
            spi = event.child_spis[0] if event.child_spis else None
            what = f"Child SA {spi:08x}" if spi is not None else "IKE SA"
            return SessionClosed(f"the {what} ended: {event.reason or event.code}", event.code).about(spi=spi)
        case ChildSaFailed(notify_type=int(kind)):
            return PeerError(kind, reason=f"no Child SA {event.name!r}: {event.reason}")
        case ChildSaFailed():
            return NegotiationError(f"no Child SA {event.name!r}: {event.reason}")
        case PeerDead():
            text = f"no answer to message {event.message_id} after {event.attempts} attempts"
            return Timeout(text).about(message_id=event.message_id)
        case IcmpReceived(mtu=None):
            return Unreachable(f"ICMP from {event.reporter or 'an unknown host'}: {event.reason}")
        case IntegrityFailed():
            return IntegrityError(f"a packet from {event.remote} does not verify").about(spi=event.spi)
        case ReplayDropped():
            text = f"the sequence number {event.seq} was received before, or is too old"
            return ReplayError(text).about(spi=event.spi, seq=event.seq)
        case MessageDropped():
            return MalformedError(event.reason)
        case SendFailed():
            return _of_code(event.code)(event.reason)
        case ReceiveFailed():
            return TransportError(event.reason)
        case ExchangeDropped():
            return Timeout(event.reason)
        case InternalError():
            return UnexpectedError(f"{event.error} at {event.where}, {event.doing}: {event.reason}".rstrip(": "))
    return None


def _of_code(code: str) -> type[FynxError]:
    """The class with that code that a text makes; the base class for a code that none has."""
    return next((kind for kind in kinds() if kind.code == code and "__init__" not in vars(kind)), FynxError)


def kinds(base: type[FynxError] = FynxError) -> Iterator[type[FynxError]]:
    """Every class of errors, each before its subclasses."""
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)
