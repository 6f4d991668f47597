# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run left out, one line a kind, and how to have it. Where CI is set, that is a failure."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest


class Kind(NamedTuple):
    """A kind of reason for which tests are skipped: what it looks like, what to call it, and what helps."""

    reason: str
    name: str
    remedy: str


KINDS = (
    Kind(r"the shared data has no (?P<what>\S+)", "no shared data", "lay it beside this checkout: ../shared"),
    Kind(r"no live peer: (?P<what>.+)", "no live peers", "scripts/test as root, which installs strongSwan"),
    Kind(r"(?P<what>\S+) is not installed", "a tool is missing", "apt-get install {what}"),
    Kind(r"only root|run as root", "not run as root", "sudo scripts/test"),
    Kind(r"this is no git checkout", "this is no git checkout", "run them in a clone"),
)
SHOWN = 3
"""How many of the things that are missing are named."""
GUESTS = pytest.StashKey[int]()


def kinds(reasons: Iterable[str]) -> Iterator[str]:
    """One line for each kind of reason: how many tests, what they lack, and what helps."""
    counts: Counter[Kind] = Counter()
    lacking: dict[Kind, set[str]] = {}
    for reason in reasons:
        kind = next((kind for kind in KINDS if re.search(kind.reason, reason)), Kind("", reason, ""))
        counts[kind] += 1
        found = re.search(kind.reason, reason) if kind.reason else None
        if found and "what" in found.groupdict():
            lacking.setdefault(kind, set()).add(found["what"])
    for kind, count in counts.most_common():
        names = sorted(lacking.get(kind, ()))
        shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        helps = f"; to have them: {kind.remedy.format(what=' '.join(names))}" if kind.remedy else ""
        yield f"{count:5} tests: {kind.name}{f' ({shown})' if shown else ''}{helps}"


def skipped(config: pytest.Config) -> list[str]:
    """Why each skipped test was."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    reasons = [each.longrepr[2] if isinstance(each.longrepr, tuple) else str(each.longrepr) for each in reports]
    return [reason.removeprefix("Skipped: ") for reason in reasons]


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the trials in guests, which no run has unless asked."""
    guests = [item for item in items if item.get_closest_marker("kernel")]
    if guests:
        stash = guests[0].config.stash
        stash[GUESTS] = stash.get(GUESTS, 0) + len(guests)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each of xdist's workers collects everything: what one of them deselected is what was deselected."""
    node.config.stash[GUESTS] = getattr(node, "workeroutput", {}).get("guests", 0)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI is set, a skipped test fails the run: something that it needs is missing there."""
    config: Any = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["guests"] = config.stash.get(GUESTS, 0)
    elif os.environ.get("CI") and skipped(config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    lines = list(kinds(skipped(config)))
    refused = ", and CI leaves nothing out" if lines and os.environ.get("CI") else ""
    if guests := config.stash.get(GUESTS, 0):
        lines.append(f"{guests:5} tests: trials with a kernel's ESP, in a guest; to have them: scripts/test-kernel")
    if lines:
        terminalreporter.section(f"LEFT OUT{refused}", bold=True)
        for line in lines:
            terminalreporter.line(line)
