# SPDX-License-Identifier: GPL-2.0-or-later
"""The line to a host under scan: one datagram out, its answers in, over any network of ours."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable

from fynx_scapy.errors import ConfigError, TransportError
from fynx_scapy.ike.basics.randomness import Randomness
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event
from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.ike.path.nat import IKE_PORT, NATT_PORT
from fynx_scapy.net import silence
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.udp import UdpNetwork, free_ports, resolve, source_for
from fynx_scapy.scan.answer import LONGEST

NAME = "scanner"
_WAITING = 64
"""How many datagrams are kept until they are looked at. When there are more, the oldest are dropped and counted."""
_EVENTS = 200


class Prober(Endpoint):
    """An endpoint without IKE SAs: it sends what it is given, and keeps what comes from one host.

    It answers nothing, so that a host under scan cannot make it do anything.
    """

    def __init__(self, host: str, remote: Address, config: EndpointConfig, randomness: Randomness | None) -> None:
        super().__init__(host, config=config, randomness=randomness)
        self.remote = remote
        self.heard: deque[Datagram] = deque(maxlen=_WAITING)
        """IKE messages from the host under scan, the oldest first."""
        self.strays = 0
        """How many datagrams came from elsewhere, were no IKE, or were dropped because too many came."""

    def receive(self, datagram: Datagram, now: float) -> None:
        """Keep a datagram if it is an IKE message from the host under scan."""
        self.now = now
        ours = datagram.remote.host == self.remote.host and datagram.kind is DatagramKind.IKE
        if not ours or len(datagram.data) > 4 * LONGEST or len(self.heard) == _WAITING:
            self.strays += 1
        if ours:
            self.heard.append(datagram)


class Line:
    """The way to the host at ``remote``. ``network`` carries the datagrams; `Prober` is our end of it.

    TransportError and ConfigError as in `Hosts.add`.
    """

    def __init__(
        self,
        network: Hosts,
        remote: Address,
        local: str,
        *,
        config: EndpointConfig | None = None,
        randomness: Randomness | None = None,
        name: str = NAME,
    ) -> None:
        self.network, self.remote, self.name = network, remote, name
        self.prober = Prober(local, remote, config or EndpointConfig(), randomness)
        self.randomness: Randomness = self.prober.randomness
        network.add(self.prober, name)
        self._events: deque[Event] = deque(maxlen=_EVENTS)
        self._remove = network.subscribe(lambda who, event: self._events.append(event) if who == name else None)
        self.sent = 0
        """How many datagrams were sent."""

    def close(self) -> None:
        """Stop listening to the network. Its owner closes it."""
        self._remove()

    @property
    def now(self) -> float:
        """The network's time in seconds."""
        return self.network.now

    @property
    def local(self) -> Address:
        """Our address."""
        return Address(self.prober.host, self.prober.config.port)

    def new_spi(self) -> bytes:
        """A new SPI of eight octets."""
        return self.prober.new_ike_spi()

    def send(self, data: bytes, *, natt: bool = False) -> None:
        """Send the octets of an IKE message to the host; ``natt``: from and to the ports of NAT traversal."""
        local, remote = self.local, self.remote
        if natt:
            local, remote = local._replace(port=self.prober.config.natt_port), remote._replace(port=NATT_PORT)
        self.prober.heard.clear()
        with self.network.acting():
            self.prober.transmit(None, [Datagram(data, local, remote)])
        self.sent += 1

    def wait(self, wanted: Callable[[bytes], bool], seconds: float) -> bytes | None:
        """Let time pass until a message comes that is ``wanted``, and return its octets.

        None after ``seconds``, or once ICMP has reported repeatedly that nothing listens there.
        """
        end = self.now + seconds
        found: list[bytes] = []

        def look() -> bool:
            while self.prober.heard and not found:
                data = self.prober.heard.popleft().data
                if wanted(data):
                    found.append(data)
            return bool(found)

        self.network.run(lambda: look() or self.refused, limit=seconds)
        if not found and self.now < end and not self.refused:
            # A network in memory returns at once when nothing is on its way.
            self.network.run(end)
            look()
        if found:
            self.forget_errors()
        return found[0] if found else None

    def forget_errors(self) -> None:
        """Forget what ICMP has reported so far: a host that restarts answers again."""
        self._events.clear()

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            self.network.run(self.now + seconds)

    def causes(self) -> list[str]:
        """The likely causes of the host's silence, in words."""
        return silence.causes(list(self._events), self.remote, marker=self.prober.config.marker_always)

    @property
    def refused(self) -> bool:
        """Whether ICMP reported repeatedly that nothing listens there."""
        return silence.refused(list(self._events), self.remote)


def open_line(
    target: str,
    network: UdpNetwork,
    *,
    local: str | None = None,
    port: int | None = None,
    natt_port: int | None = None,
    marker_always: bool | None = None,
) -> Line:
    """A line to ``HOST`` or ``HOST:PORT`` over real sockets: from ports 500 and 4500 if we may have them, else others.

    ConfigError when the host does not resolve, TransportError when there is no route or a given port is taken.
    """
    remote = resolve(target, IKE_PORT)
    address = ipaddress.ip_address(remote.host.partition("%")[0])
    if address.is_multicast or address.is_unspecified or remote.host == "255.255.255.255":
        raise ConfigError(f"expected the address of one host, found {remote.host}")
    if address.version == 6 and address.is_link_local:
        raise ConfigError(f"expected an address that is not link-local, found {remote.host}")
    other_port = remote.port not in (IKE_PORT, NATT_PORT)
    marker = other_port if marker_always is None else marker_always
    host = local or source_for(remote, network.open_socket)
    wanted = EndpointConfig(port=port or IKE_PORT, natt_port=natt_port or NATT_PORT, marker_always=marker)
    ourselves = host == remote.host and not (port or natt_port)  # port 500 may be free because nobody listens there
    if port or natt_port or not (other_port or ourselves):
        try:
            return Line(network, remote, host, config=wanted)
        except TransportError:
            if port or natt_port:
                raise
    free = free_ports(host, 2, network.open_socket)
    return Line(network, remote, host, config=wanted.replace(port=free[0], natt_port=free[1]))
