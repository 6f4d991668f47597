# SPDX-License-Identifier: GPL-2.0-or-later
"""An IKE endpoint with all its IKE SAs and Child SAs. It does no I/O and reads no clock.

Pass datagrams, packets and the time in; take datagrams, packets and events out. The router finds the IKE SA of a
message; the ESP path handles inner packets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from scapy.packet import Packet

from fynx_scapy.checks import as_tuple, check_values, kind, optional, several
from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.bounded import Bounded
from fynx_scapy.ike.basics.counts import Counts, DropReason
from fynx_scapy.ike.basics.randomness import Randomness, SystemRandomness
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.basics.timers import Timers
from fynx_scapy.ike.child.traps import Traps
from fynx_scapy.ike.config import EndpointConfig, IkeConfig, address
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.directory import Directory
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.core.extension import Extension
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.core.registry import Registry
from fynx_scapy.ike.events import Event, MessageDropped, event_log
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.exchanges.ike_sa_init import IkeSaInit
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind, Header, IcmpError, Message, Outgoing
from fynx_scapy.ike.path import icmp, nat
from fynx_scapy.ike.path.keepalive import Keepalives
from fynx_scapy.ike.router import Router
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.strangers import replies
from fynx_scapy.ike.strangers.admission import Admission
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.pool import Pools
from fynx_scapy.ike.terms.selectors import Flow, Selector
from fynx_scapy.ike.traffic.children import Children
from fynx_scapy.ike.traffic.lanes import Selection
from fynx_scapy.ike.traffic.receiver import Receiver
from fynx_scapy.ike.traffic.sender import Sender
from fynx_scapy.ike.wire.outbox import Outbox
from fynx_scapy.ike.wire.taps import Delayed, Taps
from fynx_scapy.text import counted

# Looking up a member of an enumeration takes longer than the rest of the decision.
_IKE, _KEEPALIVE = DatagramKind.IKE, DatagramKind.KEEPALIVE

_CHECKS = {
    "configs": several(kind(IkeConfig), high=100_000),
    "config": optional(kind(EndpointConfig)),
    "taps": optional(kind(Taps)),
    "registry": optional(kind(Registry)),
}


class Endpoint(EndpointRecord):
    """An IKE endpoint.

    ``host`` is its IP address as text, or several of them. It connects from the first one of the peer's IP version.
    ``configs`` has one or several configurations for peers that connect to it; the first that fits is used.
    ``registry`` adds exchanges and extensions for this endpoint alone. ``now`` is in seconds, on any clock that does
    not run backwards. ConfigError for a value that is none of these.
    """

    def __init__(
        self,
        host: str | Sequence[str],
        configs: IkeConfig | Sequence[IkeConfig] = (),
        *,
        config: EndpointConfig | None = None,
        randomness: Randomness | None = None,
        taps: Taps | None = None,
        registry: Registry | None = None,
    ) -> None:
        super().__init__()
        given = as_tuple(configs, IkeConfig)
        check_values("Endpoint", _CHECKS, configs=given, config=config, taps=taps, registry=registry)
        self.registry = registry or Registry()
        self.hosts = tuple(address(text).host for text in ([host] if isinstance(host, str) else host))
        if not self.hosts:
            raise ConfigError("expected at least one IP address for the endpoint, found none")
        self.configs = list(given)
        self.config = config or EndpointConfig()
        self.randomness: Randomness = randomness or SystemRandomness()
        self.taps = taps or Taps()
        self.timers = Timers()
        self.now = 0.0
        self.counts = Counts()
        self._outbox = Outbox(self.config.queue_limit, self.config.queue_octets, self.counts)
        self.pools = Pools(self.config.spi_share)
        self.router = Router(self)
        self._children = Children(self, self._child_changed)
        self._sender = Sender(self, self._children, self._outbox)
        self._receiver = Receiver(self, self._children)
        self.directory = self.router.directory
        self.children = self._children.by_spi
        self.keepalives = self.of(Keepalives)
        self.traps = self.of(Traps)
        self.path_mtu = self.of(icmp.PathMtus)
        self.destinations = self.of(icmp.Destinations)
        self.admission = self.of(Admission)
        self._events: Bounded[Event] = event_log(self.config.event_limit, self.config.event_octets)

    def __repr__(self) -> str:
        ports = f"ports {self.config.port} and {self.config.natt_port}"
        return f"<Endpoint {', '.join(self.hosts)}, {ports}, {counted(len(self.sas), 'IKE SA')}>"

    # The public methods: six for input, three for output

    def connect(
        self, config: IkeConfig, now: float, packet: bytes | None = None, *, authenticate: bool = True
    ) -> IkeSa:
        """Begin an IKE SA with ``config.remote``.

        ``packet`` is the inner packet that triggers it (RFC 7296 section 2.9). Without ``authenticate`` only
        IKE_SA_INIT is run; the caller starts IKE_AUTH. LocalError when ``config.remote`` is None.
        """
        self.now = now
        if config.remote is None:
            raise LocalError("expected IkeConfig.remote to be the address to connect to, found none")
        local = nat.first_address(self._towards(config.remote), self.config, config, config.remote)
        sa = IkeSa(
            self, [config], initiator=True, spi_i=self.new_ike_spi(), spi_r=bytes(8), local=local, remote=config.remote
        )
        self.directory.add(sa)
        init = sa.start(IkeSaInit(sa))
        if authenticate and not init.done:
            sa.start(IkeAuth(sa, packet))
        return sa

    def _towards(self, remote: Address) -> str:
        """Our first address of the peer's IP version, or our first one if there is none."""
        return next((host for host in self.hosts if (":" in host) == (":" in remote.host)), self.host)

    def receive(self, datagram: Datagram, now: float) -> None:
        """Handle a received datagram. Errors in it become events; nothing is raised."""
        self.now = now
        if datagram.kind is _IKE:
            self.router.receive(datagram)
        elif datagram.kind is not _KEEPALIVE:
            self._receiver.receive(datagram)

    def receive_burst(self, burst: Burst, now: float) -> None:
        """Handle ESP packets that have come from one address. Errors in them become events; nothing is raised."""
        self.now = now
        self._receiver.receive_burst(burst)

    def receive_icmp(self, error: IcmpError, now: float) -> None:
        """Handle an ICMP error about one of our datagrams. It becomes an event, and at most a hint."""
        self.now = now
        icmp.receive(self, error)

    def send(self, packet: bytes, now: float, selection: Selection | None = None) -> bool:
        """Send an inner IP packet through the Child SA that policy selects; False when there is none, or no room.

        If the packet matches a trap policy, it is held until its Child SA is set up. With a ``selection`` that chooses
        instead. MalformedError when it is no IP packet.
        """
        self.now = now
        return self._sender.send(packet, selection)

    def send_many(self, packets: Sequence[bytes], now: float, selection: Selection | None = None) -> int:
        """Send inner IP packets like `send`; returns how many were taken. Their order stays within each Child SA.

        Nothing is raised for a packet that cannot be sent: it is dropped and counted.
        """
        self.now = now
        return self._sender.send_many(packets, selection)

    def handle_timer(self, now: float) -> None:
        """Run the timers that are due."""
        self.now = now
        self.timers.fire(now)

    def next_timer(self) -> float | None:
        """When to call `handle_timer` next, or None."""
        return self.timers.next()

    def output(self) -> list[Datagram | Burst]:
        """Take what is to be sent, in order: datagrams, and ESP packets that share a path as a burst."""
        output = self._outbox.drain()
        for item in output:
            self.destinations.add(item.remote)
        return output

    def datagrams(self) -> list[Datagram]:
        """Take what is to be sent, in order, as one datagram each."""
        datagrams: list[Datagram] = []
        for item in self.output():
            if isinstance(item, Burst):
                datagrams += item.datagrams()
            else:
                datagrams.append(item)
        return datagrams

    def packets(self) -> list[bytes]:
        """Take the received inner packets, decrypted, in order, of IKE SAs without an inbox of their own."""
        return self._receiver.inbox.drain()

    def events(self) -> list[Event]:
        """Take the events since the last call."""
        return self._events.drain()

    # Exchanges and extensions

    if TYPE_CHECKING:
        directory: Directory[IkeSa]

        @property
        def sas(self) -> Mapping[bytes, IkeSa]: ...

    @property
    def extensions(self) -> tuple[type[Extension], ...]:
        """The extension classes of its IKE SAs, in order."""
        return self.registry.extensions

    def responder_for(self, request: Message) -> type[Exchange] | None:
        """The exchange class that answers a request, or None."""
        return self.registry.responder_for(request)

    # Output

    def transmit(self, message: Outgoing | None, datagrams: Sequence[Datagram], attempt: int = 0) -> None:
        """Queue the datagrams of a message after the last taps. ``message`` is None when no tap is to see it."""
        if self.config.marker_always:
            datagrams = nat.marked(datagrams)
        if message is None or not self.taps.used:
            for datagram in datagrams:
                self._outbox.put(datagram)
            return
        for item in self.taps.datagrams(message, datagrams, attempt):
            if isinstance(item, Delayed):
                later = item.datagram
                self.timers.set(self.now + item.seconds, lambda now, later=later: self._outbox.put(later))  # type: ignore[misc]
            else:
                self._outbox.put(item)

    def emit(self, event: Event) -> None:
        """Queue an event."""
        self._events.append(event)

    def drop(self, datagram: Datagram, code: DropReason, reason: str, offset: int | None = None) -> None:
        """Count and report a dropped datagram."""
        self.counts.drop(code)
        self.emit(
            MessageDropped(
                self.now,
                code=code,
                reason=reason,
                data=datagram.data[: self.config.junk_size],
                remote=datagram.remote,
                offset=offset,
                length=len(datagram.data),
            )
        )

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
        """Send an unprotected answer with the same SPIs and message ID: one Notify and ``more``. No state is kept."""
        replies.reject(self, datagram, header, kind, data, more, response=response)

    # IKE SAs

    @property
    def half_open(self) -> int:
        """How many IKE SAs that peers began are not authenticated yet."""
        return len(self.admission)

    def adopt(self, sa: SaRecord) -> None:
        """Register an IKE SA by our SPI."""
        self.directory.add(cast(IkeSa, sa))

    def linger(self, sa: SaRecord) -> None:
        """Keep an ended IKE SA until the peer has no retransmissions left, then discard it."""
        self.router.linger(sa)

    def release(self, sa: SaRecord) -> None:
        """Unregister an IKE SA."""
        self.router.release(sa)

    def new_ike_spi(self) -> bytes:
        """Choose an unused IKE SPI of eight octets."""
        return self.router.new_spi()

    def free_ike_spi(self, spi: bytes) -> bytes:
        """Check an SPI that a tap sent instead of ours; LocalError when it cannot name a new IKE SA here."""
        return self.router.free_spi(spi)

    def owns(self, spi: bytes) -> bool:
        """Whether an IKE SPI is one of ours."""
        return self.router.owns(spi)

    def lose_state(self) -> None:
        """Forget all IKE SAs and Child SAs at once, as in a crash: no peer is told."""
        for sa in list(self.sas.values()):
            if sa.state is State.CLOSED:
                sa.discard()
            else:
                sa.forget()
        self._children.clear()

    # Child SAs and their packets

    @property
    def past_spis(self) -> deque[int]:
        """The inbound SPIs of the last Child SAs that ended."""
        return self._children.past_spis

    def new_child_spi(self) -> int:
        """Choose an unused ESP SPI."""
        return self._children.new_spi()

    def remove_child(self, child: ChildSa) -> None:
        """Remove a Child SA. If it has a successor, it still receives late packets for a while (section 2.8)."""
        self._children.remove(child)

    def add_child(self, sa: SaRecord, child: ChildSa) -> None:
        """Add a Child SA of an IKE SA. Packets may use it from now on."""
        self._children.add(sa, child)

    def move_child(self, child: ChildSa, sa: SaRecord) -> None:
        """Give a Child SA to the IKE SA that succeeds its own."""
        self._children.move(child, sa)

    def number_of_children(self, identity: Identity | None) -> int:
        """How many Child SAs it has with the peer of that identity."""
        return self._children.number_of(identity)

    def overlapping(self, local: Iterable[Selector], remote: Iterable[Selector]) -> Iterator[tuple[SaRecord, ChildSa]]:
        """Child SAs with their IKE SA: at least all those that may take packets that these selectors take."""
        return self._children.overlapping(local, remote)

    def sa_changed(self, sa: SaRecord) -> None:
        """Note that a `Deciding` attribute of an IKE SA has changed: forget what is remembered of its Child SAs."""
        self.directory.refile(cast(IkeSa, sa))
        for child in sa.children.values():
            if child.watcher is not None:
                self._child_changed(child)

    def _child_changed(self, child: ChildSa) -> None:
        self._sender.forget(child)
        self._receiver.forget(child)

    def send_now(self, packet: bytes, flow: Flow) -> bool:
        """Send an inner packet through the Child SA that policy selects; False when there is none."""
        return self._sender.send_now(packet, flow)

    def send_on(self, sa: SaRecord, child: ChildSa, packet: bytes) -> bool:
        """Send an inner packet through this Child SA, whatever policy says; False when there is no room.

        LocalError for a fragment in transport mode.
        """
        return self._sender.send_on(sa, child, packet)

    def send_dummy(self, sa: SaRecord, child: ChildSa, length: int = 64) -> None:
        """Send a dummy packet of ``length`` octets, which the peer discards (RFC 4303 section 2.6)."""
        self._sender.send_dummy(sa, child, length)
