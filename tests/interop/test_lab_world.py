# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios in the world of a lab: its peer acts, is cleared, and is started again when it has ended."""

from __future__ import annotations

import json
import sys

import pytest

from fynx_scapy import scenarios
from fynx_scapy.harness import Role, Run, Scenario, Verdict
from fynx_scapy.harness.campaign import Campaign
from fynx_scapy.harness.plan import plan
from fynx_scapy.harness.subject import Subject
from fynx_scapy.ike.events import ChildSaInstalled, IkeSaRekeyed, SaDeleted
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.peer import PeerConfig
from fynx_scapy.lab.world import LabWorld, tolerant
from tests.harness.peers import fynx, made

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

        chosen = [in_both(acting), made(half_open), made(ending), in_both(acting)]
        running = Campaign(plan(chosen, [subject.name]), [subject])
        running.meet()
        for result in running.run():
            assert lab.peer.sas() == [], result
    verdicts = [result.verdict for result in running.results()]
    assert verdicts == [Verdict.PASS] * 3 + [Verdict.FAIL] + [Verdict.PASS] * 2, running.results()
    assert [result.left_behind for result in running.results()] == [()] * 6
    (remark,) = running.remarks
    assert remark.startswith("the peer stopped answering after ending: ")
    assert remark.endswith("; it was started again")


def test_requests_cross_at_a_prompt_too(strongswan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that answers between two steps would take the peer's request before ours leaves."""
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    crossing = scenarios.everything()["ike_rekey_while_a_child_is_deleted"]
    with Lab(tolerant()) as lab:
        subject = Subject(LabWorld(lab).target, world=LabWorld(lab))
        running = Campaign(plan([crossing], [subject.name]), [subject])
        running.meet()
        assert [result.verdict for result in running.run()] == [Verdict.PASS] * 2


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


def test_a_case_or_a_scenario_may_configure_the_peer_of_a_lab(strongswan: str) -> None:
    # Whoever is configured for a case is as before for the next one, and each of two labs has some of them.
    names = [
        "psk_instead_of_a_certificate",
        "payload_ke_missing_in_init",
        "ppk_wrong_key",
        "certificate_revoked",
        "not_revoked",
    ]
    done = fynx("run", *names, "ocsp_sent", "--lab", "strongswan", "--json", "-j", "2")
    document = json.loads(done.stdout)
    judged = {entry["name"]: entry["verdict"] for entry in document["results"]}
    assert judged == dict.fromkeys(names, "PASS") | {"ocsp_sent": "SKIP"}, done.output
    (reason,) = {entry["reason"] for entry in document["results"] if entry["verdict"] == "SKIP"}
    assert reason == "not run: the peer cannot do what the scenario needs: ocsp_sent"
    assert done.exit_code == 0


def test_the_command_starts_a_lab_for_a_run(strongswan: str) -> None:
    names = ["payload_ke_missing_in_init", "nonce_of_16_octets_in_init_response_with_sha512"]
    done = fynx("run", *names, "--lab", "strongswan", "--json")
    document = json.loads(done.stdout)
    judged = {entry["name"]: (entry["verdict"], entry["role"]) for entry in document["results"]}
    assert judged == {names[0]: ("PASS", "initiator"), names[1]: ("XFAIL", "responder")}, done.output
    assert done.exit_code == 0
    assert document["command"] == f"fynx run {' '.join(names)} --lab strongswan"
    assert strongswan in document["about"]["manifest"]
