# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoints on a real network, served by an asyncio event loop: asyncio's own, uvloop, or any other.

The event loop waits for the sockets and for the endpoints' next timer, and reads the clock. Everything runs in its
thread, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Self

from fynx_scapy.errors import LocalError, QueueFull
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import InternalError
from fynx_scapy.ike.message import Burst, Datagram
from fynx_scapy.net import guard
from fynx_scapy.net.hosts import Host
from fynx_scapy.net.ports import SocketHosts
from fynx_scapy.net.shard import Shard
from fynx_scapy.net.signals import Signal
from fynx_scapy.net.sockets import EspPort, OpenSocket, UdpPort

AT_ONCE = 64
"""How many inner packets a sender gives us before they are sent and others run."""


BACKLOG = 4096
"""How many packets of one socket wait for room in the kernel. Senders wait in `AioNetwork.room` before it is full."""


class Backlog:
    """What waits for room in the kernel, in order."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._items: deque[Datagram | Burst] = deque()
        self._packets = 0

    def put(self, item: Datagram | Burst) -> bool:
        """Add something; False when there is no room for it here either."""
        packets = _count(item)
        if self._packets + packets > BACKLOG:
            return False
        self._packets += packets
        self._items.append(item)
        return True

    def take(self) -> Datagram | Burst | None:
        """Remove and return the oldest item; None when there is none."""
        if not self._items:
            return None
        item = self._items.popleft()
        self._packets -= _count(item)
        return item

    def put_back(self, item: Datagram | Burst) -> None:
        """Put back what is left of the item that was taken last."""
        self._packets += _count(item)
        self._items.appendleft(item)


def _count(item: Datagram | Burst) -> int:
    return 1 if isinstance(item, Datagram) else len(item)


class AioNetwork(SocketHosts):
    """A network of this machine, or of where ``open_socket`` opens the sockets, in the running event loop.

    >>> async with AioNetwork() as network:
    ...     network.add(endpoint, "alice")
    ...     with network.acting() as now:
    ...         sa = endpoint.connect(config, now)
    ...     await network.until(lambda: sa.established, limit=5)

    It belongs to the event loop in which the first endpoint is added. Whoever acts on an endpoint does so in `acting`,
    or calls `wake` afterwards: what the endpoint then has to send leaves in the same turn of the loop, and its events
    are told. ``history`` is the number of events to keep; none by default.

    An exception in a listener or a tap has no caller to be raised to. It becomes an `InternalError` event, and the
    event loop's exception handler gets it.
    """

    def __init__(
        self,
        *,
        open_socket: OpenSocket = socket.socket,
        history: int | None = 0,
        offload: bool = True,
        shard: Shard | None = None,
    ) -> None:
        super().__init__(open_socket=open_socket, history=history, offload=offload, shard=shard)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = self._reached = self._armed = 0.0
        self._flushing: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flushed = Signal()
        self._unsent, self._turn = 0, 0.0
        self._backlogs: dict[UdpPort | EspPort, Backlog] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    # Time

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop; LocalError before an endpoint was added."""
        if self._loop is None:
            raise LocalError("expected a network with an endpoint: it has no event loop before one is added")
        return self._loop

    @property
    def now(self) -> float:
        """Seconds of the event loop's clock since the first endpoint was added."""
        return 0.0 if self._loop is None else max(self._loop.time() - self._started, self._reached)

    def run(self, until: float | Callable[[], bool] | None = None, *, limit: float = 3600.0) -> bool:
        """LocalError: time passes in the event loop. Await `until`."""
        raise LocalError("expected `await network.until(...)`: the event loop lets time pass on this network")

    async def until(self, condition: Callable[[], bool], *, limit: float = 3600.0) -> bool:
        """Wait until a condition is true, for at most ``limit`` seconds. Returns whether it is true.

        It is looked at after every turn in which something happened here.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while not condition():
                    await self._flushed.wait()
        return condition()

    @property
    def busy(self) -> bool:
        """Whether a request of an endpoint waits for its answer."""
        return self._busy()

    # Endpoints

    def add(self, endpoint: Endpoint, name: str | None = None, *, echo: bool = False, native: bool = True) -> Host:
        """Add an endpoint and open the ports of its configuration, as in `SocketHosts`.

        LocalError outside of a running event loop, in another one than before, and after `close`.
        """
        self._join_loop()
        host = super().add(endpoint, name, echo=echo, native=native)
        self.wake()
        return host

    def _join_loop(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise LocalError("expected a running event loop: add endpoints in a coroutine") from None
        self._check_open()
        if self._loop is None:
            self._loop, self._started, self.epoch = running, running.time(), time.time()
            # One descriptor for all sockets, and never an error condition: uvloop stops reading a socket with an ICMP
            # error in its queue.
            running.add_reader(self._poll.fileno(), self._ready)
        else:
            self.check_loop()

    def check_loop(self) -> None:
        """Raises LocalError in another event loop than its own, where nothing would wake who waits."""
        if self._loop is not None and asyncio._get_running_loop() not in (self._loop, None):
            raise LocalError("expected the event loop in which the network was first used, found another one")

    def _check_open(self) -> None:
        if self._closed:
            raise LocalError("expected an open network, found one that was closed")

    @contextlib.contextmanager
    def acting(self) -> Iterator[float]:
        """Use an endpoint inside this context. It sets every endpoint's clock, yields the time, and calls `wake`."""
        self.check_loop()
        self._turn = self._set_clocks()
        try:
            yield self._turn
        finally:
            self.wake()

    def wake(self) -> None:
        """Have everything that endpoints have to send or to tell sent and told in this turn of the event loop."""
        if self._flushing is None and self._loop is not None and not self._closed:
            self._turn = self.now
            self._flushing = self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send and tell it now, and run the timers that are due."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        self._unsent = 0
        if not self._closed:
            self._fire()
            self._show_raised()
            self._arm()
            self._flushed.fire()

    def turn(self) -> float:
        """The time for what is given to an endpoint in this turn of the event loop; calls `wake`."""
        if self._flushing is None:
            self.check_loop()
            self.wake()
        return self._turn

    def queued(self, packets: int = 1) -> bool:
        """Note that inner packets were given to an endpoint after `turn`. If they are many, they leave now.

        Returns whether their sender should wait in `room` before it gives more. LocalError after `close`.
        """
        self._unsent += packets
        if self._unsent < AT_ONCE and not self._backlogs and self._flushing is not None:
            return False
        self._check_open()
        if self._unsent >= AT_ONCE:
            self.flush()
        else:
            self.wake()
        return True

    async def room(self) -> None:
        """Let others run, and wait until the kernel has taken all that was given to it."""
        await asyncio.sleep(0)
        while self._backlogs:
            await self._flushed.wait()
        self._check_open()

    def close(self) -> None:
        """Close all sockets, and leave nothing in the event loop."""
        if self._closed:
            return
        self._closed = True
        for handle in (self._flushing, self._timer):
            if handle is not None:
                handle.cancel()
        self._flushing = self._timer = None
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._poll.fileno())
        self._close_ports()
        self._backlogs.clear()
        self._flushed.fire()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def remove(self, name: str) -> None:
        """Remove a host and close its sockets. What it has still to send is sent first, as far as there is room."""
        self.flush()
        for port in self._ports[name]:
            self._backlogs.pop(port, None)
        super().remove(name)

    # Sending: what the kernel has no room for waits

    def _send_from(self, host: Host, port: UdpPort | EspPort, item: Datagram | Burst) -> None:
        backlog = self._backlogs.get(port)
        rest = self._hand_over(host, port, item) if backlog is None else item
        if rest is None:
            return
        if backlog is None:
            backlog = self._backlogs[port] = Backlog(host)
            self._wait_for(port)
        if not backlog.put(rest):
            self._not_sent(
                host, rest, QueueFull(f"the send buffer of {port.address} is full, and so is the backlog of {BACKLOG}")
            )

    def _read(self, host: Host, port: UdpPort | EspPort, flags: int) -> None:
        if flags & select.EPOLLOUT and port in self._backlogs:
            self._send_backlog(port, self._backlogs[port])
        super()._read(host, port, flags)

    def _send_backlog(self, port: UdpPort | EspPort, backlog: Backlog) -> None:
        while (item := backlog.take()) is not None:
            rest = self._hand_over(backlog.host, port, item)
            if rest is not None:
                backlog.put_back(rest)
                break
        else:
            del self._backlogs[port]
        self._wait_for(port)

    def _wait_for(self, port: UdpPort | EspPort) -> None:
        flags = select.EPOLLONESHOT if port in self._resting else select.EPOLLIN
        self._poll.modify(port, flags | select.EPOLLOUT if port in self._backlogs else flags)

    def _received(self) -> None:
        """Nothing yet: `flush` follows once all that has arrived is read."""

    # Called by the event loop

    def _ready(self) -> None:
        self._serve_ready(self._poll.poll(0))
        self._turn = self.now  # uvloop may come here between `wake` and `flush`
        self.wake()

    def _arm(self) -> None:
        """Wake up for the next timer of any endpoint. An earlier wake-up stays: it looks again."""
        at = self._next_timer()
        if at is None or (self._timer is not None and self._armed <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = at
        self._timer = self.loop.call_at(self._started + at, self._due)

    def _due(self) -> None:
        # Event loops wake up as early as the resolution of their clock allows (uvloop's is a millisecond). The timers
        # are due then, or they would be set again and again until the clock shows their time.
        self._timer, self._reached = None, self._armed
        self.flush()

    # Exceptions that have no caller

    def _shows_taps(self) -> bool:
        return False

    def _show_raised(self) -> None:
        error, self._raised, self._raised_after = self._raised, None, 0
        if error is not None:
            failure = guard.described(self.now, "a listener", error)
            self._note_failure("", failure)
            self._raised, self._raised_after = None, 0  # a subscriber may fail at the event of its own failure
            self.loop.call_exception_handler({"message": f"exception in a listener of {self!r}", "exception": error})

    def _note_failure(self, name: str, failure: InternalError) -> None:
        super()._note_failure(name, failure)
        if self._loop is not None:
            text = f"{failure.error} in {failure.doing}, {failure.where}"
            self._loop.call_exception_handler({"message": text})
