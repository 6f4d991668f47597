# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds how much of what is scarce, so that the source with the most is known without a search."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Sources(Generic[T]):
    """What is held (half-open IKE SAs, TLS connections) by its source, each in the order in which it began."""

    def __init__(self) -> None:
        self._held: dict[bytes, dict[T, None]] = {}
        self._by_count: dict[int, dict[bytes, None]] = {}
        self._most = 0

    def __len__(self) -> int:
        return len(self._held)

    def count(self, source: bytes) -> int:
        """How many a source has."""
        return len(self._held.get(source, ()))

    def add(self, source: bytes, item: T) -> None:
        """Add the newest of a source."""
        items = self._held.setdefault(source, {})
        self._leave(source, len(items))
        items[item] = None
        self._by_count.setdefault(len(items), {})[source] = None
        self._most = max(self._most, len(items))

    def remove(self, source: bytes, item: T) -> None:
        """Remove one of a source."""
        items = self._held[source]
        self._leave(source, len(items))
        del items[item]
        if items:
            self._by_count.setdefault(len(items), {})[source] = None
        else:
            del self._held[source]
        # The source that had the most has one less now, so this is never more than one step down.
        if self._most and self._most not in self._by_count:
            self._most -= 1

    def gives_way(self, source: bytes) -> T | None:
        """What is given up for a newcomer of this source: the oldest of the source with the most.

        None if no source has more than this one. An honest peer needs one for some round trips. A source with many of
        them loses them first.
        """
        oldest, most = self.oldest_of_the_largest()
        return oldest if most > self.count(source) else None

    def oldest_of_the_largest(self) -> tuple[T | None, int]:
        """The oldest one of the source that has the most, and how many that has: (None, 0) when there is none."""
        if not self._most:
            return None, 0
        source = next(iter(self._by_count[self._most]))
        return next(iter(self._held[source])), self._most

    def _leave(self, source: bytes, count: int) -> None:
        if count:
            del self._by_count[count][source]
            if not self._by_count[count]:
                del self._by_count[count]
