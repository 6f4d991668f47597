# SPDX-License-Identifier: GPL-2.0-or-later
"""A network in memory: a virtual clock, loss and delay, NAT, and third parties that read and change datagrams."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from fynx_scapy.ike.message import Datagram, DatagramKind
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.wire import Wire

IP_HEADER = {4: 20, 6: 40}
UDP_HEADER = 8


@dataclass(order=True, slots=True)
class _Flight:
    at: float
    number: int
    datagram: Datagram = field(compare=False)


class Network(Hosts):
    """A network in memory, with the virtual clock of its endpoints.

    >>> network = Network(seed=7)
    >>> network.wire.loss = 0.3
    >>> network.add(endpoint, "alice")
    >>> network.run()            # until nothing is in flight and no request waits for its answer

    ``observe`` shows each datagram as it leaves, with its fate: ``delivered``, ``lost``, ``duplicated``,
    ``unreachable`` or ``too big``. ``history`` is how many events are kept.
    """

    def __init__(self, *, seed: int | str = 0, wire: Wire | None = None, history: int | None = None) -> None:
        super().__init__(history=history)
        self._wire = wire or Wire()
        self._now = 0.0
        self._random = random.Random(f"network {seed}")
        self._flights: list[_Flight] = []
        self._numbers = itertools.count()
        self._nats: list[Nat] = []

    # Between the endpoints

    @property
    def wire(self) -> Wire:
        """How datagrams are treated."""
        return self._wire

    def add_nat(self, nat: Nat) -> Nat:
        """Put a NAT device between its inside and all other hosts."""
        self._nats.append(nat)
        return nat

    def inject(self, datagram: Datagram) -> None:
        """Put a forged datagram on the wire, from any address (``local``) to any address (``remote``)."""
        self._carry(datagram)
        self._raise()

    # Time

    @property
    def now(self) -> float:
        """Virtual seconds since the network was made."""
        return self._now

    def run(self, until: float | Callable[[], bool] | None = None, *, limit: float = 3600.0) -> bool:
        """Let time pass until a time, until a condition is true, or until the network is idle.

        Idle means that no datagram is in flight and no request waits for its answer; other timers do not count.
        Returns whether the condition is true. One call lasts at most ``limit`` virtual seconds.
        """
        try:
            return self._run(until, limit)
        finally:
            self._set_clocks()

    def _run(self, until: float | Callable[[], bool] | None, limit: float) -> bool:
        end = until if isinstance(until, int | float) else self.now + limit
        met = until if callable(until) else None
        while True:
            self._collect()
            self._raise()
            if met is not None and met():
                return True
            if until is None and self._idle():
                return True
            at = self._next()
            if at is None or at > end:
                self._now = end if isinstance(until, int | float) else self.now
                return met is None
            self._now = max(self.now, at)
            self._step()

    def _idle(self) -> bool:
        return not self._flights and not self._busy()

    def _next(self) -> float | None:
        timer = self._next_timer()
        return min((t for t in (timer, self._flights[0].at if self._flights else None) if t is not None), default=None)

    def _step(self) -> None:
        """Deliver the datagrams that arrive now, then run the timers that are due now."""
        while self._flights and self._flights[0].at <= self.now:
            self._deliver(heapq.heappop(self._flights).datagram)
            self._collect()
        self._fire()

    # Carrying

    def _carry(self, datagram: Datagram) -> None:
        for sent in self._on_path(datagram):
            self._launch(sent)

    def _launch(self, datagram: Datagram) -> None:
        wire = self.wire
        size = len(datagram.wire) + IP_HEADER[6 if ":" in datagram.remote.host else 4]
        size += 0 if datagram.kind is DatagramKind.ESP else UDP_HEADER
        if wire.mtu is not None and size > wire.mtu:
            return self._tell(datagram, "too big")
        if wire.loss and self._random.random() < wire.loss:
            return self._tell(datagram, "lost")
        twice = wire.duplication and self._random.random() < wire.duplication
        for _ in range(2 if twice else 1):
            late = wire.reordering and self._random.random() < wire.reordering
            at = self.now + wire.delay + (self._random.uniform(0, wire.jitter) if late else 0)
            heapq.heappush(self._flights, _Flight(at, next(self._numbers), datagram))
        return self._tell(
            datagram, "duplicated" if twice else "delivered" if self._reachable(datagram) else "unreachable"
        )

    def _reachable(self, datagram: Datagram) -> bool:
        host = datagram.remote.host
        return any(host in h.endpoint.hosts for h in self.hosts.values()) or any(
            nat.outside == host for nat in self._nats
        )

    def _deliver(self, datagram: Datagram) -> None:
        arriving = datagram.turned()
        for nat in self._nats:
            translated = nat.translate(arriving)
            if translated is None:
                return
            arriving = translated
        for host in self.hosts.values():
            if arriving.local.host in host.endpoint.hosts:
                always = host.endpoint.config.marker_always
                read = arriving.read_by(marker_always=always)
                self.guarded(host, "a datagram", host.endpoint.receive, read, self.now)
                return
