# SPDX-License-Identifier: GPL-2.0-or-later
"""Inner packets on their way out: select the Child SA, seal, queue (RFC 4301 section 5.1, RFC 7296 section 2.9).

What a flow is sent on is remembered under a few octets of its packets, until anything changes that `policy.pick` or its
way depends on. With taps, or while somebody wants events, every packet takes the way of `Sender.send_on`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp import transport as esp_transport
from fynx_scapy.esp import tunnel
from fynx_scapy.esp.padding import tfc_padded
from fynx_scapy.esp.parts import EspParts
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.child.policy import Candidate
from fynx_scapy.ike.child.spd import Group
from fynx_scapy.ike.child.traps import Traps
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.events import EspSent
from fynx_scapy.ike.message import Datagram, OutgoingEsp
from fynx_scapy.ike.path import nat
from fynx_scapy.ike.terms.flowkeys import address_key, flow_key
from fynx_scapy.ike.terms.selectors import Flow
from fynx_scapy.ike.traffic.children import Children
from fynx_scapy.ike.traffic.lanes import DUMMY, IPV4, IPV6, OutLane, Selection
from fynx_scapy.ike.wire.outbox import Outbox

_OVERHEAD = 128
"""More octets than any algorithm adds to a packet."""


class Sender:
    """Sends inner packets of an endpoint."""

    def __init__(self, endpoint: EndpointRecord, children: Children, outbox: Outbox) -> None:
        self._endpoint, self._children, self._outbox = endpoint, children, outbox
        self._all = Selection(self._pick, self._catch)
        self._lanes: dict[Group, dict[tuple[int, int], OutLane]] = {}
        self._key = address_key

    def forget(self, child: ChildSa) -> None:
        """Forget which flows a Child SA takes, or may take now: something about it has changed."""
        spd = self._children.spd
        key_of = address_key if spd.plain else flow_key
        related = spd.related(child) if key_of is self._key else None
        for group in list(self._lanes) if related is None else related:
            for lane in self._lanes.pop(group, {}).values():
                lane.close()
        if related is None:
            # The flows of other selections need not be forgotten: their lanes are closed.
            self._all.forget()
            self._key = key_of

    # By policy

    def send(self, packet: bytes, selection: Selection | None = None) -> bool:
        """Send an inner packet through the Child SA that policy selects; whether it was taken. Raises like `send_on`.

        If it matches a trap policy, it is held until its Child SA is set up. MalformedError when it is no IP packet.
        """
        chosen = selection or self._all
        lane = chosen.flows.get(self._key(packet))
        if lane is None or not lane.valid:
            flow = Flow.parse(packet)
            lane = self._find(chosen, packet, flow)
            if lane is None:
                return chosen.left(packet, flow)
        endpoint, outbox = self._endpoint, self._outbox
        if endpoint.esp_events or endpoint.taps.used or not lane.plain:
            if not self.send_on(lane.sa, lane.child, packet):
                return False
        elif outbox.full:
            endpoint.counts.drop(DropReason.OUTBOX_FULL)
            return False
        else:
            next_header = lane.next_header
            tos = packet[1] if next_header == IPV4 else (packet[0] << 4 | packet[1] >> 4) & 0xFF
            outbox.put_esp(lane.outbound.seal(packet, next_header), lane.route, tos)
            lane.sa.last_sent = endpoint.now
            if lane.life is not None:
                lane.life.sent()
        chosen.packets += 1
        chosen.octets += len(packet)
        return True

    def send_many(self, packets: Iterable[bytes], selection: Selection | None = None) -> int:
        """Send inner packets like `send`; how many were taken. Those that cannot be sent are dropped and counted.

        Their order stays within each Child SA.
        """
        chosen, key_of, taken = selection or self._all, self._key, 0
        flows = chosen.flows
        lanes: dict[OutLane, list[bytes]] = {}
        last: OutLane | None = None
        group: list[bytes] = []
        for packet in packets:
            lane = flows.get(key_of(packet))
            if lane is None or not lane.valid:
                try:
                    flow = Flow.parse(packet)
                    lane = self._find(chosen, packet, flow)
                except MalformedError:
                    self._endpoint.counts.drop(DropReason.INNER_MALFORMED)
                    continue
                if lane is None:
                    taken += chosen.left(packet, flow)
                    continue
            if lane is not last:
                last, group = lane, lanes.setdefault(lane, [])
            group.append(packet)
        for lane, group in lanes.items():
            taken += self._send_group(chosen, lane, group)
        return taken

    def send_now(self, packet: bytes, flow: Flow) -> bool:
        """Send an inner packet through the Child SA that policy selects; False when there is none, or no room."""
        candidate = self._pick(flow)
        return candidate is not None and self.send_on(*candidate, packet)

    def _pick(self, flow: Flow) -> Candidate | None:
        member = self._children.spd.pick(flow)
        return None if member is None else (member.sa, member.child)

    def _find(self, chosen: Selection, packet: bytes, flow: Flow) -> OutLane | None:
        """Select the Child SA of a packet, and remember it for its flow."""
        candidate = chosen.pick(flow)
        if candidate is None:
            return None
        sa, child = candidate
        lanes = self._lanes.setdefault(self._children.spd.group(child), {})
        place = flow.version, child.inbound.spi
        lane = lanes.get(place)
        if lane is None:
            lane = lanes[place] = OutLane(sa, child, flow.version)
        chosen.remember(self._key(packet), lane)
        return lane

    def _catch(self, packet: bytes, flow: Flow) -> bool:
        """Hold a packet that no Child SA takes if a trap takes it. Otherwise it is dropped."""
        if self._endpoint.of(Traps).catch(packet, flow, self._endpoint.now):
            return True
        self._endpoint.counts.drop(DropReason.NO_POLICY)
        return False

    def _send_group(self, chosen: Selection, lane: OutLane, packets: Sequence[bytes]) -> int:
        """Send packets on one Child SA: at once, if they come near no limit; how many were taken."""
        endpoint, outbox = self._endpoint, self._outbox
        number, inner = len(packets), sum(map(len, packets))
        octets = inner + _OVERHEAD * number
        plain = lane.plain and not endpoint.esp_events and not endpoint.taps.used and outbox.fits(number, octets)
        # A lane is closed by now if the packets before these have ended a Child SA.
        if not plain or not lane.valid or (lane.life is not None and not lane.life.may_send(number, octets)):
            return sum(self._send_counted(packet, chosen) for packet in packets)
        sealed = lane.outbound.seal_many(packets, lane.next_header)
        if lane.next_header == IPV4:
            classes = [packet[1] for packet in packets]
        else:
            classes = [(packet[0] << 4 | packet[1] >> 4) & 0xFF for packet in packets]
        if classes.count(classes[0]) == number:
            outbox.put_many(sealed, lane.route, classes[0])
        else:
            for packet, tos in zip(sealed, classes, strict=True):
                outbox.put_esp(packet, lane.route, tos)
        lane.sa.last_sent = endpoint.now
        chosen.packets += number
        chosen.octets += inner
        return number

    def _send_counted(self, packet: bytes, chosen: Selection) -> bool:
        """Send a packet like `send`, and count what is raised instead of raising it."""
        try:
            return self.send(packet, chosen)
        except (MalformedError, LocalError):
            self._endpoint.counts.drop(DropReason.INNER_MALFORMED)
            return False

    # On a given Child SA

    def send_on(self, sa: SaRecord, child: ChildSa, packet: bytes) -> bool:
        """Send an inner packet through this Child SA, whatever policy says; False when there is no room.

        Its DSCP and ECN are copied to the outer header (RFC 7296 section 2.24). LocalError for a fragment in transport
        mode, and when the sequence numbers are used up.
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
            endpoint.counts.esp_packets_out += 1
            endpoint.counts.esp_bytes_out += len(sealed)
        elif self._outbox.full:
            endpoint.counts.drop(DropReason.OUTBOX_FULL)
            return False
        else:
            sealed = child.outbound.seal(payload, next_header, tfc_pad=tfc)
            self._outbox.put_esp(sealed, route, tos)
        sa.last_sent = endpoint.now
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
