# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole catalogue against the lab's strongSwan: everything is as the manifest says."""

from __future__ import annotations

from fynx_scapy.harness import Verdict
from fynx_scapy.harness.tally import BAD
from tools.live_catalogue import live_scenarios, run_catalogue

LONGEST = 600.0
"""Seconds."""


def test_the_catalogue_against_strongswan(strongswan: str) -> None:
    ran = run_catalogue(live_scenarios())
    odd = {f"{each.scenario.name} ({each.role.value})": each.reason for each in ran.results if each.verdict in BAD}
    assert odd == {}
    assert [each for each in ran.results if each.verdict is Verdict.NOT_RUN] == []
    assert ran.unmatched == []
    assert ran.seconds < LONGEST
