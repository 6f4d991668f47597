# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP packets on their way in: verify, decrypt, check against the traffic selectors, deliver (RFC 4301 section 5.2)."""

from __future__ import annotations

from collections.abc import Sequence

from fynx_scapy.errors import FynxError, IntegrityError, MalformedError, ReplayError
from fynx_scapy.esp import tunnel
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.inbox import Inbox
from fynx_scapy.ike.child import transport
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import EspReceived, IntegrityFailed, ReplayDropped
from fynx_scapy.ike.message import Address, Burst, Datagram
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.strangers import unprotected
from fynx_scapy.ike.traffic.children import Children
from fynx_scapy.ike.traffic.gates import gate
from fynx_scapy.ike.traffic.lanes import DUMMY, IPV4, IPV6

_CE = 3
"""Congestion Experienced, in the ECN field."""


class InLane:
    """A Child SA as packets that arrive on it see it, looked up once, until anything about it changes."""

    __slots__ = ("allows", "child", "inbound", "life", "remote", "sa", "tunnel")

    def __init__(self, sa: SaRecord, child: ChildSa) -> None:
        self.sa, self.child = sa, child
        self.inbound, self.life = child.inbound, child.life
        self.remote: Address = nat.esp_route(sa).remote
        self.tunnel = child.hosts is None
        self.allows = gate(child)


class Receiver:
    """Receives the ESP packets of an endpoint."""

    def __init__(self, endpoint: EndpointRecord, children: Children) -> None:
        self._endpoint, self._children = endpoint, children
        self._lanes: dict[bytes, InLane] = {}
        self.inbox = Inbox(endpoint.config.queue_limit, endpoint.config.queue_octets)
        """The inner packets of IKE SAs that have no inbox of their own."""

    def forget(self, child: ChildSa) -> None:
        """Forget how packets arrive on a Child SA: something about it has changed."""
        self._lanes.pop(child.inbound.spi.to_bytes(4), None)

    def receive(self, datagram: Datagram) -> None:
        """Verify and decrypt an ESP packet, check its selectors, and put the inner packet into its inbox."""
        data = datagram.data
        lane = self._lanes.get(data[:4]) or self._lane(datagram)
        if lane is None:
            return None
        endpoint, sa, tos = self._endpoint, lane.sa, datagram.tos
        try:
            payload, next_header = lane.inbound.open(data)
            self._heard(lane)
            if datagram.remote != lane.remote and datagram.remote != sa.remote:
                nat.follow_esp(sa, lane.child, int.from_bytes(data[4:8]), datagram)
            if lane.life is not None:
                lane.life.received()
            packet = self._inner(lane, payload, next_header, datagram.remote, tos)
            allowed = packet is None or lane.allows(packet)
        except FynxError as error:
            return self._refuse(lane, datagram, error)
        if not allowed and packet is not None:
            return self._outside(lane, datagram, packet)
        counts = endpoint.counts
        counts.esp_packets_in += 1
        counts.esp_bytes_in += len(data)
        if endpoint.esp_events:
            spi, seq, length = lane.inbound.spi, int.from_bytes(data[4:8]), 0 if packet is None else len(packet)
            sa.emit(EspReceived(*sa.stamp, spi=spi, seq=seq, length=length, next_header=next_header, datagram=datagram))
        if packet is not None and not (self.inbox if sa.inbox is None else sa.inbox).put(packet):
            counts.drop(DropReason.INBOX_FULL)
        return None

    def receive_burst(self, burst: Burst) -> None:
        """Handle the ESP packets of a burst like `receive`, those of one Child SA together. Their order stays there."""
        packets = burst.packets
        if self._endpoint.esp_events or len(packets) == 1:
            for datagram in burst.datagrams():
                self.receive(datagram)
            return
        runs: dict[bytes, list[bytes]] = {}
        last, run = None, packets
        for packet in packets:
            spi = packet[:4]
            if spi != last:
                last, run = spi, runs.setdefault(spi, [])
            run.append(packet)
        for run in runs.values():
            self._receive_run(run, burst)

    def _receive_run(self, packets: Sequence[bytes], burst: Burst) -> None:
        """Handle packets with one SPI: at once, if no limit of their Child SA is near and its peer has not moved."""
        endpoint, remote, tos = self._endpoint, burst.remote, burst.tos
        octets = sum(map(len, packets))
        lane = self._lanes.get(packets[0][:4])
        if lane is None or not self._may_run(lane, remote, len(packets), octets):
            for packet in packets:
                self.receive(Datagram(packet, burst.local, remote, burst.kind, tos))
            return
        found: list[bytes] = []
        sa, allows, plain = lane.sa, lane.allows, lane.tunnel and tos & 3 != _CE
        dropped, dropped_octets, refused = 0, 0, 0
        for data, result in zip(packets, lane.inbound.open_many(packets), strict=True):
            try:
                if result.__class__ is not tuple:
                    refused += 1
                    raise result  # type: ignore[misc]
                payload, next_header = result
                size, inner = len(payload), None
                if plain and next_header == IPV4 and size >= 20 and payload[0] == 0x45:
                    # Most packets are these. There is nothing more to look at than their length.
                    inner = payload if payload[2] << 8 | payload[3] == size else None
                inner = inner or self._inner(lane, payload, next_header, remote, tos)
                if inner is None:
                    continue
                if allows(inner):
                    found.append(inner)
                    continue
                self._outside(lane, Datagram(data, burst.local, remote, burst.kind, tos), inner)
            except FynxError as error:
                self._refuse(lane, Datagram(data, burst.local, remote, burst.kind, tos), error)
            dropped, dropped_octets = dropped + 1, dropped_octets + len(data)
        if refused < len(packets):
            self._heard(lane)
        counts = endpoint.counts
        counts.esp_packets_in += len(packets) - dropped
        counts.esp_bytes_in += octets - dropped_octets
        inbox = self.inbox if sa.inbox is None else sa.inbox
        if lost := len(found) - inbox.put_many(found):
            counts.drop(DropReason.INBOX_FULL, lost)

    @staticmethod
    def _may_run(lane: InLane, remote: Address, number: int, octets: int) -> bool:
        """Whether so many packets from there can be handled at once: no limit is near, and the peer has not moved."""
        life = lane.life
        here = remote == lane.remote or remote == lane.sa.remote
        return here and (life is None or life.may_receive(number, octets))

    # The steps

    def _heard(self, lane: InLane) -> None:
        """A packet has verified."""
        lane.sa.last_heard = self._endpoint.now
        if not lane.child.ready:
            # Section 2.8: a valid packet on the inbound SA shows that the peer is ready to receive.
            lane.child.ready = True

    def _lane(self, datagram: Datagram) -> InLane | None:
        """Look up the Child SA of an ESP packet by its SPI; without one that may be used, the packet is dropped."""
        data, endpoint = datagram.data, self._endpoint
        spi = int.from_bytes(data[:4])
        sa, child = self._children.by_spi.get(spi, (None, None)) if len(data) >= 8 else (None, None)
        if sa is None or child is None:
            if len(data) >= 8 and spi > 255:
                unprotected.unknown_esp(endpoint, datagram, spi)
            reason = f"expected an ESP packet of a Child SA, found {len(data)} octets with SPI {spi:#010x}"
            endpoint.drop(datagram, DropReason.UNKNOWN_ESP_SPI, reason, offset=0)
            return None
        if child.expired:
            reason = f"expected a Child SA that may be used, found that the lifetime of {child.name!r} is over"
            endpoint.drop(datagram, DropReason.EXPIRED, reason, offset=0)
            return None
        lane = self._lanes[data[:4]] = InLane(sa, child)
        return lane

    @staticmethod
    def _inner(lane: InLane, payload: bytes, next_header: int, remote: Address, tos: int) -> bytes | None:
        """The inner packet, None for a dummy packet; MalformedError when it does not fit the mode of the Child SA."""
        if lane.tunnel:
            size = len(payload)
            if next_header == IPV4 and size >= 20 and payload[0] == 0x45 and payload[2] << 8 | payload[3] == size:
                return payload if tos & 3 != _CE else tunnel.leave(payload, tos)
            if next_header in (IPV4, IPV6):
                return tunnel.leave(tunnel.inner_packet(payload, next_header), tos)
        if next_header == DUMMY:
            return None
        if lane.child.hosts is not None:
            return transport.received(lane.sa, lane.child.hosts, payload, next_header, remote.host, tos)
        raise MalformedError(f"expected an IP packet in tunnel mode, found next header {next_header}")

    def _refuse(self, lane: InLane, datagram: Datagram, error: FynxError) -> None:
        """Drop a packet that does not verify, or is malformed inside."""
        endpoint, sa, spi = self._endpoint, lane.sa, lane.inbound.spi
        if isinstance(error, IntegrityError):
            endpoint.counts.drop(DropReason.ESP_INTEGRITY)
            sa.emit(IntegrityFailed(*sa.stamp, spi=spi, data=datagram.data, remote=datagram.remote))
        elif isinstance(error, ReplayError):
            endpoint.counts.drop(DropReason.ESP_REPLAY)
            seq = int.from_bytes(datagram.data[4:8])
            sa.emit(ReplayDropped(*sa.stamp, spi=spi, seq=seq, remote=datagram.remote))
        elif isinstance(error, MalformedError):
            endpoint.drop(datagram, DropReason.ESP_MALFORMED, str(error))
        else:
            raise error

    def _outside(self, lane: InLane, datagram: Datagram, packet: bytes) -> None:
        """Drop a packet that is outside the selectors of its Child SA."""
        unprotected.outside_selectors(lane.sa, lane.child, packet)
        reason = f"the inner packet is outside the traffic selectors of the Child SA {lane.child.name!r}"
        self._endpoint.drop(datagram, DropReason.ESP_SELECTORS, reason)
