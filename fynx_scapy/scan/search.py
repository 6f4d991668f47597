# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds what a policy accepts by asking it. A policy is a list of proposals: some transforms go together, some do not.

A question is one or more proposals with many transforms each. A responder accepts it if some combination of them is
acceptable (RFC 7296 section 2.7). What it says of its choice varies: all of it, the key exchange method alone
(INVALID_KE_PAYLOAD), or nothing but that it accepts. The search works with each of these.

It finds a combination that is accepted, then everything that is accepted in place of each of its transforms. That makes
a proposal. Then it asks for all that is outside the proposals found so far, until nothing of it is accepted. So no
transform and no combination is missed. That all combinations of a proposal are accepted cannot be asked at once: some
are tried, and if one is refused, the proposal is taken apart.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.scan.catalogue import Box

Point = tuple[Transform, ...]
"""One combination: a transform of each type."""

_LISTED = 4096
"""How many combinations are tried at most."""
_TRIES = 8
"""How often a proposal that holds a refused combination is begun anew from another combination."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Whether a question was accepted, and what the answer says of the choice: all, some or none of its transforms."""

    accepted: bool
    chosen: tuple[Transform, ...] = ()


Ask = Callable[[Sequence[Box]], Reply]


@dataclass(frozen=True, slots=True)
class Found:
    """A proposal that was found: for each type what it holds, how many combinations that makes, how many were tried."""

    box: Box
    combinations: int
    tried: int

    @property
    def certain(self) -> bool:
        """Whether every combination was tried."""
        return self.tried >= self.combinations


class Search:
    """A search with the function ``ask``. ``checks`` is how many combinations of each proposal are tried."""

    def __init__(self, ask: Ask, *, checks: int = 24) -> None:
        self._ask, self._checks = ask, checks
        self.found: list[Found] = []
        """What was found so far."""

    def run(self, whole: Box, known: Point | None = None) -> list[Found]:
        """Find every proposal inside ``whole``. ``known`` is a combination that is accepted."""
        rest = [whole]
        if known is not None and inside(known, whole):
            rest = self._take(self._proposal(known, whole), rest)
        while rest:
            box, *rest = rest
            reply = self._ask([box])
            if reply.accepted:
                point = self._witness(box, reply)
                found = self._proposal(point, whole)
                if not overlap(found.box, box):  # found from a combination nearby, and all of it was found before
                    found = self._grown(point, self._around(point, whole))
                rest = self._take(found, [box, *rest])
        return self.found

    def _take(self, found: Found, rest: Sequence[Box]) -> list[Box]:
        self.found.append(found)
        return [piece for box in rest for piece in outside(box, found.box)]

    def _accepted(self, point: Point) -> bool:
        return self._ask([tuple((transform,) for transform in point)]).accepted

    def _witness(self, box: Box, reply: Reply) -> Point:
        """An accepted combination of a box that is accepted."""
        box = _narrowed(box, reply)
        for at in range(len(box)):
            while len(box[at]) > 1:
                middle = len(box[at]) // 2
                half = _with(box, at, box[at][:middle])
                answer = self._ask([half])
                box = _narrowed(half, answer) if answer.accepted else _with(box, at, box[at][middle:])
        return tuple(values[0] for values in box)

    def _around(self, point: Point, whole: Box) -> Box:
        """For each type, what is accepted together with the rest of ``point``."""
        sets = []
        for at, values in enumerate(whole):
            others = tuple(value for value in values if value != point[at])
            taken = {point[at], *self._members(point, at, others)}
            sets.append(tuple(value for value in values if value in taken))
        return tuple(sets)

    def _members(
        self, point: Point, at: int, values: tuple[Transform, ...], reply: Reply | None = None
    ) -> list[Transform]:
        """Which of ``values`` are accepted in place of ``point[at]``. ``reply`` is the answer to all of them."""
        if not values:
            return []
        if reply is None:
            reply = self._ask([_with(tuple((each,) for each in point), at, values)])
        if not reply.accepted:
            return []
        named = [value for value in values if value in reply.chosen]
        if named:
            return named + self._members(point, at, tuple(value for value in values if value not in named))
        if len(values) == 1:
            return [values[0]]
        middle = len(values) // 2
        first = self._members(point, at, values[:middle])
        # One of them is accepted: if it is not among the first ones, the others need not be asked as a whole.
        return first + self._members(point, at, values[middle:], None if first else Reply(True))

    def _proposal(self, point: Point, whole: Box) -> Found:
        """The proposal around an accepted combination."""
        for _ in range(_TRIES):
            box = self._around(point, whole)
            tried, refused = self._try(point, box)
            if refused is None:
                return Found(box, _combinations(box), tried)
            point = self._nearer(point, refused)
        return self._grown(point, self._around(point, whole))

    def _try(self, point: Point, box: Box) -> tuple[int, Point | None]:
        """Try combinations of a box; returns how many of them are known to be accepted, and one that is refused."""
        # Whatever differs from the point in one transform was accepted already.
        tried = 1 + sum(len(values) - 1 for values in box)
        for other in itertools.islice(_samples(point, box), self._checks):
            if not self._accepted(other):
                return tried, other
            tried += 1
        return tried, None

    def _nearer(self, point: Point, refused: Point) -> Point:
        """The last accepted combination on the way from an accepted one to a refused one, a transform at a time."""
        for at, value in enumerate(refused):
            following = (*point[:at], value, *point[at + 1 :])
            if following != point and not self._accepted(following):
                break
            point = following
        return point

    def _grown(self, point: Point, box: Box) -> Found:
        """A part of a box of which every combination is accepted, as large as it gets from ``point``."""
        sets = [[value] for value in point]
        for at in sorted(range(len(box)), key=lambda at: len(box[at])):
            for value in box[at]:
                others = [*sets[:at], [value], *sets[at + 1 :]]
                if value != point[at] and all(self._accepted(other) for other in itertools.product(*others)):
                    sets[at].append(value)
        grown = tuple(tuple(v for v in values if v in kept) for values, kept in zip(box, sets, strict=True))
        return Found(grown, _combinations(grown), _combinations(grown))


def inside(point: Point, box: Box) -> bool:
    """Whether a combination is one of a box."""
    return len(point) == len(box) and all(value in values for value, values in zip(point, box, strict=True))


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes have a combination in common."""
    return all(set(mine) & set(theirs) for mine, theirs in zip(one, other, strict=True))


def outside(box: Box, claim: Box) -> Iterator[Box]:
    """The combinations of ``box`` that are not in ``claim``, as boxes that do not overlap."""
    front: Box = ()
    for at, (values, claimed) in enumerate(zip(box, claim, strict=True)):
        rest = tuple(value for value in values if value not in claimed)
        both = tuple(value for value in values if value in claimed)
        if rest:
            yield (*front, rest, *box[at + 1 :])
        if not both:
            return
        front = (*front, both)


def _with(box: Box, at: int, values: tuple[Transform, ...]) -> Box:
    return (*box[:at], values, *box[at + 1 :])


def _narrowed(box: Box, reply: Reply) -> Box:
    """The box with what the answer says of its choice."""
    told = [tuple(value for value in values if value in reply.chosen) for values in box]
    return tuple(named[:1] or values for named, values in zip(told, box, strict=True))


def _combinations(box: Box) -> int:
    return math.prod(map(len, box))


def _samples(point: Point, box: Box) -> Iterator[Point]:
    """Combinations that differ from ``point`` in more than one transform; the first ones have every transform."""
    seen = set()
    total = _combinations(box)
    order = random.Random(0)
    drawn = (tuple(order.choice(values) for values in box) for _ in itertools.count())
    shifted = (tuple(values[-1 - step % len(values)] for values in box) for step in range(max(map(len, box))))
    more: list[Point] = list(itertools.product(*box)) if total <= _LISTED else []
    order.shuffle(more)
    for combination in itertools.chain(shifted, more or itertools.islice(drawn, _LISTED)):
        if combination not in seen and sum(a != b for a, b in zip(combination, point, strict=True)) > 1:
            seen.add(combination)
            yield combination
