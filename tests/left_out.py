# SPDX-License-Identifier: GPL-2.0-or-later
"""The skipped tests of a run: a line for each kind of reason, and how to run them. With CI set, a skip fails it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest


class Kind(NamedTuple):
    """A kind of reason to skip a test: a pattern for the reason, a name for it, and how to remove it."""

    reason: str
    name: str
    remedy: str


KINDS = (
    Kind(r"the shared data has no (?P<what>\S+)", "no shared data", "put it beside the checkout, as ../shared"),
    Kind(r"no live peer: (?P<what>.+)", "no live peer", "run scripts/test as root, which installs strongSwan"),
    Kind(r"(?P<what>\S+) is not installed", "missing tool", "apt-get install {what}"),
    Kind(r"only root|run as root", "not root", "sudo scripts/test"),
    Kind(r"this is no git checkout", "no git checkout", "use a clone"),
)
SHOWN = 3
"""How many of the missing things are named."""
GUESTS = pytest.StashKey[int]()


def kinds(reasons: Iterable[str]) -> Iterator[str]:
    """One line for each kind of reason: how many tests, what is missing, and how to run them."""
    counts: Counter[Kind] = Counter()
    missing: dict[Kind, set[str]] = {}
    for reason in reasons:
        kind = next((kind for kind in KINDS if re.search(kind.reason, reason)), Kind("", reason, ""))
        counts[kind] += 1
        match = re.search(kind.reason, reason) if kind.reason else None
        if match and "what" in match.groupdict():
            missing.setdefault(kind, set()).add(match["what"])
    for kind, count in counts.most_common():
        names = sorted(missing.get(kind, ()))
        shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        yield line(count, f"{kind.name} ({shown})" if shown else kind.name, kind.remedy.format(what=" ".join(names)))


def line(count: int, reason: str, remedy: str) -> str:
    """A line of the summary."""
    tests, them = ("test", "it") if count == 1 else ("tests", "them")
    return f"{count:5} {tests}: {reason}" + (f". To run {them}: {remedy}" if remedy else "")


def skipped(config: pytest.Config) -> list[str]:
    """The reason of each skipped test."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    reasons = [str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr) for report in reports]
    return [reason.removeprefix("Skipped: ") for reason in reasons]


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the trials in guests, which run only on request."""
    guests = [item for item in items if item.get_closest_marker("kernel")]
    if guests:
        stash = guests[0].config.stash
        stash[GUESTS] = stash.get(GUESTS, 0) + len(guests)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each of xdist's workers collects all tests, so the count of one worker is the total."""
    node.config.stash[GUESTS] = getattr(node, "workeroutput", {}).get("guests", 0)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI set, a skipped test fails the run: something that it needs is missing."""
    config: Any = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["guests"] = config.stash.get(GUESTS, 0)
    elif os.environ.get("CI") and skipped(config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the skipped tests."""
    lines = list(kinds(skipped(config)))
    failure = ": a failure, because CI is set" if lines and os.environ.get("CI") else ""
    if guests := config.stash.get(GUESTS, 0):
        lines.append(line(guests, "trials with a kernel's ESP, in a guest", "scripts/test-kernel"))
    if lines:
        terminalreporter.section(f"SKIPPED{failure}", bold=True)
        for text in lines:
            terminalreporter.line(text)
