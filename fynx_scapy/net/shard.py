# SPDX-License-Identifier: GPL-2.0-or-later
"""What one of several workers has that serve the same ports (`Shards`): a share of the SPIs, and sockets."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fynx_scapy.ike.basics.share import Share
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind
from fynx_scapy.net import steering

_LARGEST, _AT_ONCE = 70_000, 256
"""The longest datagram that is handed over with what is said about it, in octets, and how many are read in a row."""


@dataclass(slots=True, eq=False)
class Shard:
    """What one worker has: its share of the SPIs, its sockets, and a way to hand over what belongs to others.

    The kernel may join datagrams of one sender that belong to several workers; all of them get to the worker of the
    first one.
    """

    share: Share
    config: EndpointConfig
    """The configuration for the worker's endpoint, with its share and the ports that are open."""
    hosts: tuple[str, ...]
    """The addresses for the worker's endpoint."""
    offload: bool
    bound: dict[tuple[int, Address], socket.socket]
    """The worker's sockets by kind and address."""
    arrivals: socket.socket
    """Packets that other workers hand over."""
    others: tuple[socket.socket, ...]
    """A socket to hand packets to each worker, by its number."""
    lost: int = 0
    """How many packets could not be handed over, because the other worker did not read. The network counts them."""

    def open_socket(self, family: int, kind: int, protocol: int) -> socket.socket:
        """For a network: a socket that becomes, when it is bound, the one that the supervisor has bound there."""
        if kind == socket.SOCK_RAW and not any(opened == kind for opened, _ in self.bound):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return _Given(self.bound, family, kind)

    def fileno(self) -> int:
        """The file descriptor of what other workers hand over, for selectors."""
        return self.arrivals.fileno()

    def keep(self, item: Datagram | Burst) -> Datagram | Burst | None:
        """Hand over what belongs to other workers; returns what is ours, or None."""
        if item.kind in (DatagramKind.ESP, DatagramKind.KEEPALIVE):
            return item  # the filter of the socket has chosen ESP; a keepalive is of no interest to anyone
        if isinstance(item, Datagram):
            return item if self._is_ours(item) else None
        if all(self.share.has(spi) for spi in {packet[:4] for packet in item.packets}):
            return item
        ours = [datagram.data for datagram in item.datagrams() if self._is_ours(datagram)]
        return replace(item, packets=ours) if ours else None

    def _is_ours(self, datagram: Datagram) -> bool:
        """Whether a datagram is ours; if not, it is handed over."""
        number = steering.owner(datagram.data, datagram.kind, self.share.total)
        if number == self.share.number:
            return True
        (here, port), (there, their_port) = datagram.local, datagram.remote
        head = f"{datagram.tos} {here} {port} {there} {their_port}\n"
        try:
            self.others[number].send(head.encode() + datagram.wire)
        except OSError:
            self.lost += 1
        return False

    def handed_over(self) -> Iterator[Datagram]:
        """What other workers have handed over since the last call."""
        for _ in range(_AT_ONCE):
            try:
                head, _, payload = self.arrivals.recv(_LARGEST).partition(b"\n")
            except OSError:  # nothing there
                return
            tos, here, port, there, their_port = head.decode().split(" ")
            local, remote = Address(here, int(port)), Address(there, int(their_port))
            yield Datagram.from_udp(payload, local, remote, int(tos), marker_always=self.config.marker_always)

    def close(self) -> None:
        """Close its sockets."""
        for sock in (*self.bound.values(), self.arrivals, *self.others):
            sock.close()


class _Given(socket.socket):
    """A socket that takes the place of a bound one when it is bound to the same address."""

    def __init__(self, bound: dict[tuple[int, Address], socket.socket], family: int, kind: int) -> None:
        super().__init__(family, socket.SOCK_DGRAM)
        self._bound, self._kind = bound, kind

    def bind(self, where: Any) -> None:
        """Become the socket that is bound there, with its options and what it has received; bind if there is none."""
        given = self._bound.get((self._kind, Address(*where[:2])))
        if given is None:
            super().bind(where)
        else:
            os.dup2(given.fileno(), self.fileno(), inheritable=False)
