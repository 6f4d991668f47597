# SPDX-License-Identifier: GPL-2.0-or-later
"""Journals and manifests that somebody damaged, and runs that something else than Ctrl-C ends."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Manifest, Run, Verdict
from fynx_scapy.harness.campaign import Campaign
from fynx_scapy.harness.cases import Case, accepted, cases
from fynx_scapy.harness.journal import Journal
from fynx_scapy.harness.plan import plan
from fynx_scapy.harness.runner import Result
from fynx_scapy.harness.runner import run as run_one
from fynx_scapy.harness.verbs import delay, truncate, truncate_for_good, truncate_inside
from fynx_scapy.harness.verbs.mutation import Mutation
from tests.harness.peers import fynx, made

HOSTILE = "\x1b[31mred\u202e"
HEADER = '{"kind": "fynx-scapy journal", "format": 1, "version": "0.1.0", "seed": 3, "jobs": 1}\n'


def passing(run: Run) -> None:
    """Passes."""
    run.session().sa_init()


def campaign(path: Path) -> Campaign:
    return Campaign(plan([made(passing)]), seed=3, journal=Journal.open(path))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a run that is over."""
    path = tmp_path / "journal"
    assert [result.verdict for result in campaign(path).run()] == [Verdict.PASS]
    return path


def damaged(journal: Path, **values: Any) -> None:
    header, line = journal.read_text().splitlines()
    journal.write_text(f"{header}\n{json.dumps(json.loads(line) | values)}\n")


@pytest.mark.parametrize(
    "values",
    [
        {"seconds": float("nan")},
        {"seconds": -1.0},
        {"packets": 10**30},
        {"packets": 10**400},
        {"sessions": -5},
        {"details": []},
        {"details": {"changes": [3], "mutation": "", "expected": "", "found": ""}},
    ],
)
def test_values_that_no_result_has_are_refused(journal: Path, values: dict[str, Any]) -> None:
    damaged(journal, **values)
    with pytest.raises(ConfigError, match="line 2: expected a result, found something else"):
        Journal.open(journal)


@pytest.mark.parametrize("seed", ['"x"', "[1]", "true", "1.5"])
def test_a_seed_is_a_number(tmp_path: Path, seed: str) -> None:
    path = tmp_path / "journal"
    path.write_text(HEADER.replace("3", seed))
    with pytest.raises(ConfigError, match="expected a seed that is a number or null"):
        Journal.open(path)


def test_what_a_journal_says_is_printable(journal: Path) -> None:
    details = {"mutation": HOSTILE, "expected": HOSTILE, "found": HOSTILE}
    change = {"stage": HOSTILE, "field": HOSTILE, "before": HOSTILE, "after": HOSTILE}
    damaged(
        journal, verdict="FAIL", reason=f"one\n{HOSTILE}", step=HOSTILE, left_out=[HOSTILE], left_behind=[HOSTILE],
        retried=[HOSTILE], details=details | {"changes": [change]},
    )  # fmt: skip
    (result,) = campaign(journal).results()
    values = result.as_dict()
    assert "\\x1b" in values["reason"]
    assert json.dumps(values, ensure_ascii=False).isprintable()


def test_what_a_manifest_says_is_printable(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    said = json.dumps(HOSTILE)
    path.write_text(f'[[expected]]\nscenario = "x"\nreason = {said}\nsentence = {said}\ncve = {said}\n')
    (row,) = Manifest.from_file(path).expected
    assert "\\x1b" in row.reason
    assert json.dumps(row.as_dict(), ensure_ascii=False).isprintable()


@pytest.mark.parametrize("size", [1, 10, 40, len(HEADER) - 1])
def test_a_run_that_ended_in_its_first_line_starts_again(tmp_path: Path, size: int) -> None:
    path = tmp_path / "journal"
    path.write_text(HEADER[:size])
    again = campaign(path)
    assert again.journal is not None
    assert again.journal.notes == ["the journal has nothing but a part of its first line: the run starts again"]
    list(again.run())
    assert campaign(path).remaining == []


def test_other_text_without_a_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("my notes")
    with pytest.raises(ConfigError, match="found another file"):
        Journal.open(path)


def test_two_runs_do_not_write_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    late, first = Journal.open(path), campaign(path)
    with pytest.raises(ConfigError, match="another run is writing this journal"):
        campaign(path)
    list(first.run())
    with pytest.raises(ConfigError, match="another run has written to this journal meanwhile"):
        late.begin(plan([made(passing)]), 3)
    assert len(path.read_text().splitlines()) == 2


def test_a_full_disk_ends_the_journal_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = campaign(tmp_path / "journal")

    def full(_journal: Journal, _result: Result) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "add", full)
    assert [result.verdict for result in running.run()] == [Verdict.PASS]
    assert running.remarks == [
        f"{tmp_path / 'journal'} cannot be written (No space left on device): the journal ends here"
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_like_ctrl_c(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def signalled(*words: Any, **how: Any) -> Result:
        signal.raise_signal(number)
        return run_one(*words, **how)

    monkeypatch.setattr("fynx_scapy.harness.campaign.run", signalled)
    before = signal.getsignal(number)
    done = fynx("run", "psk_handshake", "--json", tmp_path / "x.json")
    assert (done.exit_code, "interrupted: " in done.stderr) == (130, True)
    assert {each["verdict"] for each in json.loads((tmp_path / "x.json").read_text())["results"]} == {"NOT RUN"}
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("do", [truncate(0), truncate(-1), truncate_inside(0), truncate_for_good(0), delay(0.0)])
def test_a_verb_that_would_do_nothing_is_an_error(do: Mutation) -> None:
    (scenario,) = cases(f"{__name__}.{do}", [Case("row", base="liveness", do=do, then=accepted(), source="RFC 7296")])
    result = run_one(scenario)
    assert (result.verdict, "expected" in result.reason) == (Verdict.ERROR, True)


@pytest.mark.parametrize("name", ["", "../x", "a b", HOSTILE, "-x", "x" * 201])
def test_a_name_that_nobody_can_write_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="expected the name of a scenario to be letters"):
        cases(__name__, [Case(name, base="liveness", then=accepted(), source="RFC 7296")])


def test_what_a_scenario_says_of_itself_is_printable() -> None:
    with pytest.raises(ConfigError, match="odd: expected a source on one line"):
        cases(__name__, [Case("odd", base="liveness", then=accepted(), source=HOSTILE)])
    (scenario,) = cases(__name__, [Case("even", base="liveness", then=accepted(), source="RFC 7296", what=HOSTILE)])
    assert scenario.title == "\\x1b[31mred\\u202e"
