# SPDX-License-Identifier: GPL-2.0-or-later
"""How often something may be done."""

from __future__ import annotations


class Limiter:
    """How often something may be done: once an interval, or ``burst`` times at once after a rest."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def allow(self, kind: str, now: float, interval: float, burst: int = 1) -> bool:
        """Whether it may be done once more now; if so, that counts."""
        due = max(self._due.get(kind, now), now)
        if due - now > interval * (burst - 1) + 1e-9:
            return False
        self._due[kind] = due + interval
        return True
