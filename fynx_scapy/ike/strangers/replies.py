# SPDX-License-Identifier: GPL-2.0-or-later
"""Unprotected error answers to unknown peers, rate-limited and without state (RFC 7296 1.5, 2.5 and 2.21.4)."""

from __future__ import annotations

from collections.abc import Sequence

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.events import MessageSent
from fynx_scapy.ike.message import Datagram, Header, Outgoing, notify
from fynx_scapy.ike.strangers import unprotected
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import build_message


def wrong_version(endpoint: EndpointRecord, datagram: Datagram, header: Header) -> None:
    """Answer a request of a later major version with INVALID_MAJOR_VERSION (section 2.5)."""
    endpoint.drop(datagram, DropReason.VERSION, f"expected major version 2, found {header.version >> 4}", offset=17)
    if header.version >> 4 > 2 and not header.response:
        _answer(endpoint, datagram, header, NotifyType.INVALID_MAJOR_VERSION)


def unknown_spi(endpoint: EndpointRecord, datagram: Datagram, header: Header) -> None:
    """Answer a request with SPIs of no IKE SA.

    Section 2.21.4: a request may be answered, but never a response or a Notify outside of an IKE SA.
    """
    reason = f"no IKE SA has the SPIs {header.spi_i.hex()}_i {header.spi_r.hex()}_r"
    endpoint.drop(datagram, DropReason.UNKNOWN_IKE_SPI, reason, offset=0)
    if header.response or header.exchange == ExchangeType.IKE_SA_INIT or unprotected.stray(endpoint, datagram, header):
        return
    _answer(endpoint, datagram, header, NotifyType.INVALID_IKE_SPI, hooks.beside_invalid_spi(endpoint, header))


def _answer(
    endpoint: EndpointRecord, datagram: Datagram, header: Header, kind: NotifyType, more: Sequence[Packet] = ()
) -> None:
    if endpoint.of(Admission).may_answer(datagram, endpoint.now):
        reject(endpoint, datagram, header, kind, more=more)


def reject(
    endpoint: EndpointRecord,
    datagram: Datagram,
    header: Header,
    kind: NotifyType,
    data: bytes = b"",
    more: Sequence[Packet] = (),
    *,
    response: bool = True,
) -> None:
    """Send an unprotected answer with the same SPIs and message ID: one Notify and ``more``. No state is kept."""
    message = Outgoing([notify(kind, data), *more], encrypted=False)
    flags = (FLAG_RESPONSE if response else 0) | (0 if header.by_initiator else FLAG_INITIATOR)
    for name, value in {
        "init_SPI": header.spi_i,
        "resp_SPI": header.spi_r,
        "exch_type": header.exchange,
        "flags": flags,
        "id": header.message_id,
    }.items():
        setattr(message.header, name, value)
    endpoint.taps.payloads(message)
    wire = endpoint.taps.octets("wire", message, build_message(message.header, message.payloads))
    endpoint.emit(
        MessageSent(
            endpoint.now,
            header.spi_i,
            header.spi_r,
            header=message.header,
            payloads=tuple(message.payloads),
            plaintext=None,
            wire=(wire,),
            local=datagram.local,
            remote=datagram.remote,
            changed=tuple(message.changed),
        )
    )
    endpoint.transmit(message, [Datagram(wire, datagram.local, datagram.remote)])
