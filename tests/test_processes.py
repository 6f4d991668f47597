# SPDX-License-Identifier: GPL-2.0-or-later
"""Several processes: one that dies costs one task, and none outlives us."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fynx_scapy import Session
from fynx_scapy.net import Recorder
from fynx_scapy.processes import Died, work

pytestmark = pytest.mark.slow  # a process that is spawned imports everything again

COPIES = 1500
"""So many small captures take two processes several seconds."""


def square_or_die(task: int, fatal: tuple[int, ...]) -> int:
    if task in fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    if task == -2:
        sys.exit(7)
    if task == -1:
        raise ValueError("no square")
    return task * task


def test_every_task_has_its_result() -> None:
    assert dict(work(square_or_die, range(20), ((),), 2)) == {n: n * n for n in range(20)}


def test_a_process_that_dies_costs_one_task() -> None:
    found = dict(work(square_or_die, [0, 1, 3, 4, -2, 5, 6], ((3, 4),), 2))
    assert found == {0: 0, 1: 1, 3: Died(-9), 4: Died(-9), -2: Died(7), 5: 25, 6: 36}
    assert str(found[3]) == "was ended by SIGKILL: is there enough memory?"
    assert str(found[-2]) == "ended with status 7"


def test_a_fault_of_ours_is_seen(capfd: pytest.CaptureFixture[str]) -> None:
    assert dict(work(square_or_die, [-1, 2], ((),), 2)) == {-1: Died(1), 2: 4}
    assert "ValueError: no square" in capfd.readouterr().err


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many copies of a capture."""
    place = tmp_path_factory.mktemp("captures")
    session, recorder = Session(psk="k", seed=5), Recorder()
    recorder.watch(session.network, "many")
    session.connect()
    recorder.save_capture(place / "0000.pcapng")
    for number in range(1, COPIES):
        os.link(place / "0000.pcapng", place / f"{number:04}.pcapng")
    return place


def group(number: int) -> list[int]:
    """The processes of a process group that still run."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                state, _, its_group = (place / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(its_group) == number and state != "Z":
                found.append(int(place.name))
    return found


@pytest.fixture
def running(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    words = ["capture", str(folder), "--workers", "2", "--json", "-o", str(tmp_path / "rows.json")]
    with subprocess.Popen(
        [sys.executable, "-m", "fynx_scapy.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        wanted = getattr(request, "param", 3)
        while len(group(process.pid)) < wanted and process.poll() is None:
            time.sleep(0.01)
        yield process
        for each in group(process.pid):
            os.kill(each, signal.SIGKILL)


def gone(number: int) -> bool:
    deadline = time.monotonic() + 5
    while group(number) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not group(number)


@pytest.mark.parametrize("running", [1, 3, 4], indirect=True, ids=["at the start", "while spawning", "while reading"])
def test_ctrl_c_ends_all(running: subprocess.Popen[str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    time.sleep(1.5 if "reading" in request.node.name else 0.3)
    os.killpg(running.pid, signal.SIGINT)
    out, errors = running.communicate(timeout=30)
    assert gone(running.pid)
    if running.returncode == -signal.SIGINT:  # before Python has run a line of ours
        assert "at the start" in request.node.name
        return
    assert (running.returncode, out) == (130, "")
    *told, last = errors.splitlines()
    assert last == "interrupted", errors
    assert "Traceback" not in errors
    if told:
        assert told == [f"{len((tmp_path / 'rows.json').read_text().splitlines())} of {COPIES} captures read"]
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_us_ends_them(running: subprocess.Popen[str], number: signal.Signals, tmp_path: Path) -> None:
    time.sleep(1.0)
    running.send_signal(number)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == (-number if number is signal.SIGKILL else 128 + number)
    assert errors == ""
    assert gone(running.pid)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_killed_is_named(running: subprocess.Popen[str], tmp_path: Path) -> None:
    time.sleep(1.0)
    (victim, *_) = [each for each in group(running.pid) if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
    os.kill(victim, signal.SIGKILL)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith("error: /")
    assert line.endswith(".pcapng: the process that read it was ended by SIGKILL: is there enough memory?")
    assert len((tmp_path / "rows.json").read_text().splitlines()) == COPIES
    shutil.rmtree(tmp_path)
