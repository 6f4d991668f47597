# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the conversations that led to a fault as small as they can be: fewer, with fewer steps, edits and octets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from fynx_scapy.fuzz.edits import Edit, Value
from fynx_scapy.fuzz.steps import INITIATOR, Talk

T = TypeVar("T")
_SMALL = 16
"""Down to here a number is made smaller in large steps."""

Happens = Callable[[Sequence[Talk]], bool]
"""Whether conversations show the fault, when they are held with a fresh peer."""


@dataclass(slots=True)
class Budget:
    """How much a reduction may cost: tries, and seconds of real time."""

    tries: int = 400
    seconds: float = 60.0
    _end: float = field(init=False, repr=False)
    _left: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds
        self._left = self.tries

    @property
    def used(self) -> int:
        """How many tries were made."""
        return self.tries - self._left

    def take(self) -> bool:
        """Whether there is another try."""
        self._left -= 1
        return self._left >= 0 and time.monotonic() < self._end


def minimised(talks: Sequence[Talk], happens: Happens, budget: Budget) -> list[Talk] | None:
    """The smallest conversations that show the fault, as far as the budget goes; None when these do not show it.

    The fault came with the last of them, so the last few are tried first.
    """

    def shows(tried: Sequence[Talk]) -> bool:
        return budget.take() and happens(tried)

    count = 1
    while not shows(talks[-count:]):
        if count >= len(talks) or budget.used >= budget.tries:
            return None
        count = min(len(talks), 4 * count)
    found = list(talks[-count:])
    found = reduced(found, shows, least=1)
    for at in range(len(found)):
        found = _steps(found, at, shows)
    for at in range(len(found)):
        found = _edits(found, at, shows)
    for at in range(len(found)):
        found = _values(found, at, shows)
    return found


def reduced(items: Sequence[T], shows: Callable[[Sequence[T]], bool], *, least: int = 0) -> list[T]:
    """A shorter list that still shows it: halves, quarters, … and single items are left out, as often as that helps."""
    kept, size = list(items), max(1, len(items) // 2)
    while True:
        at, shorter = 0, False
        while at < len(kept):
            tried = kept[:at] + kept[at + size :]
            if len(tried) >= least and shows(tried):
                kept, shorter = tried, True
            else:
                at += size
        if size == 1 and not shorter:
            return kept
        size = max(1, size // 2)


def _with(talks: Sequence[Talk], at: int, talk: Talk) -> list[Talk]:
    return [*talks[:at], talk, *talks[at + 1 :]]


def _steps(talks: list[Talk], at: int, shows: Happens) -> list[Talk]:
    """Fewer steps of one conversation; and the IKE SA begun by us, where it does not matter who begins it."""
    talk = talks[at]
    steps = reduced(talk.steps, lambda tried: shows(_with(talks, at, replace(talk, steps=tuple(tried)))), least=1)
    talk = replace(talk, steps=tuple(steps))
    ours = replace(talk, role=INITIATOR)
    if talk != ours and not any(step.rules.setup for step in steps) and shows(_with(talks, at, ours)):
        talk = ours
    return _with(talks, at, talk)


def _edits(talks: list[Talk], at: int, shows: Happens) -> list[Talk]:
    """Fewer edits of each step of one conversation."""
    for index in range(len(talks[at].steps)):
        talks = _edits_of(talks, at, index, shows)
    return talks


def _edits_of(talks: list[Talk], at: int, index: int, shows: Happens) -> list[Talk]:
    """Fewer edits of one step."""

    def changed(edits: Sequence[Edit]) -> list[Talk]:
        steps = list(talks[at].steps)
        steps[index] = steps[index].with_edits(edits)
        return _with(talks, at, replace(talks[at], steps=tuple(steps)))

    edits = talks[at].steps[index].edits
    return changed(reduced(edits, lambda tried: shows(changed(tried)))) if edits else talks


def _values(talks: list[Talk], at: int, shows: Happens) -> list[Talk]:
    """Simpler values of the edits of one conversation."""
    for index, step in enumerate(talks[at].steps):
        for place in range(len(step.edits)):
            while True:
                now = talks[at].steps[index].edits[place]
                tried = next((made for made in _simpler_talks(talks, at, index, place, now) if shows(made)), None)
                if tried is None:
                    break
                talks = tried
    return talks


def _simpler_talks(talks: list[Talk], at: int, index: int, place: int, edit: Edit) -> Iterator[list[Talk]]:
    talk = talks[at]
    for value in simpler(edit.value):
        steps = list(talk.steps)
        edits = list(steps[index].edits)
        edits[place] = Edit(edit.op, edit.path, value)
        steps[index] = steps[index].with_edits(edits)
        yield _with(talks, at, replace(talk, steps=tuple(steps)))


def simpler(value: Value) -> Iterator[Value]:
    """Values that are simpler than one, the simplest first."""
    if isinstance(value, bytes):
        if value:
            yield b""
            if len(value) > 1:
                yield value[: len(value) // 2]
                yield value[:-1]
            if any(value):
                yield bytes(len(value))
    elif isinstance(value, int):
        tried = (0, 1, value // 2, value - value // 4, value - value // 16, value - 1 if value < _SMALL else value)
        yield from (number for number in dict.fromkeys(tried) if 0 <= number < value)
    elif isinstance(value, tuple):
        for at, one in enumerate(value):
            for other in simpler(one):
                if isinstance(other, int | bytes):
                    yield (*value[:at], other, *value[at + 1 :])
