# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoints on a real network: UDP ports 500 and 4500 or any others, IP protocol 50, and the machine's clock.

Its interface is that of the network in memory, but `run` takes real time.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

from fynx_scapy.errors import ConfigError, TransportError
from fynx_scapy.ike.message import Address
from fynx_scapy.net import guard
from fynx_scapy.net.ports import SocketHosts
from fynx_scapy.net.shard import Shard
from fynx_scapy.net.sockets import OpenSocket, UdpPort

POLL = 0.02
"""The interval in seconds at which `run` checks its condition when nothing arrives."""

SETTLING = 0.2
"""The longest time in seconds that `settle` reads on after the last pending request of the host."""

_PATIENCE = 0.25
_SHARED = 0.002
"""The same interval when the thread of `attend` may have read what `run` waits for."""


class UdpNetwork(SocketHosts):
    """A network of this machine, or of a network namespace in which ``open_socket`` opens the sockets.

    >>> with UdpNetwork() as network:
    ...     network.add(endpoint, "alice")
    ...     sa = endpoint.connect(config, network.now)
    ...     network.run(lambda: sa.established, limit=5)

    `attend` starts a thread that serves the sockets between calls of `run`. ``history`` is the number of events to
    keep.
    """

    def __init__(
        self,
        *,
        open_socket: OpenSocket = socket.socket,
        history: int | None = None,
        offload: bool = True,
        shard: Shard | None = None,
    ) -> None:
        super().__init__(open_socket=open_socket, history=history, offload=offload, shard=shard, lock=threading.RLock())
        self._started = time.monotonic()
        self.epoch = time.time()
        self._attendant: threading.Thread | None = None
        self._alarm = -1
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def now(self) -> float:
        """Seconds since the network was made."""
        return time.monotonic() - self._started

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closing.is_set()

    def close(self) -> None:
        """Close all sockets, and end the thread that serves them."""
        self._closing.set()
        if self._attendant is not None:
            if self._alarm >= 0:
                os.eventfd_write(self._alarm, 1)  # it may be waiting for a datagram
            self._attendant.join()
        if self._alarm >= 0:
            os.close(self._alarm)
            self._alarm = -1
        self._close_ports()

    def attend(self) -> None:
        """Start a thread that answers the peers between calls of `run`, for example at a Python prompt."""
        if self._attendant is None:
            self._alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._poll.register(self._alarm, select.EPOLLIN)
            self._attendant = threading.Thread(target=self._serve, name="fynx attendant", daemon=True)
            self._attendant.start()

    def _serve(self) -> None:
        while not self._closing.is_set():
            failure = guard.guarded(self.now, "a step of the attendant", self._step, self.now + POLL * 5, taps=False)
            if failure is not None:  # in a listener: there is no caller to raise it to, and the thread must go on
                with self.lock:
                    self._note_failure(next(iter(self.hosts), ""), failure)
                    self._raised, self._raised_after = None, 0  # a subscriber may fail at the event of its own failure
                self._closing.wait(POLL)

    # Time

    def run(self, until: float | Callable[[], bool] | None = None, *, limit: float = 3600.0) -> bool:
        """Let time pass until a time, until a condition is true, or until the network is idle.

        Idle means that no request waits for its answer and there is nothing to read. Returns whether the condition is
        true. One call lasts at most ``limit`` seconds.
        """
        end = until if isinstance(until, int | float) else self.now + limit
        met = until if callable(until) else None
        while True:
            with self.lock:
                self._collect()
                self._raise()
                self._set_clocks()
                if met is not None and met():
                    return True
                if until is None and not self._busy() and not self._poll.poll(0):
                    return True
            if self.now >= end:
                return met is None
            pause = _SHARED if self._attendant is not None else POLL if met is not None else _PATIENCE
            self._step(min(end, self.now + pause))

    def waiting(self, limit: float) -> bool:
        """Whether a datagram waits to be read, or comes within ``limit`` seconds. It stays there."""
        return bool(self._poll.poll(limit))

    def settle(self, name: str) -> None:
        """Like the base class, but for some seconds at most: a real network may never become idle."""
        endpoint = self.hosts[name].endpoint
        # Another exchange may follow, such as the Delete of a rekeyed SA.
        self.run(lambda: not endpoint.in_flight, limit=SETTLING * 50)
        self.run(limit=SETTLING)

    def _step(self, end: float) -> None:
        """Wait for a datagram, a timer or ``end``, and handle it."""
        with self.lock:
            timer = self._next_timer()
        wait = min(end, timer if timer is not None else end) - self.now
        ready = self._poll.poll(max(0.0, min(wait, _PATIENCE)))
        with self.lock:
            self._serve_ready(ready)
            self._fire()
            self._raise()

    def _shows_taps(self) -> bool:
        return threading.current_thread() is not self._attendant


def resolve(target: str, port: int) -> Address:
    """The address of ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``. Resolves names; ``port`` is the default port.

    ConfigError when the host does not resolve, or the port is not a number from 1 to 65535.
    """
    host, number = target, str(port)
    if target.startswith("["):
        host, closing, rest = target[1:].partition("]")
        if not closing:
            raise ConfigError(f"expected an address such as [2001:db8::1]:500, found {target!r}")
        number = rest.removeprefix(":") or number
    elif target.count(":") == 1:
        host, _, number = target.partition(":")
    if not (number.isdecimal() and 0 < int(number) < 65536):
        raise ConfigError(f"expected a port from 1 to 65535 after the host, found {target!r}")
    try:
        addresses = socket.getaddrinfo(host, int(number), type=socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"expected a host such as 192.0.2.1 or vpn.example, found {host!r}: {reason}") from None
    return Address(str(addresses[0][4][0]), int(number))


def source_for(remote: Address, open_socket: OpenSocket = socket.socket) -> str:
    """Our address from which the kernel sends to ``remote``; TransportError when there is no route."""
    kind = socket.AF_INET6 if ":" in remote.host else socket.AF_INET
    with contextlib.closing(open_socket(kind, socket.SOCK_DGRAM, 0)) as probe:
        try:
            probe.connect((remote.host, remote.port))  # a UDP socket: nothing is sent
        except OSError as error:
            raise TransportError.of(f"no route to {remote}", error) from None
        return str(probe.getsockname()[0])


def free_ports(host: str, count: int = 2, open_socket: OpenSocket = socket.socket) -> tuple[int, ...]:
    """``count`` UDP port numbers that are free on an address right now."""
    with contextlib.ExitStack() as stack:
        return tuple(
            stack.enter_context(contextlib.closing(UdpPort(host, 0, open_socket))).address.port for _ in range(count)
        )
