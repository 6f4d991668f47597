# SPDX-License-Identifier: GPL-2.0-or-later
"""A user's own scenario files: from any folder, as a script, with every option; and what is wrong with one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy import cli, harness
from fynx_scapy.harness.runner import Result as Judged
from fynx_scapy.session import Session
from tests.harness.peers import KEY, bob

SCENARIO = '''
from fynx_scapy.harness import Run, expect, main, scenario


@scenario("RFC 7296 section 1.2", live=True)
def {name}(run: Run) -> None:
    """A handshake of my own."""
    s = run.session()
    s.connect()
    expect(s.sa.established).holds()


[guard] == "__main__":
    main(__file__)
'''.lstrip().replace("[guard]", "if __name__")


CASE = """from fynx_scapy.harness.cases import *
from fynx_scapy.harness.verbs import *
cases(__name__, [Case("own", base="init", source="RFC 7296 section 1.2", do={})])
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "a folder" / "my-own.py"
    file.parent.mkdir()
    file.write_text(SCENARIO.format(name="my_own"))
    return file


def fynx(*words: object) -> Result:
    return CliRunner().invoke(cli.main, [str(word) for word in words])


def script(file: Path, *words: object, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(file), *map(str, words)],
        capture_output=True, text=True, timeout=60, check=False, **more,  # type: ignore[call-overload]
    )  # fmt: skip


def test_a_file_and_a_folder_run_from_anywhere(mine: Path) -> None:
    (mine.parent / "second.py").write_text(SCENARIO.format(name="second"))
    (mine.parent / "helper.py").write_text("raise RuntimeError('nobody runs this')\n")
    done = fynx("run", mine, "--json", "--seed", "5")
    assert [entry["name"] for entry in json.loads(done.stdout)["results"]] == ["my_own"]
    assert json.loads(done.stdout)["seed"] == 5
    done = fynx("run", mine.parent, "psk_handshake")
    assert done.exit_code == 0
    assert "4 PASS" in done.stdout
    assert "helper.py was not run: it has no scenario" in done.stderr
    assert "my_own" in fynx("list", mine.parent).stdout


def test_a_file_may_have_several_and_a_folder_others(mine: Path) -> None:
    below = mine.parent / "below" / "both.py"
    below.parent.mkdir()
    below.write_text(SCENARIO.format(name="one_of_two") + SCENARIO.format(name="two_of_two"))
    (mine.parent / ".hidden").mkdir()
    (mine.parent / ".hidden" / "no.py").write_text("import nothing_of_the_kind\n@scenario()\n")
    listed = fynx("list", "--from", mine.parent).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["one_of_two", "two_of_two", "my_own"]
    done = fynx("run", "--from", mine.parent, "*_of_two", "flood", "--json")
    assert [entry["name"] for entry in json.loads(done.stdout)["results"]] == ["one_of_two", "two_of_two", "flood"]
    assert f"--from '{mine.parent}'" in json.loads(done.stdout)["command"]
    wrong = fynx("run", "--from", mine.parent, "two_of_tow")
    assert (wrong.exit_code, "did you mean two_of_two?" in wrong.stderr) == (2, True)
    assert fynx("run", "--from", mine.parent / "nowhere").exit_code == 2
    assert "2 PASS" in fynx("run", below).stdout


def test_a_file_finds_the_modules_beside_it(mine: Path) -> None:
    (mine.parent / "beside_it_26.py").write_text("KEY = 'secret'\n")
    mine.write_text("import beside_it_26\n" + SCENARIO.format(name="my_own"))
    assert fynx("run", mine).exit_code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:\n", "my-own.py:1: invalid syntax"),
        ("\nimport there_is_no_such_module\n", "my-own.py:2: it raised ModuleNotFoundError"),
        ("x = 1\n", r"expected a function with @scenario\(...\), found none"),
        (SCENARIO + SCENARIO.replace("A handshake", "Another"), "expected one scenario with the name one"),
        (SCENARIO.replace("if __name__", "if True or __name__"), r"main\(\) and play\(\) under if"),
        ("import sys\nsys.exit(0)\n", "it ends the program"),
        (SCENARIO.replace("live=True", "requirements=('x',)"), "my-own.py:4: .*'x'"),
        ("\0", "my-own.py"),
        ("from fynx_scapy.harness.verbs import drpo\n", r"my-own.py:1: it raised ImportError: .*; did you mean drop\?"),
        (CASE.format("dorp('Ni'), then=no_sa()"), r"my-own.py:3: it raised NameError: .*; did you mean drop\?"),
        (CASE.format("drop('Ni'), thn=no_sa()"), r"'thn'; did you mean then\?"),
        (CASE.format("drop('Ni'), then=no_sa(), roles='initiator'"), r"own: expected roles to be several"),
        (CASE.format("drop('Ni'), then=no_sa(), roles=['respnder']"), r"own: .*'respnder'; did you mean responder\?"),
        (SCENARIO.replace("live=True", "roles=['initator']"), r"my-own.py:4: .*; did you mean initiator\?"),
        (SCENARIO.replace("live=True", "severity='hi'"), r"expected severity to be one of low, .*, found 'hi'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_error(mine: Path, text: str, words: str) -> None:
    mine.write_text(text.format(name="one") if "{name}" in text else text)
    for command in ("run", "list"):
        done = fynx(command, mine)
        assert done.exit_code == 2
        (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert re.search(words, error), error
        assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nowhere.py"], "there is no such file"),
        (["./nowhere/"], "expected a Python file or a folder of scenarios, found neither"),
        (["error_*", "--exclude", "zzz*"], "--exclude 'zzz*' leaves out none"),
        (["zzz*"], "no scenario has a name like 'zzz*'"),
        (["negative/headr/*"], "has a name like 'negative/headr/*'; did you mean negative/header/*?"),
        (["cookie", "--exclude", "c*"], "--exclude leaves no scenario"),
        ([""], "expected the name of a scenario, found an empty one"),
    ],
)
def test_a_word_that_names_nothing_is_an_error(words: list[str], error: str) -> None:
    for command in ("run", "list"):
        done = fynx(command, *words)
        assert (done.exit_code, error in done.stderr) == (2, True)


def test_two_scenarios_with_one_name_are_an_error(mine: Path) -> None:
    file = mine.parent / "cookie.py"
    file.write_text(SCENARIO.format(name="cookie"))
    done = fynx("run", "cookie", file)
    assert (done.exit_code, "two scenarios have the name cookie: " in done.stderr) == (2, True)
    assert fynx("run", file).exit_code == 0
    assert fynx("run", file, file).exit_code == 0, "the same one twice"


def test_links_in_a_circle_end(mine: Path) -> None:
    (mine.parent / "one").symlink_to(mine.parent)
    (mine.parent / "two").symlink_to(mine.parent)
    assert fynx("list", "--from", mine.parent).stdout.count("my_own") == 1


def test_patterns_choose() -> None:
    lines = fynx("list", "strangers/cookie*", "--exclude", "*_wrong", "--exclude", "cookie_t*").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["cookie", "cookie_endless", "cookie_rotation"]
    done = fynx("run", "cookie*", "--exclude", "*_*", "--role", "initiator", "--json")
    assert [entry["name"] for entry in json.loads(done.stdout)["results"]] == ["cookie"]
    assert "--exclude '*_*'" in json.loads(done.stdout)["command"]


def test_an_interrupted_run_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ran = harness.run, []

    def interrupted(scenario: harness.Scenario, **how: object) -> Judged:
        ran.append(scenario.name)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return real(scenario, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("fynx_scapy.harness.campaign.run", interrupted)
    files = {name: tmp_path / f"out.{name}" for name in ("report", "json", "junit", "pcap")}
    chosen = ("cookie*", "--exclude", "negative/*")
    done = fynx("run", *chosen, *(word for name, file in files.items() for word in (f"--{name}", file)))
    assert done.exit_code == 130
    assert "interrupted: 5 of 6 scenarios not run" in done.stderr
    assert "NOT RUN" in done.stdout
    verdicts = [entry["verdict"] for entry in json.loads(files["json"].read_text())["results"]]
    assert verdicts == ["PASS"] + ["NOT RUN"] * 5
    assert 'skipped="5"' in files["junit"].read_text()
    assert "NOT RUN" in files["report"].read_text()
    assert files["pcap"].stat().st_size > 500


# As a script


@pytest.mark.slow
def test_a_script_obeys_its_options(mine: Path, tmp_path: Path) -> None:
    done = script(mine, "--json", tmp_path / "out.json", "--report", tmp_path / "out.html", "--seed", "9", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PASS  my_own: A handshake of my own.")
    assert "HDR, SK {IDi" in done.stdout
    assert json.loads((tmp_path / "out.json").read_text())["seed"] == 9
    assert (tmp_path / "out.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["--bogus"], 2, "No such option '--bogus'"),
        (["--target", "127.0.0.1"], 2, "expected the peer's key"),
        (["--target", "nope:99999", "--psk-file", "{key}"], 2, "expected a port from 1 to 65535"),
        (["--local-id", "x"], 2, "--target is missing"),
        (["--seed", "x"], 2, "'x' is not a valid integer"),
        (["cookie"], 2, "unexpected extra argument"),
        (["--help"], 0, "The options are those"),
    ],
)
def test_a_script_refuses_what_it_cannot_obey(mine: Path, words: list[str], status: int, text: str) -> None:
    key = mine.parent / "key"
    key.write_text(KEY)
    done = script(mine, *(word.format(key=key) for word in words))
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert text in done.stdout + done.stderr


@pytest.mark.slow
def test_a_script_with_a_target_runs_against_it(mine: Path) -> None:
    key = mine.parent / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    with bob() as peer:
        words = ["--target", f"127.0.0.1:{peer.port}", "--psk-file", key, "--remote-id", "bob"]
        done = script(mine, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert fynx("run", mine, *words).exit_code == 0
        assert sum(event.__class__.__name__ == "IkeSaEstablished" for _, event in peer.network.events) >= 2
        refused = script(mine, *words[:-1], "mallory")
        assert (refused.returncode, refused.stdout[:4]) == (1, "FAIL")
    silent = script(mine, "--target", f"127.0.0.1:{peer.port}", "--psk-file", key)
    assert (silent.returncode, "PASS" in silent.stdout) == (2, False)
    assert "no answer to IKE_SA_INIT" in silent.stderr


@pytest.mark.slow
def test_a_script_is_quiet_when_its_reader_has_gone(mine: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        done = subprocess.run([sys.executable, str(mine)], stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.slow
def test_a_written_scenario_runs_in_all_ways(tmp_path: Path) -> None:
    file, key, recorded = tmp_path / "written.py", tmp_path / "key", tmp_path / "recorded.pcapng"
    key.write_text(KEY)
    s = Session(seed=1)
    s.connect()
    s.liveness()
    s.delete()
    s.save(recorded)
    assert fynx("replay", recorded, "--to-scenario", file).exit_code == 0
    assert fynx("run", file).exit_code == 0
    assert script(file).returncode == 0
    with bob() as peer:
        words = ["--target", f"127.0.0.1:{peer.port}", "--psk-file", key]
        done = script(file, *words)
        assert done.stdout[:4] in ("PASS", "FAIL"), done.stderr
        assert any(event.__class__.__name__ == "MessageReceived" for _, event in peer.network.events)
