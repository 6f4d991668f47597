# SPDX-License-Identifier: GPL-2.0-or-later
"""Echo requests from behind the peer, by ICMP or UDP, and a count of the replies.

It runs in our network namespaces and in guests, so it imports little.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from fynx_scapy.esp.ip import checksum

ECHO_PORT = 7
_REQUEST, _REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}


OpenSocket = Callable[[int, int, int], socket.socket]
"""`socket.socket`, or a function that opens a socket in another namespace: family, kind, protocol."""


@dataclass(slots=True)
class Probe:
    """Echo requests of one kind to one address: how many were ``sent``, and the numbers of the ``answered`` ones."""

    socket: socket.socket
    target: tuple[str, int]
    version: int
    icmp: bool
    size: int
    sent: int = 0
    answered: set[int] = field(default_factory=set)
    identifier: int = field(default_factory=lambda: int.from_bytes(os.urandom(2)))

    @classmethod
    def open(cls, opener: OpenSocket, source: str, target: str, *, icmp: bool, size: int) -> Probe:
        """A probe from ``source`` to ``target`` with ``size`` octets of data. OSError when it cannot open a socket."""
        version = 6 if ":" in target else 4
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP
        made = opener(family, socket.SOCK_RAW, protocol) if icmp else opener(family, socket.SOCK_DGRAM, 0)
        try:
            made.setblocking(False)
            made.bind((source, 0))
        except OSError:
            made.close()
            raise
        return cls(made, (target, 0 if icmp else ECHO_PORT), version, icmp, size)

    def send(self) -> None:
        """Send one more request. OSError when the kernel has no route to the inner address."""
        self.sent += 1
        data = struct.pack("!I", self.sent) + bytes(self.size)
        if self.icmp:
            header = struct.pack("!BBHHH", _REQUEST[self.version], 0, 0, self.identifier, self.sent & 0xFFFF)
            if self.version == 4:  # the kernel computes the checksum of ICMPv6
                header = header[:2] + checksum(header + data).to_bytes(2) + header[4:]
            data = header + data
        self.socket.sendto(data, self.target)

    def read(self, _flags: int = 0) -> None:
        """Read the replies that have arrived."""
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


def serve_echo(served: socket.socket) -> None:
    """Answer the echo requests that have arrived at a non-blocking socket."""
    with contextlib.suppress(OSError):  # nothing left to read, or no route back any more
        while True:
            data, sender = served.recvfrom(65535)
            served.sendto(data, sender)
