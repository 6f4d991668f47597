# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger: for each requirement the tests that check it, or why there is none.

Tests are scenarios and cases, and pytest's tests with the marker ``requirements``. The names of the latter are
in marked.json, because the tests themselves are not installed. Reasons written by hand are in uncovered.toml, faults
under which a test was seen to fail in proven.json and proven_tests.json, which `scripts/faults` writes. `scripts/docs`
writes marked.json and docs/requirements.md.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.requirements import Requirement, catalogue, requirement
from fynx_scapy.harness.scenario import Scenario

REASONS = ("not implemented", "out of reach", "not wanted", "no test")
"""Why there is no test, where the catalogue does not say it. Out of reach: a tester sees nothing of it. Not wanted: a
later RFC forbids it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One test of a requirement."""

    place: str
    """File and test: ``scenarios/negative/header.py::major_version_3``."""
    negative: bool
    """Whether it does something wrong, or unusual, and looks at the reaction."""
    faults: tuple[str, ...] = ()
    """The faults of a peer under which it was seen to fail."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why no test checks a requirement."""

    kind: str
    text: str
    link: str = ""
    """Where more is said: a page with an anchor, or the RFC that it needs."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}" if self.text else self.kind


@dataclass(frozen=True, slots=True)
class Entry:
    """One requirement with its tests. It has a reason exactly when it has no test."""

    requirement: Requirement
    tests: tuple[Check, ...] = field(repr=False)
    reason: Reason | None = None

    @property
    def covered(self) -> bool:
        """Whether any test checks it."""
        return bool(self.tests)

    @property
    def positive(self) -> tuple[Check, ...]:
        """The tests in which nothing wrong is sent."""
        return tuple(test for test in self.tests if not test.negative)

    @property
    def negative(self) -> tuple[Check, ...]:
        """The tests in which something wrong, or unusual, is sent."""
        return tuple(test for test in self.tests if test.negative)

    @property
    def proven(self) -> bool:
        """Whether one of its tests was seen to fail."""
        return any(test.faults for test in self.tests)

    def in_one_line(self) -> str:
        """ID, level, the numbers of tests, or why there is none, and the beginning of the sentence."""
        one = self.requirement
        numbers = f"{len(self.positive)} positive, {len(self.negative)} negative"
        state = numbers if self.covered else self.reason.kind if self.reason else "no test"
        return f"{one.id:15} {one.level:15} {state:24} {shortened(one.sentence, 100)}"

    def in_full(self) -> str:
        """The sentence, what a tester does to see it, and every test."""
        one = self.requirement
        lines = [str(one), "", *textwrap.wrap(one.sentence, 100, initial_indent="    ", subsequent_indent="    "), ""]
        lines += [f"{one.kind}, observable: {one.observable}, area {one.area}, binds the {one.subject}"]
        lines += [f"probe: {one.probe}"] if one.probe else []
        for test in self.tests:
            seen = f", seen to fail under {', '.join(test.faults)}" if test.faults else ""
            lines.append(f"{'negative' if test.negative else 'positive'} test: {test.place}{seen}")
        if self.reason is not None:
            link = f" ({self.reason.link})" if self.reason.link else ""
            lines.append(f"no test: {self.reason}{link}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain values for JSON."""
        one = self.requirement
        return {
            "id": one.id, "rfc": one.rfc, "section": one.section, "level": one.level, "kind": one.kind,
            "observable": one.observable, "area": one.area, "sentence": one.sentence, "covered": self.covered,
            "positive": [test.place for test in self.positive], "negative": [test.place for test in self.negative],
            "faults": {test.place: list(test.faults) for test in self.tests if test.faults},
            "reason": str(self.reason) if self.reason else "", "link": self.reason.link if self.reason else "",
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many requirements are covered, of those that can be observed from outside."""

    covered: int
    of: int
    proven: int
    """Those whose test was seen to fail."""

    @classmethod
    def over(cls, entries: Iterable[Entry]) -> Coverage:
        """The figures for these entries. What cannot be observed and what requires nothing does not count."""
        counted = [entry for entry in entries if entry.requirement.testable]
        return cls(sum(e.covered for e in counted), len(counted), sum(e.proven for e in counted))

    @property
    def percent(self) -> float:
        """The share that is covered, in percent; 100 where nothing counts."""
        return 100 * self.covered / self.of if self.of else 100.0

    def __str__(self) -> str:
        return f"{self.covered} of {self.of} ({self.percent:.1f} %)"


def shortened(text: str, most: int) -> str:
    """The text, cut between two words, with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 2].rpartition(' ')[0]} …"


Ledger = Mapping[str, Entry]
"""Every requirement of the catalogue by its ID."""


def ledger(scenarios: Iterable[Scenario]) -> Ledger:
    """The ledger with these scenarios, and with pytest's tests. ConfigError when uncovered.toml is wrong."""
    tests: dict[str, list[Check]] = {identifier: [] for identifier in catalogue()}
    proofs = proven()

    def seen_to_fail(identifier: str, place: str) -> tuple[str, ...]:
        return tuple(proofs.get(identifier, {}).get(place, ()))

    for scenario in scenarios:
        place = place_of(scenario)
        for one in scenario.requirements:
            tests[one.id].append(Check(place, _is_negative(scenario, one), seen_to_fail(one.id, place)))
    for place, marked in pytest_tests().items():
        for identifier in marked["requirements"]:
            tests[identifier].append(Check(place, marked["negative"], seen_to_fail(identifier, place)))
    reasons = written_reasons()
    entries: dict[str, Entry] = {}
    for identifier, one in catalogue().items():
        found = tuple(sorted(set(tests[identifier]), key=lambda test: (not test.faults, test.place)))
        reason = None if found else reasons.get(identifier) or _reason(one)
        entries[identifier] = Entry(one, found, reason)
    return entries


def place_of(scenario: Scenario) -> str:
    """File and name of a scenario: ``scenarios/handshake/psk_handshake.py::psk_handshake``."""
    return f"{scenario.module.removeprefix('fynx_scapy.').replace('.', '/')}.py::{scenario.name}"


def _is_negative(scenario: Scenario, one: Requirement) -> bool:
    """Whether it sends something wrong, and the sentence is about the reaction."""
    wrong = scenario.topic.startswith("negative") or scenario.name.startswith("error_")
    return wrong and one.negative is not None


def _reason(one: Requirement) -> Reason | None:
    """Why there is no test, if the catalogue says it."""
    if one.kind == "meta":
        return Reason("meta", "it is about documents or words")
    if one.kind == "duplicate":
        return Reason("duplicate", f"of {one.duplicate_of}")
    if one.kind == "permission":
        return Reason("permission", "nothing can break it")
    if one.observable == "no":
        return Reason("not observable", "nobody outside sees whether it is kept")
    return None


def missing(entries: Ledger) -> list[Requirement]:
    """What has neither a test nor a reason."""
    return [entry.requirement for entry in entries.values() if not entry.covered and entry.reason is None]


# The data


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


@functools.cache
def pytest_tests() -> Mapping[str, dict[str, Any]]:
    """pytest's tests with the marker ``requirements``: file and test -> requirements, and whether it is negative."""
    found: dict[str, dict[str, Any]] = json.loads(_read("marked.json"))
    return found


@functools.cache
def proven() -> Mapping[str, Mapping[str, list[str]]]:
    """Requirement -> test -> the faults of a peer that break the requirement, and under which the test failed."""
    both: dict[str, dict[str, list[str]]] = {}
    for name in ("proven.json", "proven_tests.json"):  # of scenarios, and of pytest's tests
        for identifier, places in json.loads(_read(name)).items():
            both.setdefault(identifier, {}).update(places)
    return both


@functools.cache
def written_reasons() -> Mapping[str, Reason]:
    """The reasons of uncovered.toml by ID."""
    return read_reasons(_read("uncovered.toml"))


def read_reasons(text: str, link_is_good: Callable[[str], bool] = bool) -> dict[str, Reason]:
    """Read reasons. ConfigError for an unknown ID, kind or key, and for a missing text or link."""
    found: dict[str, Reason] = {}
    for identifier, row in tomllib.loads(text).items():
        requirement(identifier)
        if wrong := row.keys() - {"why", "text", "link"}:
            raise ConfigError(f"{identifier}: expected the keys why, text and link, found {', '.join(sorted(wrong))}")
        kind, link = row.get("why", ""), row.get("link", "")
        if kind not in REASONS:
            near = difflib.get_close_matches(kind, REASONS, n=1)
            raise ConfigError(
                f"{identifier}: expected why to be one of {', '.join(REASONS)}, found {kind!r}"
                f"{f'; did you mean {near[0]}?' if near else ''}"
            )
        if not row.get("text"):
            raise ConfigError(f"{identifier}: expected a text that says why, found none")
        if kind == "not implemented" and not link_is_good(link):
            raise ConfigError(f"{identifier}: expected a link to what would implement it, found {link!r}")
        found[identifier] = Reason(kind, row["text"], link)
    return found


# Choosing


def chosen(entries: Ledger, word: str) -> list[Entry]:
    """The entries of an RFC, a section (``7296-2.5`` or ``RFC 7296 section 2.5``), an area or an ID; all for "".

    ConfigError, with the nearest word, when there is none.
    """
    word = re.sub(r",? section ", "-", word.removeprefix("RFC").removeprefix("rfc").strip())
    found = [entry for entry in entries.values() if word in ("", *words(entry.requirement))]
    if not found:
        known = sorted({each for entry in entries.values() for each in words(entry.requirement)})
        near = difflib.get_close_matches(word, known, n=1)
        raise ConfigError(
            f"expected an RFC ({', '.join(rfcs())}), a section such as 7296-2.5, an area or the ID "
            f"of a requirement, found {word!r}{f'; did you mean {near[0]}?' if near else ''}"
        )
    return found


def rfcs() -> list[str]:
    """The RFCs of the catalogue, in its order."""
    return list(dict.fromkeys(one.rfc for one in catalogue().values()))


def words(one: Requirement) -> tuple[str, ...]:
    """By what a requirement is found: its RFC, its section, its area, its ID."""
    return one.rfc, f"{one.rfc}-{one.section}", one.area, one.id
