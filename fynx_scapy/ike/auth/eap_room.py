# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gives way where TLS connections of EAP are as many as there may be: whoever has the most of them.

A stranger needs no secret to begin one. It may last as long as an IKE SA may be half-open.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fynx_scapy.ike.basics.sources import Sources

if TYPE_CHECKING:
    from fynx_scapy.eap.tunnel import Tunnel
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.record import SaRecord


class EapTunnels:
    """The TLS connections that peers of an endpoint have begun, by their sources."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._held: Sources[Tunnel] = Sources()
        self._left: deque[tuple[bytes, Tunnel]] = deque()

    def count(self, source: bytes) -> int:
        """How many a source has."""
        self._settle()
        return self._held.count(source)

    def make_room(self, source: bytes) -> bool:
        """Give up the connection that gives way to one of this source, if any does."""
        self._settle()
        oldest = self._held.gives_way(source)
        if oldest is None:
            return False
        oldest.give_up()
        return True

    def enter(self, source: bytes, tunnel: Tunnel) -> None:
        """Count the newest of a source until `leave`."""
        self._settle()
        self._held.add(source, tunnel)

    def leave(self, source: bytes, tunnel: Tunnel) -> None:
        """Count a connection no longer. It only takes note, for it may interrupt one of the others."""
        self._left.append((source, tunnel))

    def _settle(self) -> None:
        while self._left:
            self._held.remove(*self._left.popleft())


class EapRoom:
    """The room for the TLS connection of one IKE SA (`fynx_scapy.eap.tunnel.Room`)."""

    def __init__(self, sa: SaRecord) -> None:
        self._tunnels, self._source = sa.endpoint.of(EapTunnels), sa.source

    def make(self) -> bool:
        """Whether another source has given up a connection."""
        return self._tunnels.make_room(self._source)

    def enter(self, tunnel: Tunnel) -> None:
        """Count a connection until it is closed."""
        self._tunnels.enter(self._source, tunnel)

    def leave(self, tunnel: Tunnel) -> None:
        """Count it no longer."""
        self._tunnels.leave(self._source, tunnel)
