# SPDX-License-Identifier: GPL-2.0-or-later
"""A host behind the peer: real sockets of its kernel, which one thread serves together with our endpoint's.

What is sent here goes through the peer's policy and its ESP; what arrives came out of it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from dataclasses import dataclass, field

from fynx_scapy.esp.ip import checksum
from fynx_scapy.lab.topology import Site
from fynx_scapy.net.udp import UdpNetwork

ECHO_PORT = 7
_REQUEST, _REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}


@dataclass(slots=True)
class Probe:
    """Echo requests of one kind to one address: how many went out, and the numbers that were answered."""

    socket: socket.socket
    target: tuple[str, int]
    version: int
    icmp: bool
    size: int
    sent: int = 0
    answered: set[int] = field(default_factory=set)
    identifier: int = field(default_factory=lambda: int.from_bytes(os.urandom(2)))

    def send(self) -> None:
        """One request more; an inner address that the kernel has no way to is an OSError."""
        self.sent += 1
        data = struct.pack("!I", self.sent) + bytes(self.size)
        if self.icmp:
            header = struct.pack("!BBHHH", _REQUEST[self.version], 0, 0, self.identifier, self.sent & 0xFFFF)
            if self.version == 4:  # of ICMPv6 the kernel computes it
                header = header[:2] + checksum(header + data).to_bytes(2) + header[4:]
            data = header + data
        self.socket.sendto(data, self.target)

    def read(self, _flags: int = 0) -> None:
        """Take in what has come back."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data, _ = self.socket.recvfrom(65535)
                number = self._number(data)
                if number is not None:
                    self.answered.add(number)

    def _number(self, data: bytes) -> int | None:
        if self.icmp:
            if self.version == 4:
                data = data[(data[0] & 15) * 4 :]
            if len(data) < 12 or data[0] != _REPLY[self.version] or int.from_bytes(data[4:6]) != self.identifier:
                return None
            data = data[8:]
        return int.from_bytes(data[:4]) if len(data) == 4 + self.size else None

    @property
    def complete(self) -> bool:
        """Whether every request was answered."""
        return len(self.answered) == self.sent


class Inside:
    """The host with the peer's inner addresses. It answers UDP echo; ICMP its kernel answers by itself."""

    def __init__(self, site: Site, network: UdpNetwork) -> None:
        self._site, self._network = site, network
        self._sockets: list[socket.socket] = []
        self.echoed = 0
        for address in (site.inner, site.inner6):
            served = self._open(address, socket.SOCK_DGRAM, 0, ECHO_PORT)
            network.watch(served, lambda _flags, served=served: self._echo(served))  # type: ignore[misc]

    def _open(self, address: str, kind: int, protocol: int, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self._site.namespace.socket(family, kind, protocol)
        self._sockets.append(made)
        made.setblocking(False)
        made.bind((address, port))
        return made

    def _echo(self, served: socket.socket) -> None:
        with contextlib.suppress(OSError):  # nothing left to read, or no way back any more
            while True:
                data, sender = served.recvfrom(65535)
                served.sendto(data, sender)
                self.echoed += 1

    def probe(self, target: str, *, icmp: bool = True, size: int = 56, source: str | None = None) -> Probe:
        """Echo requests from an inner address (``source``, by default the site's) to ``target``, by ICMP or UDP."""
        version = 6 if ":" in target else 4
        address = source or (self._site.inner6 if version == 6 else self._site.inner)
        if icmp:
            protocol = socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP
            made = self._open(address, socket.SOCK_RAW, protocol, 0)
        else:
            made = self._open(address, socket.SOCK_DGRAM, 0, 0)
        found = Probe(made, (target, 0 if icmp else ECHO_PORT), version, icmp, size)
        self._network.watch(made, found.read)
        return found

    def close(self) -> None:
        """Close its sockets."""
        for made in self._sockets:
            made.close()
