# SPDX-License-Identifier: GPL-2.0-or-later
"""An event loop with real sockets and virtual time: a day of rekeys takes no longer than their packets."""

from __future__ import annotations

import asyncio
import selectors


class VirtualSelector(selectors.DefaultSelector):
    """Waits for no time: where nothing has arrived, the clock goes on to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready. Loopback delivers before the sender's call returns, so what is not there will not come."""
        ready = super().select(0)
        if not ready and timeout != 0:
            assert timeout is not None, "everybody waits, and nothing will happen any more"
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop. All sockets must be on loopback, and no thread may take part."""

    def __init__(self) -> None:
        self._waits = VirtualSelector()
        super().__init__(self._waits)

    def time(self) -> float:
        """Virtual seconds."""
        return self._waits.now
