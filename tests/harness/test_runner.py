# SPDX-License-Identifier: GPL-2.0-or-later
"""The runner: verdicts, seeds, and that nothing in one scenario ends the run."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Run, Scenario, Verdict, expect, run, scenario
from fynx_scapy.harness.scenario import registered
from fynx_scapy.net import guard
from fynx_scapy.session import Session


def made(body: Callable[[Run], None]) -> Scenario:
    return Scenario("made_up", "RFC 7296 section 1", (), body, __name__)


@pytest.mark.parametrize(
    ("error", "verdict", "words"),
    [
        (AssertionError("no"), Verdict.FAIL, "no (test_runner.py:"),
        (AssertionError(), Verdict.FAIL, "no reason given (test_runner.py:"),
        (ConfigError("a word"), Verdict.ERROR, "ConfigError: a word (test_runner.py:"),
        (TypeError("a fault"), Verdict.ERROR, "TypeError: a fault (test_runner.py:"),
        (KeyError("x"), Verdict.ERROR, "KeyError: 'x' (test_runner.py:"),
        (RecursionError(), Verdict.ERROR, "RecursionError: no reason given"),
        (StopIteration(), Verdict.ERROR, "StopIteration"),
        (Exception("of no kind"), Verdict.ERROR, "Exception: of no kind (test_runner.py:"),
    ],
)
def test_what_goes_wrong_is_a_verdict(error: BaseException, verdict: Verdict, words: str) -> None:
    def body(run: Run) -> None:
        run.session().sa_init()
        raise error

    result = run(made(body), seed=1)
    assert result.verdict is verdict
    assert words in result.reason
    assert len(result.stages) == 1  # what happened before is still told
    assert result.stages[0].ladder().packets


def test_an_expectation_that_fails_names_the_line_of_the_scenario() -> None:
    def body(run: Run) -> None:
        expect(1, "one").equals(2)

    result = run(made(body))
    assert result.verdict is Verdict.FAIL
    assert result.reason.startswith("expected one 2, found 1 (test_runner.py:")
    assert result.step == 'expect(1, "one").equals(2)'


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_who_wants_to_stop_is_let_go(error: type[BaseException]) -> None:
    def body(run: Run) -> None:
        raise error

    with pytest.raises(error):
        run(made(body))


def test_sessions_are_seeded_by_run_scenario_and_number() -> None:
    def spis(name: str, seed: int) -> list[bytes]:
        stage = Run(name, seed)
        sessions = [stage.session("first"), stage.session("second")]
        for session in sessions:
            session.sa_init()
        assert [made.label for made in stage.stages] == ["first", "second"]
        assert all(isinstance(made.session, Session) for made in stage.stages)
        return [session.sa.spi_i for session in sessions]

    found = [spi for name in ("a", "b") for seed in (1, 2) for spi in spis(name, seed)]
    assert len(set(found)) == 8
    assert spis("a", 1) == found[:2]


def test_the_watcher_sees_each_network_under_the_name_of_its_scenario() -> None:
    seen: list[str] = []

    def body(run: Run) -> None:
        run.session()
        run.session("other", psk="x")

    run(made(body), watch=lambda network, name: seen.append(name))
    assert seen == ["made_up", "made_up (other)"]


def test_a_result_as_plain_values() -> None:
    def body(run: Run) -> None:
        """Title.

        More.
        """
        run.session().connect()

    result = run(made(body), seed=3)
    found = json.loads(json.dumps(result.as_dict()))
    assert found.pop("seconds") > 0
    assert found == {
        "name": "made_up", "title": "Title.", "source": "RFC 7296 section 1", "requirements": [], "verdict": "PASS",
        "reason": "", "in_part": False, "left_out": [], "left_behind": [], "step": "", "sessions": 1, "packets": 4,
        "topic": "", "role": "initiator", "severity": "medium", "suites": [],
        "details": None, "expected_failure": None, "peer": "", "retried": [], "remembered": False,
    }  # fmt: skip


def test_the_decorator_refuses_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"'7296-1.4-4'; did you mean 7296-1.4-0\d\?"):
        scenario("RFC 7296", requirements=("7296-1.4-4",))

    def no_words(run: Run) -> None:
        pass

    with pytest.raises(ConfigError, match="docstring"):
        scenario("RFC 7296")(no_words)
    assert registered("test_runner") is None


def test_one_scenario_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("fynx_scapy.harness.scenario"), "_REGISTRY", {})

    def first(run: Run) -> None:
        """First."""

    def second(run: Run) -> None:
        """Second."""

    made = scenario("RFC 7296")(first)
    assert made is registered("first")
    assert scenario("RFC 7296")(first) == made  # a module that is loaded again
    scenario("RFC 7296")(second)
    second.__name__ = "first"
    with pytest.raises(ConfigError, match="expected one scenario with the name first"):
        scenario("RFC 7296")(second)


def test_no_verdict_stands_on_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "fatal", False)

    def body(run: Run) -> None:
        s = run.session()
        s.connect()
        s.client.timers.set(s.network.now + 0.5, lambda now: int.to_bytes(1, "?"))  # type: ignore[arg-type]
        s.network.run(s.network.now + 1)

    result = run(made(body))
    assert result.verdict is Verdict.ERROR
    assert ": TypeError at" in result.reason
