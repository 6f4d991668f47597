# SPDX-License-Identifier: GPL-2.0-or-later
"""Inner packets: select the Child SA, encrypt and decrypt, and check the traffic selectors.

RFC 4301 sections 5.1 and 5.2, RFC 7296 section 2.9.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from fynx_scapy.errors import IntegrityError, MalformedError, ReplayError
from fynx_scapy.esp import transport as esp_transport
from fynx_scapy.esp import tunnel
from fynx_scapy.esp.padding import tfc_padded
from fynx_scapy.esp.parts import EspParts
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.inbox import Inbox
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.child import policy, transport
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import EspReceived, EspSent, IntegrityFailed, ReplayDropped
from fynx_scapy.ike.message import Burst, Datagram, OutgoingEsp
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.strangers import unprotected
from fynx_scapy.ike.terms.selectors import Flow
from fynx_scapy.ike.wire.outbox import Outbox

DUMMY = 59
IPV4, IPV6 = 4, 41


class EspPath:
    """The Child SAs of an endpoint, by inbound SPI, and the packets that they carry."""

    def __init__(self, endpoint: EndpointRecord, outbox: Outbox) -> None:
        self._endpoint, self._outbox = endpoint, outbox
        self.children: dict[int, tuple[SaRecord, ChildSa]] = {}
        self.inbox = Inbox(endpoint.config.queue_limit, endpoint.config.queue_octets)
        """The inner packets of IKE SAs that have no inbox of their own."""
        self.past_spis: deque[int] = deque(maxlen=256)
        self._late: OrderedDict[int, tuple[ChildSa, Timer]] = OrderedDict()

    # Out

    def pick(self, flow: Flow) -> policy.Candidate | None:
        """The Child SA that policy selects for a packet, and its IKE SA, or None."""
        return policy.pick(self.children.values(), flow)

    def send_now(self, packet: bytes, flow: Flow) -> bool:
        """Send an inner packet through the Child SA that policy selects; False when there is none, or no room."""
        candidate = self.pick(flow)
        return candidate is not None and self.send_on(*candidate, packet)

    def send_on(self, sa: SaRecord, child: ChildSa, packet: bytes) -> bool:
        """Send an inner packet through this Child SA, whatever policy says; False when there is no room.

        Its DSCP and ECN are copied to the outer header (RFC 7296 section 2.24). LocalError for a fragment in transport
        mode.
        """
        if child.hosts is not None:
            payload, next_header, tfc = *esp_transport.enter(packet), 0
        else:
            payload, next_header = packet, IPV4 if packet[0] >> 4 == 4 else IPV6
            tfc = max(0, child.config.tfc_length - len(packet)) if child.options.tfc else 0
        return self._send(sa, child, payload, next_header, tfc, len(packet), tunnel.traffic_class(packet))

    def send_dummy(self, sa: SaRecord, child: ChildSa, length: int = 64) -> None:
        """Send a dummy packet, which the peer discards (RFC 4303 section 2.6)."""
        self._send(sa, child, self._endpoint.randomness.octets(length), DUMMY, 0, length, 0)

    def _send(
        self, sa: SaRecord, child: ChildSa, payload: bytes, next_header: int, tfc: int, length: int, tos: int
    ) -> bool:
        endpoint, message = self._endpoint, None
        route = nat.esp_route(sa)
        if endpoint.taps.used:
            tfc_padding = tfc_padded(payload, next_header, tfc)[len(payload) :] if tfc else b""
            message = OutgoingEsp([], parts=EspParts(payload, next_header, tfc=tfc_padding))
            endpoint.taps.parts(message)
            sealed = endpoint.taps.octets("wire", message, message.parts.build(child.outbound))
            endpoint.transmit(message, [Datagram(sealed, *route, tos)])
        else:
            if self._outbox.full:
                endpoint.counts.drop(DropReason.OUTBOX_FULL)
                return False
            sealed = child.outbound.seal(payload, next_header, tfc_pad=tfc)
            self._outbox.put_esp(sealed, route, tos)
        sa.last_sent = endpoint.now
        endpoint.counts.esp_packets_out += 1
        endpoint.counts.esp_bytes_out += len(sealed)
        if endpoint.esp_events:
            changed = tuple(message.changed) if message else ()
            parts_seq = message.parts.seq if message else None
            seq = child.outbound.seq if parts_seq is None else parts_seq
            datagram = Datagram(sealed, *route, tos)
            sa.emit(
                EspSent(*sa.stamp, spi=child.outbound.spi, seq=seq, length=length, datagram=datagram, changed=changed)
            )
        if child.life is not None:
            child.life.sent()
        return True

    # In

    def receive_burst(self, burst: Burst) -> None:
        """Handle the ESP packets of a burst like `receive`."""
        for datagram in burst.datagrams():
            self.receive(datagram)

    def receive(self, datagram: Datagram) -> None:
        """Verify and decrypt an ESP packet, check its selectors, and put the inner packet into its inbox."""
        endpoint, data = self._endpoint, datagram.data
        spi = int.from_bytes(data[:4])
        entry = self.children.get(spi) if len(data) >= 8 else None
        if entry is None:
            if len(data) >= 8 and spi > 255:
                unprotected.unknown_esp(endpoint, datagram, spi)
            reason = f"expected an ESP packet of a Child SA, found {len(data)} octets with SPI {spi:#010x}"
            endpoint.drop(datagram, DropReason.UNKNOWN_ESP_SPI, reason, offset=0)
            return
        sa, child = entry
        seq = int.from_bytes(data[4:8])
        try:
            payload, next_header = child.inbound.open(data)
            sa.last_heard = endpoint.now
            if datagram.remote != sa.remote:
                nat.follow_esp(sa, child, seq, datagram)
            if child.life is not None:
                child.life.received()
            # Section 2.8: a valid packet on the inbound SA shows that the peer is ready to receive.
            child.ready = True
            packet = self._inner(sa, child, payload, next_header, datagram)
            allowed = packet is None or child.allows(Flow.parse(packet))
        except IntegrityError:
            endpoint.counts.drop(DropReason.ESP_INTEGRITY)
            sa.emit(IntegrityFailed(*sa.stamp, spi=spi, data=data, remote=datagram.remote))
            return
        except ReplayError:
            endpoint.counts.drop(DropReason.ESP_REPLAY)
            sa.emit(ReplayDropped(*sa.stamp, spi=spi, seq=seq, remote=datagram.remote))
            return
        except MalformedError as error:
            endpoint.drop(datagram, DropReason.ESP_MALFORMED, str(error))
            return
        if packet is not None and not allowed:
            unprotected.outside_selectors(sa, child, packet)
            reason = f"the inner packet is outside the traffic selectors of the Child SA {child.name!r}"
            endpoint.drop(datagram, DropReason.ESP_SELECTORS, reason)
            return
        endpoint.counts.esp_packets_in += 1
        endpoint.counts.esp_bytes_in += len(data)
        if endpoint.esp_events:
            length = 0 if packet is None else len(packet)
            sa.emit(EspReceived(*sa.stamp, spi=spi, seq=seq, length=length, next_header=next_header, datagram=datagram))
        if packet is not None and not (self.inbox if sa.inbox is None else sa.inbox).put(packet):
            endpoint.counts.drop(DropReason.INBOX_FULL)

    @staticmethod
    def _inner(sa: SaRecord, child: ChildSa, payload: bytes, next_header: int, datagram: Datagram) -> bytes | None:
        """The inner packet, None for a dummy packet; MalformedError when it does not fit the mode of the Child SA."""
        if next_header == DUMMY:
            return None
        if child.hosts is not None:
            return transport.received(sa, child.hosts, payload, next_header, datagram)
        if next_header not in (IPV4, IPV6):
            raise MalformedError(f"expected an IP packet in tunnel mode, found next header {next_header}")
        return tunnel.leave(tunnel.inner_packet(payload, next_header), datagram.tos)

    # Child SAs

    def new_spi(self) -> int:
        """Choose an unused ESP SPI of our share; those below 256 are reserved (RFC 4303 section 2.1)."""
        while True:
            spi = int.from_bytes(self._endpoint.config.spi_share.near(self._endpoint.randomness.octets(4)))
            if spi > 255 and spi not in self.children:
                return spi

    def remove(self, child: ChildSa) -> None:
        """Remove a Child SA.

        If it has a successor, it still receives for a while: packets may be on their way (section 2.8).
        """
        child.gone = True
        if child.life is not None:
            child.life.stop()
        spi, endpoint = child.inbound.spi, self._endpoint
        self.past_spis.append(spi)
        if child.rekeyed is None and child.peer_rekeyed is None and child.replaces is None:
            self._drop(spi, child)
        else:
            timer = endpoint.timers.set(endpoint.now + endpoint.config.esp_linger, lambda now: self._drop(spi, child))
            self._late[spi] = (child, timer)
            if len(self._late) > endpoint.config.linger_limit:
                oldest, (other, timer) = next(iter(self._late.items()))
                timer.cancel()
                self._drop(oldest, other)

    def _drop(self, spi: int, child: ChildSa) -> None:
        self._late.pop(spi, None)
        # Each Child SA refers to the one that it replaced; do not keep these alive.
        child.replaces = None
        if spi in self.children and self.children[spi][1] is child:
            del self.children[spi]
