# SPDX-License-Identifier: GPL-2.0-or-later
"""The sources of half-open IKE SAs, so that the one with the most is known without a search."""

from __future__ import annotations


class Sources:
    """Half-open IKE SAs by their source, each in the order in which they began."""

    def __init__(self) -> None:
        self._spis: dict[bytes, dict[bytes, None]] = {}
        self._by_count: dict[int, dict[bytes, None]] = {}
        self._most = 0

    def __len__(self) -> int:
        return len(self._spis)

    def count(self, source: bytes) -> int:
        """How many a source has."""
        return len(self._spis.get(source, ()))

    def add(self, source: bytes, spi: bytes) -> None:
        """Add the newest of a source."""
        spis = self._spis.setdefault(source, {})
        self._leave(source, len(spis))
        spis[spi] = None
        self._by_count.setdefault(len(spis), {})[source] = None
        self._most = max(self._most, len(spis))

    def remove(self, source: bytes, spi: bytes) -> None:
        """Remove one of a source."""
        spis = self._spis[source]
        self._leave(source, len(spis))
        del spis[spi]
        if spis:
            self._by_count.setdefault(len(spis), {})[source] = None
        else:
            del self._spis[source]
        # The source that had the most has one less now, so this is never more than one step down.
        if self._most and self._most not in self._by_count:
            self._most -= 1

    def oldest_of_the_largest(self) -> tuple[bytes, int]:
        """The oldest one of the source that has the most, and how many that has: (b"", 0) when there is none."""
        if not self._most:
            return b"", 0
        source = next(iter(self._by_count[self._most]))
        return next(iter(self._spis[source])), self._most

    def _leave(self, source: bytes, count: int) -> None:
        if count:
            del self._by_count[count][source]
            if not self._by_count[count]:
                del self._by_count[count]
