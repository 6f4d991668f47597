# SPDX-License-Identifier: GPL-2.0-or-later
"""A network in an event loop of its own that runs whenever somebody lets time pass."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fynx_scapy.errors import Timeout
from fynx_scapy.net.aio import AioNetwork
from fynx_scapy.net.sockets import OpenSocket

T = TypeVar("T")

POLL = 0.02
"""The interval in seconds at which `LoopNetwork.run` checks its condition when nothing happens."""


class LoopNetwork(AioNetwork):
    """An `AioNetwork` for programs without an event loop: `run` and `wait` run one until they return.

    An exception in a listener or a task, which has no caller, is raised by the call that lets time pass.
    """

    def __init__(self, *, open_socket: OpenSocket = socket.socket) -> None:
        super().__init__(open_socket=open_socket, history=None)
        self._runner = asyncio.Runner()
        self._runner.get_loop().set_exception_handler(self._note)
        self._unhandled: list[BaseException] = []

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(error := context.get("exception"), BaseException):
            self._unhandled.append(error)

    def wait(self, what: Coroutine[Any, Any, T], *, limit: float | None = None) -> T:
        """Run the event loop until a coroutine has ended; returns its result. Timeout after ``limit`` seconds."""

        async def ended() -> T:
            self.wake()  # an endpoint may have been used since the event loop ran last
            try:
                async with asyncio.timeout(limit):
                    return await what
            except TimeoutError:
                raise Timeout(f"expected a step to end within {limit:g} s, but it did not") from None

        try:
            return self._runner.run(ended())
        finally:
            if self._unhandled:
                error, self._unhandled = self._unhandled[0], []
                raise error

    def run(self, until: float | Callable[[], bool] | None = None, *, limit: float = 3600.0) -> bool:
        """Let time pass, as in `UdpNetwork.run`."""
        return self.wait(self._passed(until, limit))

    async def _passed(self, until: float | Callable[[], bool] | None, limit: float) -> bool:
        end = until if isinstance(until, int | float) else self.now + limit
        met = until if callable(until) else None
        self.flush()
        while True:
            self._set_clocks()
            if met is not None and met():
                return True
            if until is None and not self.busy and not self._poll.poll(0):
                return True
            if self.now >= end:
                return met is None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(end - self.now, POLL)):
                    await self._flushed.wait()

    def close(self) -> None:
        """Close all sockets, and end the event loop with all tasks in it."""
        super().close()
        self._runner.close()
