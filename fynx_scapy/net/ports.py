# SPDX-License-Identifier: GPL-2.0-or-later
"""What the real networks share: the sockets of each endpoint, and how datagrams get in and out through them."""

from __future__ import annotations

import contextlib
import functools
import select
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from fynx_scapy.errors import ConfigError, FynxError, QueueFull, TransportError
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import ReceiveFailed, SendFailed
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind
from fynx_scapy.net.hosts import Host, Hosts, Lock
from fynx_scapy.net.listeners import Remover
from fynx_scapy.net.own_ports import Ports
from fynx_scapy.net.shard import Shard
from fynx_scapy.net.sockets import EspPort, OpenSocket, UdpPort

_PATIENCE = 0.1
"""How long, in seconds, a burst waits for room in a send buffer. A device that works makes room much sooner."""


_REST, _LONGEST_REST = 0.01, 1.0
"""How long, in seconds, a socket is left alone when receiving failed: at first, and at most when it fails again."""


class HasFileno(Protocol):
    """An object with a file descriptor."""

    def fileno(self) -> int:
        """The file descriptor."""


class SocketHosts(Hosts):
    """The base class of real networks: hosts with sockets of this machine, or of where ``open_socket`` opens them.

    Kernel and ICMP errors become events (`SendFailed`, `ReceiveFailed`, `IcmpReceived`). One pair of ports serves all
    IKE SAs of an endpoint. With ``offload`` the kernel cuts and joins bursts of ESP in UDP, where it can.
    ``shard`` is what a worker of several has (`Shards`): then the sockets are those of the group.
    """

    def __init__(
        self,
        *,
        open_socket: OpenSocket = socket.socket,
        history: int | None = None,
        offload: bool = True,
        shard: Shard | None = None,
        lock: Lock | None = None,
    ) -> None:
        super().__init__(history=history, lock=lock)
        self.open_socket, self.offload = (open_socket, offload) if shard is None else (shard.open_socket, shard.offload)
        self._shard = shard
        self._ports: dict[str, Ports] = {}
        self._by_address: dict[Address, str] = {}
        self._poll = select.epoll()
        self._by_descriptor: dict[int, Callable[[int], object]] = {}
        self._rests: dict[UdpPort | EspPort, float] = {}
        """How long each socket rests whose last attempt to receive failed."""
        self._resting: dict[UdpPort | EspPort, float] = {}
        """Until when."""

    def add(self, endpoint: Endpoint, name: str | None = None, *, echo: bool = False, native: bool = True) -> Host:
        """Add an endpoint and open the ports of its configuration. ``native`` also opens protocol 50, if allowed.

        TransportError when a port cannot be opened; ConfigError when the name is taken, and for an endpoint of another
        share than the ``shard`` of the network.
        """
        shard = self._shard
        if shard is not None and endpoint.config.spi_share != shard.share:
            raise ConfigError("expected an endpoint with the configuration of the shard, found another spi_share")
        ports = Ports.open(endpoint, self.open_socket, native=native, offload=self.offload)
        try:
            with self.lock:
                host = super().add(endpoint, name, echo=echo)
        except ConfigError:
            ports.close()
            raise
        self._ports[host.name] = ports
        self._index()
        ports.watched += (self.watch(port, functools.partial(self._read, host, port)) for port in ports)
        if shard is not None:
            ports.watched.append(self.watch(shard, functools.partial(self._read_handed_over, host, shard)))
        return host

    def native(self, name: str) -> bool:
        """Whether a host can send ESP without UDP, as IP protocol 50, from all its addresses."""
        return self._ports[name].esp.keys() == set(self.hosts[name].endpoint.hosts)

    def watch(self, source: HasFileno, ready: Callable[[int], object]) -> Remover:
        """Call ``ready`` with the epoll flags whenever ``source`` is readable and time passes here.

        So the same thread can serve other sockets too. Returns a remover like `observe`.
        """
        descriptor = source.fileno()

        def remove() -> None:
            with self.lock:
                if self._by_descriptor.get(descriptor) is ready:  # another socket may have the number now
                    del self._by_descriptor[descriptor]
                    with contextlib.suppress(OSError):  # closing a socket has unregistered it
                        self._poll.unregister(descriptor)

        with self.lock:
            self._poll.register(descriptor, select.EPOLLIN)
            self._by_descriptor[descriptor] = ready
        return Remover(remove)

    def _serve_ready(self, ready: Iterable[tuple[int, int]]) -> None:
        """Call those who watch these descriptors, with their epoll flags."""
        for descriptor, flags in ready:
            if descriptor in self._by_descriptor:
                self._call(self._by_descriptor[descriptor], flags)

    def _close_ports(self) -> None:
        """Close all sockets."""
        for ports in self._ports.values():
            ports.close()
        self._ports.clear()
        self._resting.clear()
        self._by_descriptor.clear()
        self._poll.close()

    def remove(self, name: str) -> None:
        """Remove a host and close its sockets; its events stay in ``events``."""
        with self.lock:
            self._left.add(self.hosts.pop(name).endpoint.counts)
            for port in self._ports[name]:
                self._rests.pop(port, None)
                self._resting.pop(port, None)
            self._ports.pop(name).close()
            self._index()

    def _index(self) -> None:
        """Note which host sends from which address; port 0 stands for IP protocol 50, and for any other port."""
        self._by_address.clear()
        for name, ports in self._ports.items():
            for address in (*ports.udp, *(Address(ip, 0) for ip in self.hosts[name].endpoint.hosts)):
                self._by_address.setdefault(address, name)

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
        if port in self._resting:
            return
        for item in port.receive():
            self._read_item(host, item)
        if self._shard is not None and self._shard.lost:
            host.endpoint.counts.drop(DropReason.HANDOVER, self._shard.lost)
            self._shard.lost = 0
        if not port.stalled:
            self._rests.pop(port, None)
        elif port.fileno() >= 0:  # unless a listener has closed it
            self._rest(port)
        for reason in port.failed():
            host.endpoint.counts.drop(DropReason.RECEIVE_FAILED)
            self._happened(host.name, ReceiveFailed(time=self.now, local=port.address, reason=reason))

    # A socket from which nothing can be received stays readable. We leave it alone for a while, or we would do nothing
    # but try, and report that it failed.

    def _rest(self, port: UdpPort | EspPort) -> None:
        self._rests[port] = min(self._rests.get(port, _REST / 2) * 2, _LONGEST_REST)
        self._resting[port] = self.now + self._rests[port]
        self._wait_for(port)

    def _wait_for(self, port: UdpPort | EspPort) -> None:
        """Have the kernel tell what we want to know of a socket."""
        # It tells of errors even if nobody asks: of a socket that rests, once.
        self._poll.modify(port, select.EPOLLONESHOT if port in self._resting else select.EPOLLIN)

    def _next_timer(self) -> float | None:
        timer = super()._next_timer()
        if not self._resting:
            return timer
        rested = min(self._resting.values())
        return rested if timer is None else min(timer, rested)

    def _fire(self) -> None:
        if self._resting:
            for port in [port for port, end in self._resting.items() if end <= self.now]:
                del self._resting[port]
                self._wait_for(port)
        super()._fire()

    def _read_item(self, host: Host, item: Datagram | Burst | None) -> None:
        if self._shard is not None and item is not None:
            item = self._shard.keep(item)
        if isinstance(item, Burst):
            self._read_burst(host, item)
        elif item is not None and not self._own(host.endpoint, item.kind, item.local, item.remote, item.data):
            self._arrive(host, item)

    def _arrive(self, host: Host, datagram: Datagram) -> None:
        """Deliver what third parties leave of a datagram; what they send back leaves."""
        for each in self._on_path(datagram.turned()) if self._third_parties else (datagram.turned(),):
            if each.remote == datagram.local:
                self._deliver(host, each.turned())
            else:
                self._send(each)

    def _deliver(self, host: Host, datagram: Datagram) -> None:
        self._tell(datagram.turned(), "delivered")
        self.guarded(host, "a datagram", host.endpoint.receive, datagram, self.now)
        self._received()

    def _read_handed_over(self, host: Host, shard: Shard, flags: int) -> None:
        for datagram in shard.handed_over():
            self._deliver(host, datagram)

    def _read_burst(self, host: Host, burst: Burst) -> None:
        if self._third_parties:
            for datagram in burst.datagrams():
                self._arrive(host, datagram)
            return
        if burst.kind is DatagramKind.ESP and burst.local.host == burst.remote.host:
            path = burst.kind, burst.local, burst.remote
            packets = [packet for packet in burst.packets if not self._own(host.endpoint, *path, packet)]
            burst = replace(burst, packets=packets)
        self._tell_burst(burst.turned(), "delivered")
        self.guarded(host, "ESP packets", host.endpoint.receive_burst, burst, self.now)
        self._received()

    def _received(self) -> None:
        """Something was received: send and tell what follows from it."""
        self._collect()

    @staticmethod
    def _own(endpoint: Endpoint, kind: DatagramKind, local: Address, remote: Address, data: bytes) -> bool:
        """Whether it is our own packet: two endpoints that share an address both receive all its ESP packets."""
        here = kind is DatagramKind.ESP and local.host == remote.host
        return here and int.from_bytes(data[:4]) not in endpoint.children

    def _carry(self, datagram: Datagram) -> None:
        if not self._third_parties:
            return self._send(datagram)
        for each in self._on_path(datagram):
            if each.remote == datagram.local:  # somebody answers in the peer's place
                self._deliver(self._sender(datagram)[0], each.turned())
            else:
                self._send(each)
        return None

    def _carry_burst(self, burst: Burst) -> None:
        if self._third_parties:
            super()._carry_burst(burst)
        else:
            self._send(burst)

    def _send(self, item: Datagram | Burst) -> None:
        host, ports = self._sender(item)
        try:
            port = ports.sender(item)
        except TransportError as error:
            self._not_sent(host, item, error)
        else:
            self._send_from(host, port, item)

    def _send_from(self, host: Host, port: UdpPort | EspPort, item: Datagram | Burst) -> None:
        """Send from a socket, and wait a little where the kernel has no room."""
        rest = self._hand_over(host, port, item)
        while rest is not None and self._has_room(port):
            left, rest = rest, self._hand_over(host, port, rest)
            if rest is left:
                break  # it has room, but not for this
        if rest is not None:
            self._not_sent(host, rest, QueueFull(f"the send buffer of {port.address} is full"))

    def _hand_over(self, host: Host, port: UdpPort | EspPort, item: Datagram | Burst) -> Datagram | Burst | None:
        """Give something to the kernel; returns what is left of it because the kernel has no room."""
        if isinstance(item, Datagram):
            try:
                taken = port.send(item)
            except TransportError as error:
                self._not_sent(host, item, error)
                return None
            if taken:
                self._tell(item, "sent")
            return None if taken else item
        while True:
            try:
                count = port.send_burst(item)
            except TransportError as error:
                count = 1
                self._not_sent(host, replace(item, packets=item.packets[:1]), error)
            else:
                if not count:
                    return item
                self._tell_burst(item if count == len(item) else replace(item, packets=item.packets[:count]), "sent")
            if count == len(item):
                return None
            item = replace(item, packets=item.packets[count:])

    def _has_room(self, port: UdpPort | EspPort) -> bool:
        """Wait until the kernel has room for what a port sends, as a blocking socket does. False if it has none."""
        waiting = select.poll()
        waiting.register(port, select.POLLOUT)
        return bool(waiting.poll(_PATIENCE * 1000))

    def _not_sent(self, host: Host, item: Datagram | Burst, error: FynxError) -> None:
        datagrams = [item] if isinstance(item, Datagram) else item.datagrams()
        host.endpoint.counts.drop(DropReason.SEND_FAILED, len(datagrams))
        for datagram in datagrams:
            self._tell(datagram, "not sent")
        failure = SendFailed(time=self.now, local=item.local, remote=item.remote, reason=str(error), code=error.code)
        self._happened(host.name, failure)

    def _sender(self, item: Datagram | Burst) -> tuple[Host, Ports]:
        """The host that sends something: the one that has its port, or the first one on its address."""
        name = self._by_address.get(item.local) or self._by_address.get(Address(item.local.host, 0))
        name = name or next(iter(self.hosts))
        return self.hosts[name], self._ports[name]
