# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT keepalives: the peer behind the NAT sends one octet when it has sent nothing for a while (RFC 3948 section 4).

A NAT keeps a mapping for each pair of addresses. So IKE SAs with the same pair, such as a rekeyed one and its
successor, share the keepalives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.events import KeepaliveSent
from fynx_scapy.ike.message import KEEPALIVE, Address, Datagram, DatagramKind, Outgoing

if TYPE_CHECKING:
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.record import SaRecord


@dataclass(slots=True, eq=False)
class Path:
    """A pair of addresses with a NAT in front of ``local``."""

    local: Address
    remote: Address
    interval: float
    sent: float
    """When we last sent a keepalive on this path, or an IKE SA that has left it last sent, in seconds."""
    sas: dict[SaRecord, None] = field(default_factory=dict)
    timer: Timer | None = None

    @property
    def last(self) -> float:
        """When we last sent anything on this path, in seconds."""
        return max([self.sent, *(sa.last_sent for sa in self.sas)])


class Keepalives:
    """The keepalives of an endpoint."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self._paths: dict[tuple[Address, Address], Path] = {}
        self._of: dict[SaRecord, Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def start(self, sa: SaRecord) -> None:
        """Start keepalives for an IKE SA if we are behind a NAT. Call again after its addresses have changed."""
        self.stop(sa)
        interval = sa.config.keepalive
        if not sa.nat_before_us or not interval:
            return
        where = (sa.local, sa.remote)
        path = self._paths.get(where)
        if path is None:
            path = self._paths[where] = Path(*where, interval, sa.last_sent)
            self._arm(path)
        path.sas[sa] = None
        self._of[sa] = path

    def stop(self, sa: SaRecord) -> None:
        """Stop keepalives for an IKE SA. They end with the last IKE SA on a path."""
        path = self._of.pop(sa, None)
        if path is None:
            return
        del path.sas[sa]
        path.sent = max(path.sent, sa.last_sent)
        if not path.sas:
            del self._paths[(path.local, path.remote)]
            if path.timer is not None:
                path.timer.cancel()

    def _arm(self, path: Path) -> None:
        path.timer = self._endpoint.timers.set(path.last + path.interval, lambda now: self._due(path, now))

    def _due(self, path: Path, now: float) -> None:
        """Send a keepalive, unless something else was sent meanwhile, and set the timer again."""
        if now >= path.last + path.interval:
            path.sent = now
            sa = next(reversed(path.sas))
            sa.emit(KeepaliveSent(*sa.stamp, local=path.local, remote=path.remote))
            self._send(path)
        self._arm(path)

    def _send(self, path: Path) -> None:
        endpoint, octets, message = self._endpoint, KEEPALIVE, None
        if endpoint.taps.used:
            message = Outgoing([], encrypted=False, kind=DatagramKind.KEEPALIVE)
            octets = endpoint.taps.octets("wire", message, octets)
        endpoint.transmit(message, [Datagram(octets, path.local, path.remote, DatagramKind.KEEPALIVE)])
