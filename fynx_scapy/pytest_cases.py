# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios and cases in pytest: `fynx_cases` makes tests of them, manifests say which of them are expected to fail."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from fynx_scapy.pytest_state import seen
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from fynx_scapy.harness import ExpectedFailure, Manifest, Result, Role, Scenario
    from fynx_scapy.harness.subject import Subject

MANIFESTS = pytest.StashKey["Manifests"]()
ROW, VERSION = "manifest row", "peer version"
"""Properties of a test's report: the row of a manifest that is about it, and the peer's version."""
MOST_TOLD = 20
"""So many rows of manifests that fitted no test are named; the others are counted."""
_RUN = re.compile(r"([^\W\d]\w*)-(?:initiator|responder)\b")
"""A scenario in the ID of a test that `fynx_cases` made."""


def fynx_cases(*chosen: str | Scenario | Iterable[Scenario], roles: Iterable[Role | str] = ()) -> pytest.MarkDecorator:
    """Parametrise a test by scenarios and cases, in each of their roles; it takes the fixture ``fynx_case``.

    @fynx_cases("negative/header/*", "suite:cve")
    def test_peer(fynx_case):
        fynx_case.check()

    ``chosen`` are words as of ``fynx run``, scenarios, or lists of them; ``roles`` are the only roles to run;
    those of event loops run only when named, and need the peer of a lab.
    CollectError when a word names nothing.
    """
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness.registry import asked_for, by_name

    try:
        wanted = _roles(roles)
        found = by_name(scenario for each in chosen for scenario in _scenarios(each))
        words = [each for each in chosen if isinstance(each, str)]
        itself = {scenario.name for each in chosen if not isinstance(each, str) for scenario in _scenarios(each)}
    except ConfigError as error:
        raise pytest.Collector.CollectError(f"fynx_cases: {error}") from None
    asked = {name for name, scenario in found.items() if name in itself or asked_for(scenario, words)}
    runs = [(each, role, each.name in asked) for each in found.values() for role in each.roles if role in wanted]
    if not runs:
        raise pytest.Collector.CollectError("fynx_cases: expected at least one scenario with these roles, found none")
    return pytest.mark.parametrize(
        "fynx_case", runs, indirect=True, ids=[f"{each.name}-{role.value}" for each, role, _ in runs]
    )


def _roles(names: Iterable[Role | str]) -> set[Role]:
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness import Role

    known = {role.value: role for role in Role}
    found = set()
    for name in names:
        word = name.value if isinstance(name, Role) else str(name)
        if word not in known:
            raise ConfigError(f"expected one of the roles {', '.join(known)}, found {word!r}{nearest(word, known)}")
        found.add(known[word])
    return found or {role for role in Role if not role.asynchronous}


def _scenarios(each: str | Scenario | Iterable[Scenario]) -> Sequence[Scenario]:
    from fynx_scapy import scenarios
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.harness import Scenario

    if isinstance(each, str):
        return scenarios.chosen([each])
    found = [each] if isinstance(each, Scenario) or not isinstance(each, Iterable) else list(each)
    for one in found:
        if not isinstance(one, Scenario):
            text = printable(repr(one), 60)
            raise ConfigError(f"expected names or scenarios, found {text}; cases(__name__, [...]) makes them of rows")
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error text that names the nearest of the known names, if there is one."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


# -- a case in a test -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class CaseRun:
    """A scenario or case in a role, for the test that `fynx_cases` parametrises."""

    scenario: Scenario
    role: Role
    _item: pytest.Item
    _subject: Subject | None
    _asked: bool = False
    """Whether it was chosen by its own name or suite."""

    def run(self) -> Result:
        """Run it, with the target or an embedded peer, and return its result, whatever the verdict.

        A live peer is looked at after a suspicious result; one that has stopped answering gets no more: NOT RUN.
        """
        from fynx_scapy import harness

        watch = seen(self._item).watch
        if self._subject is None:
            seed = self._item.config.getoption("--fynx-seed")
            return self._judged(harness.run(self.scenario, seed=seed, watch=watch, role=self.role))
        if self._subject.dead:
            return harness.Result(
                self.scenario, harness.Verdict.NOT_RUN, self._subject.dead, 0.0, [], role=self.role
            )  # fmt: skip
        self._subject.asked = lambda _: self._asked
        return self._judged(self._subject.attempt(self.scenario, self.role, watch=watch))

    def _judged(self, result: Result) -> Result:
        """The result with the verdict that a manifest gives it. Notes the row that is about it."""
        from fynx_scapy.harness.expectations import JUDGED, expected

        config = self._item.config
        manifests = config.stash[MANIFESTS]
        manifest = manifests.of(self._subject)
        version = self._subject.version if self._subject is not None else ""
        row = manifest.row(self.scenario, self.role, version)
        if row is not None and result.verdict in JUDGED:
            self._item.user_properties.append((ROW, manifests.place(row)))
        if version:
            self._item.user_properties.append((VERSION, version))
        return expected(result, manifest, version)

    def check(self) -> Result:
        """Run it, and give the test its verdict: FAIL, XPASS and ERROR fail, SKIP skips, XFAIL is expected."""
        result = self.run()
        told = f"{result.verdict.value}: {result.reason}" + (f"\n> {result.step}" if result.step else "")
        row = result.expected_failure
        match result.verdict.value:
            case "PASS":
                return result
            case "SKIP" | "NOT RUN":
                pytest.skip(result.reason)
            case "XFAIL" if row is not None:
                where = row.requirement or row.sentence
                pytest.xfail(f"{row.reason}{f' ({where})' if where else ''}")
        sentences = [f"{each}:\n  {each.sentence}" for each in self.scenario.requirements]
        lines = [told, *self._about(row), f"{self.scenario.title} ({self.scenario.source})", *sentences]
        pytest.fail("\n".join(lines), pytrace=False)

    def _about(self, row: ExpectedFailure | None) -> list[str]:
        lines = []
        if row is not None:
            lines.append(f"the row of the manifest: {self._item.config.stash[MANIFESTS].place(row)}")
        health = self._subject.health if self._subject is not None else None
        if health is not None and not health.sane:
            lines.append(f"the first sane conversation with the peer failed, too: {health.reason}")
        return lines


# -- manifests --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Manifests:
    """What is expected to fail: the user's manifests, and which of ours is asked for."""

    own: tuple[Manifest, ...] = ()
    peer: str | None = None
    """``NAME[@VERSION]``, ``none``, or None: whatever the vendor ID of the peer says."""
    embedded: Manifest | None = None
    """What is expected of an embedded peer."""

    @classmethod
    def of_options(cls, config: pytest.Config) -> Manifests:
        """What the options say. UsageError for a file that is no manifest, and for an unknown peer."""
        paths, peer = config.getoption("--fynx-manifest"), config.getoption("--fynx-peer")
        if not paths and peer is None:
            return cls()
        from fynx_scapy.errors import ConfigError
        from fynx_scapy.harness import Manifest

        try:
            made = cls(tuple(map(Manifest.from_file, paths)), peer)
            return replace(made, embedded=made._with(made._asked[0]))
        except ConfigError as error:
            raise pytest.UsageError(str(error)) from None

    @property
    def _asked(self) -> tuple[str, str]:
        program, _, version = (self.peer or "").partition("@")
        return ("" if program == "none" else program), version

    def recognise(self, subject: Subject) -> None:
        """Give a live peer that was met its manifest and version."""
        from fynx_scapy.harness.manifest import shipped_names
        from fynx_scapy.harness.recognition import recognised

        program, version = self._asked
        if self.peer is None:
            program, version = recognised(subject.contact.facts, shipped_names())
        subject.manifest, subject.version = self._with(program), version

    def of(self, subject: Subject | None) -> Manifest:
        """The manifest of a peer, None is the embedded one."""
        from fynx_scapy.harness import Manifest

        return subject.manifest if subject is not None else self.embedded or Manifest()

    def _with(self, program: str) -> Manifest:
        from fynx_scapy.harness import Manifest

        return sum((*self.own, *([Manifest.shipped(program)] if program else [])), start=Manifest())

    def place(self, row: ExpectedFailure) -> str:
        """The file and line of a row."""
        for manifest in self.own:
            for index, each in enumerate(manifest.expected):
                if each is row:
                    return f"{manifest.source} line {manifest.lines.get(index, 0)}"
        return f"of ours, about {row.scenario}"

    def check(self, ids: Iterable[str]) -> None:
        """UsageError for a row about a scenario that neither we nor these tests have."""
        if not self.own:
            return
        from fynx_scapy import scenarios
        from fynx_scapy.errors import ConfigError
        from fynx_scapy.harness.manifest import Named

        mine = [Named(name) for each in ids for name in _RUN.findall(each)]
        try:
            for manifest in self.own:
                manifest.check_names([*scenarios.everything().values(), *mine])
        except ConfigError as error:
            raise pytest.UsageError(str(error)) from None

    def left(self, reports: Iterable[Any]) -> list[str]:
        """The rows of the user's manifests that are about none of these tests, in words."""
        told = [each for report in reports for each in getattr(report, "user_properties", ())]
        used = {value for name, value in told if name == ROW}
        version = next((value for name, value in told if name == VERSION), "")
        rows = [(self.place(row), row) for manifest in self.own for row in manifest.expected if row.about(version)]
        left = [f"{place}: the row about {row.scenario} fitted no test" for place, row in rows if place not in used]
        more = [f"and {len(left) - MOST_TOLD} more rows"] if len(left) > MOST_TOLD else []
        return left[:MOST_TOLD] + more
