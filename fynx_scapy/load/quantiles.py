# SPDX-License-Identifier: GPL-2.0-or-later
"""How long many things took, in little memory: counts in classes that are 2 % wide."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

WIDTH = math.log(1.02)
_LEAST = 1e-7


class Quantiles:
    """Times in seconds. A quantile is exact to 1 %; least, most and mean are exact."""

    def __init__(self) -> None:
        self.count = 0
        self.total = self.most = 0.0
        self.least = math.inf
        self._classes: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Add a time."""
        self.count += 1
        self.total += seconds
        self.most, self.least = max(self.most, seconds), min(self.least, seconds)
        self._classes[round(math.log(max(seconds, _LEAST)) / WIDTH)] += 1

    def at(self, share: float) -> float:
        """The time that this share of all do not exceed, from 0 to 1; not a number when there is none."""
        rank = math.ceil(share * self.count)
        for place in sorted(self._classes):
            rank -= self._classes[place]
            if rank <= 0:
                return min(self.most, max(self.least, math.exp(place * WIDTH)))
        return math.nan

    @property
    def mean(self) -> float:
        """The mean; not a number when there is none."""
        return self.total / self.count if self.count else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Count, mean, and quantiles in seconds, ready for JSON."""
        if not self.count:
            return {"count": 0}
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        quantiles = {name: round(self.at(share), 6) for name, share in shares.items()}
        ends = {"mean": self.mean, "min": self.least, "max": self.most}
        return {"count": self.count, **{name: round(value, 6) for name, value in ends.items()}, **quantiles}
