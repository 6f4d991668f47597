# SPDX-License-Identifier: GPL-2.0-or-later
"""The Child SAs of an endpoint: by inbound SPI, by their selectors, and how they go (RFC 7296 section 2.8)."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.child.policy import Candidate
from fynx_scapy.ike.child.spd import Spd
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.core.record import SaRecord
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.selectors import Selector


class Children:
    """The Child SAs of an endpoint. ``changed`` is called with each whenever something about it has changed."""

    def __init__(self, endpoint: EndpointRecord, changed: Callable[[ChildSa], None]) -> None:
        self._endpoint, self._changed = endpoint, changed
        self._by_spi: dict[int, Candidate] = {}
        self.by_spi: Mapping[int, Candidate] = MappingProxyType(self._by_spi)
        """Each with its IKE SA, by inbound SPI, oldest first."""
        self.spd = Spd()
        self._identities: Counter[Identity | None] = Counter()
        self.past_spis: deque[int] = deque(maxlen=256)
        """The inbound SPIs of the last Child SAs that ended."""
        self._late: OrderedDict[int, tuple[ChildSa, Timer]] = OrderedDict()

    def new_spi(self) -> int:
        """Choose an unused ESP SPI of our share; those below 256 are reserved (RFC 4303 section 2.1)."""
        while True:
            spi = int.from_bytes(self._endpoint.config.spi_share.near(self._endpoint.randomness.octets(4)))
            if spi > 255 and spi not in self._by_spi:
                return spi

    def add(self, sa: SaRecord, child: ChildSa) -> None:
        """Add a Child SA of an IKE SA. Packets may use it from now on."""
        self._by_spi[child.inbound.spi] = (sa, child)
        self.spd.add(sa, child)
        self._identities[sa.remote_id] += 1
        child.watcher = self._changed
        self._changed(child)

    def move(self, child: ChildSa, sa: SaRecord) -> None:
        """Give a Child SA to the IKE SA that succeeds its own."""
        if self._has(child):
            self._count_out(child)
            self._identities[sa.remote_id] += 1
            self._by_spi[child.inbound.spi] = (sa, child)
            self.spd.move(child, sa)
            self._changed(child)

    def remove(self, child: ChildSa) -> None:
        """Remove a Child SA.

        If it has a successor, it still receives for a while: packets may be on their way (section 2.8).
        """
        child.gone = True
        if child.life is not None:
            child.life.stop()
        spi, endpoint = child.inbound.spi, self._endpoint
        self.past_spis.append(spi)
        if child.expired or (child.rekeyed is None and child.peer_rekeyed is None and child.replaces is None):
            self._drop(spi, child)
        else:
            timer = endpoint.timers.set(endpoint.now + endpoint.config.esp_linger, lambda now: self._drop(spi, child))
            self._late[spi] = (child, timer)
            if len(self._late) > endpoint.config.linger_limit:
                oldest, (other, timer) = next(iter(self._late.items()))
                timer.cancel()
                self._drop(oldest, other)

    def number_of(self, identity: Identity | None) -> int:
        """How many there are with the peer of that identity."""
        return self._identities[identity]

    def overlapping(self, local: Iterable[Selector], remote: Iterable[Selector]) -> Iterator[Candidate]:
        """At least all those that may take packets that these selectors take, with their IKE SA."""
        groups = self.spd.overlapping(local, remote)
        if groups is None:
            yield from self._by_spi.values()
        else:
            for group in groups:
                yield from ((member.sa, member.child) for member in group.members.values())

    def clear(self) -> None:
        """Remove those that still receive late packets."""
        for spi, (child, timer) in list(self._late.items()):
            timer.cancel()
            self._drop(spi, child)

    def _drop(self, spi: int, child: ChildSa) -> None:
        self._late.pop(spi, None)
        # Each Child SA refers to the one that it replaced; do not keep these alive.
        child.replaces = None
        if self._has(child):
            self._changed(child)
            child.watcher = None
            self._count_out(child)
            del self._by_spi[spi]
            self.spd.remove(child)

    def _count_out(self, child: ChildSa) -> None:
        identity = self._by_spi[child.inbound.spi][0].remote_id
        self._identities[identity] -= 1
        if not self._identities[identity]:
            del self._identities[identity]

    def _has(self, child: ChildSa) -> bool:
        return self._by_spi.get(child.inbound.spi, (None, None))[1] is child
