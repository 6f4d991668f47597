# SPDX-License-Identifier: GPL-2.0-or-later
"""Unprotected Notify payloads, which are only hints, and the errors that we report outside of any exchange.

RFC 7296 sections 1.5, 2.4 and 2.21.4, and INVALID_SELECTORS of section 3.10.1. Everything here is rate-limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, ProtocolId, name_of
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.events import PeerNotified, Suspected
from fynx_scapy.ike.message import Datagram, DatagramKind, Header, notify
from fynx_scapy.ike.path.liveness import check_liveness
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.layers.ikeheader import VERSION_2
from fynx_scapy.layers.ikev2 import IKEv2_Notify, parse_message

if TYPE_CHECKING:
    from fynx_scapy.ike.core.child import ChildSa
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.record import SaRecord

_OFFENDER = 128
MESSAGE_SIZE = 2048
"""The longest unprotected message that is read, in octets. An INVALID_IKE_SPI with four tokens has about 600."""

MESSAGES_PER_SECOND, NOTIFIES_PER_MESSAGE = 10, 8
"""How many unprotected messages an IKE SA reads per second, and how many Notify payloads of each."""

_HINTS = (NotifyType.INVALID_IKE_SPI, NotifyType.INVALID_SPI)


# Received unprotected messages


def in_the_clear(sa: SaRecord, datagram: Datagram, header: Header) -> bool:
    """Handle an unprotected message on the SPIs of an IKE SA. Returns whether it is a hint; only a response can be one.

    Section 2.21.4: "A peer receiving such an unprotected Notify payload MUST NOT respond and MUST NOT change the state
    of any existing SAs." Only a QCD token (RFC 6290) changes the state.
    """
    if not header.response or header.next_payload != PayloadType.N or header.exchange == ExchangeType.IKE_SA_INIT:
        return False
    if not sa.limits.allow("clear", sa.now, 1 / MESSAGES_PER_SECOND, burst=MESSAGES_PER_SECOND):
        return False
    notifies = _notifies(datagram)[:NOTIFIES_PER_MESSAGE]
    if not notifies:
        return False
    for payload in notifies:
        _report(sa, payload)
    names = ", ".join(name_of(NotifyType, payload.type) for payload in notifies)
    reason = f"expected {header.exchange_name} inside SK, found unprotected {names}, which is only a hint"
    sa.drop(datagram, DropReason.UNPROTECTED, reason)
    if not hooks.hint(sa, notifies, datagram):
        for payload in notifies:
            if payload.type in _HINTS:
                suspect(sa, payload.type)
    return True


def stray(endpoint: EndpointRecord, datagram: Datagram, header: Header) -> bool:
    """Handle an unprotected Notify outside of any IKE SA; it is never answered (section 1.5). Whether it is one.

    An INVALID_SPI with the SPI of a Child SA to that address is a hint for its IKE SA.
    """
    if header.next_payload != PayloadType.N:
        return False
    for payload in _notifies(datagram) if endpoint.of(Admission).may_look(datagram, endpoint.now) else ():
        spi = int.from_bytes(bytes(payload.notify or b""))
        for sa in list(_peers(endpoint, datagram)) if payload.type == NotifyType.INVALID_SPI else ():
            if any(child.outbound.spi == spi for child in sa.children.values()):
                _report(sa, payload)
                suspect(sa, payload.type)
    return True


def suspect(sa: SaRecord, notify_type: int) -> None:
    """Check that the peer is alive, after an unprotected Notify that says that it lost an SA."""
    sa.emit(Suspected(*sa.stamp, notify_type=notify_type, acted=check_liveness(sa)))


# Errors that we report


def unknown_esp(endpoint: EndpointRecord, datagram: Datagram, spi: int) -> None:
    """Report an ESP packet with an unknown SPI to its sender: inside SK if possible, else unprotected (section 1.5)."""
    if not endpoint.config.report_unknown_spi or spi in endpoint.past_spis:
        return
    if not endpoint.of(Admission).may_look(datagram, endpoint.now):
        return
    data = spi.to_bytes(4)
    sa = next(_peers(endpoint, datagram), None)
    if sa is None:
        if datagram.kind is DatagramKind.ESP_IN_UDP:
            _report_unprotected(endpoint, datagram, NotifyType.INVALID_SPI, data)
    elif sa.limits.allow("unknown SPI", endpoint.now, endpoint.config.hint_interval):
        sa.inform(notify(NotifyType.INVALID_SPI, data))


def _report_unprotected(endpoint: EndpointRecord, datagram: Datagram, kind: NotifyType, data: bytes) -> None:
    """Report an error to the sender of a datagram, outside of any IKE SA (section 1.5)."""
    if endpoint.of(Admission).may_answer(datagram, endpoint.now):
        header = Header(bytes(8), bytes(8), 0, VERSION_2, ExchangeType.INFORMATIONAL, 0, 0, 0)
        endpoint.reject(datagram, header, kind, data, response=False)


def outside_selectors(sa: SaRecord, child: ChildSa, packet: bytes) -> None:
    """Report a packet outside the traffic selectors of its Child SA to the peer (section 3.10.1), if configured."""
    config = sa.endpoint.config
    if config.report_selectors and sa.established and sa.limits.allow("selectors", sa.now, config.hint_interval):
        spi = child.inbound.spi.to_bytes(4)
        offender = notify(NotifyType.INVALID_SELECTORS, packet[:_OFFENDER], protocol=ProtocolId.ESP, spi=spi)
        sa.inform(offender)


def _peers(endpoint: EndpointRecord, datagram: Datagram) -> Iterator[SaRecord]:
    """The IKE SAs with the sender of a datagram: the same address, and the same port if UDP was used."""
    for sa in endpoint.directory.at(datagram.remote.host):
        if sa.established and datagram.remote.port in (0, sa.remote.port):
            yield sa


def _notifies(datagram: Datagram) -> list[IKEv2_Notify]:
    """The Notify payloads of an unprotected message; none if it has a malformed or an encrypted payload."""
    if len(datagram.data) > MESSAGE_SIZE:
        return []
    _, payloads = parse_message(datagram.data)
    if any(payload.payload_type in (PayloadType.SK, PayloadType.SKF) or _malformed(payload) for payload in payloads):
        return []
    return [payload for payload in payloads if isinstance(payload, IKEv2_Notify)]


def _malformed(payload: Packet) -> bool:
    return bool(payload.malformed) and not (isinstance(payload, IKEv2_Notify) and payload.tolerable)


def _report(sa: SaRecord, payload: IKEv2_Notify) -> None:
    sa.emit(
        PeerNotified(
            *sa.stamp,
            notify_type=payload.type,
            data=bytes(payload.notify or b""),
            protocol=payload.proto or 0,
            spi=bytes(payload.SPI or b""),
            encrypted=False,
        )
    )
