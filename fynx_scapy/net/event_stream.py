# SPDX-License-Identifier: GPL-2.0-or-later
"""Events as an asynchronous iterator: bounded, so that a reader that falls behind costs no memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from fynx_scapy.ike.events import Event, event_log
from fynx_scapy.net.signals import Signal

MOST, OCTETS = 1000, 1 << 20
"""How many events wait for their reader, and about how many octets of memory they take."""


class EventStream:
    """Events from the time on at which it is made. Its reader waits for each: ``async for event in stream``.

    If the reader falls behind, older events are dropped: an `EventsDropped` event takes their place and counts them.
    It ends after the last event once `end` was called.
    """

    def __init__(self, closed: Callable[[EventStream], object]) -> None:
        self._events = event_log(MOST, OCTETS)
        self._read: list[Event] = []
        self._changed = Signal()
        self._ended = False
        self._closed = closed

    def put(self, event: Event) -> None:
        """Add an event."""
        self._events.append(event)
        self._changed.fire()

    def end(self) -> None:
        """Let the reader read what there is, and then end."""
        self._ended = True
        self._changed.fire()

    async def aclose(self) -> None:
        """End at once: the reader wants no more."""
        self._events.clear()
        self._read.clear()
        if not self._ended:
            self._closed(self)
            self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._read:
            if self._events:
                self._read = self._events.drain()[::-1]
            elif self._ended:
                raise StopAsyncIteration
            else:
                await self._changed.wait()
        return self._read.pop()
