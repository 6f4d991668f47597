# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders about single results: what is in them, and that a reproducer runs from its folder alone."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy import cli
from fynx_scapy.capture import Capture, KeyLog
from tests.harness.peers import KEY, bob

MINE = '''
from fynx_scapy.harness import expect, scenario

@scenario("RFC 7296 section 1.2")
def mine(run):
    """Expects a \\\\ and \\"""quotes\\""" of a handshake."""
    run.session("the first").connect()
    s = run.session("the second")
    expect(s.sa_init()).notifies("COOKIE")
'''
FILES = {"capture.pcapng", "keys", "ladder.txt", "verdict.json", "report.html"}


def fynx(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words], catch_exceptions=False)


def reproduced(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", folder / "reproduce.py", *map(str, words)],
        cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """The reproducer of a user's scenario that fails."""
    (tmp_path / "mine.py").write_text(MINE)
    assert fynx("run", tmp_path / "mine.py", "--seed", 7, "--reproducer", tmp_path / "bug").exit_code == 1
    (tmp_path / "mine.py").unlink()
    return tmp_path / "bug"


def test_a_reproducer_has_all_that_a_bug_report_needs(failed: Path) -> None:
    assert {path.name for path in failed.iterdir()} == FILES | {"reproduce.py", "README.md", "scenarios"}
    log = KeyLog.load(failed / "keys" / "keys.json")
    with Capture(failed / "capture.pcapng", log) as capture:
        assert capture.conversations[0].messages
    assert len(log.ike) == 2
    assert stat.S_IMODE((failed / "keys" / "keys.json").stat().st_mode) == 0o600
    assert "the first" in (failed / "ladder.txt").read_text()
    (result,) = json.loads((failed / "verdict.json").read_text())["results"]
    assert (result["name"], result["verdict"]) == ("mine", "FAIL")
    readme = (failed / "README.md").read_text()
    assert "$ python reproduce.py\n" in readme
    assert "### FAIL: `mine`" in readme
    assert 'href="capture.pcapng"' in (failed / "report.html").read_text()


@pytest.mark.slow
def test_its_script_runs_it_again(failed: Path) -> None:
    done = reproduced(failed)
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAIL mine: expected N(COOKIE)" in done.stdout
    assert "seed 7" in done.stdout
    again = reproduced(failed, "--seed", 8)
    assert (again.returncode, "seed 8" in again.stdout) == (1, True)


def test_of_several_those_that_failed_have_one(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    words = ("run", "psk_handshake", tmp_path / "mine.py", "--seed", 7)
    fynx(*words, "--reproducer", tmp_path / "bugs", "--evidence", tmp_path / "evidence")
    assert [path.name for path in (tmp_path / "bugs").iterdir()] == ["mine"]
    names = [path.name for path in sorted((tmp_path / "evidence").iterdir()) if path.is_dir()]
    assert names[0] == "mine"
    assert names[1].startswith("psk_handshake")
    for name in names:
        assert {path.name for path in (tmp_path / "evidence" / name).iterdir()} == FILES
    index = (tmp_path / "evidence" / "index.md").read_text()
    assert f"]({names[1]}/verdict.json) |" in index
    assert "| FAIL | mine | initiator | RFC 7296 section 1.2 |" in index


def test_each_has_its_own_packets_alone(tmp_path: Path) -> None:
    fynx("run", "wrong_psk", "no_esp_proposal_chosen", "--role", "initiator", "--seed", 7, "--evidence", tmp_path)
    for name, packets in (("wrong_psk", 4), ("no_esp_proposal_chosen", 6)):
        (folder,) = tmp_path.glob(f"{name}*")
        (result,) = json.loads((folder / "verdict.json").read_text())["results"]
        with Capture(folder / "capture.pcapng") as capture:
            assert result["packets"] == sum(len(each.messages) for each in capture.conversations) == packets


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for option in ("--reproducer", "--evidence"):
        done = fynx("run", "psk_handshake", "--seed", 7, option, tmp_path / "file" / "x")
        assert done.exit_code == 2
        assert "cannot write" in done.stderr
        assert fynx("run", "psk_handshake", option, "-").exit_code == 2


@pytest.mark.slow
def test_with_a_live_peer_its_key_is_not_in_it(tmp_path: Path) -> None:
    (tmp_path / "psk").write_text(KEY)
    with bob() as peer:
        address = f"127.0.0.1:{peer.port}"
        words = ("--target", address, "--psk-file", tmp_path / "psk", "--remote-id", "bob", "--role", "initiator")
        done = fynx("run", "psk_handshake", *words, "--reproducer", tmp_path / "bug")
        assert done.exit_code == 0, done.output
        for path in (tmp_path / "bug").rglob("*"):
            assert path.is_dir() or KEY.encode() not in path.read_bytes()
        assert "python reproduce.py --psk-file KEY" in (tmp_path / "bug" / "README.md").read_text()
        again = reproduced(tmp_path / "bug", "--psk-file", tmp_path / "psk")
        assert again.returncode == 0, again.stderr
        assert "1 PASS" in again.stdout
