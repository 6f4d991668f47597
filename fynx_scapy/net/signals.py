# SPDX-License-Identifier: GPL-2.0-or-later
"""A signal: wakes all coroutines that wait for it. What they wait for, they then look up themselves."""

from __future__ import annotations

import asyncio


class Signal:
    """Coroutines that wait for something to change.

    A signal is not kept: it wakes those who wait now. So a coroutine that is cancelled when it was just woken takes
    nothing away from another one.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def fire(self) -> None:
        """Wake all who wait."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    async def wait(self) -> None:
        """Wait for the next `fire`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        finally:
            if future in self._waiting:
                self._waiting.remove(future)
