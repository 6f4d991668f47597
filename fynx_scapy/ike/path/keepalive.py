# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT keepalives: one octet, when nothing else went out for a while, from the end behind the NAT (RFC 3948 section 4).

What a NAT keeps is a mapping for a pair of addresses, so this looks at such pairs: the IKE SAs that share one, as a
rekeyed one and its successor do, share its keepalives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.events import KeepaliveSent
from fynx_scapy.ike.message import Address, Datagram, DatagramKind, Outgoing

if TYPE_CHECKING:
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.record import SaRecord

OCTET = b"\xff"


@dataclass(slots=True, eq=False)
class Path:
    """A pair of addresses with a NAT before the first."""

    local: Address
    remote: Address
    interval: float
    sent: float
    """When a keepalive was sent there, or what an IKE SA that has left it sent last, in seconds."""
    sas: list[SaRecord] = field(default_factory=list)
    timer: Timer | None = None

    @property
    def last(self) -> float:
        """When anything was sent there, in seconds."""
        return max([self.sent, *(sa.last_sent for sa in self.sas)])


class Keepalives:
    """Those of one endpoint."""

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self._paths: dict[tuple[Address, Address], Path] = {}
        self._of: dict[SaRecord, Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def start(self, sa: SaRecord) -> None:
        """An IKE SA is established: keep its mapping, when it is we who are behind a NAT. Again after it has moved."""
        self.stop(sa)
        interval = sa.config.keepalive
        if not sa.nat_before_us or not interval:
            return
        where = (sa.local, sa.remote)
        path = self._paths.get(where)
        if path is None:
            path = self._paths[where] = Path(*where, interval, sa.last_sent)
            self._arm(path)
        path.sas.append(sa)
        self._of[sa] = path

    def stop(self, sa: SaRecord) -> None:
        """An IKE SA has ended; with the last one on a path its keepalives end too."""
        path = self._of.pop(sa, None)
        if path is None:
            return
        path.sas.remove(sa)
        path.sent = max(path.sent, sa.last_sent)
        if not path.sas:
            del self._paths[(path.local, path.remote)]
            if path.timer is not None:
                path.timer.cancel()

    def _arm(self, path: Path) -> None:
        path.timer = self._endpoint.timers.set(path.last + path.interval, lambda now: self._due(path, now))

    def _due(self, path: Path, now: float) -> None:
        """Send one, unless something else went out meanwhile; then look again an interval after that."""
        if now >= path.last + path.interval:
            path.sent = now
            sa = path.sas[-1]
            sa.emit(KeepaliveSent(*sa.stamp, local=path.local, remote=path.remote))
            self._send(path)
        self._arm(path)

    def _send(self, path: Path) -> None:
        endpoint, octets, message = self._endpoint, OCTET, None
        if endpoint.taps.used:
            message = Outgoing([], encrypted=False, kind=DatagramKind.KEEPALIVE)
            octets = endpoint.taps.octets("wire", message, octets)
        endpoint.transmit(message, [Datagram(octets, path.local, path.remote, DatagramKind.KEEPALIVE)])
