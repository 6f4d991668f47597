# SPDX-License-Identifier: GPL-2.0-or-later
"""The plan of a campaign: which scenario runs in which role, with which peer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fynx_scapy.harness.role import Role
from fynx_scapy.harness.scenario import Scenario

EMBEDDED = ""
"""The name of the embedded peer."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One run of a scenario."""

    scenario: Scenario
    role: Role
    peer: str = EMBEDDED
    """The address of the live peer."""


def plan(
    scenarios: Sequence[Scenario], peers: Sequence[str] = (EMBEDDED,), roles: Collection[Role] | None = None
) -> list[Job]:
    """Every scenario in each of its roles, or in those of them that are in ``roles``, with every peer.

    Without the roles of event loops, which run only with the peers of a lab.
    """
    return [
        Job(scenario, role, peer)
        for peer in peers
        for scenario in scenarios
        for role in scenario.roles
        if not role.asynchronous and (roles is None or role in roles)
    ]
