# SPDX-License-Identifier: GPL-2.0-or-later
"""One side: its IKE SAs, its Child SAs, and what it says to strangers. It does no I/O and reads no clock.

Hand in datagrams, packets and the time; take out datagrams, packets and events.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import cast

from scapy.packet import Packet

from fynx_scapy.errors import IntegrityError, LocalError, MalformedError, ReplayError
from fynx_scapy.esp import transport as esp_transport
from fynx_scapy.esp import tunnel
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.basics.bounded import Bounded
from fynx_scapy.ike.basics.randomness import Randomness, SystemRandomness
from fynx_scapy.ike.basics.timers import Timer, Timers
from fynx_scapy.ike.child import policy, transport
from fynx_scapy.ike.child.traps import Traps
from fynx_scapy.ike.config import EndpointConfig, IkeConfig, address
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.record import EndpointRecord, SaRecord
from fynx_scapy.ike.events import (
    EspReceived,
    EspSent,
    Event,
    IntegrityFailed,
    MessageDropped,
    MessageSent,
    ReplayDropped,
    event_log,
)
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.exchanges.ike_sa_init import IkeSaInit
from fynx_scapy.ike.extensions import quick_crash
from fynx_scapy.ike.message import RESPONSE, Datagram, DatagramKind, Header, IcmpError, Outgoing, notify
from fynx_scapy.ike.path import icmp, nat
from fynx_scapy.ike.path.keepalive import Keepalives
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.strangers import hints
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.ike.terms.pool import Pools
from fynx_scapy.ike.terms.selectors import Flow
from fynx_scapy.ike.wire.taps import Delayed, Taps
from fynx_scapy.layers.ikev2 import build_message

DUMMY = 59
_TUNNELLED = (4, 41)


class Endpoint(EndpointRecord):
    """One side with a local address.

    ``host`` is its IP address as text, ``configs`` what it accepts from others, the first that fits being taken.
    ``now`` is in seconds, on any clock that does not run backwards.
    """

    def __init__(
        self,
        host: str,
        configs: Sequence[IkeConfig] = (),
        *,
        config: EndpointConfig | None = None,
        randomness: Randomness | None = None,
        taps: Taps | None = None,
    ) -> None:
        super().__init__()
        self.host = address(host).host
        self.configs = list(configs)
        self.config = config or EndpointConfig()
        self.randomness: Randomness = randomness or SystemRandomness()
        self.taps = taps or Taps()
        self.timers = Timers()
        self.keepalives = self.of(Keepalives)
        self.now = 0.0
        self.sas: dict[bytes, IkeSa] = {}
        self.children = {}
        self.traps = self.of(Traps)
        self._initial: dict[bytes, IkeSa] = {}
        self.pools = Pools()
        self._lingering: OrderedDict[bytes, tuple[SaRecord, Timer]] = OrderedDict()
        self._late: OrderedDict[int, tuple[ChildSa, Timer]] = OrderedDict()
        self.past_spis: deque[int] = deque(maxlen=256)
        self.path_mtu = self.of(icmp.PathMtus)
        self.destinations = self.of(icmp.Destinations)
        self.admission = self.of(Admission)
        queue = self.config.queue_limit, self.config.queue_octets
        self._datagrams: Bounded[Datagram] = Bounded(*queue, weigh=lambda datagram: len(datagram.data))
        self._packets: Bounded[bytes] = Bounded(*queue, weigh=len)
        self._events: Bounded[Event] = event_log(self.config.event_limit, self.config.event_octets)

    # Six methods, and the three queues that they fill

    def connect(
        self, config: IkeConfig, now: float, packet: bytes | None = None, *, authenticate: bool = True
    ) -> IkeSa:
        """Begin an IKE SA with ``config.remote``.

        ``packet`` is the inner packet that asks for it (RFC 7296 section 2.9).

        Without ``authenticate`` only IKE_SA_INIT is run, and IKE_AUTH is the caller's to start. LocalError when the
        configuration names no peer.
        """
        self.now = now
        if config.remote is None:
            raise LocalError("expected a configuration whose remote is an address to connect to, found none")
        local = nat.first_address(self.host, self.config, config, config.remote)
        sa = IkeSa(
            self, [config], initiator=True, spi_i=self.new_ike_spi(), spi_r=bytes(8), local=local, remote=config.remote
        )
        self.sas[sa.spi_i] = sa
        init = sa.start(IkeSaInit(sa))
        if authenticate and not init.done:
            sa.start(IkeAuth(sa, packet))
        return sa

    def receive(self, datagram: Datagram, now: float) -> None:
        """Take in a datagram. Whatever is wrong with it becomes an event; nothing is raised."""
        self.now = now
        if datagram.kind is DatagramKind.IKE:
            self._receive_ike(datagram)
        elif datagram.kind is not DatagramKind.KEEPALIVE:
            self._receive_esp(datagram)

    def receive_icmp(self, error: IcmpError, now: float) -> None:
        """Take in what ICMP says of a datagram of ours. It becomes an event, and a hint at most."""
        self.now = now
        icmp.receive(self, error)

    def send(self, packet: bytes, now: float) -> bool:
        """Send an inner IP packet through the Child SA that `policy` picks; False when there is none for it.

        One that a policy waits for is held until its Child SA is there. MalformedError when it is no IP packet.
        """
        self.now = now
        flow = Flow.parse(packet)
        return self.send_now(packet, flow) or self.traps.catch(packet, flow, now)

    def send_now(self, packet: bytes, flow: Flow) -> bool:
        """The same, without waiting for anything."""
        found = policy.pick(self.children.values(), flow)
        if found is not None:
            self.send_on(*found, packet)
        return found is not None

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self.now = now
        self.timers.fire(now)

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called, or None."""
        return self.timers.next()

    def datagrams(self) -> list[Datagram]:
        """What is to leave, in order."""
        found = self._datagrams.drain()
        for datagram in found:
            self.destinations.add(datagram.remote)
        return found

    def packets(self) -> list[bytes]:
        """Inner packets that arrived, decrypted, in order."""
        return self._packets.drain()

    def events(self) -> list[Event]:
        """What happened since the last call."""
        return self._events.drain()

    # What its SAs use

    def emit(self, event: Event) -> None:
        """Queue an event."""
        self._events.append(event)

    def transmit(self, message: Outgoing, datagrams: Sequence[Datagram], attempt: int) -> None:
        """Queue a message's datagrams, as the last tap leaves them."""
        if self.config.marker_always:
            datagrams = nat.marked(list(datagrams))
        for item in self.taps.datagrams(message, datagrams, attempt):
            if isinstance(item, Delayed):
                later = item.datagram
                self.timers.set(self.now + item.seconds, lambda now, later=later: self._datagrams.append(later))  # type: ignore[misc]
            else:
                self._datagrams.append(item)

    def put(self, datagram: Datagram, event: Event) -> None:
        """Queue a datagram that no tap is to see, and the event that tells of it."""
        self._datagrams += nat.marked([datagram]) if self.config.marker_always else [datagram]
        self._events.append(event)

    def send_on(self, sa: SaRecord, child: ChildSa, packet: bytes) -> None:
        """Seal an inner packet into one Child SA, whatever policy says; LocalError for a fragment in transport mode.

        Its DSCP and ECN go to the outer header (RFC 7296 section 2.24).
        """
        if child.hosts is not None:
            sealed = child.outbound.seal(*esp_transport.enter(packet))
        else:
            tfc = max(0, child.config.tfc_length - len(packet)) if child.options.tfc else 0
            sealed = child.outbound.seal(packet, 4 if packet[0] >> 4 == 4 else 41, tfc_pad=tfc)
        self._send_esp(sa, child, sealed, len(packet), tunnel.traffic_class(packet))

    def send_dummy(self, sa: SaRecord, child: ChildSa, length: int = 64) -> None:
        """Send a dummy packet, which the peer discards (RFC 4303 section 2.6)."""
        self._send_esp(sa, child, child.outbound.seal(self.randomness.octets(length), DUMMY), length, 0)

    def _send_esp(self, sa: SaRecord, child: ChildSa, sealed: bytes, length: int, tos: int) -> None:
        datagram = nat.esp_datagram(sa, sealed, tos)
        self._datagrams.append(datagram)
        sa.last_sent = self.now
        sa.emit(EspSent(*sa.stamp, spi=child.outbound.spi, seq=child.outbound.seq, length=length, datagram=datagram))
        if child.life is not None:
            child.life.sent()

    def new_child_spi(self) -> int:
        """An ESP SPI that is not in use here; those below 256 are reserved (RFC 4303 section 2.1)."""
        while True:
            spi = int.from_bytes(self.randomness.octets(4))
            if spi > 255 and spi not in self.children:
                return spi

    def remove_child(self, child: ChildSa) -> None:
        """Forget a Child SA.

        One that has a successor still takes in, for a while, what was sent before the peer knew (section 2.8).
        """
        child.gone = True
        if child.life is not None:
            child.life.stop()
        spi = child.inbound.spi
        self.past_spis.append(spi)
        if child.rekeyed is None and child.peer_rekeyed is None and child.replaces is None:
            self._drop_child(spi, child)
        else:
            timer = self.timers.set(self.now + self.config.esp_linger, lambda now: self._drop_child(spi, child))
            self._late[spi] = (child, timer)
            if len(self._late) > self.config.linger_limit:
                oldest, (other, timer) = next(iter(self._late.items()))
                timer.cancel()
                self._drop_child(oldest, other)

    def _drop_child(self, spi: int, child: ChildSa) -> None:
        self._late.pop(spi, None)
        # Each Child SA knows the one before it: the chain of them ends here.
        child.replaces = None
        if spi in self.children and self.children[spi][1] is child:
            del self.children[spi]

    def linger(self, sa: SaRecord) -> None:
        """Let go of an IKE SA that has ended once the peer has no retransmission left to send.

        Where too many linger the oldest goes at once.
        """
        timer = self.timers.set(sa.now + self.config.linger, lambda now: sa.let_go())
        self._lingering[sa.own_spi] = (sa, timer)
        if len(self._lingering) > self.config.linger_limit:
            next(iter(self._lingering.values()))[0].let_go()

    def release(self, sa: SaRecord) -> None:
        """Forget an IKE SA."""
        lingering = self._lingering.pop(sa.own_spi, None)
        if lingering is not None:
            lingering[1].cancel()
        self.sas.pop(sa.own_spi, None)
        self.admission.leave(sa)
        if self._initial.get(sa.init_received) is sa:
            del self._initial[sa.init_received]

    def adopt(self, sa: SaRecord) -> None:
        """Datagrams on its SPI are its own from now on."""
        self.sas[sa.own_spi] = cast(IkeSa, sa)

    def new_ike_spi(self) -> bytes:
        """Eight octets that name no IKE SA of ours."""
        while True:
            spi = self.randomness.octets(8)
            if spi != bytes(8) and spi not in self.sas:
                return spi

    def free_ike_spi(self, spi: bytes) -> bytes:
        """An SPI that was sent in the place of our own; LocalError unless it can name a new IKE SA here."""
        if len(spi) != 8 or spi == bytes(8) or spi in self.sas:
            raise LocalError(f"the SPI {spi.hex()} that was sent cannot name a new IKE SA here")
        return spi

    def owns(self, spi: bytes) -> bool:
        """Whether an IKE SPI is one that we have chosen: no peer may have it, for it would be ourselves."""
        return spi in self.sas

    # IKE

    def _receive_ike(self, datagram: Datagram) -> None:
        try:
            header = Header.parse(datagram.data)
        except MalformedError as error:
            return self.drop(datagram, str(error), offset=0)
        if header.version >> 4 != 2:
            return self._wrong_version(datagram, header)
        sa = self.sas.get(header.spi_r if header.by_initiator else header.spi_i)
        if sa is not None and sa.initiator != header.by_initiator and self._same_peer(sa, header):
            return sa.receive(datagram, header)
        if (
            header.exchange == ExchangeType.IKE_SA_INIT
            and not header.response
            and header.spi_r == bytes(8)
            and header.by_initiator
        ):
            return self._receive_initial(datagram, header)
        return self._unknown_spi(datagram, header)

    @staticmethod
    def _same_peer(sa: IkeSa, header: Header) -> bool:
        theirs, known = (header.spi_r, sa.spi_r) if sa.initiator else (header.spi_i, sa.spi_i)
        return theirs == known or (sa.initiator and known == bytes(8))

    def _receive_initial(self, datagram: Datagram, header: Header) -> None:
        """A stranger's IKE_SA_INIT request, known again by the whole of it (section 2.1)."""
        known = self._initial.get(datagram.data)
        if known is not None:
            return known.receive(datagram, header)
        if header.message_id != 0 or header.spi_i == bytes(8):
            return self.drop(datagram, "expected IKE_SA_INIT with message ID 0 and an initiator SPI other than zero")
        if self.owns(header.spi_i):
            return self.drop(datagram, "expected an initiator SPI of the peer's, found one of our own: a reflection")
        admitted = self.admission.admit(datagram, header, self.now)
        if admitted is None:
            return None
        configs = [config for config in self.configs if config.accepts_address(datagram.remote)]
        if not configs:
            self.admission.refused(datagram, self.now, admitted)
            return self.reject(datagram, header, NotifyType.NO_PROPOSAL_CHOSEN)
        sa = IkeSa(
            self,
            configs,
            initiator=False,
            spi_i=header.spi_i,
            spi_r=self.new_ike_spi(),
            local=datagram.local,
            remote=datagram.remote,
        )
        self.sas[sa.spi_r] = sa
        self._initial[datagram.data] = sa
        sa.init_received = datagram.data
        self.admission.enter(sa, admitted)
        sa.deadline = self.timers.set(self.now + sa.config.half_open_lifetime, sa.expire_half_open)
        sa.receive(datagram, header)
        if not sa.answers.expected:
            # It could not even be read: nothing to remember.
            sa.forget()
        if sa.own_spi not in self.sas:
            self.admission.refused(datagram, self.now, admitted)
        return None

    @property
    def half_open(self) -> int:
        """How many IKE SAs of others are not authenticated."""
        return len(self.admission)

    def _wrong_version(self, datagram: Datagram, header: Header) -> None:
        self.drop(datagram, f"expected major version 2, found {header.version >> 4}", offset=17)
        if header.version >> 4 > 2 and not header.response:
            # Section 2.5: answered with the version closest to the one that was asked for.
            self._answer_error(datagram, header, NotifyType.INVALID_MAJOR_VERSION)

    def _unknown_spi(self, datagram: Datagram, header: Header) -> None:
        self.drop(datagram, f"no IKE SA has the SPIs {header.spi_i.hex()}_i {header.spi_r.hex()}_r", offset=0)
        if header.response or header.exchange == ExchangeType.IKE_SA_INIT or hints.stray(self, datagram, header):
            # Section 2.21.4: a request may be answered, a response never, nor a Notify outside of an IKE SA.
            return
        self._answer_error(datagram, header, NotifyType.INVALID_IKE_SPI, quick_crash.unprotected(self, header))

    def _answer_error(self, datagram: Datagram, header: Header, kind: NotifyType, more: Sequence[Packet] = ()) -> None:
        if self.admission.may_answer(datagram, self.now):
            self.reject(datagram, header, kind, more=more)

    def reject(
        self,
        datagram: Datagram,
        header: Header,
        kind: NotifyType,
        data: bytes = b"",
        more: Sequence[Packet] = (),
        *,
        response: bool = True,
    ) -> None:
        """Answer a stranger in the clear: same SPIs, same message ID, one Notify (or ``more``), and no state."""
        message = Outgoing([notify(kind, data), *more], encrypted=False)
        flags = (RESPONSE if response else 0) | (0 if header.by_initiator else 0x08)
        for name, value in {
            "init_SPI": header.spi_i,
            "resp_SPI": header.spi_r,
            "exch_type": header.exchange,
            "flags": flags,
            "id": header.message_id,
        }.items():
            setattr(message.header, name, value)
        self.taps.payloads(message)
        wire = self.taps.octets("wire", message, build_message(message.header, message.payloads))
        self.emit(
            MessageSent(
                time=self.now,
                spi_i=header.spi_i,
                spi_r=header.spi_r,
                header=message.header,
                payloads=tuple(message.payloads),
                plaintext=None,
                wire=(wire,),
                local=datagram.local,
                remote=datagram.remote,
                changed=tuple(message.changed),
            )
        )
        self.transmit(message, [Datagram(wire, datagram.local, datagram.remote)], 0)

    def drop(self, datagram: Datagram, reason: str, offset: int | None = None) -> None:
        """Tell that a datagram was not acted upon."""
        self.emit(
            MessageDropped(
                time=self.now,
                reason=reason,
                data=datagram.data[: self.config.junk_size],
                remote=datagram.remote,
                offset=offset,
                length=len(datagram.data),
            )
        )

    # ESP

    def _receive_esp(self, datagram: Datagram) -> None:
        """Verify, open, hold against the selectors, and hand over the inner packet."""
        data = datagram.data
        spi = int.from_bytes(data[:4])
        found = self.children.get(spi) if len(data) >= 8 else None
        if found is None:
            if len(data) >= 8 and spi > 255:
                hints.unknown_esp(self, datagram, spi)
            return self.drop(
                datagram,
                f"expected an ESP packet of a Child SA, found {len(data)} octets with SPI {spi:#010x}",
                offset=0,
            )
        sa, child = found
        seq = int.from_bytes(data[4:8])
        try:
            payload, next_header = child.inbound.open(data)
        except IntegrityError:
            return sa.emit(IntegrityFailed(*sa.stamp, spi=spi, data=data, remote=datagram.remote))
        except ReplayError:
            return sa.emit(ReplayDropped(*sa.stamp, spi=spi, seq=seq, remote=datagram.remote))
        except MalformedError as error:
            return self.drop(datagram, str(error))
        sa.last_heard = self.now
        if datagram.remote != sa.remote:
            nat.follow_esp(sa, child, seq, datagram)
        if child.life is not None:
            child.life.received()
        # Section 2.8: a valid packet on the other half shows that the peer is ready.
        child.ready = True
        if next_header == DUMMY:
            sa.emit(EspReceived(*sa.stamp, spi=spi, seq=seq, length=0, next_header=next_header, datagram=datagram))
            return None
        if child.hosts is None and next_header not in _TUNNELLED:
            return self.drop(datagram, f"expected an IP packet in tunnel mode, found next header {next_header}")
        try:
            if child.hosts is None:
                packet = tunnel.leave(tunnel.inner_packet(payload, next_header), datagram.tos)
            else:
                packet = transport.received(sa, child.hosts, payload, next_header, datagram)
            allowed = child.allows(Flow.parse(packet))
        except MalformedError as error:
            return self.drop(datagram, str(error))
        if not allowed:
            hints.outside_selectors(sa, child, packet)
            return self.drop(
                datagram, f"the inner packet is outside the traffic selectors of the Child SA {child.name!r}"
            )
        sa.emit(
            EspReceived(*sa.stamp, spi=spi, seq=seq, length=len(packet), next_header=next_header, datagram=datagram)
        )
        self._packets.append(packet)
        return None
