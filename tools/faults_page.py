# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/faults.md: each deliberate fault of a peer, and the test that finds it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from fynx_scapy.text import counted
from tests.faults.everything import faults

ROOT = Path(__file__).resolve().parent.parent
FAULTS = {fault.name: fault for fault in faults()}
HARNESS = ROOT / "fynx_scapy" / "harness"
FOUND = ROOT / "tests" / "faults" / "found.json"
"""For each fault a test that finds it in a peer, and its role; null if there is none."""
PROVEN, PROVEN_TESTS = HARNESS / "proven.json", HARNESS / "proven_tests.json"
"""What `scripts/faults` and `scripts/faults --pytest` have proven."""

_INTRODUCTION = """\
# Deliberate faults

Written by `scripts/docs` from what `scripts/faults` has found: change the faults in tests/faults, not this page.

A test is worth as much as what it finds. Each row is a wrong behaviour that tests/faults gives to the embedded peer,
and to nothing else in the process. The scenarios and the cases of the catalogue, which pass with a right peer, run
against it. Where no test finds a fault in a peer, the tests that name what it breaks run with the fault in our own end.
pytest's tests that name what it breaks run with it, too.

"""


Found = Mapping[str, Sequence[str] | None]
"""Fault -> place and role of a test that finds it in a peer; None if there is none."""
Proofs = Mapping[str, Mapping[str, Sequence[str]]]
"""Requirement -> test -> faults."""


def current() -> str:
    """The page of the results as they are."""
    return page(*(json.loads(path.read_text("utf-8")) for path in (FOUND, PROVEN, PROVEN_TESTS)))


def page(found: Found, proofs: Proofs, by_pytest: Proofs) -> str:
    """The whole page, from found.json, proven.json and proven_tests.json."""
    scenarios, others = _by_fault(proofs), _by_fault(by_pytest)
    lost = [name for name, place in found.items() if place is None and name not in others]
    first = [name for name in found if FAULTS[name].chosen_first]
    peers, in_first = (sum(found[name] is not None for name in names) for names in (found, first))
    named = sum(name in scenarios for name in found)
    alone = sum(found[name] is None and name in others for name in found)
    proven = counted(len(proofs.keys() | by_pytest.keys()), "requirement")
    lines = [
        f"- {peers} of {counted(len(found), 'fault')} are found in a peer, {named} of them by a test that names the "
        f"broken requirement; {alone} by pytest's tests alone.",
        f"- {len(first)} were chosen before the cases were written: {in_first} of these are found in a peer.",
        f"- {proven} have a test that was seen to fail when they are broken.",
        "",
    ]
    if lost:
        lines += ["Not found by any test:", "", *(f"- `{name}`: {FAULTS[name].what}" for name in lost), ""]
    for area, group in groupby(sorted(found, key=_area), key=_area):
        lines += [f"## {area}", "", "| fault | what the peer does | breaks | found by |", "| --- | --- | --- | --- |"]
        lines += [_row(name, _tests(found[name], scenarios.get(name, []), others.get(name, []))) for name in group]
        lines.append("")
    return _INTRODUCTION + "\n".join(lines)


def _by_fault(proofs: Proofs) -> dict[str, list[str]]:
    """Fault -> the tests that find it and name what it breaks."""
    made: dict[str, set[str]] = {}
    for places in proofs.values():
        for place, names in places.items():
            for name in names:
                made.setdefault(name, set()).add(place)
    return {name: sorted(places) for name, places in made.items()}


def _area(name: str) -> str:
    return FAULTS[name].area


def _row(name: str, tests: str) -> str:
    fault = FAULTS[name]
    later = "" if fault.chosen_first else " (later)"
    return f"| `{name}`{later} | {fault.what} | {', '.join(fault.requirements)} | {tests} |"


def _tests(found: Sequence[str] | None, scenarios: list[str], tests: list[str]) -> str:
    """The test that finds the fault, and how many more there are."""
    place = found[0] if found else next(iter(scenarios or tests), "")
    if not place:
        return "**nothing**"
    if not found:
        note = " (in our own end only)" if scenarios else ""
    else:
        note = "" if scenarios else " (names none of these)"
    others = {*scenarios, *tests} - {place}
    more = f" and {counted(len(others), 'other')}" if others else ""
    return f"`{place.removeprefix('scenarios/')}`{note}{more}"
