# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT traversal (RFC 7296 section 2.23).

This covers the hashes of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP, the ports of IKE and of ESP in UDP,
and the peer's new address when its NAT changes it. Keepalives are in `keepalive`.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.events import PeerMoved
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, Message, Outgoing, Route, notify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fynx_scapy.ike.config import EndpointConfig, IkeConfig
    from fynx_scapy.ike.core.child import ChildSa
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord

IKE_PORT = 500
NATT_PORT = 4500

NOWHERE = Address("0.0.0.0", 0)


def detection_hash(spi_i: bytes, spi_r: bytes, address: Address) -> bytes:
    """SHA-1 of the SPIs in the order of the header, the IP address and the port: 20 octets."""
    packed = ipaddress.ip_address(address.host).packed
    return hashlib.sha1(spi_i + spi_r + packed + address.port.to_bytes(2), usedforsecurity=False).digest()


def detection(message: Outgoing, local: Address, remote: Address, *, forced: bool = False) -> list[Packet]:
    """Both notifies of a message. Their hashes are computed from the header's SPIs after the ``payloads`` taps.

    ``forced``: hash a wrong source address, so that the peer detects a NAT in front of us.
    """
    source, payloads = NOWHERE if forced else local, []
    for kind, where in (
        (NotifyType.NAT_DETECTION_SOURCE_IP, source),
        (NotifyType.NAT_DETECTION_DESTINATION_IP, remote),
    ):
        payload = notify(kind)
        payloads.append(payload)

        def value(outgoing: Outgoing, where: Address = where) -> bytes:
            return detection_hash(outgoing.header.init_SPI, outgoing.header.resp_SPI, where)

        message.compute(payload, "notify", value)
    return payloads


def detect(message: Message) -> tuple[bool, bool] | None:
    """Whether there is a NAT in front of (us, the peer), or None when the peer sent no hashes."""
    sources = [bytes(n.notify) for n in message.notifies(NotifyType.NAT_DETECTION_SOURCE_IP)]
    destinations = [bytes(n.notify) for n in message.notifies(NotifyType.NAT_DETECTION_DESTINATION_IP)]
    if not sources or not destinations:
        return None
    spis = message.header_fields.spi_i, message.header_fields.spi_r
    before_us = detection_hash(*spis, message.local) not in destinations
    before_peer = detection_hash(*spis, message.remote) not in sources
    return before_us, before_peer


# Ports


def first_address(host: str, endpoint: EndpointConfig, config: IkeConfig, remote: Address) -> Address:
    """Our address for IKE_SA_INIT. An initiator may begin on port 4500, with or without a NAT."""
    return Address(host, endpoint.natt_port if remote.port == config.remote_natt_port else endpoint.port)


def float_ports(sa: SaRecord) -> None:
    """Move to port 4500 after IKE_SA_INIT if there is a NAT and we are the initiator. The peer answers there."""
    ours, theirs = sa.endpoint.config.natt_port, sa.config.remote_natt_port
    if sa.nat and sa.initiator and sa.local.port != ours:
        sa.local, sa.remote = sa.local._replace(port=ours), sa.remote._replace(port=theirs)


def esp_route(sa: SaRecord) -> Route:
    """How ESP packets go to the peer: in UDP if there is a NAT, else as IP protocol 50 without ports."""
    local, remote = sa.local, sa.remote
    if not sa.nat:
        return Route(Address(local.host, 0), Address(remote.host, 0), DatagramKind.ESP)
    if local.port == IKE_PORT:
        # "UDP encapsulation MUST NOT be done on port 500": if the peer did not move to port 4500, send to that port.
        # On our port 4500, keep the peer's port: its NAT may have given it port 500 outside.
        local, remote = (Address(a.host, NATT_PORT) if a.port == IKE_PORT else a for a in (local, remote))
    return Route(local, remote, DatagramKind.ESP_IN_UDP)


def marked(datagrams: Sequence[Datagram]) -> list[Datagram]:
    """The same datagrams with the non-ESP marker before every IKE message, whatever the ports are."""
    return [
        datagram
        if datagram.kind in (DatagramKind.ESP, DatagramKind.ESP_IN_UDP)
        else replace(datagram, marker_always=True)
        for datagram in datagrams
    ]


# A peer that moves


def follow_message(sa: SaRecord, message: Message) -> None:
    """Follow the peer to the source address of a new IKE message whose ICV has verified.

    Only the newest request and the newest answer count, by message ID. An older message was delayed and shows where the
    peer was before.
    """
    header = message.header_fields
    whereabouts = sa.of(NatDetection)
    newest = header.message_id > whereabouts.newest[header.response]
    if newest:
        whereabouts.newest[header.response] = header.message_id
    if sa.connecting and not sa.initiator:
        # The initiator may have moved to port 4500. The peer is not authenticated yet, so there is nothing to protect.
        sa.local, sa.remote = message.local, message.remote
    elif newest and message.remote != sa.remote and _follows(sa):
        _move(sa, message.local, message.remote, (sa, header.response))


def follow_esp(sa: SaRecord, child: ChildSa, seq: int, datagram: Datagram) -> None:
    """Follow the peer to the source address of a new ESP packet whose ICV has verified, if it is the newest one."""
    newest = seq == child.inbound.highest & 0xFFFFFFFF and not _superseded(child)
    if datagram.kind is DatagramKind.ESP_IN_UDP and newest and _follows(sa):
        _move(sa, datagram.local, datagram.remote, child)


def _superseded(child: ChildSa) -> bool:
    """Whether the peer already sends on the successor of a Child SA; then packets on the old one are older.

    A peer that has sent on the successor does not go back to the old Child SA (section 2.8).
    """
    return any(rekeyed is not None and rekeyed.child.inbound.packets for rekeyed in (child.rekeyed, child.peer_rekeyed))


def _follows(sa: SaRecord) -> bool:
    """Whether we follow the peer: it is behind a NAT and we are not.

    "a host behind a NAT SHOULD NOT do this type of dynamic address update"
    """
    return sa.nat_before_peer and not sa.nat_before_us


@dataclass(frozen=True, slots=True)
class Left:
    """The address that the peer has left, when, and by which evidence: requests or answers of an IKE SA, a Child SA."""

    address: Address
    at: float
    by: object


@extension
class NatDetection(Extension):
    """Detects which peer is behind a NAT, and sets the IKE SA's ``nat_`` fields. Remembers the peer's old address."""

    place = Place.NONCE

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.newest = {False: -1, True: -1}
        """The newest message ID of the peer's requests (False) and answers (True)."""
        self.left: Left | None = None

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In IKE_SA_INIT, after the nonce."""
        if exchange.exchange_type != ExchangeType.IKE_SA_INIT:
            return ()
        return detection(message, self.sa.local, self.sa.remote, forced=self.sa.config.force_encapsulation)

    def note(self, message: Message, exchange: Exchange) -> None:
        """Read the hashes. A peer that sends none does not support NAT traversal; then ESP in UDP is not forced."""
        nats = detect(message) if exchange.exchange_type == ExchangeType.IKE_SA_INIT else None
        if nats is not None:
            self.sa.nat_before_us, self.sa.nat_before_peer = nats
            self.sa.nat_forced = self.sa.config.force_encapsulation

    def inherit(self, old: NatDetection) -> None:
        """Copy the NATs, and the address that the peer has just left."""
        sa, before = self.sa, old.sa
        sa.nat_before_us, sa.nat_before_peer = before.nat_before_us, before.nat_before_peer
        sa.nat_forced = before.nat_forced
        self.left = old.left


def _move(sa: SaRecord, local: Address, remote: Address, by: object) -> None:
    """Send everything to the new address, also messages of an IKE SA that is being replaced.

    Message IDs and sequence numbers order packets of the same kind only. A packet of another kind from the address that
    the peer has just left may have been sent before it left, so it is ignored.
    """
    old, left = sa.remote, sa.of(NatDetection).left
    recently = left is not None and sa.now < left.at + sa.endpoint.config.esp_linger
    if left is not None and recently and left.address == remote and left.by != by:
        return
    for relative in _family(sa):
        if relative.remote == old:
            relative.local, relative.remote = local, remote
        whereabouts = relative.of(NatDetection)
        whereabouts.left = Left(old, sa.now, by)
        # The answer to a request that is in flight now may have been sent from the old address.
        whereabouts.newest[True] = max(whereabouts.newest[True], relative.requests.next_id - 1)
    sa.emit(PeerMoved(*sa.stamp, old=old, new=remote))


def _family(sa: SaRecord) -> Iterator[SaRecord]:
    """An IKE SA, its predecessors and its successors, as far as they have not ended."""
    yield sa
    for spi in sa.line.spis - {sa.own_spi}:
        if (other := sa.endpoint.sas.get(spi)) is not None:
            yield other


def readdressed(datagrams: list[Datagram], local: Address, remote: Address) -> list[Datagram]:
    """The same datagrams with new addresses: retransmissions follow the peer, too."""
    if all(datagram.local == local and datagram.remote == remote for datagram in datagrams):
        return datagrams
    return [replace(datagram, local=local, remote=remote) for datagram in datagrams]
