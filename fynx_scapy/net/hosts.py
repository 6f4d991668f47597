# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of networks. It carries what endpoints send, and records the events that they report."""

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
from fynx_scapy.ike.basics.counts import Counts, DropReason
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event, InternalError
from fynx_scapy.ike.message import Burst, Datagram
from fynx_scapy.ike.path.nat import IKE_PORT, NATT_PORT
from fynx_scapy.net import guard
from fynx_scapy.net.echo import echo_reply
from fynx_scapy.net.listeners import Listeners, Remover
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.wire import Wire
from fynx_scapy.text import counted

Observer = Callable[[float, Datagram, str], object]
Subscriber = Callable[[str, Event], object]
Record = Bounded[tuple[str, Event]]
ThirdParty = Callable[[float, Datagram], Iterable[Datagram] | None]
Lock = contextlib.AbstractContextManager[object]
Seen = tuple[float, Datagram, str]
T = TypeVar("T")

INBOX, INBOX_OCTETS = 100_000, 64 << 20
"""The most inner packets that a host keeps, and their total size in octets."""

_COUNT = whole(0, sys.maxsize)

EVENTS, EVENT_OCTETS = 200_000, 128 << 20
"""The most events that a network keeps by default, and about their total size in octets."""

CARRIED, CARRIED_OCTETS = 100_000, 64 << 20
"""The most datagrams that a network keeps where it is asked to, and their total size in octets."""


def record(most: int | None = None) -> Record:
    """A list of (host, event) of at most ``most`` events, by default `EVENTS`. ConfigError when that is no number."""
    if most is not None and not _COUNT.accepts(most):
        raise ConfigError(f"expected the number of events to keep, 0 or more, found {shown(most)}")
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
    """An endpoint on the network."""

    name: str
    endpoint: Endpoint
    echo: bool = False
    """Whether the host answers pings."""
    inbox: Bounded[bytes] = field(init=False)
    """The latest inner packets that it received, at most `INBOX`. Those that are dropped count at the endpoint."""

    def __post_init__(self) -> None:
        drops = self.endpoint.counts.drops
        self.inbox = Bounded(INBOX, INBOX_OCTETS, weigh=len, name=lambda _: DropReason.INBOX_FULL, dropped=drops)


class Hosts(ABC):
    """A network: a clock, hosts, their events, and listeners.

    ``observe`` shows each datagram with its fate, ``subscribe`` each event. ``events`` are the latest (host, event) in
    order: ``history`` says how many are kept, by default `EVENTS`; with 0 they are only counted. `keep_datagrams` keeps
    the datagrams too. Hold ``lock`` to use
    an endpoint while another thread may use it. ``failures`` counts the `InternalError` events of each host,
    ``last_failure`` has the latest of each host.

    An exception in a listener is raised by the call that lets time pass, after the other listeners were called and all
    datagrams were sent. In the thread that `UdpNetwork.attend` starts it becomes an `InternalError` event instead.
    """

    epoch: float | None = None
    """The zero of the clock, in seconds since the epoch; None where time is virtual."""

    def __init__(self, *, history: int | None = None, lock: Lock | None = None) -> None:
        self.hosts: dict[str, Host] = {}
        self.events = record(history)
        self.carried: Bounded[Seen] | None = None
        self.failures: Counter[str] = Counter()
        self.last_failure: dict[str, InternalError] = {}
        self.lock = lock or contextlib.nullcontext()
        self._left = Counts()
        self._observers: Listeners[Observer] = Listeners(self.lock)
        self._subscribers: Listeners[Subscriber] = Listeners(self.lock)
        self._third_parties: Listeners[ThirdParty] = Listeners(self.lock)
        self._esp_subscribers: set[Remover] = set()
        self._calling = 0
        self._raised: Exception | None = None
        self._raised_after = 0

    @property
    @abstractmethod
    def now(self) -> float:
        """Seconds on this network's clock."""

    @abstractmethod
    def run(self, until: float | Callable[[], bool] | None = None, *, limit: float = 3600.0) -> bool:
        """Let time pass until a time, until a condition is true, or until the network is idle.

        Returns whether the condition is true. One call lasts at most ``limit`` seconds.
        """

    def settle(self, name: str) -> None:
        """Let time pass for what follows a finished exchange of the host ``name``."""
        self.run()

    @abstractmethod
    def _carry(self, datagram: Datagram) -> None:
        """Send a datagram that an endpoint has queued."""

    def _carry_burst(self, burst: Burst) -> None:
        """Send ESP packets that an endpoint has queued for one path."""
        for datagram in burst.datagrams():
            self._carry(datagram)

    def add(self, endpoint: Endpoint, name: str | None = None, *, echo: bool = False) -> Host:
        """Add an endpoint under its address. ConfigError when its address or its name is taken."""
        if any(self._same_place(host.endpoint, endpoint) for host in self.hosts.values()):
            raise ConfigError(f"the address {', '.join(endpoint.hosts)} is already taken on this network")
        host = Host(name or endpoint.host, endpoint, echo)
        if host.name in self.hosts:
            raise ConfigError(f"the name {host.name!r} is already taken on this network")
        self.hosts[host.name] = host
        config = endpoint.config
        endpoint.config = config.replace(port=config.port or IKE_PORT, natt_port=config.natt_port or NATT_PORT)
        endpoint.now = self.now
        endpoint.esp_events = self._esp_wanted()
        return host

    @property
    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The addresses of each host, by its name."""
        return {name: tuple(host.endpoint.hosts) for name, host in self.hosts.items()}

    def counts(self) -> Counts:
        """What all endpoints counted, those of removed hosts too."""
        total = Counts()
        for counts in (self._left, *(host.endpoint.counts for host in self.hosts.values())):
            total.add(counts)
        return total

    # Only a network in memory supports these; a real one raises OutOfReach

    @property
    def wire(self) -> Wire:
        """How datagrams are treated."""
        raise OutOfReach("expected a network in memory: loss and delay of a real network cannot be set")

    def inject(self, datagram: Datagram) -> None:
        """Put a datagram on the wire from any address."""
        raise OutOfReach(
            f"expected a network in memory: we can send only from our addresses, not from {datagram.local}"
        )

    def add_nat(self, nat: Nat) -> Nat:
        """Add a NAT device."""
        raise OutOfReach(f"expected a network in memory: no NAT {nat.outside} can be added in front of a live peer")

    # Common to all networks

    def intercept(self, third_party: ThirdParty) -> Remover:
        """Let a third party see each datagram. What it returns is sent instead; None sends the datagram unchanged.

        On a real network it stands between us and all others: it sees what we send before it leaves, and what comes
        before our endpoint does. A datagram that it turns round goes back to where the other one came from. The
        datagram is sent unchanged if the third party raises. Returns a remover like `observe`.
        """
        return self._third_parties.add(third_party)

    def _on_path(self, datagram: Datagram) -> list[Datagram]:
        """What third parties make of a datagram, whose sender is ``datagram.local``."""
        sent = [datagram]
        for third_party in self._third_parties:
            sent = [changed for one in sent for changed in self._changed(third_party, one)]
        return sent

    def _changed(self, third_party: ThirdParty, datagram: Datagram) -> list[Datagram]:
        """The datagrams that a third party sends in place of one."""

        def replaced() -> list[Datagram] | None:
            replacements = third_party(self.now, datagram)
            return None if replacements is None else list(replacements)

        replacements = self._call(replaced)
        return [datagram] if replacements is None else replacements

    @staticmethod
    def _same_place(one: Endpoint, other: Endpoint) -> bool:
        return not set(one.hosts).isdisjoint(other.hosts)

    def observe(self, observer: Observer) -> Remover:
        """Call ``observer(time, datagram, fate)`` for each datagram; its sender is ``datagram.local``.

        The fate is ``delivered``, ``sent`` (whether it arrived is not known), or what went wrong.
        Returns a function that removes the observer and may be used as a context manager.
        """
        return self._observers.add(observer)

    def subscribe(self, subscriber: Subscriber, *, esp: bool = True) -> Remover:
        """Call ``subscriber(host, event)`` for each event, kept or not. Returns a remover like `observe`.

        It is called in the middle of a step, so it should not let time pass. ``esp=False`` is for a subscriber that
        needs no `EspSent` and `EspReceived`: where nobody else does, no ESP packet costs an event.
        """
        remove = self._subscribers.add(subscriber)
        if not esp:
            return remove

        def removed() -> None:
            with self.lock:
                remove()
                self._esp_subscribers.discard(remove)
                self._set_esp_events()

        with self.lock:
            self._esp_subscribers.add(remove)
            self._set_esp_events()
        return Remover(removed)

    def _esp_wanted(self) -> bool:
        """Whether ESP packets are to be events: somebody keeps them, or subscribes to them."""
        return self.events.most > 0 or bool(self._esp_subscribers)

    def _set_esp_events(self) -> None:
        for host in self.hosts.values():
            host.endpoint.esp_events = self._esp_wanted()

    @contextlib.contextmanager
    def acting(self) -> Iterator[float]:
        """Use an endpoint inside this context: it holds ``lock``, sets every endpoint's clock, and yields the time."""
        with self.lock:
            yield self._set_clocks()

    def host(self, name: str) -> Host:
        """The host with that name; LocalError when there is none."""
        if name not in self.hosts:
            raise LocalError(f"expected one of the hosts {', '.join(self.hosts)}, found {name!r}")
        return self.hosts[name]

    def keep_datagrams(self) -> None:
        """Keep the latest datagrams, up to `CARRIED`, in ``carried``: (time, datagram, fate) as in `observe`."""
        if self.carried is None:
            self.carried = Bounded(CARRIED, CARRIED_OCTETS, weigh=lambda seen: len(seen[1].data))

    def _tell(self, datagram: Datagram, fate: str) -> None:
        if self.carried is not None:
            self.carried.append((self.now, datagram, fate))
        if self._observers:
            for observer in self._observers:
                self._call(observer, self.now, datagram, fate)

    def _tell_burst(self, burst: Burst, fate: str) -> None:
        if self.carried is not None or self._observers:
            for datagram in burst.datagrams():
                self._tell(datagram, fate)

    def _happened(self, name: str, *reported: Event) -> None:
        """Keep events, and pass them to the subscribers."""
        self.events += [(name, event) for event in reported]
        if self._subscribers:
            for event in reported:
                for subscriber in self._subscribers:
                    self._call(subscriber, name, event)

    def announce(self, name: str, event: Event) -> None:
        """Report an event of a host that its endpoint knows nothing of."""
        self._happened(name, event)

    def _call(self, listener: Callable[..., T], *args: Any) -> T | None:
        """Call a listener. The first exception is kept for `_raise`, further ones are counted."""
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
        """Raise the exception of a listener. Called where no step is half done, and never inside another listener."""
        if self._raised is None or self._calling:
            return
        error, others, self._raised, self._raised_after = self._raised, self._raised_after, None, 0
        if others:
            error.add_note(f"listeners raised {counted(others, 'more exception')} in the same step")
        raise error

    def _collect(self) -> None:
        """Take the packets, datagrams and events of every endpoint, in the order of the hosts."""
        for host in list(self.hosts.values()):
            for packet in host.endpoint.packets():
                host.inbox.append(packet)
                if host.echo:
                    self.guarded(host, "an inner packet", self._answer_echo, host, packet)
            for item in host.endpoint.output():
                if isinstance(item, Burst):
                    self._carry_burst(item)
                else:
                    self._carry(item)
            if reported := host.endpoint.events():
                self._happened(host.name, *reported)

    def _answer_echo(self, host: Host, packet: bytes) -> None:
        reply = echo_reply(packet)
        if reply is not None:
            host.endpoint.send(reply, self.now)

    def guarded(self, host: Host, doing: str, act: Callable[..., object], *args: Any) -> None:
        """Have a host's endpoint do something. An unexpected exception becomes an event of that host."""
        failure = guard.guarded(self.now, doing, act, *args, taps=self._shows_taps())
        if failure is not None:
            self._note_failure(host.name, failure)

    def _note_failure(self, name: str, failure: InternalError) -> None:
        self.failures[name] += 1
        self.last_failure[name] = failure
        self._happened(name, failure)

    def _shows_taps(self) -> bool:
        """Whether exceptions in taps are raised, so that the user sees them."""
        return True

    def _set_clocks(self) -> float:
        """Set every endpoint's clock, and return the time."""
        now = self.now
        for host in self.hosts.values():
            host.endpoint.now = now
        return now

    def _next_timer(self) -> float | None:
        return min((t for host in self.hosts.values() if (t := host.endpoint.next_timer()) is not None), default=None)

    def _fire(self) -> None:
        """Run the timers that are due at every endpoint."""
        for host in list(self.hosts.values()):
            at = host.endpoint.next_timer()
            if at is not None and at <= self.now:
                self.guarded(host, "a timer", host.endpoint.handle_timer, self.now)
        self._collect()

    def _busy(self) -> bool:
        """Whether a request is waiting for its answer."""
        return any(host.endpoint.in_flight for host in self.hosts.values())
