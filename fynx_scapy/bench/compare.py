# SPDX-License-Identifier: GPL-2.0-or-later
"""What became slower or larger since a baseline.

A ratio to a floor of the same run is compared with the baseline's ratio, and an amount with the baseline's amount: both
say the same on every machine. A time or a rate without a floor says more of the machine than of us, so it is not
compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fynx_scapy.bench.figures import UNITS, Figure, number
from fynx_scapy.bench.results import Results

TOLERANCE = 0.25
"""How much worse a figure may become: a quarter, because measurements of one machine differ."""


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that a baseline has too, and how it changed."""

    topic: str
    figure: str
    before: float
    after: float
    unit: str
    """What the two are given in: × for a ratio to the floor."""
    worse: float
    """By which factor it became worse: above 1 worse, below 1 better."""

    def __str__(self) -> str:
        how = f"{self.worse:.2f} × as bad" if self.worse > 1 else f"{1 / self.worse:.2f} × as good"
        before, after = number(self.before), number(self.after)
        return f"{self.topic}: {self.figure}: {before} {self.unit} before, {after} {self.unit} now, {how}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared."""

    changes: list[Change]
    """Every figure that both have and that may be compared, in the order of the new run."""
    tolerance: float
    gone: list[str]
    """What the baseline measured and the new run did not, in topics that it did measure."""

    @property
    def worse(self) -> list[Change]:
        """What became worse by more than the tolerance, the worst first."""
        beyond = [change for change in self.changes if change.worse > 1 + self.tolerance]
        return sorted(beyond, key=lambda change: -change.worse)

    @property
    def better(self) -> list[Change]:
        """What became better by more than the tolerance, the best first."""
        beyond = [change for change in self.changes if change.worse < 1 / (1 + self.tolerance)]
        return sorted(beyond, key=lambda change: change.worse)

    def milder(self, other: Comparison) -> Comparison:
        """Of each change the one that is less bad here or in another run: load seldom spoils both."""
        others = {(change.topic, change.figure): change for change in other.changes}
        chosen = [
            min(change, others.get((change.topic, change.figure), change), key=lambda one: one.worse)
            for change in self.changes
        ]
        return replace(self, changes=chosen)


def compare(results: Results, baseline: Results, tolerance: float = TOLERANCE) -> Comparison:
    """Compare a run with a baseline; ``tolerance`` is a fraction."""
    before = {(topic, figure.name): figure for topic, figure in baseline.figures()}
    changes, seen = [], set()
    for topic, figure in results.figures():
        seen.add((topic, figure.name))
        old = before.get((topic, figure.name))
        if old is None:
            continue
        now, then = _comparable(figure), _comparable(old)
        if now is not None and then is not None:
            unit = figure.unit if figure.floor is None else "×"
            changes.append(Change(topic, figure.name, then, now, unit, _worse(figure, then, now)))
    measured = {topic.name for topic in results.topics if not topic.skipped}
    gone = [f"{topic}: {name}" for topic, name in before if topic in measured and (topic, name) not in seen]
    return Comparison(changes, tolerance, gone)


def _comparable(figure: Figure) -> float | None:
    """The number that says the same on every machine, or None."""
    if figure.floor is not None:
        return figure.ratio
    return None if figure.skipped or UNITS[figure.unit].machine else figure.value


def _worse(figure: Figure, then: float, now: float) -> float:
    if figure.more_is_better:
        then, now = now, then
    elif figure.floor is None and figure.bound is not None:  # an amount near nothing differs from run to run
        then, now = (max(amount, figure.bound.limit / 2) for amount in (then, now))
    if then == now:
        return 1.0
    return now / then if then > 0 else math.inf
