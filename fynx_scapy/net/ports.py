# SPDX-License-Identifier: GPL-2.0-or-later
"""What the real networks share: the sockets of each endpoint, and how datagrams get in and out through them."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fynx_scapy.errors import ConfigError, TransportError
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import ReceiveFailed, SendFailed
from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.net.hosts import Host, Hosts, Lock
from fynx_scapy.net.listeners import Remover
from fynx_scapy.net.sockets import EspPort, OpenSocket, UdpPort


@dataclass(slots=True)
class Ports:
    """The sockets of one endpoint. ``refused`` says why there is none for protocol 50."""

    udp: dict[Address, UdpPort] = field(default_factory=dict)
    esp: dict[str, EspPort] = field(default_factory=dict)
    refused: str = ""
    watched: list[Remover] = field(default_factory=list)

    def __iter__(self) -> Iterator[UdpPort | EspPort]:
        yield from self.udp.values()
        yield from self.esp.values()

    @classmethod
    def open(cls, endpoint: Endpoint, open_socket: OpenSocket, *, native: bool) -> Ports:
        """Open the ports of its configuration. ``native`` also opens protocol 50, if allowed.

        TransportError when a port cannot be opened; none stays open then.
        """
        config, ports = endpoint.config, cls()
        try:
            numbers = dict.fromkeys((config.port, config.natt_port))
            for address in (Address(ip, number) for ip in endpoint.hosts for number in numbers):
                ports.udp[address] = UdpPort(*address, open_socket, marker_always=config.marker_always)
        except TransportError:
            ports.close()
            raise
        for ip in endpoint.hosts if native else ():
            try:
                ports.esp[ip] = EspPort(ip, open_socket)
            except TransportError as error:
                ports.refused = str(error)
        return ports

    def close(self) -> None:
        """Close all of them. Nobody waits for them any more."""
        for remove in self.watched:
            remove()
        for port in self:
            port.close()


class SocketHosts(Hosts):
    """The base class of real networks: hosts with sockets of this machine, or of where ``open_socket`` opens them.

    Kernel and ICMP errors become events (`SendFailed`, `ReceiveFailed`, `IcmpReceived`). One pair of ports serves all
    IKE SAs of an endpoint.
    """

    def __init__(
        self, *, open_socket: OpenSocket = socket.socket, history: int | None = None, lock: Lock | None = None
    ) -> None:
        super().__init__(history=history, lock=lock)
        self.open_socket = open_socket
        self._ports: dict[str, Ports] = {}

    def add(self, endpoint: Endpoint, name: str | None = None, *, echo: bool = False, native: bool = True) -> Host:
        """Add an endpoint and open the ports of its configuration. ``native`` also opens protocol 50, if allowed.

        TransportError when a port cannot be opened; ConfigError when the name is taken.
        """
        ports = Ports.open(endpoint, self.open_socket, native=native)
        try:
            with self.lock:
                host = super().add(endpoint, name, echo=echo)
        except ConfigError:
            ports.close()
            raise
        self._ports[host.name] = ports
        return host

    def remove(self, name: str) -> None:
        """Remove a host and close its sockets; its events stay in ``events``."""
        with self.lock:
            self.hosts.pop(name)
            self._ports.pop(name).close()

    @staticmethod
    def _same_place(one: Endpoint, other: Endpoint) -> bool:
        return False  # two endpoints may share an address; the kernel makes sure that they share no port

    def inject(self, datagram: Datagram) -> None:
        """Send these octets unchanged from an address of ours; OutOfReach for any other source address."""
        endpoints = [host.endpoint for host in self.hosts.values() if datagram.local.host in host.endpoint.hosts]
        if not endpoints:
            super().inject(datagram)
        always = any(endpoint.config.marker_always for endpoint in endpoints)
        with self.lock:
            self._carry(replace(datagram, marker_always=datagram.marker_always or always))
            self._raise()

    # Carrying

    def _read(self, host: Host, port: UdpPort | EspPort, flags: int) -> None:
        if flags & select.EPOLLERR:
            for error in port.errors():
                self.guarded(host, "an ICMP error", host.endpoint.receive_icmp, error, self.now)
        for datagram in port.receive():
            if self._own(host.endpoint, datagram):
                continue
            self._tell(datagram.turned(), "delivered")
            self.guarded(host, "a datagram", host.endpoint.receive, datagram, self.now)
            self._collect()
        for reason in port.failed():
            host.endpoint.counts.drop(DropReason.RECEIVE_FAILED)
            self._happened(host.name, ReceiveFailed(time=self.now, local=port.address, reason=reason))

    @staticmethod
    def _own(endpoint: Endpoint, datagram: Datagram) -> bool:
        """Whether it is our own packet: two endpoints that share an address both receive all its ESP packets."""
        here = datagram.kind is DatagramKind.ESP and datagram.local.host == datagram.remote.host
        return here and int.from_bytes(datagram.data[:4]) not in endpoint.children

    def _carry(self, datagram: Datagram) -> None:
        host, ports = self._sender(datagram)
        try:
            if datagram.kind is DatagramKind.ESP:
                raw = ports.esp.get(datagram.local.host)
                if raw is None:
                    raise TransportError(ports.refused or "no socket is open for IP protocol 50 (native=False)")
                raw.send(datagram)
            else:
                port = ports.udp.get(datagram.local)
                if port is None:
                    raise TransportError(
                        f"expected one of the ports {', '.join(map(str, ports.udp))}, found {datagram.local}"
                    )
                port.send(datagram)
        except TransportError as error:
            self._tell(datagram, "not sent")
            host.endpoint.counts.drop(DropReason.SEND_FAILED)
            failure = SendFailed(time=self.now, local=datagram.local, remote=datagram.remote, reason=str(error))
            self._happened(host.name, failure)
        else:
            self._tell(datagram, "sent")

    def _sender(self, datagram: Datagram) -> tuple[Host, Ports]:
        """The host that sends a datagram. If several have its address, the one that has its port."""
        names = [name for name, host in self.hosts.items() if datagram.local.host in host.endpoint.hosts]
        names = [name for name in names if datagram.local in self._ports[name].udp] or names or list(self.hosts)
        return self.hosts[names[0]], self._ports[names[0]]
