# SPDX-License-Identifier: GPL-2.0-or-later
"""Who refuses a peer for what it proves itself with says why, whatever the peer has sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fynx_scapy import Session, scenarios
from fynx_scapy.events import IkeSaEstablished, IkeSaFailed, MessageDropped
from fynx_scapy.harness import EmbeddedWorld, Role, Scenario, Verdict, run
from fynx_scapy.net.hosts import Hosts

LONGEST = 1200
"""Characters of a reason: the longest names 64 hashes."""
FILES = ("announcements", "cert_payloads", "certificates", "revocation", "signatures")


class Watched(EmbeddedWorld):
    """An embedded world that keeps its session."""

    kept: Session

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        self.kept = super().session(role, given, network, seed)
        return self.kept


def refusals(scenario: Scenario, role: Role) -> list[str]:
    """Why the peer has not established an IKE SA; empty if it has."""
    world = Watched()
    assert run(scenario, role=role, seed=0, world=world).verdict is Verdict.PASS
    events = [event for who, event in world.kept.events if who != world.kept.name]
    if any(isinstance(event, IkeSaEstablished) for event in events):
        return []
    found = [event.reason for event in events if isinstance(event, IkeSaFailed | MessageDropped)]
    assert found, scenario.name
    return found


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_each_refusal_has_a_reason_that_can_be_shown(file: str) -> None:
    made = scenarios.chosen([f"negative/{file}*"])
    reasons = [each for one in made for role in one.roles if not role.asynchronous for each in refusals(one, role)]
    assert len(reasons) > 15
    assert all(each.isprintable() and 10 < len(each) < LONGEST for each in reasons)
