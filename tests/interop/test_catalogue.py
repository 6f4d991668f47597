# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole catalogue against the lab's strongSwan: everything is as the manifest says."""

from __future__ import annotations

from fynx_scapy.harness import Verdict
from fynx_scapy.harness.tally import BAD
from tools.live_catalogue import CatalogueRun, live_scenarios, run_catalogue

LONGEST = 600.0
"""Seconds."""
MOST_AGAIN = 12
"""So many scenarios are played again at most."""


def test_the_catalogue_against_strongswan(strongswan: str) -> None:
    chosen = live_scenarios()
    ran = run_catalogue(chosen)
    assert [each for each in ran.results if each.verdict is Verdict.NOT_RUN] == []
    assert ran.unmatched == []
    assert ran.seconds < LONGEST
    odd = wrong(ran)
    assert len(odd) <= MOST_AGAIN, odd
    # Several labs at once delay answers, and let requests cross that should not: the same alone decides.
    again = [scenario for scenario in chosen if any(text.startswith(f"{scenario.name} ") for text in odd)]
    assert (wrong(run_catalogue(again, labs=1)) if again else {}) == {}, odd


def wrong(ran: CatalogueRun) -> dict[str, str]:
    """What is not as the manifest says."""
    return {f"{each.scenario.name} ({each.role.value})": each.reason for each in ran.results if each.verdict in BAD}
