# SPDX-License-Identifier: GPL-2.0-or-later
"""Which requirements a run has checked: by area, and sentence by sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fynx_scapy.harness import Requirement, Result, Tally
from fynx_scapy.harness.requirements import catalogue
from fynx_scapy.harness.tally import UNMET

CHECKED, IN_PART, NOT_MET, NOT_CHECKED = "checked", "in part", "not met", "not checked"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A requirement that the run names, its state, and the results that name it, as indexes."""

    requirement: Requirement
    state: str
    results: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """An area of the catalogue: what the run has made of its requirements."""

    name: str
    testable: int
    """How many of its sentences are requirements that can be observed from outside."""
    states: Mapping[str, int]
    """State -> how many sentences."""

    @property
    def share(self) -> float:
        """The part of the observable requirements that was checked, of 1."""
        return min(1.0, self.states[CHECKED] / self.testable) if self.testable else 0.0


def sentences(results: Sequence[Result]) -> list[Sentence]:
    """The requirements that the results name, in the order of the catalogue."""
    tally = Tally.of(results)
    whole, partly = set(tally.checked), set(tally.partly)
    named: dict[str, list[int]] = {}
    unmet: set[str] = set()
    for index, result in enumerate(results):
        for needed in result.scenario.requirements:
            named.setdefault(needed.id, []).append(index)
            if result.verdict in UNMET:
                unmet.add(needed.id)

    def state(identifier: str) -> str:
        if identifier in whole:
            return CHECKED
        return IN_PART if identifier in partly else NOT_MET if identifier in unmet else NOT_CHECKED

    return [
        Sentence(needed, state(needed.id), tuple(named[needed.id]))
        for needed in catalogue().values()
        if needed.id in named
    ]


def areas(found: Sequence[Sentence]) -> list[Area]:
    """Every area of the catalogue, in its order. Only observable requirements count."""
    names = dict.fromkeys(needed.area for needed in catalogue().values())
    rows = []
    for name in names:
        testable = sum(needed.area == name and needed.testable for needed in catalogue().values())
        mine = [each.state for each in found if each.requirement.area == name and each.requirement.testable]
        rows.append(
            Area(name, testable, {state: mine.count(state) for state in (CHECKED, IN_PART, NOT_MET, NOT_CHECKED)})
        )
    return rows
