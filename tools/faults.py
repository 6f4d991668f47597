# SPDX-License-Identifier: GPL-2.0-or-later
"""Which scenarios find the deliberate faults of tests/faults: ``scripts/faults [NAME...]``.

Each fault is given to the embedded peer. The scenarios that name one of its requirements run first, then those of its
area, then all others, until one fails that passes without the fault. It writes found.json, and proven.json, which the
ledger reads: for each requirement, the tests that fail when a peer breaks it. What was found of faults that do not run
now is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fynx_scapy import scenarios
from fynx_scapy.harness import Result, Role, Scenario, Verdict, run
from fynx_scapy.harness.ledger import place_of
from fynx_scapy.harness.runner import PEER_FAULTS
from fynx_scapy.harness.worlds.embedded import EmbeddedWorld
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.session import Session
from fynx_scapy.text import counted
from tests.faults.everything import faults
from tests.faults.fault import FAULTS, Fault
from tools.faults_page import FOUND, PROVEN, PROVEN_TESTS

Proofs = dict[str, dict[str, list[str]]]
"""Requirement -> test -> the faults that break the requirement and make the test fail."""
LONGEST = 10.0
"""Seconds that one scenario may take. With some faults a conversation does not end."""


class OutOfTimeError(BaseException):
    """A scenario took too long. It is no Exception, so that nothing in the engine handles it."""


@dataclass(frozen=True, slots=True)
class Test:
    """A scenario in one role."""

    scenario: Scenario
    role: Role

    @property
    def place(self) -> str:
        """File and name: ``scenarios/negative/header.py::major_version_3``."""
        return place_of(self.scenario)

    @property
    def requirements(self) -> set[str]:
        """The IDs that it checks."""
        return {one.id for one in self.scenario.requirements}

    @property
    def areas(self) -> set[str]:
        """Their areas."""
        return {one.area for one in self.scenario.requirements}


@dataclass(frozen=True, slots=True)
class Found:
    """One test that failed under a fault."""

    place: str
    role: str
    reason: str
    breaks: tuple[str, ...]
    """The requirements of the fault that it names."""
    ours: bool = False
    """Whether the fault was in our own end. That proves the test of our own behaviour; no peer was found faulty."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one fault."""

    fault: str
    failed: tuple[Found, ...] = ()
    errors: tuple[str, ...] = ()
    """What ended with an error that is no peer's: the fault itself may be wrong."""
    ran: int = 0
    seconds: float = field(default=0.0, compare=False)

    @property
    def found(self) -> bool:
        """Whether a test failed because of a faulty peer."""
        return not all(one.ours for one in self.failed)

    def nearest(self, proven: Proofs) -> list[str] | None:
        """Place and role of a test that finds the fault in a peer, and as few others as ``proven`` knows.

        If possible it names what the fault breaks.
        """
        finds: dict[str, set[str]] = {}
        for places in proven.values():
            for place, names in places.items():
                finds.setdefault(place, set()).update(names)
        theirs = sorted(
            (not one.breaks, len(finds.get(one.place, ())), one.place, one.role) for one in self.failed if not one.ours
        )
        return list(theirs[0][2:]) if theirs else None

    @property
    def proves(self) -> bool:
        """Whether a test failed that names one of the requirements that the fault breaks."""
        return any(one.breaks for one in self.failed)


@functools.cache
def all_tests() -> tuple[Test, ...]:
    """Every scenario in every role in which it runs with an embedded peer."""
    every = scenarios.chosen(())
    return tuple(Test(one, role) for one in every for role in one.roles if not role.asynchronous)


class OurselvesFaulty(EmbeddedWorld):
    """An embedded world that prepares our own endpoint, not its peer."""

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session whose own endpoint is prepared."""
        session = EmbeddedWorld().session(role, given, network, seed)
        if self._prepare is not None:
            self._prepare(session.client)
        return session


def under(fault: Fault | None, test: Test, *, ours: bool = False) -> tuple[str, str]:
    """Run a test against a peer with that fault: PASS, FAIL, ERROR or SLOW, and why. ``ours``: we have the fault."""
    with contextlib.ExitStack() as undo:

        def prepare(endpoint: Endpoint) -> None:
            if fault is not None:
                undo.enter_context(fault.apply(endpoint))

        undo.enter_context(at_most(LONGEST))
        try:
            world = (OurselvesFaulty if ours else EmbeddedWorld)(prepare)
            result = run(test.scenario, role=test.role, world=world)
        except OutOfTimeError:
            return "SLOW", f"it took more than {LONGEST:g} s"
        return _verdict(result), result.reason
    raise AssertionError


def _verdict(result: Result) -> str:
    """An error that is blamed on a live peer is a failure: the peer did not do what the scenario waits for."""
    blamed = any(result.reason.startswith(f"{kind.__name__}:") for kind in PEER_FAULTS)
    return "FAIL" if result.verdict is Verdict.ERROR and blamed else result.verdict.value


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """OutOfTimeError when the block takes longer."""

    def late(number: int, frame: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def stages(fault: Fault, tests: Sequence[Test]) -> list[list[Test]]:
    """The tests in the order in which they are tried: by requirement, by area, and all others."""
    named = [test for test in tests if test.requirements & set(fault.requirements)]
    near = [test for test in tests if test not in named and fault.area in test.areas]
    return [named, near, [test for test in tests if test not in named and test not in near]]


@functools.cache
def passes(place: str, role: Role) -> bool:
    """Whether a test passes without any fault."""
    test = next(one for one in all_tests() if (one.place, one.role) == (place, role))
    return under(None, test)[0] == "PASS"


@functools.cache
def by_pytest() -> frozenset[str]:
    """The faults that pytest's tests find."""
    proven: Proofs = json.loads(PROVEN_TESTS.read_text("utf-8"))
    return frozenset(name for places in proven.values() for names in places.values() for name in names)


class Search:
    """The tests that have run for one fault, and what came of them."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.failed: list[Found] = []
        self.errors: list[str] = []
        self.ran = 0

    def run(self, tests: Iterable[Test], *, ours: bool = False) -> None:
        """Run these tests with the fault, in our own end if ``ours``, else in the peer."""
        for test in tests:
            verdict, reason = under(self.fault, test, ours=ours)
            self.ran += 1
            if verdict == "PASS" or not passes(test.place, test.role):
                continue
            if verdict == "FAIL":
                breaks = tuple(sorted(test.requirements & set(self.fault.requirements)))
                self.failed.append(Found(test.place, test.role.value, reason, breaks, ours))
            else:
                self.errors.append(f"{test.place} ({test.role.value}): {verdict}: {reason}")


def find(name: str, everything: bool = False) -> Finding:
    """Look for one fault. ``everything`` runs all tests, instead of stopping after the first group with a failure.

    For a fault that pytest's tests find, tests of other areas need not run. Then the tests of the broken requirements
    run with the fault in our own end: scenarios of before show in many sentences only that we keep them.
    """
    fault, began = FAULTS[name], time.perf_counter()
    search = Search(fault)
    groups = stages(fault, all_tests())
    for group in groups if everything or name not in by_pytest() else groups[:2]:
        search.run(group)
        if search.failed and not everything:
            break
    proven = {identifier for one in search.failed for identifier in one.breaks}
    search.run((test for test in groups[0] if test.requirements & set(fault.requirements) - proven), ours=True)
    return Finding(name, tuple(search.failed), tuple(search.errors), search.ran, time.perf_counter() - began)


def search(names: Iterable[str], processes: int, tell: Callable[[Finding], None]) -> list[Finding]:
    """Look for these faults, in several processes; in the order of the faults."""
    order = list(names)
    found: dict[str, Finding] = {}
    all_tests()  # once, before the processes are made
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for finding in pool.imap_unordered(find, order):
            found[finding.fault] = finding
            tell(finding)
    return [found[name] for name in order]


def proofs(findings: Iterable[Finding], before: Proofs | None = None) -> Proofs:
    """What these findings prove, and what was proven ``before`` by other faults that are still there."""
    ran = {finding.fault for finding in findings}
    known = {test.place for test in all_tests()}
    made: dict[str, dict[str, set[str]]] = {}
    for identifier, places in (before or {}).items():
        for place, names in places.items():
            if place in known and (kept := {name for name in names if still_breaks(name, identifier)} - ran):
                made.setdefault(identifier, {})[place] = kept
    for finding in findings:
        for one in finding.failed:
            for identifier in one.breaks:
                made.setdefault(identifier, {}).setdefault(one.place, set()).add(finding.fault)
    return {
        identifier: {place: sorted(made[identifier][place]) for place in sorted(made[identifier])}
        for identifier in sorted(made)
    }


def still_breaks(name: str, identifier: str) -> bool:
    """Whether there is such a fault, and it breaks that requirement."""
    return name in FAULTS and identifier in FAULTS[name].requirements


def new() -> list[str]:
    """The faults of which nothing is known, or that were found by a test that is gone."""
    known = {(test.place, test.role.value) for test in all_tests()}
    before: dict[str, list[str] | None] = json.loads(FOUND.read_text("utf-8"))
    gone = {name for name, found in before.items() if found is not None and tuple(found) not in known}
    return [fault.name for fault in faults() if fault.name not in before or fault.name in gone]


def write(findings: Sequence[Finding]) -> None:
    """Write what was found by these faults into the results of all."""
    made = proofs(findings, json.loads(PROVEN.read_text("utf-8")))
    before = json.loads(FOUND.read_text("utf-8")) | {one.fault: one.nearest(made) for one in findings}
    found = {fault.name: before[fault.name] for fault in faults() if fault.name in before}
    FOUND.write_text(_rows(found), "utf-8")
    PROVEN.write_text(_rows(made), "utf-8")


def _rows(table: Mapping[str, object]) -> str:
    """JSON with a line for each entry."""
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in table.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _told(finding: Finding) -> None:
    first = finding.failed[0] if finding.failed else None
    if first is None:
        text = f"NOT FOUND by {counted(finding.ran, 'test')}"
    else:
        proof = "" if finding.proves else " (which names none of its requirements)"
        how = "found" if finding.found else "NOT FOUND in a peer, but in our own end,"
        text = f"{how} by {counted(len(finding.failed), 'test')}, such as {first.place} ({first.role}){proof}"
    print(f"{finding.fault}: {text}", flush=True)
    for error in finding.errors[:3]:
        print(f"    {error}", flush=True)


def main() -> int:
    """Look for all faults, or for those that are named, and write what was found. Status 1 when one was not found."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="faults to look for; by default all")
    parser.add_argument("--new", action="store_true", help="only faults without a result, or whose test is gone")
    parser.add_argument("-j", type=int, default=min(2, os.cpu_count() or 1), dest="processes", help="processes")
    parser.add_argument("--all-tests", action="store_true", help="run every test, also when one has failed")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in FAULTS]:
        parser.error(f"there is no fault {unknown[0]!r}")
    names = given.names or (new() if given.new else [fault.name for fault in faults()])
    if given.all_tests:
        findings = []
        for finding in (find(name, everything=True) for name in names):
            findings.append(finding)
            _told(finding)
            for one in finding.failed:
                end = ", our own end" if one.ours else ""
                print(f"    {one.place} ({one.role}{end}): {one.reason[:200]}")
    else:
        findings = search(names, given.processes, _told)
    lost = [finding.fault for finding in findings if not finding.found]
    print(f"{len(findings) - len(lost)} of {counted(len(findings), 'fault')} found", file=sys.stderr)
    write(findings)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
