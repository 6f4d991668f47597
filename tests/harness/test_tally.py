# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run as a whole claims: no requirement that did not hold or was left out, and an exit status that says so."""

from __future__ import annotations

import inspect
import itertools
import re
from dataclasses import replace

import pytest

from fynx_scapy import scenarios
from fynx_scapy.harness import Result, Scenario, Tally, Verdict, requirement
from fynx_scapy.harness.tally import worst_first
from tests.plain import PLAIN_NAMES

A, B, C = (requirement(identifier) for identifier in ("7296-1.2-02", "7296-1.2-06", "7296-1.4-04"))


def result(verdict: Verdict, *needed: object, name: str = "made_up") -> Result:
    scenario = Scenario(name, "RFC 7296", needed, lambda run: None, __name__)  # type: ignore[arg-type]
    return Result(scenario, verdict, "", 0.0, [])


def test_what_passed_was_checked_and_nothing_else() -> None:
    tally = Tally.of([result(Verdict.PASS, A), result(Verdict.SKIP, A, B), result(Verdict.FAIL, C)])
    assert (tally.checked, tally.unchecked) == ((A.id,), (B.id, C.id))
    assert str(tally) == "1 PASS, 1 SKIP, 1 FAIL"
    assert tally.requirements == "1 of 987 requirements checked, 2 named but not checked"


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR])
def test_what_did_not_hold_elsewhere_does_not_count(verdict: Verdict) -> None:
    assert Tally.of([result(Verdict.PASS, A, B), result(verdict, B)]).checked == (A.id,)


def test_a_run_is_good_when_something_passed_and_nothing_failed() -> None:
    for kinds in (set(some) for n in range(5) for some in itertools.combinations(Verdict, n)):
        judged = bool({Verdict.PASS, Verdict.XFAIL} & kinds)
        good = judged and not {Verdict.FAIL, Verdict.XPASS, Verdict.ERROR} & kinds
        assert Tally.of([result(kind) for kind in kinds]).good is good, kinds


def test_what_failed_comes_first_and_what_was_left_out_last() -> None:
    kinds = (Verdict.PASS, Verdict.SKIP, Verdict.ERROR, Verdict.PASS, Verdict.FAIL)
    found = worst_first([result(kind, name=f"{number}") for number, kind in enumerate(kinds)])
    assert [each.scenario.name for each in found] == ["4", "2", "0", "3", "1"]


def test_what_a_live_peer_could_not_be_asked_for_counts_in_part() -> None:
    part = replace(result(Verdict.PASS, A, B), in_part=True)
    tally = Tally.of([part, result(Verdict.PASS, A), result(Verdict.SKIP, C)])
    assert (tally.checked, tally.partly, tally.unchecked) == ((A.id,), (B.id,), (C.id,))
    assert tally.requirements == "1 of 987 requirements checked, 1 in part, 1 named but not checked"


def test_a_scenario_that_looks_at_both_ends_where_it_can_runs_live_in_part() -> None:
    def in_order(made: Scenario) -> bool:
        asks = re.search(r"\brun\.embedded|\bs\.ends\b", inspect.getsource(made.body)) is not None
        return made.live == ("in part" if asks and made.live else made.live is True)

    assert [name for name in PLAIN_NAMES if not in_order(scenarios.load(name))] == []
