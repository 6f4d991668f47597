# SPDX-License-Identifier: GPL-2.0-or-later
"""What every network does with its hosts: take from each endpoint what it has to say, and keep a record of it."""

from __future__ import annotations

import contextlib
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fynx_scapy.checks import shown, whole
from fynx_scapy.errors import ConfigError, LocalError, OutOfReach
from fynx_scapy.ike import events
from fynx_scapy.ike.basics.bounded import Bounded
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event, InternalError
from fynx_scapy.ike.message import Datagram
from fynx_scapy.net import guard
from fynx_scapy.net.echo import echo_reply
from fynx_scapy.net.listeners import Listeners, Remover
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.wire import Wire

Observer = Callable[[float, Datagram, str], object]
Subscriber = Callable[[str, Event], object]
Record = Bounded[tuple[str, Event]]
ThirdParty = Callable[[float, Datagram], Iterable[Datagram] | None]
T = TypeVar("T")

INBOX, INBOX_OCTETS = 100_000, 64 << 20
"""How many inner packets a host keeps, and of how many octets in all."""

_COUNT = whole(0, sys.maxsize)

EVENTS, EVENT_OCTETS = 200_000, 128 << 20
"""How many events a network keeps unless it is told otherwise, and of about how many octets in all."""


def record(most: int | None = None) -> Record:
    """A list of (host, event) that has a ceiling: ``most`` events, by default `EVENTS`; ConfigError for no number."""
    if most is not None and not _COUNT.accepts(most):
        raise ConfigError(f"expected how many events to keep, 0 or more, found {shown(most)}")
    return Bounded(
        EVENTS if most is None else most,
        EVENT_OCTETS,
        weigh=lambda entry: entry[1].weight,
        name=lambda entry: type(entry[1]).__name__,
        lasting=lambda entry: events.lasting(entry[1]),
        note=lambda first, kinds: (first[0], events.dropped(first[1], kinds)),
    )


@dataclass(slots=True)
class Host:
    """An endpoint on the network.

    ``inbox`` holds the inner packets that reached it, the latest `INBOX` of them; with ``echo`` it answers pings
    itself.
    """

    name: str
    endpoint: Endpoint
    echo: bool = False
    inbox: Bounded[bytes] = field(default_factory=lambda: Bounded(INBOX, INBOX_OCTETS, weigh=len))


class Hosts(ABC):
    """A carrier of datagrams: a clock, hosts, their events, and those who watch.

    ``observe`` shows each datagram with its fate, ``subscribe`` each event. ``events`` are the latest (host, event) in
    order: ``history`` says how many are kept, by default `EVENTS`; with 0 they are only counted. ``lock`` is held by
    whoever touches an endpoint while another thread may. ``failures`` counts each host's `InternalError` events,
    ``last_failure`` has the latest one of each.

    What a listener raises is raised by the call that lets time pass, once the others were called and every datagram is
    on its way. In the thread that `UdpNetwork.attend` starts it is an `InternalError` event instead.
    """

    epoch: float | None = None
    """Where the clock's zero lies, in seconds since the epoch; None where time is virtual."""

    def __init__(
        self, *, history: int | None = None, lock: contextlib.AbstractContextManager[object] | None = None
    ) -> None:
        self.hosts: dict[str, Host] = {}
        self.events = record(history)
        self.failures: Counter[str] = Counter()
        self.last_failure: dict[str, InternalError] = {}
        self.lock = lock or contextlib.nullcontext()
        self._observers: Listeners[Observer] = Listeners(self.lock)
        self._subscribers: Listeners[Subscriber] = Listeners(self.lock)
        self._calling = 0
        self._raised: Exception | None = None
        self._raised_after = 0

    @property
    @abstractmethod
    def now(self) -> float:
        """Seconds on this network's clock."""

    @abstractmethod
    def run(self, until: float | Callable[[], bool] | None = None, *, limit: float = 3600.0) -> bool:
        """Let time pass: until a moment, until something holds (returns whether it does), or until all is quiet.

        ``limit`` bounds the seconds of one call.
        """

    def settle(self, name: str) -> None:
        """Let happen what follows from an exchange that the host ``name`` has begun and ended."""
        self.run()

    @abstractmethod
    def _carry(self, datagram: Datagram) -> None:
        """Send what an endpoint has queued."""

    def add(self, endpoint: Endpoint, name: str | None = None, *, echo: bool = False) -> Host:
        """Plug an endpoint in by its address. ConfigError when its address or its name is taken."""
        if any(self._same_place(host.endpoint, endpoint) for host in self.hosts.values()):
            raise ConfigError(f"expected an address that is free on this network, found {', '.join(endpoint.hosts)}")
        host = Host(name or endpoint.host, endpoint, echo)
        if host.name in self.hosts:
            raise ConfigError(f"expected a name that is free on this network, found {host.name!r}")
        self.hosts[host.name] = host
        endpoint.now = self.now
        return host

    # What only a network in memory has: everywhere else these raise OutOfReach

    @property
    def wire(self) -> Wire:
        """How datagrams are treated."""
        raise OutOfReach("expected a network in memory: a real one's loss and delay are not ours to set")

    def intercept(self, third_party: ThirdParty) -> Remover:
        """Let a third party change what travels."""
        raise OutOfReach("expected a network in memory: nobody stands on the way to a live peer")

    def inject(self, datagram: Datagram) -> None:
        """Put a datagram on the wire in anybody's name."""
        raise OutOfReach(f"expected a network in memory: what is not ours cannot be sent from {datagram.local}")

    def add_nat(self, nat: Nat) -> Nat:
        """Put a NAT box on the way."""
        raise OutOfReach(f"expected a network in memory: no NAT {nat.outside} can be put before a live peer")

    # What the kinds of networks share

    @staticmethod
    def _same_place(one: Endpoint, other: Endpoint) -> bool:
        return not set(one.hosts).isdisjoint(other.hosts)

    def observe(self, observer: Observer) -> Remover:
        """Call ``observer(time, datagram, fate)`` for each datagram; it left from ``datagram.local``.

        Its fate is ``delivered``, ``sent`` (what then became of it is not known), or what went wrong.
        Returns a function that removes the observer, and may be used as a context manager.
        """
        return self._observers.add(observer)

    def subscribe(self, subscriber: Subscriber) -> Remover:
        """Call ``subscriber(host, event)`` for each event, whether or not it is kept. Returns a remover, as `observe`.

        The network is in the middle of a step then: a subscriber should not let time pass.
        """
        return self._subscribers.add(subscriber)

    @contextlib.contextmanager
    def acting(self) -> Iterator[float]:
        """Enter this to have an endpoint act: it holds ``lock``, sets every endpoint's clock, and gives the time."""
        with self.lock:
            yield self._set_clocks()

    def host(self, name: str) -> Host:
        """The host of that name; LocalError when there is none."""
        if name not in self.hosts:
            raise LocalError(f"expected one of the hosts {', '.join(self.hosts)}, found {name!r}")
        return self.hosts[name]

    def _tell(self, datagram: Datagram, fate: str) -> None:
        if self._observers:
            for observer in self._observers:
                self._call(observer, self.now, datagram, fate)

    def _happened(self, name: str, *told: Event) -> None:
        """Keep events, and tell them."""
        self.events += [(name, event) for event in told]
        if self._subscribers:
            for event in told:
                for subscriber in self._subscribers:
                    self._call(subscriber, name, event)

    def _call(self, listener: Callable[..., T], *args: Any) -> T | None:
        """Call what somebody else wrote. The first exception is kept for `_raise`, the others are counted."""
        self._calling += 1
        try:
            result, error = guard.attempt(listener, *args)
        finally:
            self._calling -= 1
        if error is not None and self._raised is not None:
            self._raised_after += 1
        elif error is not None:
            self._raised = error
        return result

    def _raise(self) -> None:
        """Raise what a listener has raised, where nothing is left half done; never inside of another listener."""
        if self._raised is None or self._calling:
            return
        error, others, self._raised, self._raised_after = self._raised, self._raised_after, None, 0
        if others:
            error.add_note(f"listeners raised {others} more exceptions in the same step")
        raise error

    def _collect(self) -> None:
        """Take from every endpoint what it has to say, in the order of the hosts."""
        for host in list(self.hosts.values()):
            for packet in host.endpoint.packets():
                host.inbox.append(packet)
                if host.echo:
                    self.guarded(host, "an inner packet", self._answer_echo, host, packet)
            for datagram in host.endpoint.datagrams():
                self._carry(datagram)
            if told := host.endpoint.events():
                self._happened(host.name, *told)

    def _answer_echo(self, host: Host, packet: bytes) -> None:
        reply = echo_reply(packet)
        if reply is not None:
            host.endpoint.send(reply, self.now)

    def guarded(self, host: Host, doing: str, act: Callable[..., object], *args: Any) -> None:
        """Have a host's endpoint do something. An exception that nobody expected is an event of that host."""
        failure = guard.guarded(self.now, doing, act, *args, taps=self._shows_taps())
        if failure is not None:
            self._note_failure(host.name, failure)

    def _note_failure(self, name: str, failure: InternalError) -> None:
        self.failures[name] += 1
        self.last_failure[name] = failure
        self._happened(name, failure)

    def _shows_taps(self) -> bool:
        """Whether somebody is there to see what a tap of theirs raises."""
        return True

    def _set_clocks(self) -> float:
        """Tell every endpoint the time, and return it."""
        now = self.now
        for host in self.hosts.values():
            host.endpoint.now = now
        return now

    def _next_timer(self) -> float | None:
        return min((t for host in self.hosts.values() if (t := host.endpoint.next_timer()) is not None), default=None)

    def _fire(self) -> None:
        """Have every endpoint do what is due."""
        for host in list(self.hosts.values()):
            at = host.endpoint.next_timer()
            if at is not None and at <= self.now:
                self.guarded(host, "a timer", host.endpoint.handle_timer, self.now)
        self._collect()

    def _busy(self) -> bool:
        """Whether a request waits for its answer."""
        return any(sa.requests.pending for host in self.hosts.values() for sa in host.endpoint.sas.values())
