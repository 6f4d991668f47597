# SPDX-License-Identifier: GPL-2.0-or-later
"""What a log says of each event: its level and its fields. A row names what it shows, so no key is among it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fynx_scapy.crypto.transforms import keyword_of
from fynx_scapy.errors import Timeout
from fynx_scapy.events import (
    AddressesAssigned,
    AddressesReleased,
    AuthenticationLimited,
    ChildSaFailed,
    ChildSaInstalled,
    ChildSaRekeyed,
    ConfigurationReceived,
    CrashDetected,
    EapNotified,
    EspReceived,
    EspSent,
    Event,
    EventsDropped,
    ExchangeDropped,
    IcmpReceived,
    IkeSaEstablished,
    IkeSaFailed,
    IkeSaRekeyed,
    IntegrityFailed,
    InternalError,
    KeepaliveSent,
    KeyExchangeRejected,
    KeysDerived,
    LifetimeReached,
    MessageDropped,
    MessageEvent,
    MessageReceived,
    MessageSent,
    PeerCertificateAccepted,
    PeerCertificateRefused,
    PeerDead,
    PeerMoved,
    PeerNotified,
    PpkNotUsed,
    PpkUsed,
    PuzzleIgnored,
    PuzzleSolved,
    ReceiveFailed,
    Reconnecting,
    ReplayDropped,
    RequestRefused,
    Retransmitted,
    SaDeleted,
    SendFailed,
    StateChanged,
    Suspected,
)
from fynx_scapy.failures import error_of
from fynx_scapy.iana import ExchangeType, KeMethod, NotifyType, ProtocolId, name_of
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ladder.names import is_response, message_text

Fields = dict[str, Any]

LEVELS = ("debug", "info", "warning", "error")
"""From the most to the least that is logged."""


class Row(NamedTuple):
    """How an event is logged."""

    level: str
    fields: Callable[[Any], Fields]
    stranger: Callable[[Any], bool] = lambda event: False
    """Whether somebody who is not authenticated may cause it, as often as he likes."""


def name(kind: type[Event]) -> str:
    """The name of an event in a log: ``ike_sa_established``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _anybody(event: Event) -> bool:
    return True


def _role(initiator: bool) -> str:
    return "initiator" if initiator else "responder"


def _by(event: ChildSaRekeyed | IkeSaRekeyed | SaDeleted) -> str:
    return "peer" if event.by_peer else "us"


def _spi(spi: int | None) -> str | None:
    return None if spi is None else f"{spi:08x}"


def _notify(number: int | None) -> str | None:
    return None if number is None else name_of(NotifyType, number)


def _exchange(number: int) -> str:
    return name_of(ExchangeType, int(number))


def _message(event: MessageEvent) -> Fields:
    return {
        "exchange": _exchange(event.header.exch_type),
        "message": "response" if is_response(event) else "request",
        "message_id": event.header.id,
        "payloads": message_text(event),
        "length": sum(map(len, event.wire)),
        "local": event.local,
        "remote": event.remote,
    }


def _sent(event: MessageSent) -> Fields:
    return _message(event) | ({"changed": event.changed} if event.changed else {})


def _keys(event: KeysDerived) -> Fields:
    chosen = {"encr": event.encr, "prf": event.prf, "integ": event.integ, "ke": event.ke}
    return {kind: keyword_of(transform) for kind, transform in chosen.items() if transform is not None}


def _installed(event: ChildSaInstalled) -> Fields:
    return {
        "child": event.name,
        "spi_in": _spi(event.inbound.spi),
        "spi_out": _spi(event.outbound.spi),
        "encr": keyword_of(event.encr),
        "integ": None if event.integ is None else keyword_of(event.integ),
        "esn": event.esn,
        "mode": event.mode,
        "local_ts": event.local_ts,
        "remote_ts": event.remote_ts,
        "role": _role(event.initiator),
        "local": event.local,
        "remote": event.remote,
    }


def _child_failed(event: ChildSaFailed) -> Fields:
    error = error_of(event)
    return {"child": event.name, "code": error.code if error else None, "reason": event.reason}


def _rejected(event: KeyExchangeRejected) -> Fields:
    return {
        "sent": name_of(KeMethod, event.sent),
        "wanted": None if event.wanted is None else name_of(KeMethod, event.wanted),
        "weaker": event.weaker,
        "followed": event.followed,
        "encrypted": event.encrypted,
        "reason": event.reason or None,
    }


def _settings(event: ConfigurationReceived) -> Fields:
    settings = event.settings
    return {
        "addresses": settings.addresses,
        "dns": settings.dns,
        "subnets": settings.subnets,
        "domains": settings.domains,
        "version": settings.version,
    }


def _dropped(event: MessageDropped) -> Fields:
    return {"code": str(event.code), "reason": event.reason, "length": event.length, "remote": event.remote}


def _icmp(event: IcmpReceived) -> Fields:
    return {
        "type": event.icmp_type,
        "code": event.code,
        "reason": event.reason,
        "mtu": event.mtu,
        "reporter": event.reporter,
        "remote": event.remote,
        "acted": event.acted,
        "believed": event.believed,
    }


def _esp(event: EspSent | EspReceived) -> Fields:
    return {"spi": _spi(event.spi), "seq": event.seq, "length": event.length, "remote": event.datagram.remote}


ROWS: Mapping[type[Event], Row] = {
    StateChanged: Row(
        "info",
        lambda event: {"from": event.old.value, "to": event.new.value},
        lambda event: event.old is State.CONNECTING and event.new is State.CLOSED,
    ),
    IkeSaEstablished: Row(
        "info",
        lambda event: (
            {
                "local_id": event.local_id,
                "remote_id": event.remote_id,
                "role": _role(event.initiator),
                "seconds": round(event.seconds, 6),
            }
            | ({"proof": event.proof} if event.proof else {})
        ),
    ),
    PeerCertificateAccepted: Row(
        "info",
        lambda event: (
            {
                "identity": event.identity,
                "subject": event.subjects[0],
                "anchor": event.subjects[-1],
                "serial": event.serial,
                "scheme": event.scheme,
                "verified_by": event.verified_by,
            }
            | ({"notes": event.notes} if event.notes else {})
        ),
    ),
    PeerCertificateRefused: Row(
        "warning",
        lambda event: (
            {"code": event.code, "reason": event.reason, "subject": event.subject}
            | ({"notes": event.notes} if event.notes else {})
        ),
        _anybody,
    ),
    IkeSaFailed: Row(
        "warning",
        lambda event: {"code": event.code, "reason": event.reason, "role": _role(event.initiator)},
        lambda event: not event.initiator,
    ),
    RequestRefused: Row(
        "warning",
        lambda event: {
            "exchange": _exchange(event.exchange),
            "message_id": event.message_id,
            "code": event.code,
            "reason": event.reason,
            "remote": event.remote,
        },
        _anybody,
    ),
    IkeSaRekeyed: Row(
        "info",
        lambda event: {
            "new_spi_i": event.new_spi_i.hex(),
            "new_spi_r": event.new_spi_r.hex(),
            "by": _by(event),
            "seconds": event.seconds and round(event.seconds, 6),
        },
    ),
    ChildSaInstalled: Row("info", _installed),
    ChildSaFailed: Row("warning", _child_failed),
    ChildSaRekeyed: Row(
        "info",
        lambda event: {
            "old_spi": _spi(event.old_spi),
            "new_spi": _spi(event.new_spi),
            "by": _by(event),
            "seconds": event.seconds and round(event.seconds, 6),
        },
    ),
    LifetimeReached: Row("info", lambda event: {"limit": event.limit, "hard": event.hard, "spi": _spi(event.spi)}),
    SaDeleted: Row(
        "info",
        lambda event: {
            "children": [_spi(spi) for spi in event.child_spis],
            "code": event.code,
            "reason": event.reason,
            "by": _by(event),
        },
    ),
    PeerDead: Row(
        "warning",
        lambda event: {"message_id": event.message_id, "attempts": event.attempts, "code": Timeout.code},
    ),
    Reconnecting: Row(
        "warning",
        lambda event: {
            "attempt": event.attempt,
            "wait": round(event.wait, 3),
            "code": event.code,
            "reason": event.reason,
        },
    ),
    Retransmitted: Row(
        "info",
        lambda event: {
            "exchange": _exchange(event.exchange),
            "message": "request" if event.request else "response",
            "message_id": event.message_id,
            "attempt": event.attempt,
        },
        lambda event: not event.request,
    ),
    ExchangeDropped: Row("warning", lambda event: {"exchange": _exchange(event.exchange), "reason": event.reason}),
    KeyExchangeRejected: Row("info", _rejected),
    KeysDerived: Row("debug", _keys),
    ConfigurationReceived: Row("info", _settings),
    AddressesAssigned: Row("info", lambda event: {"addresses": event.addresses}),
    AddressesReleased: Row("info", lambda event: {"addresses": event.addresses}),
    PeerMoved: Row("info", lambda event: {"old": event.old, "new": event.new}),
    PeerNotified: Row(
        "debug",
        lambda event: {
            "notify": _notify(event.notify_type),
            "protocol": name_of(ProtocolId, event.protocol) if event.protocol else None,
            "length": len(event.data),
            "encrypted": event.encrypted,
        },
    ),
    Suspected: Row("info", lambda event: {"notify": _notify(event.notify_type), "acted": event.acted}, _anybody),
    CrashDetected: Row("warning", lambda event: {}),
    AuthenticationLimited: Row("info", lambda event: {"seconds": event.seconds, "by": _by(event)}),
    EapNotified: Row("info", lambda event: {"text": event.text}),
    PpkUsed: Row("info", lambda event: {"ppk_id": event.ppk_id}),
    PpkNotUsed: Row("warning", lambda event: {"reason": event.reason}),
    PuzzleSolved: Row("info", lambda event: {"difficulty": event.difficulty, "work": event.work}),
    PuzzleIgnored: Row("warning", lambda event: {"difficulty": event.difficulty, "effort": event.effort}, _anybody),
    MessageSent: Row("debug", _sent),
    MessageReceived: Row("debug", _message),
    MessageDropped: Row("info", _dropped, _anybody),
    IntegrityFailed: Row("warning", lambda event: {"spi": _spi(event.spi), "remote": event.remote}, _anybody),
    ReplayDropped: Row(
        "info", lambda event: {"spi": _spi(event.spi), "seq": event.seq, "remote": event.remote}, _anybody
    ),
    EspSent: Row("debug", _esp),
    EspReceived: Row("debug", _esp),
    KeepaliveSent: Row("debug", lambda event: {"local": event.local, "remote": event.remote}),
    IcmpReceived: Row("info", _icmp, _anybody),
    SendFailed: Row(
        "warning", lambda event: {"code": event.code, "reason": event.reason, "remote": event.remote}, _anybody
    ),
    ReceiveFailed: Row("warning", lambda event: {"reason": event.reason, "local": event.local}, _anybody),
    EventsDropped: Row("warning", lambda event: dict(event.kinds), _anybody),
    InternalError: Row(
        "error",
        lambda event: {
            "doing": event.doing,
            "error": event.error,
            "where": event.where,
            "reason": event.reason or None,
        },
        _anybody,
    ),
}
"""Every event."""
