# SPDX-License-Identifier: GPL-2.0-or-later
"""A rate limit: sockets that send no more than so many datagrams a second."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from fynx_scapy.net.sockets import OpenSocket


class Pace:
    """The times at which something may be sent: evenly spaced, whoever sends. For several threads.

    ``rate`` is how many a second. ``clock`` and ``sleep`` are for tests.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.rate = rate
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, count: int = 1) -> None:
        """Wait until ``count`` more may be sent."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + count / self.rate
        if turn > now:
            self._sleep(turn - now)

    def opening(self, open_socket: OpenSocket) -> OpenSocket:
        """``open_socket`` with sockets that keep to this pace."""

        def opened(family: int, kind: int, protocol: int) -> socket.socket:
            made = _PacedSocket(family, kind, protocol, fileno=open_socket(family, kind, protocol).detach())
            made.pace = self
            return made

        return opened


class _PacedSocket(socket.socket):
    """A socket that waits for its turn before it sends."""

    pace: Pace

    def sendmsg(self, parts: Sequence[bytes], *args: Any) -> int:  # type: ignore[override]
        """Send one datagram, or several in one call: then each part is one."""
        self.pace.wait(len(parts))
        return super().sendmsg(parts, *args)
