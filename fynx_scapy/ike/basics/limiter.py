# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits how often something may be done."""

from __future__ import annotations


class Limiter:
    """A rate limiter: once per interval, or ``burst`` times at once after a rest."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def allow(self, kind: str, now: float, interval: float, burst: int = 1) -> bool:
        """Whether ``kind`` may be done now. If so, it is counted. Times are in seconds."""
        due = max(self._due.get(kind, now), now)
        if due - now > interval * (burst - 1) + 1e-9:
            return False
        self._due[kind] = due + interval
        return True
