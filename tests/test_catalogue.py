# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue of negative cases against the embedded peer, in every role; a sample where slow tests do not run."""

from __future__ import annotations

import pytest

from fynx_scapy import scenarios
from fynx_scapy.harness import Role, Scenario, Verdict, run
from fynx_scapy.scenarios.negative import areas, catalogue
from tests.samples import in_sample

SHARE = 24
"""One case in so many is part of the sample."""

CASES = [
    pytest.param(
        scenario, role, id=f"{scenario.topic}/{scenario.name}-{role.value}",
        marks=() if in_sample(scenario.name, SHARE) else pytest.mark.slow,
    )
    for scenario in catalogue()
    for role in scenario.roles
]  # fmt: skip


@pytest.mark.parametrize(("scenario", "role"), CASES)
def test_case(scenario: Scenario, role: Role) -> None:
    result = run(scenario, seed=0, role=role)
    assert (result.verdict, result.reason) == (Verdict.PASS, "")


def test_every_case_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in catalogue()]
    assert sorted(names) == sorted(set(names))
    assert {scenario.topic for scenario in catalogue()} == {f"negative/{area}" for area in areas()}


def test_the_suites_are_there() -> None:
    suites = {name: scenarios.chosen([f"suite:{name}"]) for name in ("cve", "niap")}
    assert min(map(len, suites.values())) >= 20
    elements = {s.source.rpartition("EXT.")[2].split()[0] for s in suites["niap"]}
    assert elements == {"1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.11", "1.14"}
    eleven = {s.source.rpartition(" ")[2] for s in suites["niap"] if "EXT.1.11 " in s.source}
    assert eleven == {str(number) for number in range(1, 11)}
