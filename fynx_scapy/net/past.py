# SPDX-License-Identifier: GPL-2.0-or-later
"""What a network has carried, without its endpoints: another process hands this over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fynx_scapy.errors import LocalError
from fynx_scapy.ike.events import Event
from fynx_scapy.ike.message import Datagram
from fynx_scapy.net.hosts import Hosts, Seen


class Past(Hosts):
    """A network that has ended: its events and datagrams. LocalError when somebody wants to send on it."""

    def __init__(
        self,
        addresses: Mapping[str, tuple[str, ...]],
        events: Iterable[tuple[str, Event]],
        carried: Iterable[Seen],
        now: float,
    ) -> None:
        super().__init__()
        self._addresses, self._now = dict(addresses), now
        self.events += events
        self.keep_datagrams()
        assert self.carried is not None
        self.carried += carried

    @classmethod
    def of(cls, network: Hosts) -> Past:
        """What a network has kept until now. LocalError when it has not kept all of it, and when it is a real one."""
        carried = network.carried
        if network.epoch is not None or carried is None or carried.dropped or network.events.dropped:
            raise LocalError("expected a network in memory that has kept all its datagrams and events")
        return cls(network.addresses, network.events, carried, network.now)

    def __reduce__(self) -> tuple[type[Past], tuple[object, ...]]:
        return Past, (self._addresses, list(self.events), list(self.carried or ()), self._now)

    @property
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The addresses of each host, by its name."""
        return self._addresses

    @property
    def now(self) -> float:
        """Its time when it ended."""
        return self._now

    def run(self, until: float | Callable[[], bool] | None = None, *, limit: float = 3600.0) -> bool:
        """No time passes any more."""
        raise LocalError("expected a network on which time passes, found one that has ended")

    def _carry(self, datagram: Datagram) -> None:
        raise LocalError("expected a network that carries datagrams, found one that has ended")
