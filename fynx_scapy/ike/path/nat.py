# SPDX-License-Identifier: GPL-2.0-or-later
"""Is there a NAT between us, and what follows from it (RFC 7296 section 2.23).

The hashes of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP, the ports that IKE and ESP in UDP use, and the
peer's new address when its NAT gives it one. Keepalives are in `keepalive`.
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
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, Message, Outgoing, notify

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
    """SHA-1 over the SPIs in the order of the header, the IP address and the port: 20 octets."""
    packed = ipaddress.ip_address(address.host).packed
    return hashlib.sha1(spi_i + spi_r + packed + address.port.to_bytes(2), usedforsecurity=False).digest()


def detection(message: Outgoing, local: Address, remote: Address, *, forced: bool = False) -> list[Packet]:
    """Both notifies of a message; their hashes are computed from the header's SPIs once the payloads tap has run.

    ``forced``: name a source address that we do not have, so that the peer believes in a NAT before us.
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
    """Whether a NAT stands before (us, the peer), or None when the peer sent no hashes."""
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
    """Where an initiator begins: it may use port 4500 even then, with or without a NAT."""
    return Address(host, endpoint.natt_port if remote.port == config.remote_natt_port else endpoint.port)


def float_ports(sa: SaRecord) -> None:
    """The initiator sends all that follows IKE_SA_INIT over port 4500 when there is a NAT; its peer answers there."""
    ours, theirs = sa.endpoint.config.natt_port, sa.config.remote_natt_port
    if sa.nat and sa.initiator and sa.local.port != ours:
        sa.local, sa.remote = sa.local._replace(port=ours), sa.remote._replace(port=theirs)


def esp_datagram(sa: SaRecord, sealed: bytes, tos: int) -> Datagram:
    """An ESP packet as it leaves: in UDP once a NAT was found, else as IP protocol 50 without ports."""
    local, remote = sa.local, sa.remote
    if not sa.nat:
        return Datagram(sealed, Address(local.host, 0), Address(remote.host, 0), DatagramKind.ESP, tos)
    if local.port == IKE_PORT:
        # "UDP encapsulation MUST NOT be done on port 500": a peer that did not move is written to where it listens.
        # To our port 4500 a peer may have come from anywhere, for its NAT may have given it port 500 outside.
        local, remote = (Address(a.host, NATT_PORT) if a.port == IKE_PORT else a for a in (local, remote))
    return Datagram(sealed, local, remote, DatagramKind.ESP_IN_UDP, tos)


def marked(datagrams: Sequence[Datagram]) -> list[Datagram]:
    """The same with the non-ESP marker before every IKE message, whatever its ports."""
    return [
        datagram
        if datagram.kind in (DatagramKind.ESP, DatagramKind.ESP_IN_UDP)
        else replace(datagram, marker_always=True)
        for datagram in datagrams
    ]


# A peer that moves


def follow_message(sa: SaRecord, message: Message) -> None:
    """An IKE message is new and its ICV verified: what comes from elsewhere may move the peer.

    Only the newest of its kind counts, by its message ID: an older request, or the answer to one, was on its way for
    longer and tells where the peer was.
    """
    header = message.header_fields
    whereabouts = sa.of(NatDetection)
    newest = header.message_id > whereabouts.newest[header.response]
    if newest:
        whereabouts.newest[header.response] = header.message_id
    if sa.connecting and not sa.initiator:
        # The initiator may have gone to port 4500; nobody is authenticated yet who could be led astray.
        sa.local, sa.remote = message.local, message.remote
    elif newest and message.remote != sa.remote and _follows(sa):
        _move(sa, message.local, message.remote, (sa, header.response))


def follow_esp(sa: SaRecord, child: ChildSa, seq: int, datagram: Datagram) -> None:
    """An ESP packet is new and its ICV verified. Only the newest counts: an older one may have been overtaken."""
    newest = seq == child.inbound.highest & 0xFFFFFFFF and not _superseded(child)
    if datagram.kind is DatagramKind.ESP_IN_UDP and newest and _follows(sa):
        _move(sa, datagram.local, datagram.remote, child)


def _superseded(child: ChildSa) -> bool:
    """Whether the peer sends on the successor of a Child SA by now, and so has sent all that comes on this one before.

    That is so from its first packet on: nobody goes back to a Child SA that was rekeyed (section 2.8).
    """
    return any(rekeyed is not None and rekeyed.child.inbound.packets for rekeyed in (child.rekeyed, child.peer_rekeyed))


def _follows(sa: SaRecord) -> bool:
    """Only a peer behind a NAT moves, and "a host behind a NAT SHOULD NOT do this type of dynamic address update"."""
    return sa.nat_before_peer and not sa.nat_before_us


@dataclass(frozen=True, slots=True)
class Left:
    """An address that the peer has left, when, and what showed it: requests or answers of an IKE SA, or a Child SA."""

    address: Address
    at: float
    by: object


@extension
class NatDetection(Extension):
    """Which end is behind a NAT, and where the peer was. The IKE SA's ``nat_`` fields have what was found."""

    place = Place.NONCE

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.newest = {False: -1, True: -1}
        """The newest message ID of the peer's requests (False) and answers (True)."""
        self.left: Left | None = None

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In IKE_SA_INIT, behind the nonce."""
        if exchange.exchange_type != ExchangeType.IKE_SA_INIT:
            return ()
        return detection(message, self.sa.local, self.sa.remote, forced=self.sa.config.force_encapsulation)

    def note(self, message: Message, exchange: Exchange) -> None:
        """Take in what the hashes tell. A peer that sends none does not know of NATs, and nothing is forced on it."""
        found = detect(message) if exchange.exchange_type == ExchangeType.IKE_SA_INIT else None
        if found is not None:
            self.sa.nat_before_us, self.sa.nat_before_peer = found
            self.sa.nat_forced = self.sa.config.force_encapsulation

    def inherit(self, old: NatDetection) -> None:
        """The NATs are the same, and a successor knows what address its peer has just left."""
        sa, before = self.sa, old.sa
        sa.nat_before_us, sa.nat_before_peer = before.nat_before_us, before.nat_before_peer
        sa.nat_forced = before.nat_forced
        self.left = old.left


def _move(sa: SaRecord, local: Address, remote: Address, by: object) -> None:
    """Send everything to the new address, what an IKE SA that is being replaced still has to say included.

    Numbers order what is of one kind alone. Of another kind, a packet from the address that the peer has just left may
    have been sent before it left: that one moves nobody.
    """
    old, left = sa.remote, sa.of(NatDetection).left
    recently = left is not None and sa.now < left.at + sa.endpoint.config.esp_linger
    if left is not None and recently and left.address == remote and left.by != by:
        return
    for one in _family(sa):
        if one.remote == old:
            one.local, one.remote = local, remote
        whereabouts = one.of(NatDetection)
        whereabouts.left = Left(old, sa.now, by)
        # What answers a request that is in flight now may have been sent from the old address.
        whereabouts.newest[True] = max(whereabouts.newest[True], one.requests.next_id - 1)
    sa.emit(PeerMoved(*sa.stamp, old=old, new=remote))


def _family(sa: SaRecord) -> Iterator[SaRecord]:
    """An IKE SA, those that it replaces and those that replace it."""
    found = [sa]
    while found[-1].successor is not None:
        found.append(found[-1].successor)
    yield from found
    yield from (other for other in sa.endpoint.sas.values() if other.successor in found and other not in found)


def readdressed(datagrams: list[Datagram], local: Address, remote: Address) -> list[Datagram]:
    """The same octets between two other addresses: retransmissions follow the peer too."""
    if all(datagram.local == local and datagram.remote == remote for datagram in datagrams):
        return datagrams
    return [replace(datagram, local=local, remote=remote) for datagram in datagrams]
