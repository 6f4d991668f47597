# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of inner packets through an endpoint: picked for a Child SA, sealed, opened, and held against its selectors.

RFC 4301 sections 5.1 and 5.2, RFC 7296 section 2.9.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from fynx_scapy.errors import IntegrityError, MalformedError, ReplayError
from fynx_scapy.esp import transport as esp_transport
from fynx_scapy.esp import tunnel
from fynx_scapy.esp.parts import EspParts
from fynx_scapy.esp.sa import tfc_padded
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.child import policy, transport
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import EspReceived, EspSent, IntegrityFailed, ReplayDropped
from fynx_scapy.ike.message import Datagram, OutgoingEsp
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.strangers import unprotected
from fynx_scapy.ike.terms.selectors import Flow

DUMMY = 59
IPV4, IPV6 = 4, 41


class EspPath:
    """The Child SAs of one endpoint by their inbound SPIs, and what goes through them."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self.children: dict[int, tuple[SaRecord, ChildSa]] = {}
        self.past_spis: deque[int] = deque(maxlen=256)
        self._late: OrderedDict[int, tuple[ChildSa, Timer]] = OrderedDict()

    # Out

    def send_now(self, packet: bytes, flow: Flow) -> bool:
        """Send an inner packet through the Child SA that policy picks; False when there is none for it."""
        found = policy.pick(self.children.values(), flow)
        if found is not None:
            self.send_on(*found, packet)
        return found is not None

    def send_on(self, sa: SaRecord, child: ChildSa, packet: bytes) -> None:
        """Seal an inner packet into one Child SA, whatever policy says; LocalError for a fragment in transport mode.

        Its DSCP and ECN go to the outer header (RFC 7296 section 2.24).
        """
        if child.hosts is not None:
            payload, next_header, tfc = *esp_transport.enter(packet), 0
        else:
            payload, next_header = packet, IPV4 if packet[0] >> 4 == 4 else IPV6
            tfc = max(0, child.config.tfc_length - len(packet)) if child.options.tfc else 0
        self._send(sa, child, payload, next_header, tfc, len(packet), tunnel.traffic_class(packet))

    def send_dummy(self, sa: SaRecord, child: ChildSa, length: int = 64) -> None:
        """Send a dummy packet, which the peer discards (RFC 4303 section 2.6)."""
        self._send(sa, child, self._endpoint.randomness.octets(length), DUMMY, 0, length, 0)

    def _send(
        self, sa: SaRecord, child: ChildSa, payload: bytes, next_header: int, tfc: int, length: int, tos: int
    ) -> None:
        endpoint, message = self._endpoint, None
        if endpoint.taps.used:
            tfc_padding = tfc_padded(payload, next_header, tfc)[len(payload) :] if tfc else b""
            message = OutgoingEsp([], parts=EspParts(payload, next_header, tfc=tfc_padding))
            endpoint.taps.parts(message)
            sealed = endpoint.taps.octets("wire", message, message.parts.build(child.outbound))
        else:
            sealed = child.outbound.seal(payload, next_header, tfc_pad=tfc)
        datagram = nat.esp_datagram(sa, sealed, tos)
        endpoint.transmit(message, [datagram])
        sa.last_sent = endpoint.now
        changed = tuple(message.changed) if message else ()
        parts_seq = message.parts.seq if message else None
        seq = child.outbound.seq if parts_seq is None else parts_seq
        sa.emit(EspSent(*sa.stamp, spi=child.outbound.spi, seq=seq, length=length, datagram=datagram, changed=changed))
        if child.life is not None:
            child.life.sent()

    # In

    def receive(self, datagram: Datagram) -> bytes | None:
        """Verify, open, hold against the selectors; the inner packet, or None where there is none to hand over."""
        endpoint, data = self._endpoint, datagram.data
        spi = int.from_bytes(data[:4])
        found = self.children.get(spi) if len(data) >= 8 else None
        if found is None:
            if len(data) >= 8 and spi > 255:
                unprotected.unknown_esp(endpoint, datagram, spi)
            endpoint.drop(
                datagram,
                f"expected an ESP packet of a Child SA, found {len(data)} octets with SPI {spi:#010x}",
                offset=0,
            )
            return None
        sa, child = found
        seq = int.from_bytes(data[4:8])
        try:
            payload, next_header = child.inbound.open(data)
            sa.last_heard = endpoint.now
            if datagram.remote != sa.remote:
                nat.follow_esp(sa, child, seq, datagram)
            if child.life is not None:
                child.life.received()
            # Section 2.8: a valid packet on the other half shows that the peer is ready.
            child.ready = True
            packet = self._inner(sa, child, payload, next_header, datagram)
            allowed = packet is None or child.allows(Flow.parse(packet))
        except IntegrityError:
            sa.emit(IntegrityFailed(*sa.stamp, spi=spi, data=data, remote=datagram.remote))
            return None
        except ReplayError:
            sa.emit(ReplayDropped(*sa.stamp, spi=spi, seq=seq, remote=datagram.remote))
            return None
        except MalformedError as error:
            endpoint.drop(datagram, str(error))
            return None
        if packet is not None and not allowed:
            unprotected.outside_selectors(sa, child, packet)
            endpoint.drop(datagram, f"the inner packet is outside the traffic selectors of the Child SA {child.name!r}")
            return None
        length = 0 if packet is None else len(packet)
        sa.emit(EspReceived(*sa.stamp, spi=spi, seq=seq, length=length, next_header=next_header, datagram=datagram))
        return packet

    @staticmethod
    def _inner(sa: SaRecord, child: ChildSa, payload: bytes, next_header: int, datagram: Datagram) -> bytes | None:
        """The inner packet, None of a dummy; MalformedError when it is none of its Child SA's mode."""
        if next_header == DUMMY:
            return None
        if child.hosts is not None:
            return transport.received(sa, child.hosts, payload, next_header, datagram)
        if next_header not in (IPV4, IPV6):
            raise MalformedError(f"expected an IP packet in tunnel mode, found next header {next_header}")
        return tunnel.leave(tunnel.inner_packet(payload, next_header), datagram.tos)

    # Child SAs

    def new_spi(self) -> int:
        """An ESP SPI that is not in use here; those below 256 are reserved (RFC 4303 section 2.1)."""
        while True:
            spi = int.from_bytes(self._endpoint.randomness.octets(4))
            if spi > 255 and spi not in self.children:
                return spi

    def remove(self, child: ChildSa) -> None:
        """Forget a Child SA.

        One that has a successor still takes in, for a while, what was sent before the peer knew (section 2.8).
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
        # Each Child SA knows the one before it: the chain of them ends here.
        child.replaces = None
        if spi in self.children and self.children[spi][1] is child:
            del self.children[spi]
