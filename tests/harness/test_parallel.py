# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios with embedded peers in several processes: the results are those of one process, in the same order."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fynx_scapy import cli
from fynx_scapy.harness import Role, Run, Verdict, expect
from fynx_scapy.harness.campaign import Campaign
from fynx_scapy.harness.parallel import Packed, Processes
from fynx_scapy.harness.plan import plan
from fynx_scapy.ike.events import Event
from fynx_scapy.net.recorder import Recorder
from tests.harness.peers import made

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # pytest's own threads


def connecting(run: Run) -> None:
    """Two sessions, with traffic."""
    run.session("first").connect()
    run.session("second").connect()
    run.stages[-1].session.ping()


def failing(run: Run) -> None:
    """Fails."""
    run.session().sa_init()
    expect(1, "one").equals(2)


def dying(run: Run) -> None:
    """Takes its process with it."""
    os.kill(os.getpid(), signal.SIGKILL)


def odd(run: Run) -> None:
    """Reports an event that cannot be packed."""

    @dataclass(frozen=True, slots=True)
    class Local(Event):
        pass

    s = run.session()
    s.connect()
    s.network.announce(s.name, Local(0.0))


def outcome(processes: Processes | None, *bodies: Any, stop: int = 0) -> tuple[Campaign, Recorder]:
    recorder = Recorder()
    jobs = plan([replace(made(body), roles=(Role.INITIATOR,)) for body in bodies])
    campaign = Campaign(jobs, seed=3, watch=recorder.watch, processes=processes)
    steps = campaign.run()
    for number, _ in enumerate(steps, 1):
        if number == stop:
            steps.close()
    if processes is not None:
        processes.tell(campaign.jobs, recorder.add)
    return campaign, recorder


def told(campaign: Campaign, recorder: Recorder) -> tuple[Any, ...]:
    """All that reports say, but the time that it took."""
    capture = io.BytesIO()
    recorder.write_capture(capture)
    results = [replace(result, seconds=0.0) for result in campaign.results()]
    ladders = [stage.ladder().text(200) for result in results for stage in result.stages]
    return [result.as_dict() for result in results], ladders, capture.getvalue(), recorder.keys()


def test_several_processes_find_what_one_finds() -> None:
    bodies = (connecting, failing, connecting, odd, failing)
    one, several = outcome(None, *bodies), outcome(Processes(2), *bodies)
    assert told(*several) == told(*one)
    kinds = [type(result.stages) for result in several[0].results()]
    assert kinds == [Packed, Packed, Packed, list, Packed]  # what cannot be packed ran here


def test_a_process_that_dies_costs_one_scenario() -> None:
    campaign, _ = outcome(Processes(2), failing, dying, connecting)
    assert [result.verdict for result in campaign.results()] == [Verdict.FAIL, Verdict.ERROR, Verdict.PASS]
    assert campaign.results()[1].reason == ("the process that ran it was ended by SIGKILL: is there enough memory?")


def test_what_was_not_run_is_told() -> None:
    campaign, _ = outcome(Processes(2), failing, *[connecting] * 20, stop=1)
    verdicts = [result.verdict for result in campaign.results()]
    assert len([verdict for verdict in verdicts if verdict is not Verdict.NOT_RUN]) == 1


def test_the_command_says_the_same(tmp_path: Path) -> None:
    found = []
    for jobs in ("1", "2"):
        path = tmp_path / f"{jobs}.json"
        words = ["run", "cookie", "wrong_psk", "invalid_ke", "--seed", "1", "-j", jobs, "--json", str(path)]
        result = CliRunner().invoke(cli.main, [*words, "--resume", str(tmp_path / f"{jobs}.journal")])
        assert result.exit_code == 0, result.output
        document = json.loads(path.read_text())
        found.append([{**entry, "seconds": 0} for entry in document["results"]])
    assert found[0] == found[1]
    assert len((tmp_path / "2.journal").read_text().splitlines()) == 1 + len(found[1])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    words = ["run", "negative/*", "-j", "2", "--seed", "1", "--resume", str(tmp_path / "journal")]
    with subprocess.Popen(
        [sys.executable, "-m", "fynx_scapy.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        yield process
        process.kill()


@pytest.mark.slow  # it runs until some results are there
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_ends_us_ends_them_and_what_is_done_stays(
    running: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    while not journal.exists() or len(journal.read_text().splitlines()) < 20:
        time.sleep(0.05)
    os.kill(running.pid, number) if number is signal.SIGKILL else os.killpg(running.pid, number)
    out, errors = running.communicate(timeout=60)  # until the last of them has closed the pipes
    done = len(journal.read_text().splitlines()) - 1
    if number is signal.SIGINT:
        assert running.returncode == 130, errors
        assert f"{done} PASS" in out
        assert "NOT RUN" in out
        assert "Traceback" not in errors
    resumed = subprocess.run(
        [sys.executable, "-m", "fynx_scapy.cli", "run", "negative/header", "-j", "2", "--resume", str(journal)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
