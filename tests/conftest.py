# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests share: how hypothesis draws, and that nothing is left out in silence."""

from __future__ import annotations

import os

import hypothesis
import pytest

# No deadline: how long one example takes says more about the machine than about us. On CI the examples are the same in
# every run, so that a failure there can be had here.
hypothesis.settings.register_profile("fynx", deadline=None, max_examples=60)
hypothesis.settings.register_profile("ci", parent=hypothesis.settings.get_profile("fynx"), derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "fynx")


def left_out(config: pytest.Config) -> dict[str, int]:
    """Why tests were skipped, and how many for each reason."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reasons: dict[str, int] = {}
    for report in reporter.stats.get("skipped", []) if reporter else []:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason] = reasons.get(reason, 0) + 1
    return reasons


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI is set, a skipped test fails the run: something that it needs is missing there."""
    if os.environ.get("CI") and not hasattr(session.config, "workerinput") and left_out(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    reasons = left_out(config)
    if reasons:
        terminalreporter.section(
            "LEFT OUT" + (", and CI leaves nothing out" if os.environ.get("CI") else ""), bold=True
        )
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count:5} × {reason.removeprefix('Skipped: ')}")
