# SPDX-License-Identifier: GPL-2.0-or-later
"""A campaign: what runs, what is kept when it is interrupted, and what becomes of a run whose peer dies."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fynx_scapy.errors import ConfigError, Timeout
from fynx_scapy.harness import CaseDetails, Change, Manifest, Role, Run, Scenario, Tally, Unreached, Verdict, expect
from fynx_scapy.harness.campaign import Campaign
from fynx_scapy.harness.journal import Journal
from fynx_scapy.harness.pace import Pace
from fynx_scapy.harness.plan import Job, plan
from fynx_scapy.harness.recognition import recognised
from fynx_scapy.harness.registry import asked_for
from fynx_scapy.harness.runner import run as run_one
from fynx_scapy.harness.sanity import Stretch, converse
from fynx_scapy.harness.subject import Subject
from fynx_scapy.harness.target import Target
from fynx_scapy.ike.config import Retransmission
from tests.harness.peers import Bob, bob, fynx, made, target

ROW = '[[expected]]\nscenario = "failing"\nreason = "it does"\n'


def passing(run: Run) -> None:
    """Passes."""
    run.session().connect()


def failing(run: Run) -> None:
    """Fails."""
    run.details = CaseDetails("set(x)", (Change("payloads", "x", "1", "2"),), "a refusal", "a surprise")
    run.session().sa_init()
    expect(1, "one").equals(2)


def skipping(run: Run) -> None:
    """Does not run with a live peer."""
    run.session(peer={"childless": True}).sa_init()


def campaign(*bodies: object, journal: Path | None = None, **more: object) -> Campaign:
    jobs = plan([made(body) for body in bodies])  # type: ignore[arg-type]
    return Campaign(jobs, journal=None if journal is None else Journal.open(journal), **more)  # type: ignore[arg-type]


def verdicts(done: Campaign) -> list[Verdict]:
    return [result.verdict for result in done.results()]


# The plan


def test_a_plan_is_every_scenario_in_its_roles_with_every_peer() -> None:
    both = replace(made(passing), roles=(Role.INITIATOR, Role.RESPONDER))
    jobs = plan([both, made(failing)], ["a", "b"])
    assert [(job.scenario.name, job.role, job.peer) for job in jobs] == [
        (name, role, peer)
        for peer in ("a", "b")
        for name, role in (
            ("passing", Role.INITIATOR), ("passing", Role.RESPONDER), ("failing", Role.INITIATOR)
        )
    ]  # fmt: skip
    assert [job.scenario.name for job in plan([both, made(failing)], roles={Role.RESPONDER})] == ["passing"]


# With an embedded peer


def test_results_come_one_by_one_and_in_order_at_the_end() -> None:
    running = campaign(passing, failing, seed=1)
    assert [result.scenario.name for result in running.run()] == ["passing", "failing"]
    assert verdicts(running) == [Verdict.PASS, Verdict.FAIL]
    assert running.results()[1].details == CaseDetails(
        "set(x)", (Change("payloads", "x", "1", "2"),), "a refusal", "a surprise"
    )


def test_what_was_not_run_is_told() -> None:
    running = campaign(passing, failing, seed=1)
    steps = running.run()
    next(steps)
    steps.close()
    assert verdicts(running) == [Verdict.PASS, Verdict.NOT_RUN]
    assert running.results()[1].reason == "interrupted"


def test_a_manifest_is_applied_and_what_it_does_not_fit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(ROW + ROW.replace("failing", "other"))
    running = campaign(failing, manifest=Manifest.from_file(path))
    assert [result.verdict for result in running.run()] == [Verdict.XFAIL]
    assert [(each.row.scenario, each.chosen) for each in running.unmatched()] == [("other", False)]


# The journal


def test_a_run_goes_on_where_its_journal_ends(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first = campaign(passing, failing, journal=path, seed=3)
    steps = first.run()
    next(steps)
    steps.close()
    second = campaign(passing, failing, journal=path, seed=3)
    assert [job.scenario.name for job in second.remaining] == ["failing"]
    assert [result.scenario.name for result in second.run()] == ["failing"]
    third = campaign(passing, failing, journal=path, seed=3)
    assert list(third.run()) == []
    assert verdicts(third) == [Verdict.PASS, Verdict.FAIL]
    assert [each.details for each in third.results()] == [each.details for each in second.results()]
    was, now = (done.results()[1].as_dict() for done in (second, third))
    assert now | {"remembered": False, "seconds": was["seconds"]} == was


def test_a_line_that_is_not_complete_runs_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    list(campaign(passing, failing, journal=path, seed=3).run())
    path.write_bytes(path.read_bytes()[:-10])
    again = campaign(passing, failing, journal=path, seed=3)
    assert [job.scenario.name for job in again.remaining] == ["failing"]
    assert "the last line of the journal is not complete; its scenario runs again" in again.journal.notes
    list(again.run())
    assert campaign(passing, failing, journal=path, seed=3).remaining == []


def test_what_is_different_now_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    list(campaign(passing, failing, journal=path, seed=3).run())
    path.write_text(path.read_text().replace('"version": "', '"version": "9', 1))
    again = campaign(failing, journal=path, seed=3)
    assert again.remaining == []
    notes = "\n".join(again.journal.notes)
    assert "begun by version 9" in notes
    assert "begun for 2 runs of scenarios, there are 1 now" in notes
    assert "1 result in the journal" in notes
    with pytest.raises(ConfigError, match="expected the seed 3, with which it was begun, found 4"):
        campaign(failing, journal=path, seed=4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}\n", "expected the journal of a run, found another file"),
        ("PK\x03\x04\n", "expected the journal of a run, found another file"),
        ('{"kind": "fynx-scapy journal", "format": 2}\n', "expected a journal of format 1, found 2"),
        ('{"kind": "fynx-scapy journal", "format": 1}\n{"name": 1}\n', "line 2: expected a result"),
        ('{"kind": "fynx-scapy journal", "format": 1}\n[]\n', "line 2: expected a result"),
    ],
)
def test_what_is_no_journal_is_refused(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text(content)
    with pytest.raises(ConfigError, match=words):
        Journal.open(path)


def test_the_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "journal"
    ran: list[str] = []
    real = run_one

    def interrupted(scenario: Scenario, **how: object) -> object:
        ran.append(scenario.name)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return real(scenario, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("fynx_scapy.harness.campaign.run", interrupted)
    words = ("run", "liveness", "childless", "--resume", journal, "--json", tmp_path / "x.json")
    done = fynx(*words)
    assert (done.exit_code, f"go on with --resume {journal}" in done.stderr) == (130, True)
    seed = json.loads((tmp_path / "x.json").read_text())["seed"]
    done = fynx(*words)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "x.json").read_text())
    assert told["seed"] == seed
    assert [(each["verdict"], each["remembered"]) for each in told["results"]] == [("PASS", True), ("PASS", False)]
    assert ran == ["liveness", "childless", "childless"]


# With live peers


@pytest.fixture(scope="module")
def peer() -> Iterator[Bob]:
    with bob() as made:
        yield made


def hasty(peer: Bob) -> Target:
    """Bob as a target, with no patience at all."""
    return target(peer.port, retransmission=Retransmission(timeout=0.05, base=1.0, tries=2))


def test_a_sane_conversation_comes_to_its_end(peer: Bob) -> None:
    seen: list[str] = []
    health = converse(target(peer.port), lambda network, name: seen.append(name))
    assert (health.reached, health.reason, health.left, health.sane) == (Stretch.LIVENESS, "", (), True)
    assert seen == ["sane conversation"]
    assert peer.established() == []


@pytest.mark.parametrize(
    ("changes", "reached", "reason"),
    [
        ({"psk": "wrong"}, Stretch.INIT, "IKE_AUTH was answered with AUTHENTICATION_FAILED"),
        ({"proposals": "3des-sha1-modp1024"}, Stretch.ANSWER, "IKE_SA_INIT was answered with NO_PROPOSAL_CHOSEN"),
    ],
)
def test_a_conversation_tells_how_far_it_came(
    peer: Bob, changes: dict[str, str], reached: Stretch, reason: str
) -> None:
    health = converse(replace(target(peer.port), **changes))  # type: ignore[arg-type]
    assert (health.reached, health.reason) == (reached, reason)


def live(*bodies: object, subjects: list[Subject], **more: object) -> Campaign:
    scenarios = [made(body) for body in bodies]  # type: ignore[arg-type]
    running = Campaign(plan(scenarios, [each.name for each in subjects]), subjects, **more)  # type: ignore[arg-type]
    running.meet()
    list(running.run())
    return running


def test_a_live_peer_is_met_first_and_last_and_after_a_failure(peer: Bob) -> None:
    seen: list[str] = []
    subject = Subject(target(peer.port), watch=lambda network, name: seen.append(name))
    running = live(passing, failing, passing, subjects=[subject])
    assert verdicts(running) == [Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert seen == ["sign of life", "sane conversation, first", "sane conversation", "sane conversation"]
    assert {result.peer for result in running.results()} == {f"127.0.0.1:{peer.port}"}
    assert (running.remarks, running.ended) == ([], {})
    assert peer.established() == []


@pytest.mark.slow
def test_a_dead_peer_ends_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fynx_scapy.harness.sanity.PAUSE", 0)
    with bob() as mortal:

        def killing(run: Run) -> None:
            """Ends the peer."""
            s = run.session()
            s.connect()
            mortal.close()
            with pytest.raises(Timeout):
                s.liveness()
            raise AssertionError("it is not there")

        running = live(passing, killing, passing, subjects=[Subject(target(mortal.port))])
    assert verdicts(running) == [Verdict.PASS, Verdict.FAIL, Verdict.NOT_RUN]
    killed, left = running.results()[1:]
    assert killed.reason.startswith("the peer stopped answering: a sane conversation came to its end before, and now ")
    assert "it is not there" in killed.reason
    assert left.reason.startswith("the peer stopped answering after killing: ")
    assert not Tally.of(running.results()).good


def test_a_silent_failure_is_tried_again(peer: Bob) -> None:
    tries: list[int] = []

    def unlucky(run: Run) -> None:
        """The first try loses what it sends."""
        s = run.session()
        tries.append(1)
        if len(tries) == 1:
            s.tap("datagrams", lambda message, datagrams, attempt: [])
        s.sa_init()

    (result,) = live(unlucky, subjects=[Subject(hasty(peer))]).results()
    assert (result.verdict, len(tries)) == (Verdict.PASS, 2)
    assert [reason.startswith("Timeout: ") for reason in result.retried] == [True]
    tries.clear()
    (result,) = live(unlucky, subjects=[Subject(hasty(peer), retries=0)]).results()
    assert (result.verdict, len(tries)) == (Verdict.ERROR, 1)


def test_a_case_that_found_silence_is_tried_again(peer: Bob) -> None:
    tries: list[int] = []

    def late(run: Run) -> None:
        """The first try finds nothing, at an end that is up."""
        run.session().sa_init()
        tries.append(1)
        run.details = CaseDetails(found="no message of the peer" if len(tries) == 1 else "an answer")
        expect(len(tries), "tries").equals(2)

    assert verdicts(live(late, subjects=[Subject(hasty(peer))])) == [Verdict.PASS]
    assert len(tries) == 2


def test_an_expected_failure_is_not_tried_again(peer: Bob, tmp_path: Path) -> None:
    tries: list[int] = []

    def failing(run: Run) -> None:
        """Never has an answer."""
        s = run.session()
        tries.append(1)
        s.tap("datagrams", lambda message, datagrams, attempt: [])
        s.sa_init()

    path = tmp_path / "x.toml"
    path.write_text(ROW + 'verdict = "ERROR"\n')
    subject = Subject(hasty(peer), manifest=Manifest.from_file(path))
    assert (verdicts(live(failing, subjects=[subject])), len(tries)) == ([Verdict.XFAIL], 1)


def test_several_peers_are_served_at_once(peer: Bob) -> None:
    meeting = threading.Barrier(2, timeout=10)

    def together(run: Run) -> None:
        """Waits for the run with the other peer."""
        run.session().sa_init()
        meeting.wait()

    with bob() as other:
        running = live(together, passing, subjects=[Subject(target(each.port)) for each in (peer, other)])
    assert verdicts(running) == [Verdict.PASS] * 4
    peers = [result.peer for result in running.results()]
    assert peers == [f"127.0.0.1:{each.port}" for each in (peer, other) for _ in "ab"]


def test_one_peer_may_have_several_sessions_at_once(peer: Bob) -> None:
    meeting = threading.Barrier(2, timeout=10)

    def together(run: Run) -> None:
        """Waits for another run."""
        run.session().sa_init()
        meeting.wait()

    assert verdicts(live(together, together, subjects=[Subject(target(peer.port))], at_once=2)) == [Verdict.PASS] * 2


def test_twins_share_the_scenarios_of_one_peer(peer: Bob) -> None:
    meeting, met = threading.Barrier(2, timeout=10), set()

    def together(run: Run) -> None:
        """Waits for the run with the twin."""
        run.session().sa_init()
        met.add(run.target.address)
        meeting.wait()

    with bob() as other:
        twin = Subject(target(other.port))
        subject = Subject(target(peer.port), twins=[twin])
        running = live(together, together, subjects=[subject])
        assert verdicts(running) == [Verdict.PASS] * 2
        assert met == {subject.name, twin.name}
        assert {result.peer for result in running.results()} == {subject.name}
        assert twin.health is not None
        assert twin.health.sane


def test_who_is_not_there_is_told_before_any_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    with bob() as gone:
        port = gone.port
    with pytest.raises(Unreached):
        live(passing, subjects=[Subject(target(port))])


def test_nobody_is_met_for_scenarios_that_are_for_an_embedded_peer() -> None:
    subject = Subject(target(1))
    running = Campaign([Job(replace(made(skipping), live=False), Role.INITIATOR, subject.name)], [subject])
    running.meet()
    list(running.run())
    assert verdicts(running) == [Verdict.SKIP]


# Pace, and who it is


def test_a_pace_spaces_what_is_sent() -> None:
    now, slept = [10.0], list[float]()
    pace = Pace(4, clock=lambda: now[0], sleep=slept.append)
    for count in (1, 2, 1):
        pace.wait(count)
    now[0] = 100.0
    pace.wait()
    assert slept == [0.25, 0.75]


def test_a_subject_is_sent_no_more_than_it_may_be(peer: Bob, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(Pace, "wait", lambda self, count=1: sent.append(count))
    live(passing, subjects=[Subject(target(peer.port), rate=5)])
    assert len(sent) > 8  # two sane conversations and a scenario
    sent.clear()
    live(passing, subjects=[Subject(target(peer.port))])
    assert sent == []


@pytest.mark.parametrize(
    ("vendors", "found"),
    [
        ("strongSwan", ("strongswan", "")), ("Cisco Unity, strongSwan 4.3.6", ("strongswan", "4.3.6")),
        ("notstrongswan", ("", "")), ("", ("", "")),
    ],
)  # fmt: skip
def test_a_peer_is_recognised_by_its_vendor_id(vendors: str, found: tuple[str, str]) -> None:
    assert recognised({"the peer's vendor IDs": vendors} if vendors else {}, ["strongswan"]) == found


# What may end a peer


def test_what_may_end_a_peer_runs_only_if_it_was_asked_for() -> None:
    harmful = replace(made(passing), suites=frozenset({"crash"}))
    skipped = Subject(target(1)).attempt(harmful, Role.INITIATOR)
    assert skipped.verdict is Verdict.SKIP
    assert "it may end the peer" in skipped.reason
    with bob() as peer:
        assert (
            Subject(target(peer.port), asked=lambda one: True).attempt(harmful, Role.INITIATOR).verdict is Verdict.PASS
        )


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("x", True), ("negative/x", True), ("suite:crash", True), ("mine.py", True),
        ("negative", False), ("negative/*", False), ("suite:niap", False), ("*", False),
    ],
)  # fmt: skip
def test_it_is_asked_for_by_its_own_name_or_suite(word: str, asked: bool) -> None:
    harmful = replace(made(passing), name="x", topic="negative", suites=frozenset({"crash", "niap"}))
    assert asked_for(harmful, ["other", word]) is asked
