# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong outside of any exchange: hints that change nothing, and what we tell the peer of it.

RFC 7296 sections 1.5, 2.4 and 2.21.4, and INVALID_SELECTORS of section 3.10.1. Everything here is limited in rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, ProtocolId, name_of
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
"""Octets of a Notify in the clear that is still read: an INVALID_IKE_SPI with four tokens has some 600."""

MESSAGES_PER_SECOND, NOTIFIES_PER_MESSAGE = 10, 8
"""How many messages in the clear on its SPIs an IKE SA looks into a second, and how many Notifies of one."""

_HINTS = (NotifyType.INVALID_IKE_SPI, NotifyType.INVALID_SPI)


# What comes in the clear


def in_the_clear(sa: SaRecord, datagram: Datagram, header: Header) -> bool:
    """Take a message in the clear on the SPIs of an IKE SA: a response may be a hint. False when it is none.

    Section 2.21.4: "A peer receiving such an unprotected Notify payload MUST NOT respond and MUST NOT change the state
    of any existing SAs." Only a token of RFC 6290 does.
    """
    if not header.response or header.next_payload != PayloadType.N or header.exchange == ExchangeType.IKE_SA_INIT:
        return False
    if not sa.limits.allow("clear", sa.now, 1 / MESSAGES_PER_SECOND, burst=MESSAGES_PER_SECOND):
        return False
    notifies = _notifies(datagram)[:NOTIFIES_PER_MESSAGE]
    if not notifies:
        return False
    for note in notifies:
        _tell(sa, note)
    names = ", ".join(name_of(NotifyType, note.type) for note in notifies)
    sa.drop(datagram, f"expected {header.exchange_name} inside SK, found {names} in the clear, which is a hint at most")
    if not hooks.hint(sa, notifies, datagram):
        for note in notifies:
            if note.type in _HINTS:
                suspect(sa, note.type)
    return True


def stray(endpoint: EndpointRecord, datagram: Datagram, header: Header) -> bool:
    """Take a Notify in the clear that belongs to no IKE SA, and is never answered (section 1.5).

    An INVALID_SPI that names a Child SA of ours towards that address is a hint for its IKE SA.
    """
    if header.next_payload != PayloadType.N:
        return False
    for note in _notifies(datagram) if endpoint.of(Admission).may_look(datagram, endpoint.now) else ():
        spi = int.from_bytes(bytes(note.notify or b""))
        for sa in list(_peers(endpoint, datagram)) if note.type == NotifyType.INVALID_SPI else ():
            if any(child.outbound.spi == spi for child in sa.children.values()):
                _tell(sa, note)
                suspect(sa, note.type)
    return True


def suspect(sa: SaRecord, notify_type: int) -> None:
    """Ask whether the peer lives, on the word of a Notify that nobody has protected."""
    sa.emit(Suspected(*sa.stamp, notify_type=notify_type, acted=check_liveness(sa)))


# What we tell


def unknown_esp(endpoint: EndpointRecord, datagram: Datagram, spi: int) -> None:
    """Tell where an ESP packet on an unknown SPI came from: inside SK if we can, else in the clear (section 1.5)."""
    if not endpoint.config.report_unknown_spi or spi in endpoint.past_spis:
        return
    if not endpoint.of(Admission).may_look(datagram, endpoint.now):
        return
    data = spi.to_bytes(4)
    sa = next(_peers(endpoint, datagram), None)
    if sa is None:
        if datagram.kind is DatagramKind.ESP_IN_UDP:
            _tell_stranger(endpoint, datagram, NotifyType.INVALID_SPI, data)
    elif sa.limits.allow("unknown SPI", endpoint.now, endpoint.config.hint_interval):
        sa.inform(notify(NotifyType.INVALID_SPI, data))


def _tell_stranger(endpoint: EndpointRecord, datagram: Datagram, kind: NotifyType, data: bytes) -> None:
    """Tell where a datagram came from what was wrong with it, outside of any IKE SA (section 1.5)."""
    if endpoint.of(Admission).may_answer(datagram, endpoint.now):
        header = Header(bytes(8), bytes(8), 0, VERSION_2, ExchangeType.INFORMATIONAL, 0, 0, 0)
        endpoint.reject(datagram, header, kind, data, response=False)


def outside_selectors(sa: SaRecord, child: ChildSa, packet: bytes) -> None:
    """Tell the peer of a packet that its Child SA is not for (section 3.10.1), if we are configured to."""
    config = sa.endpoint.config
    if config.report_selectors and sa.established and sa.limits.allow("selectors", sa.now, config.hint_interval):
        spi = child.inbound.spi.to_bytes(4)
        offender = notify(NotifyType.INVALID_SELECTORS, packet[:_OFFENDER], protocol=ProtocolId.ESP, spi=spi)
        sa.inform(offender)


def _peers(endpoint: EndpointRecord, datagram: Datagram) -> Iterator[SaRecord]:
    """The IKE SAs with that address, and that port where UDP was used."""
    for sa in endpoint.sas.values():
        if sa.established and sa.remote.host == datagram.remote.host and datagram.remote.port in (0, sa.remote.port):
            yield sa


def _notifies(datagram: Datagram) -> list[IKEv2_Notify]:
    """The Notify payloads of a message in the clear that holds nothing else that matters and can be read."""
    if len(datagram.data) > MESSAGE_SIZE:
        return []
    _, payloads = parse_message(datagram.data)
    if any(payload.malformed or payload.payload_type in (PayloadType.SK, PayloadType.SKF) for payload in payloads):
        return []
    return [payload for payload in payloads if isinstance(payload, IKEv2_Notify)]


def _tell(sa: SaRecord, note: IKEv2_Notify) -> None:
    sa.emit(
        PeerNotified(
            *sa.stamp,
            notify_type=note.type,
            data=bytes(note.notify or b""),
            protocol=note.proto or 0,
            spi=bytes(note.SPI or b""),
            encrypted=False,
        )
    )
