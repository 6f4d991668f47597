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
from fynx_scapy.ike.message import Address, Datagram, DatagramKind

if TYPE_CHECKING:
    from fynx_scapy.ike.endpoint import Endpoint
    from fynx_scapy.ike.sa import IkeSa

OCTET = b"\xff"


@dataclass(slots=True, eq=False)
class Path:
    """A pair of addresses with a NAT before the first. ``last`` is when something was sent there, in seconds."""

    local: Address
    remote: Address
    interval: float
    last: float
    sas: list[IkeSa] = field(default_factory=list)
    timer: Timer | None = None


class Keepalives:
    """Those of one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._paths: dict[tuple[Address, Address], Path] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def start(self, sa: IkeSa) -> None:
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
        sa.path = path

    def stop(self, sa: IkeSa) -> None:
        """An IKE SA has ended; with the last one on a path its keepalives end too."""
        path, sa.path = sa.path, None
        if path is None:
            return
        path.sas.remove(sa)
        if not path.sas:
            del self._paths[(path.local, path.remote)]
            if path.timer is not None:
                path.timer.cancel()

    def _arm(self, path: Path) -> None:
        path.timer = self._endpoint.timers.set(path.last + path.interval, lambda now: self._due(path, now))

    def _due(self, path: Path, now: float) -> None:
        """Send one, unless something else went out meanwhile; then look again an interval after that."""
        if now >= path.last + path.interval:
            path.last = now
            sa = path.sas[-1]
            sa.now = now
            event = KeepaliveSent(time=now, spi_i=sa.spi_i, spi_r=sa.spi_r, local=path.local, remote=path.remote)
            self._endpoint.put(Datagram(OCTET, path.local, path.remote, DatagramKind.KEEPALIVE), event)
        self._arm(path)
