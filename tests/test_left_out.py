# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a test run lists the skipped tests: one line for each kind, with a number and how to run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.left_out import kinds

ROOT = Path(__file__).resolve().parent.parent
GUESTS = "4 tests: trials with a kernel's ESP, in a guest. To run them: scripts/test-kernel"
TESTS = """
import pytest

@pytest.mark.parametrize("name", ["rfc", "cases", "vectors", "captures/lab"] * 15)
def test_shared(name):
    pytest.skip(f"the shared data has no {name} beside this checkout")

def test_tool():
    pytest.skip("tshark is not installed")

@pytest.fixture
def peer():
    pytest.skip("no live peer: the command swanctl is missing; to have it: apt-get install strongswan-swanctl")

def test_live(peer):
    pass

@pytest.mark.kernel
@pytest.mark.parametrize("number", range(4))
def test_guest(number):
    pass

def test_fine():
    pass
"""
CONFTEST = """
from tests.left_out import pytest_deselected, pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown

def pytest_collection_modifyitems(config, items):
    guests = [item for item in items if item.get_closest_marker("kernel")]
    items[:] = [item for item in items if item not in guests]
    config.hook.pytest_deselected(items=guests)
"""


def ran(folder: Path, *words: str, ci: bool = False) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_some.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    kernel: in a guest\n")
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_XDIST_WORKER")}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"CI": "true"} if ci else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def summary(output: str) -> list[str]:
    lines = iter(output.splitlines())
    next(line for line in lines if "SKIPPED" in line)
    return [line.strip() for line in lines if " test: " in line or " tests: " in line]


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_one_line_for_each_kind(words: tuple[str, ...], tmp_path: Path) -> None:
    done = ran(tmp_path, *words)
    assert sorted(summary(done.stdout)) == [
        "1 test: missing tool (tshark). To run it: apt-get install tshark",
        "1 test: no live peer (the command swanctl is missing; to have it: apt-get install strongswan-swanctl)."
        " To run it: run scripts/test as root, which installs strongSwan",
        GUESTS,
        "60 tests: no shared data (captures/lab, cases, rfc, …). To run them: put it beside the checkout, as ../shared",
    ], done.stdout  # fmt: skip
    assert done.returncode == 0


@pytest.mark.slow
def test_with_ci_set_a_skip_is_a_failure(tmp_path: Path) -> None:
    done = ran(tmp_path, ci=True)
    assert "SKIPPED: a failure, because CI is set" in done.stdout
    assert done.returncode == 1


@pytest.mark.slow
def test_what_ci_does_not_run_is_no_failure(tmp_path: Path) -> None:
    done = ran(tmp_path, "-k", "fine or guest", ci=True)
    assert summary(done.stdout) == [GUESTS]
    assert "a failure" not in done.stdout
    assert done.returncode == 0


def test_an_unknown_reason_is_quoted() -> None:
    assert list(kinds(["the moon is full", "the moon is full"])) == ["    2 tests: the moon is full"]
