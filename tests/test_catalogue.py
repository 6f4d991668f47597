# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue of negative cases against the embedded peer, in every role."""

from __future__ import annotations

import pytest

from fynx_scapy.harness import Role, Scenario, Verdict, run
from fynx_scapy.scenarios.negative import areas, catalogue

CASES = [(scenario, role) for scenario in catalogue() for role in scenario.roles]


@pytest.mark.parametrize(("scenario", "role"), CASES, ids=[f"{s.topic}/{s.name}-{r.value}" for s, r in CASES])
def test_case(scenario: Scenario, role: Role) -> None:
    result = run(scenario, seed=0, role=role)
    assert (result.verdict, result.reason) == (Verdict.PASS, "")


def test_every_case_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in catalogue()]
    assert sorted(names) == sorted(set(names))
    assert {scenario.topic for scenario in catalogue()} == {f"negative/{area}" for area in areas()}
