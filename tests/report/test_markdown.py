# SPDX-License-Identifier: GPL-2.0-or-later
"""The summary in Markdown: what failed is told in full, and nothing that a peer says is markup."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fynx_scapy import scenarios
from fynx_scapy.harness import Result, Run, Scenario, Verdict, run
from fynx_scapy.report.markdown import MOST_TOLD, markdown


def wrong(run: Run) -> None:
    """Is *not* met."""
    run.session("the first").sa_init()
    raise AssertionError("expected @alice, found ```\n[a](http://x) | <b>\u202e")


@pytest.fixture(scope="module")
def failed() -> Result:
    return run(Scenario("wrong", "RFC 7296", scenarios.load("cookie").requirements, wrong, __name__), seed=1)


def test_a_failure_is_told_in_full(failed: Result) -> None:
    skipped = Result(failed.scenario, Verdict.SKIP, "not run: why", 0.0, [])
    text = markdown([skipped, failed], command="fynx run wrong", seed=1, about={"target": "192.0.2.1:500"})
    assert text.startswith("## fynx-scapy: 1 SKIP, 1 FAIL\n")
    assert "| target | `192.0.2.1:500` |" in text
    assert "\n```\nfynx run wrong\n```\n" in text
    assert "### FAIL: `wrong`\n\nIs \\*not\\* met. (RFC 7296)\n" in text
    for needed in failed.scenario.requirements:
        assert f"{needed.level} ({needed.id})" in text
    assert "<summary>the first</summary>" in text
    assert "IKE_SA_INIT request 0" in text
    assert "\n> raise AssertionError(" in text
    assert "<summary>1 scenario with PASS or SKIP</summary>" in text
    assert "\n| FAIL | `wrong` | initiator |" in text
    assert "\n| SKIP | `wrong` | initiator |" in text


def test_what_a_peer_says_is_no_markup(failed: Result) -> None:
    text = markdown([failed], command="fynx run wrong")
    (row,) = [line for line in text.splitlines() if line.startswith("| FAIL")]
    assert row.endswith("| ```` expected @alice, found ``` ```` |")
    # Without code, nothing is left of it.
    outside = re.sub(r"(`+).*?\1", "", re.sub(r"^(````+)\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE))
    for word in ("@alice", "http:", "<b>", "\u202e"):
        assert word not in outside
    assert "\n````\nexpected @alice, found ```\n[a](http://x) | <b>\\u202e" in text


def test_many_failures_are_not_too_long(failed: Result) -> None:
    brief = replace(failed, stages=[], scenario=replace(failed.scenario, requirements=()))
    text = markdown([brief] * (MOST_TOLD + 2), command="fynx run")
    assert text.count("\n### FAIL") == MOST_TOLD
    assert "2 more failures: see the table." in text
    assert text.count("\n| FAIL |") == MOST_TOLD + 2


def test_nothing_was_run() -> None:
    assert markdown([], command="fynx run").startswith("## fynx-scapy: nothing was run\n")
