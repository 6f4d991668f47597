# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures: measured values with what they are compared with, and how to measure two things under the same load.

>>> took = interleaved({"bare": partial(gcm.encrypt, nonce, data, b""), "seal": partial(sa.seal, data, 4)})
>>> bare = Figure("AESGCM.encrypt, 1400 bytes", 1 / took["bare"], "/s")
>>> Figure("seal, AES-128-GCM, 1400 bytes", 1 / took["seal"], "/s", floor=bare, bound=at_least(0.42))
"""

from __future__ import annotations

import gc
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from fynx_scapy.errors import FynxError, LocalError, MalformedError

if TYPE_CHECKING:
    from rich.table import Table


class Quantity(Enum):
    """What a unit measures: whether more of it is better, and whether it depends on how fast the machine is."""

    TIME = (False, True)
    RATE = (True, True)
    AMOUNT = (False, False)

    def __init__(self, more_is_better: bool, machine: bool) -> None:
        self.more_is_better = more_is_better
        self.machine = machine


UNITS: Mapping[str, Quantity] = {
    "s": Quantity.TIME,
    "ms": Quantity.TIME,
    "µs": Quantity.TIME,
    "/s": Quantity.RATE,
    "Mbit/s": Quantity.RATE,
    "Gbit/s": Quantity.RATE,
    "B": Quantity.AMOUNT,
    "KiB": Quantity.AMOUNT,
    "MiB": Quantity.AMOUNT,
    "lost": Quantity.AMOUNT,
    "% lost": Quantity.AMOUNT,
    "×": Quantity.AMOUNT,
}
"""Every unit of a figure: seconds, things a second, bits a second, octets, packets lost, and a plain factor."""


class SkippedError(FynxError):
    """A topic cannot be measured here: a program, a privilege or a device is missing. The text says which."""

    code = "skipped"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure has to keep to: of its ratio if it has a floor, otherwise of its value."""

    limit: float
    least: bool
    """Whether the limit is the least that is good enough; otherwise it is the most."""

    def holds(self, number: float) -> bool:
        """Whether a number keeps to it."""
        return number >= self.limit if self.least else number <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.limit:g}"


def at_least(limit: float) -> Bound:
    """No less than ``limit``."""
    return Bound(limit, True)


def at_most(limit: float) -> Bound:
    """No more than ``limit``."""
    return Bound(limit, False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, beside its floor: what was measured in the same run for comparison."""

    name: str
    """What was measured. A topic has each name once, and a baseline finds its figures by it."""
    value: float
    unit: str
    """One of UNITS."""
    floor: Figure | None = None
    """The figure to which this one is in proportion, in the same unit: the bare cipher call, another implementation."""
    bound: Bound | None = None
    skipped: str = ""
    """Why it was not measured; the value is then not a number."""

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise LocalError(f"{self.name}: expected a unit of {', '.join(UNITS)}, found {self.unit!r}")
        if self.floor is not None and self.floor.unit != self.unit:
            raise LocalError(f"{self.name}: expected a floor in {self.unit}, found {self.floor.unit}")

    @classmethod
    def skip(cls, name: str, unit: str, reason: str) -> Figure:
        """A figure that cannot be measured here, and why."""
        return cls(name, math.nan, unit, skipped=reason)

    @property
    def ratio(self) -> float | None:
        """The value divided by the floor's; None without a floor."""
        if self.floor is None or self.skipped or self.floor.skipped:
            return None
        return self.value / self.floor.value if self.floor.value else math.inf

    @property
    def met(self) -> bool | None:
        """Whether it keeps to its bound; None without one, or where it was not measured."""
        judged = self.value if self.floor is None else self.ratio
        return None if self.bound is None or self.skipped or judged is None else self.bound.holds(judged)

    @property
    def more_is_better(self) -> bool:
        """Whether a greater value would be better: its bound says so, or else its unit."""
        return UNITS[self.unit].more_is_better if self.bound is None else self.bound.least

    def as_dict(self) -> dict[str, Any]:
        """It as JSON has it; `from_dict` makes a figure of it."""
        made: dict[str, Any] = {"name": self.name, "value": None if self.skipped else self.value, "unit": self.unit}
        if self.floor is not None:
            made["floor"] = self.floor.as_dict()
            made["ratio"] = self.ratio
        if self.bound is not None:
            made["at_least" if self.bound.least else "at_most"] = self.bound.limit
            made["met"] = self.met
        if self.skipped:
            made["skipped"] = self.skipped
        return made

    @classmethod
    def from_dict(cls, data: Any) -> Figure:
        """A figure from `as_dict`. Raises MalformedError."""
        try:
            floor = cls.from_dict(data["floor"]) if "floor" in data else None
            limits = [Bound(float(data[key]), key == "at_least") for key in ("at_least", "at_most") if key in data]
            value = math.nan if data["value"] is None else float(data["value"])
            skipped = str(data.get("skipped", ""))
            return cls(str(data["name"]), value, str(data["unit"]), floor, next(iter(limits), None), skipped)
        except (AttributeError, KeyError, TypeError, ValueError, LocalError) as error:
            raise MalformedError(f"expected a figure with a name, a value and a unit, found another: {error}") from None


HEADINGS = ("figure", "value", "", "floor", "ratio", "bound", "")
_RIGHT = frozenset({1, 3, 4})
_VERDICTS = {True: "met", False: "MISSED", None: ""}


def row(figure: Figure) -> tuple[str, ...]:
    """A figure as the cells of a table, below HEADINGS."""
    if figure.skipped:
        return (figure.name, "SKIP", "", "", "", "", figure.skipped)
    floor = "" if figure.floor is None else figure.floor.skipped or number(figure.floor.value)
    ratio = "" if figure.ratio is None else number(figure.ratio)
    bound = "" if figure.bound is None else str(figure.bound)
    return (figure.name, number(figure.value), figure.unit, floor, ratio, bound, _VERDICTS[figure.met])


def number(value: float) -> str:
    """A number with as many digits as a measurement deserves: three, or all that stand before the point."""
    if not math.isfinite(value) or not value:
        return f"{value:g}"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def table(figures: Iterable[Figure]) -> Table:
    """Figures as a table of rich, which is plain text where it is not printed to a terminal."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False)
    for place, heading in enumerate(HEADINGS):
        made.add_column(heading, justify="right" if place in _RIGHT else "left", no_wrap=place < len(HEADINGS) - 1)
    for figure in figures:
        style = "dim" if figure.skipped else "bold red" if figure.met is False else ""
        made.add_row(*(Text(cell) for cell in row(figure)), style=style)
    return made


Call = Callable[[], object]
Clock = Callable[[], float]
MOST_FED = 2000
"""The most prepared arguments that a slice uses, so that they do not fill the memory."""


@dataclass(frozen=True, slots=True)
class Fed:
    """A call that uses something up each time, such as a packet that may be opened only once."""

    call: Callable[[Any], object]
    feed: Callable[[int], Sequence[Any]]
    """Prepares that many arguments; the time this takes is not counted."""


def interleaved(
    calls: Mapping[str, Call | Fed],
    *,
    rounds: int = 15,
    seconds: float = 0.02,
    clock: Clock = time.thread_time,
) -> dict[str, float]:
    """The median time of each call in seconds, measured in turns so that other load affects all of them equally.

    Each of the ``rounds`` runs every call for about ``seconds``. Processor time of this thread is what counts, unless
    ``clock`` says otherwise (time.perf_counter for what waits). The garbage collector runs between the slices only, and
    passes over what was there before, which may be thousands of SAs. What the caller has frozen stays frozen, and with
    it all that was there: Python can only thaw everything.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    on, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        repeats = {name: _repeats(call, seconds, clock) for name, call in calls.items()}
        for _ in range(rounds):
            for name, call in calls.items():
                gc.collect()
                times[name].append(_slice(call, repeats[name], clock) / repeats[name])
    finally:
        if not frozen:
            gc.unfreeze()
        if on:
            gc.enable()
    return {name: statistics.median(found) for name, found in times.items()}


def _repeats(call: Call | Fed, seconds: float, clock: Clock) -> int:
    """How many times a call fits into a slice, found by trying; trying warms it up."""
    most = MOST_FED if isinstance(call, Fed) else 10_000_000
    count = 1
    while True:
        took = max(_slice(call, count, clock), 1e-9)
        if took >= seconds / 4 or count >= most:
            return max(1, min(most, round(count * seconds / took)))
        count = min(most, count * 4)


def _slice(call: Call | Fed, count: int, clock: Clock) -> float:
    """The time of ``count`` calls, without what prepares them."""
    if isinstance(call, Fed):
        items, each = call.feed(count), call.call
        start = clock()
        for item in items:
            each(item)
        return clock() - start
    start = clock()
    for _ in itertools.repeat(None, count):
        call()
    return clock() - start
