# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of the fuzzer with an embedded peer: they repeat, go on, find what was planted, and save what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fynx_scapy import harness
from fynx_scapy.fuzz import (
    Containers,
    Edit,
    EmbeddedWorld,
    Fault,
    Fuzzer,
    Hunt,
    Kind,
    Plan,
    Step,
    Store,
    Talk,
)
from fynx_scapy.fuzz.growth import SUSPECTS
from fynx_scapy.fuzz.playing import perform, sane
from fynx_scapy.fuzz.steps import BASES
from fynx_scapy.fuzz.trial import shows
from fynx_scapy.harness.loading import load_file
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import MessageDropped
from fynx_scapy.ike.message import Datagram
from tests.fuzz import planted


def world(number: int | str, **more: Any) -> EmbeddedWorld:
    return EmbeddedWorld(f"test {number}", **more)


def fuzzer(cases: int, seed: int = 3, **more: Any) -> Fuzzer:
    given = {"found": lambda *found: pytest.fail(str(found[1]))} | more
    return Fuzzer(Plan(cases=cases, seed=seed, block=6), world, **given)


def picture(run: Fuzzer) -> object:
    return run.weights.as_dict(), run.progress.bases, run.progress.answers, run.progress.talks


def test_a_seed_repeats_a_run_and_a_stored_run_goes_on_like_one_that_was_not_interrupted(tmp_path: Path) -> None:
    whole, again, other = fuzzer(12), fuzzer(6), fuzzer(6, seed=4)
    for run in (whole, again, other):
        run.run()
    assert picture(again) != picture(other)
    Store(tmp_path, again.plan).save(again)
    resumed = fuzzer(12)
    Store(tmp_path, resumed.plan).load(resumed)
    assert picture(resumed) == picture(again)
    resumed.run()
    assert picture(resumed) == picture(whole)
    assert whole.progress.cases == 12
    assert len(whole.weights.behaviours) > 5


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_both_ends_begin_every_exchange_and_without_edits_nothing_is_wrong(role: str) -> None:
    held = world(role)
    for base, rules in BASES.items():
        for at in ("request", "response") if rules.exchange else ("packet",):
            if rules.setup and (at == "request") != (role == "initiator"):
                continue
            session = held.open()
            (played,) = perform(session, Talk((Step(base, at),), role))
            assert (played.sent, played.error, played.crash) == (True, None, None), (base, at)
            held.close(session)
    assert held.gone() is None


@pytest.mark.parametrize(
    ("edits", "taken"),
    [
        ((), True),
        ((Edit("set", "ESP.tfc", bytes(9)),), True),
        ((Edit("set", "ESP.seq", 40),), True),
        ((Edit("set", "ESP.next_header", 59),), False),
        ((Edit("set", "ESP.icv", bytes(16)),), False),
        ((Edit("cut", "packet", 15),), False),
        ((Edit("flip", "ESP.payload", 4),), False),
        ((Edit("set", "ESP.padding", b"\0\0"),), False),
    ],
)
def test_a_packet_is_edited_as_well(edits: tuple[Edit, ...], taken: bool) -> None:
    held = world(1)
    session = held.open()
    # ESP {ICMP echo request}  -->     and then the same without an edit
    steps = (Step("esp", "packet", edits), Step("liveness"))
    first, second = perform(session, Talk(steps))
    assert first.step.edits == edits
    assert (first.sent, first.error is None, second.error) == (True, taken, None)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_a_crash_by_a_packet_is_found_made_small_and_saved(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        planted.crash_by_a_packet(patched)
        plan = Plan(cases=400, seed=5, roles=role)
        store = Store(tmp_path, plan)
        run, held = Fuzzer(plan, world, found=Hunt(store, world).found), world(0)
        while run.progress.cases < plan.cases and not store.findings:
            run.conversation(held, plan.cases)
        (finding,) = store.findings
        assert "PlantedError" in finding.fault.text
        (step,) = finding.talks[0].steps
        (edit,) = step.edits
        assert (step.base, step.at, edit.path) == ("esp", "packet", "ESP.next_header")
        path = tmp_path / f"{finding.name}.py"
        assert f"do=esp(next_header={edit.value!r})" in path.read_text()
        assert harness.run(load_file(path)[0]).verdict in FAILED
    assert harness.run(load_file(path)[0]).verdict is harness.Verdict.PASS


def test_a_message_that_the_peer_drops_leaves_the_sa_alive() -> None:
    held = world(1)
    session = held.open()
    # HDR(wrong message ID), SK {}  -->     and then the same without the edit
    steps = (Step("liveness", "request", (Edit("set", "header.id", 77),)), Step("liveness"))
    first, second = perform(session, Talk(steps))
    assert any(isinstance(event, MessageDropped) for who, event in first.events if who == "responder")
    assert first.error is None
    assert session.sa.established
    assert second.error is None


@pytest.mark.parametrize(
    ("step", "edit"),
    [
        (Step("rekey_child", "request"), Edit("grow", "N.SPI", bytes(256))),  # SPI Size is one octet
        (Step("create_child", "response"), Edit("grow", "Nonce.nonce", bytes(65_000))),
        (Step("create_child", "response"), Edit("grow", "SA.prop[0].SPI", bytes(256))),
    ],
    ids=["a notify", "the whole", "a proposal"],
)
def test_an_edit_that_makes_a_message_impossible_is_missed(step: Step, edit: Edit) -> None:
    """Whoever of the two ends sends it: nobody has crashed."""
    session = world(1).open()
    (played,) = perform(session, Talk((step.with_edits([edit]),)))
    assert (played.error, played.crash, played.step.edits) == (None, None, ())
    assert session.network.failures.total() == 0


@pytest.mark.parametrize("way", ["in order", "reversed", "without the last", "number 0", "other type", "twice"])
def test_fragments_reach_the_peer(way: str) -> None:
    held = world(1)
    session = held.open()
    step = Step("create_child", "request", (Edit("fragment", "datagram", (3, way)),))
    (played,) = perform(session, Talk((step,)))
    assert played.step.edits == step.edits
    whole = way in ("in order", "reversed", "twice", "other type")  # a later next payload is not looked at
    assert played.took < 0.4 if whole else played.took > 0.4  # the retransmission is not in fragments
    assert len(session.sa.children) == 2


TWO = (Edit("set", "Nonce.flags", 1), Edit("set", "SA.prop[0].trans[0].attributes[0].type", 300))
CRASHING = Talk((Step("liveness"), Step("create_child", "request", TWO)), "responder")
GROWING = Talk((Step("rekey_child", "request", (Edit("set", "N.type", 41_000), Edit("set", "Nonce.flags", 1))),))


def hunted(tmp_path: Path, fault: Fault, talk: Talk, run: Fuzzer | None = None, **more: Any) -> Path:
    """Minimise and save a fault that a conversation shows; returns the case file."""
    paths: list[Path] = []
    run = run or fuzzer(6)
    store = Store(tmp_path, run.plan)
    Hunt(store, world, meter=Containers, tell=lambda finding, path: paths.append(path)).found(
        run, fault, [talk], **more
    )
    assert store.findings[0].minimised
    return paths[0]


def test_a_crash_is_minimised_and_its_case_file_fails_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        planted.crash(patched)
        fault = shows(world(1), [CRASHING], Kind.CRASH, slow=60)
        assert fault is not None
        assert "PlantedError" in fault.text
        path = hunted(tmp_path, fault, CRASHING)
        assert "do=set_field('SA.prop[0].trans[0].attributes[0].type', 0),\n" in path.read_text()
        assert "liveness" not in path.read_text()
        assert f"[{path.name}]({path.name}) | crash | PlantedError at " in (tmp_path / "README.md").read_text()
        result = harness.run(load_file(path)[0])
        assert result.verdict is harness.Verdict.ERROR
        assert "internal error while handling a datagram: PlantedError" in result.reason
    assert harness.run(load_file(path)[0]).verdict is harness.Verdict.PASS


def test_what_a_row_cannot_show_is_a_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default session offers one proposal for a Child SA; the fuzzer's offers two."""
    second = Edit("set", "SA.prop[1].trans[0].attributes[0].type", 0)
    talk = Talk((Step("create_child", "request", (second,)),))
    with monkeypatch.context() as patched:
        planted.crash(patched)
        fault = shows(world(1), [talk], Kind.CRASH, slow=60)
        assert fault is not None
        path = hunted(tmp_path, fault, talk)
        assert f"Step('create_child', 'request', ({second!r},))" in path.read_text()
        result = harness.run(load_file(path)[0])
        assert result.verdict is harness.Verdict.FAIL
        assert "expected the peer to survive it" in result.reason
        assert "PlantedError" in result.reason
    assert harness.run(load_file(path)[0]).verdict is harness.Verdict.PASS


@pytest.mark.slow
def test_growth_is_minimised_and_its_case_file_fails_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bytes] = []
    with monkeypatch.context() as patched:
        planted.growth(patched, kept)
        fault = shows(world(1), [GROWING], Kind.GROWTH, slow=60, meter=Containers)
        assert fault is not None
        path = hunted(tmp_path, fault, GROWING)
        assert "Nonce" not in path.read_text()
        result = harness.run(load_file(path)[0])
        assert result.verdict is harness.Verdict.FAIL
        assert "expected the peer to release what it stored" in result.reason
    assert harness.run(load_file(path)[0]).verdict is harness.Verdict.PASS


def test_a_peer_that_falls_silent_is_found() -> None:
    """From a certain message on it receives nothing more."""

    def prepare(peer: Endpoint) -> None:
        receive, deaf = peer.receive, []

        def received(datagram: Datagram, now: float) -> None:
            if datagram.data[18] == 37 and datagram.data[20:24] == b"\0\0\0\x63":
                deaf.append(datagram)
            if not deaf:
                receive(datagram, now)

        peer.receive = received  # type: ignore[method-assign]

    talk = Talk((Step("liveness", "request", (Edit("set", "header.id", 99),)),))
    fault = shows(world(1, prepare=prepare), [talk], Kind.SILENT, slow=60)
    assert fault is not None
    assert "no conversation without edits any more: Timeout in sa_init" in fault.text
    assert shows(world(1), [talk], Kind.SILENT, slow=60) is None


def test_a_slow_answer_is_found() -> None:
    assert shows(world(1), [Talk((Step("liveness"),))], Kind.SLOW, slow=1e-9) is not None
    assert shows(world(1), [Talk((Step("liveness"),))], Kind.SLOW, slow=60) is None


def test_a_sane_conversation_says_what_went_wrong() -> None:
    def prepare(peer: Endpoint) -> None:
        peer.receive = lambda datagram, now: None  # type: ignore[method-assign]

    assert sane(world(1).open()) == ""
    assert sane(world(1, prepare=prepare).open()).startswith("Timeout in sa_init: no answer")


FAILED = (harness.Verdict.FAIL, harness.Verdict.ERROR)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_planted_is_found_within_5000_cases(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bytes] = []
    # They grow more than what was planted, as caches do, but never again when a conversation is repeated.
    caches: list[list[bytes]] = [[] for _ in range(SUSPECTS + 3)]

    def after_a_conversation(run: Fuzzer) -> None:
        for cache in caches:
            cache.extend([b""] * 10)

    planted.crash(monkeypatch)
    planted.growth(monkeypatch, kept)
    plan = Plan(cases=5000, seed=seed)
    store = Store(tmp_path, plan)
    hunt = Hunt(store, world, meter=Containers)
    run = Fuzzer(plan, world, found=hunt.found, meter=Containers(), tell=after_a_conversation)
    while run.progress.cases < plan.cases and len(store.findings) < 2:
        run.block()
    kinds = {finding.fault.kind: finding for finding in store.findings}
    assert set(kinds) == {Kind.CRASH, Kind.GROWTH}
    for finding in kinds.values():
        assert finding.minimised
        assert sum(talk.edits for talk in finding.talks) == 1
        assert harness.run(load_file(tmp_path / f"{finding.name}.py")[0]).verdict in FAILED
