# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole catalogue against the lab's strongSwan: everything is as the manifest says."""

from __future__ import annotations

from fynx_scapy.harness import Verdict
from fynx_scapy.harness.tally import BAD
from tools.live_catalogue import live_scenarios, run_catalogue, settled

LONGEST = 1800.0
"""Seconds, beside other load: it has an end."""


def test_the_catalogue_against_strongswan(strongswan: str) -> None:
    chosen = live_scenarios()
    ran = run_catalogue(chosen)
    assert [each for each in ran.results if each.verdict is Verdict.NOT_RUN] == []
    assert ran.seconds < LONGEST
    ran = settled(ran, chosen)
    assert ran.unmatched == []
    results = ran.results
    assert {f"{each.scenario.name} ({each.role.value})": each.reason for each in results if each.verdict in BAD} == {}
