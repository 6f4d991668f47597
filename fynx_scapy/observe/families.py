# SPDX-License-Identifier: GPL-2.0-or-later
"""What a metric is, and a snapshot of all of them: frozen, and ready for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fynx_scapy.errors import LocalError


class Kind(StrEnum):
    """The kinds of metrics, as Prometheus calls them."""

    COUNTER = "counter"
    """Only rises."""
    GAUGE = "gauge"
    """How many there are now."""
    HISTOGRAM = "histogram"
    """How long something took, counted in buckets."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name by Prometheus' rules, what it says, and the names of its labels."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Distribution:
    """The value of a histogram. ``buckets`` are (upper bound in seconds, how many took at most that long)."""

    buckets: tuple[tuple[float, int], ...]
    sum: float
    """All of them together, in seconds."""
    count: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric. ``labels`` are the values of its labels, in the order of `Metric.labels`."""

    labels: tuple[str, ...]
    value: int | Distribution


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its values."""

    metric: Metric
    samples: tuple[Sample, ...]

    def matching(self, labels: dict[str, str]) -> Iterator[Sample]:
        """The samples that have these labels."""
        for sample in self.samples:
            if labels.items() <= dict(zip(self.metric.labels, sample.labels, strict=True)).items():
                yield sample


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All metrics at one moment. ``time`` is the clock of the network, in seconds."""

    time: float
    families: tuple[Family, ...]

    def family(self, name: str) -> Family:
        """The metric with that name; LocalError when there is none."""
        for family in self.families:
            if family.metric.name == name:
                return family
        names = ", ".join(family.metric.name for family in self.families)
        raise LocalError(f"expected one of the metrics {names}, found {name!r}")

    def value(self, name: str, **labels: str) -> int:
        """The sum of a metric's values with these labels; of a histogram, how many it counted. LocalError as above."""
        found = self.family(name).matching(labels)
        return sum(s.value.count if isinstance(s.value, Distribution) else s.value for s in found)

    def as_dict(self) -> dict[str, Any]:
        """The snapshot, ready for JSON: ``{"time": …, "metrics": {name: [{"labels": {…}, "value": …}]}}``."""
        return {"time": self.time, "metrics": {f.metric.name: list(_rows(f)) for f in self.families}}


def _rows(family: Family) -> Iterable[dict[str, Any]]:
    for sample in family.samples:
        row: dict[str, Any] = {"labels": dict(zip(family.metric.labels, sample.labels, strict=True))}
        if isinstance(sample.value, Distribution):
            buckets = {f"{bound:g}": count for bound, count in sample.value.buckets}
            row |= {"count": sample.value.count, "sum": sample.value.sum, "buckets": buckets}
        else:
            row["value"] = sample.value
        yield row
