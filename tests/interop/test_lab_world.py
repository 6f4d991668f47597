# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios in the world of a lab: its peer acts, is cleared, and is started again when it has ended."""

from __future__ import annotations

import pytest

from fynx_scapy.harness import Role, Run, Scenario, Verdict
from fynx_scapy.harness.campaign import Campaign
from fynx_scapy.harness.plan import plan
from fynx_scapy.harness.subject import Subject
from fynx_scapy.ike.events import ChildSaInstalled, IkeSaRekeyed, SaDeleted
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.peer import PeerConfig
from fynx_scapy.lab.world import LabWorld
from tests.harness.peers import made

BOTH = (Role.INITIATOR, Role.RESPONDER)


def in_both(body: object) -> Scenario:
    scenario = made(body)  # type: ignore[arg-type]
    return Scenario(scenario.name, "RFC 7296", (), scenario.body, __name__, live=True, roles=BOTH)


def acting(run: Run) -> None:
    """The peer does what it is asked to."""
    s = run.session()
    run.establish(s)
    driver = run.driver(s)
    driver.rekey_child()
    s.wait(ChildSaInstalled)
    driver.rekey_ike()
    s.wait(IkeSaRekeyed)
    driver.delete_ike()
    s.wait(SaDeleted)


def half_open(run: Run) -> None:
    """Leaves a half-open IKE SA."""
    run.session().sa_init()


def test_the_peer_of_a_lab_acts_and_is_cleared(strongswan: str) -> None:
    with Lab(PeerConfig(half_open_limits=False)) as lab:
        world = LabWorld(lab)
        subject = Subject(world.target, world=world)

        def ending(run: Run) -> None:
            """The peer ends."""
            run.session().sa_init()
            lab.peer.kill()

        scenarios = [in_both(acting), made(half_open), made(ending), in_both(acting)]
        running = Campaign(plan(scenarios, [subject.name]), [subject])
        running.meet()
        for result in running.run():
            assert lab.peer.sas() == [], result
    verdicts = [result.verdict for result in running.results()]
    assert verdicts == [Verdict.PASS] * 3 + [Verdict.FAIL] + [Verdict.PASS] * 2, running.results()
    assert [result.left_behind for result in running.results()] == [()] * 6
    (remark,) = running.remarks
    assert remark.startswith("the peer stopped answering after ending: ")
    assert remark.endswith("; it was started again")


@pytest.mark.parametrize("verb", ["create_child", "liveness"])
def test_what_the_peer_of_a_lab_cannot_be_asked_for_is_skipped(strongswan: str, verb: str) -> None:
    def asking(run: Run) -> None:
        """Asks for something that it cannot do."""
        s = run.session()
        run.establish(s)
        getattr(run.driver(s), verb)()

    with Lab() as lab:
        subject = Subject(LabWorld(lab).target, world=LabWorld(lab))
        running = Campaign(plan([made(asking)], [subject.name]), [subject])
        running.meet()
        (result,) = running.run()
    assert result.verdict is Verdict.SKIP
    assert "the lab's strongswan cannot be asked to do" in result.reason
