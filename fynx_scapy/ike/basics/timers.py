# SPDX-License-Identifier: GPL-2.0-or-later
"""Timers, in order of their time."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timer:
    """An action to run at ``at`` seconds; None once it has run or was cancelled."""

    __slots__ = ("action", "at")

    def __init__(self, at: float, action: Callable[[float], None]) -> None:
        self.at = at
        self.action: Callable[[float], None] | None = action

    def cancel(self) -> None:
        """Cancel the timer. A timer that has fired may be cancelled, too."""
        self.action = None


class Timers:
    """A heap of timers. Those with equal times run in the order in which they were set.

    Cancelled ones are removed at its top, or when they outnumber the live ones.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._swept = 64

    def set(self, at: float, action: Callable[[float], None]) -> Timer:
        """Call ``action(now)`` once the clock reaches ``at``."""
        self._count += 1
        timer = Timer(at, action)
        heapq.heappush(self._heap, (at, self._count, timer))
        if len(self._heap) > self._swept:
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._swept = max(64, 2 * len(self._heap))
        return timer

    def next(self) -> float | None:
        """When the earliest live timer fires, or None."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def fire(self, now: float) -> None:
        """Run all timers that are due, in order."""
        while (at := self.next()) is not None and at <= now:
            timer = heapq.heappop(self._heap)[2]
            action, timer.action = timer.action, None
            if action is not None:
                action(now)

    def __len__(self) -> int:
        return sum(timer.action is not None for _, _, timer in self._heap)
