# SPDX-License-Identifier: GPL-2.0-or-later
"""The sockets of one endpoint: its UDP ports, and IP protocol 50."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from fynx_scapy.errors import TransportError
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind
from fynx_scapy.net.listeners import Remover
from fynx_scapy.net.sockets import EspPort, OpenSocket, UdpPort

_ATTEMPTS = 16
"""How many port numbers we try to find one that is free on all addresses of an endpoint."""


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

    def sender(self, item: Datagram | Burst) -> UdpPort | EspPort:
        """The socket that sends it; TransportError when there is none."""
        if item.kind is DatagramKind.ESP:
            raw = self.esp.get(item.local.host)
            if raw is None:
                raise TransportError(self.refused or "no socket is open for IP protocol 50 (native=False)")
            return raw
        port = self.udp.get(item.local)
        if port is None:
            raise TransportError(f"expected one of the ports {', '.join(map(str, self.udp))}, found {item.local}")
        return port

    @classmethod
    def open(cls, endpoint: Endpoint, open_socket: OpenSocket, *, native: bool, offload: bool) -> Ports:
        """Open the ports of its configuration, which then names the free ports that were chosen for 0.

        ``native`` also opens protocol 50, if allowed. TransportError when a port cannot be opened; none stays open
        then.
        """
        config, ports = endpoint.config, cls()
        try:
            port = ports._bind(endpoint, config.port, open_socket, offload)
            same = config.natt_port == config.port != 0
            natt_port = port if same else ports._bind(endpoint, config.natt_port, open_socket, offload)
        except TransportError:
            ports.close()
            raise
        endpoint.config = config.replace(port=port, natt_port=natt_port)
        for ip in endpoint.hosts if native else ():
            try:
                ports.esp[ip] = EspPort(ip, open_socket)
            except TransportError as error:
                ports.refused = str(error)
        return ports

    def _bind(self, endpoint: Endpoint, number: int, open_socket: OpenSocket, offload: bool) -> int:
        """Open a UDP port on every address; returns its number, a free one for 0."""
        for _ in range(0 if number else _ATTEMPTS):
            with contextlib.suppress(TransportError):  # free on the first address, but not on another
                return self._bind_everywhere(endpoint, number, open_socket, offload)
        return self._bind_everywhere(endpoint, number, open_socket, offload)

    def _bind_everywhere(self, endpoint: Endpoint, number: int, open_socket: OpenSocket, offload: bool) -> int:
        marker = endpoint.config.marker_always
        with contextlib.ExitStack() as undone:
            opened: list[UdpPort] = []
            for ip in endpoint.hosts:
                port = UdpPort(ip, number, open_socket, marker_always=marker, offload=offload)
                undone.callback(port.close)
                opened.append(port)
                number = port.address.port
            undone.pop_all()
        self.udp |= {port.address: port for port in opened}
        return number

    def close(self) -> None:
        """Close all of them. Nobody waits for them any more."""
        for remove in self.watched:
            remove()
        for port in self:
            port.close()
