# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import filecmp
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner, Result

import fynx_scapy
from fynx_scapy import cli, scenarios
from fynx_scapy.commands.campaigning import Ran
from fynx_scapy.commands.completion import SHELLS
from fynx_scapy.harness import Run, Scenario
from fynx_scapy.keylog import KeyLog
from tests.plain import PLAIN_NAMES


def fynx(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], catch_exceptions=False)


def test_help_and_version() -> None:
    done = fynx("--help")
    assert done.exit_code == 0
    for command in ("run", "list", "dissect", "completion"):
        assert f"\n  {command} " in done.output
    assert fynx("--version").output == f"fynx, version {fynx_scapy.__version__}\n"
    assert "CAPTURE" in fynx("dissect", "--help").output
    assert "--seed" in fynx("run", "--help").output


def test_every_command_is_a_file_of_its_name() -> None:
    folder = Path(cli.__file__).parent / "commands"
    assert sorted(cli.COMMANDS) == list(cli.COMMANDS)
    context = click.Context(cli.main)
    for name in cli.COMMANDS:
        command = cli.main.get_command(context, name)
        assert command is not None
        assert command.name == name
    shared = {"__init__", "load_options", "losses", "opening", "options", "outputs", "peers", "running", "screen"}
    shared |= {"credentials", "eap", "origins"}  # of connect and serve
    shared |= {"certificates", "judging"}  # of pki
    shared |= {"campaigning", "choice", "choosing", "ending", "laboratory", "verdicts"}  # of run and list
    programs = {
        "carrying",
        "connecting",
        "keeping",
        "load_program",
        "refusing",
        "serving",
        "workers",
    }  # of connect and serve
    assert {path.stem for path in folder.glob("*.py")} == {*cli.COMMANDS, *shared, *programs}


def test_commands_are_short() -> None:
    folder = Path(cli.__file__).parent / "commands"
    assert {path.name for path in folder.glob("*.py") if len(path.read_text().splitlines()) > 390} == set()


def test_light_commands_import_nothing_heavy() -> None:
    """In one process: the first that imports something heavy is named."""
    light = [["--help"], ["--version"], ["completion", "zsh"], *([name, "--help"] for name in cli.COMMANDS)]
    code = f"""
import sys
from fynx_scapy.cli import main
for arguments in {light!r}:
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code
    heavy = {{"scapy", "cryptography", "rich", "jinja2"}} & sys.modules.keys()
    assert not heavy, (arguments, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_list() -> None:
    done = fynx("list")
    assert "* also runs against a live peer" in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == scenarios.names()
    assert "(RFC 7296 section 2.6)" in done.output
    found = [json.loads(line) for line in fynx("list", "--json").output.splitlines()]
    assert [entry["name"] for entry in found] == scenarios.names()
    assert all(entry["title"] and entry["source"] for entry in found)


def test_status_without_a_lab_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fynx_scapy.lab.keeper.names", list)
    for words in (["lab", "status"], ["lab", "status", "--json"]):
        done = fynx(*words)
        assert (done.exit_code, done.stdout) == (0, "")
        assert done.stderr == "no lab is running; start one with: fynx lab up\n"


def test_run_passes_and_shows_a_table() -> None:
    done = fynx("run", "liveness", "cookie_wrong", "liveness", "--seed", 7)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["verdict", "scenario", "source", "sessions", "packets", "ms"]
    assert [line.split()[:2] for line in lines[1:3]] == [["PASS", "liveness"], ["PASS", "cookie_wrong"]]
    assert lines[-1].startswith("2 PASS in ")
    assert lines[-1].endswith("seed 7")


def test_a_run_without_a_seed_says_which_it_took() -> None:
    first = fynx("run", "delete_ike").stdout.splitlines()[-1]
    assert int(first.split()[-1]) >= 0


def test_all_outputs(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    done = fynx(
        "run", "psk_handshake", "wrong_psk", "--seed", 7, "--role", "initiator",
        "--report", out / "x.html", "--json", out / "x.json", "--pcap", out / "x.pcapng",
        "--junit", out / "x.xml",
    )  # fmt: skip
    assert done.exit_code == 0
    assert {path.name for path in out.iterdir()} == {"x.html", "x.json", "x.xml", "x.pcapng", "x.keys"}
    assert 'tests="2" failures="0"' in (out / "x.xml").read_text()
    assert {path.name for path in (out / "x.keys").iterdir()} == {"ikev2_decryption_table", "esp_sa", "keys.json"}
    assert "fynx run psk_handshake wrong_psk --seed 7 --role initiator" in (out / "x.html").read_text()
    document = json.loads((out / "x.json").read_text())
    assert (document["seed"], document["version"]) == (7, fynx_scapy.__version__)
    assert [(entry["name"], entry["verdict"]) for entry in document["results"]] == [
        ("psk_handshake", "PASS"), ("wrong_psk", "PASS"),
    ]  # fmt: skip
    opened = [json.loads(line) for line in fynx("dissect", out / "x.pcapng", "--json").stdout.splitlines()]
    assert {record["icv"] for record in opened if record.get("encrypted") or record["kind"] == "esp"} == {"ok"}


def test_json_without_a_file_name_is_printed() -> None:
    document = json.loads(fynx("run", "psk_handshake", "--seed", 7, "--role", "responder", "--json").stdout)
    assert [each["verdict"] for each in document["results"]] == ["PASS"]


def test_keys_go_where_they_are_wanted(tmp_path: Path) -> None:
    fynx("run", "child_sa_not_found", "--seed", 7, "--pcap", tmp_path / "x.pcapng", "--keys", tmp_path / "elsewhere")
    assert not (tmp_path / "x.keys").exists()
    assert len(KeyLog.load(tmp_path / "elsewhere" / "keys.json").ike) == 1
    fynx("run", "child_sa_not_found", "--seed", 7, "--save", tmp_path / "alone")
    assert filecmp.cmp(tmp_path / "alone" / "esp_sa", tmp_path / "elsewhere" / "esp_sa", shallow=False)


@pytest.mark.slow
def test_a_seed_repeats_a_run_to_the_byte(tmp_path: Path) -> None:
    """In processes of their own, so that not even the order of a set's elements is the same.

    Without ML-KEM, RSA, ML-DSA and TLS, whose libraries draw their own randomness to encapsulate, make keys and sign.
    """
    seeded = [
        name for name in PLAIN_NAMES if not {"mlkem", "rsa", "mldsa", "tls", "ttls"} & set(re.split(r"_|\d", name))
    ]
    for number in ("1", "2"):
        command = ["-m", "fynx_scapy.cli", "run", *seeded, "--seed", "7", "--pcap", str(tmp_path / f"{number}.pcapng")]
        subprocess.run(
            [sys.executable, *command],
            env={**os.environ, "PYTHONHASHSEED": number}, capture_output=True, timeout=400, check=True,
        )  # fmt: skip
    assert (tmp_path / "1.pcapng").read_bytes() == (tmp_path / "2.pcapng").read_bytes()
    names = ["ikev2_decryption_table", "esp_sa", "keys.json"]
    same, *different = filecmp.cmpfiles(tmp_path / "1.keys", tmp_path / "2.keys", names, shallow=False)
    assert (same, different) == (names, [[], []])
    fynx("run", *seeded, "--seed", 8, "--pcap", tmp_path / "3.pcapng")
    assert (tmp_path / "1.pcapng").read_bytes() != (tmp_path / "3.pcapng").read_bytes()


def test_misuse_is_2_and_says_what_is_wrong(tmp_path: Path) -> None:
    done = fynx("run", "psk_handshak")
    assert done.exit_code == 2
    assert "did you mean psk_handshake?" in done.stderr
    assert fynx("run", "--seed", "x").exit_code == 2
    assert fynx("run", "psk_handshake", "--report", tmp_path).exit_code == 2
    (tmp_path / "file").write_text("")
    done = fynx("run", "psk_handshake", "--json", tmp_path / "file" / "x.json")
    assert done.exit_code == 2
    assert "cannot write" in done.stderr
    assert fynx("nonsense").exit_code == 2
    assert fynx("completion", "tcsh").exit_code == 2


def test_a_verdict_that_is_not_pass_is_1_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def crash(run: Run) -> None:
        """Crashes."""
        run.session().connect()
        raise TypeError("a [red]fault[/red]")

    def refuse(run: Run) -> None:
        """Refuses."""
        raise AssertionError("expected more")

    def work(run: Run) -> None:
        """Works."""
        run.session().connect()

    made = [Scenario(body.__name__, "RFC 7296", (), body, __name__) for body in (crash, refuse, work)]
    monkeypatch.setattr("fynx_scapy.commands.run._load", lambda names, folders: made)
    done = fynx("run", "--seed", 1, "--pcap", tmp_path / "x.pcapng", "--report", tmp_path / "x.html")
    assert done.exit_code == 1
    assert [line.split()[0] for line in done.stdout.splitlines()[1:4]] == ["ERROR", "FAIL", "PASS"]
    assert "ERROR crash: TypeError: a [red]fault[/red] (test_cli.py:" in done.stdout
    assert "FAIL refuse: expected more (test_cli.py:" in done.stdout
    assert "1 PASS, 1 FAIL, 1 ERROR" in done.stdout
    assert len(KeyLog.load(tmp_path / "x.keys" / "keys.json").ike) == 2  # what came before the crash is kept


def test_a_failure_says_its_step_and_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(run: Run) -> None:
        """Refuses."""
        raise AssertionError("expected more")

    made = [scenarios.load("rekey_without_ke"), Scenario("refuse", "RFC 7296", (), refuse, __name__)]
    monkeypatch.setattr("fynx_scapy.commands.run._load", lambda names, folders: made)
    done = fynx("run", "--seed", 1)
    assert done.exit_code == 1
    assert '     > raise AssertionError("expected more")' in done.stdout
    checked = len(made[0].requirements)
    assert f"{checked} of 987 requirements checked\n1 PASS, 1 FAIL in" in done.stdout


def test_a_run_in_which_nothing_was_judged_is_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "psk").write_text("secret")
    done = fynx("run", "cookie", "flood", "--target", "127.0.0.1:9", "--psk-file", tmp_path / "psk")
    assert done.exit_code == 1
    assert "nothing was judged: every scenario was skipped\n3 SKIP in" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("psk_handshake", "cookie", "--seed", "7", "--role", "initiator", "--severity", "low", "--suite", "cve"),
        ("--target", "192.0.2.1", "--target", "192.0.2.2", "--psk-file", "psk", "--peer", "strongswan@5.9.8"),
        ("psk_handshake", "--target", "[2001:db8::1]:600", "--psk-file", "a file", "--remote-id", "CN=it's me",
         "--local-ts", "10.1.0.0/24", "--port", "4000", "--natt-port", "4001", "--no-marker-always"),
        ("--target", "vpn.example", "--psk-file", "psk", "--local-id", "alice", "--remote-ts", "10.2.0.0/24",
         "--ping", "10.2.0.1", "--proposals", "aes256-sha256-modp2048", "--esp-proposals", "aes256gcm16",
         "--local", "192.0.2.1", "--marker-always"),
    ],
)  # fmt: skip
def test_the_command_that_repeats_a_run_says_all_that_it_was_told(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a file", "psk"):
        (tmp_path / name).write_text("secret")
    nothing = SimpleNamespace(results=list, unmatched=list)

    def ran(*given: object, **more: object) -> Ran:
        return Ran(nothing, None, given[3])  # type: ignore[arg-type]

    monkeypatch.setattr("fynx_scapy.commands.run.targets_of", lambda addresses, *given: list(addresses))
    monkeypatch.setattr("fynx_scapy.commands.run.run_campaign", ran)
    fynx("run", *words, "--json", "x.json")
    command = shlex.split(json.loads((tmp_path / "x.json").read_text())["command"])
    assert command[:2] == ["fynx", "run"]
    assert sorted(command[2:]) == sorted(words)


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts(shell: str) -> None:
    done = fynx("completion", shell)
    assert done.exit_code == 0
    assert f"_FYNX_COMPLETE={shell}_complete" in done.stdout


def test_completion_knows_commands_and_scenarios() -> None:
    def complete(*words: str) -> list[str]:
        environment = {
            "_FYNX_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        done = CliRunner().invoke(cli.main, env=environment, prog_name="fynx")
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("fynx", "r") == ["replay", "run"]
    assert complete("fynx", "run", "delete")[:2] == ["delete_child", "delete_child_by_peer"]
    assert complete("fynx", "run", "config_p") == ["config_payload"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ("lab up --ike nope", 2, "Error: --ike nope: 'nope' is not a known algorithm"),
        ("lab up --esp aes128gcm16-nope", 2, "Error: --esp aes128gcm16-nope: 'nope' is not a known algorithm"),
        ("lab up --peer nope", 2, "Error: expected one of the peers strongswan,"),
        ("lab up --peer libreswan", 2, "which only the matrix supports: fynx lab matrix --peer libreswan"),
        ("lab up --name a/b", 2, "Error: expected letters, digits, _ and - in the name of a lab, found 'a/b'"),
        ("lab up --psk-file /dev/null", 2, "expected a pre-shared key, but the file is empty"),
        ("lab up --to files", 2, "--to is for --auth certificate: with a pre-shared key there are no such files"),
        ("lab up --auth certificate --to {taken}", 2, "/ca.pem is there already; name another folder"),
        ("lab initiate --name x", 2, "Error: no lab 'x' is running; start one: fynx lab up --name x"),
        ("lab status --name x", 2, "Error: no lab 'x' is running; start one: fynx lab up --name x"),
        ("lab exec -- true", 2, "Error: no lab 'lab' is running; start one: fynx lab up\n"),
        ("lab exec --name x -- true", 2, "fynx lab up --name x\n"),
        ("lab exec --name ../x -- true", 2, "in the name of a lab, found '../x'"),
        (
            "lab fetch libreswann",
            2,
            "expected one of the packages and suites linux-image-amd64, busybox-static, libreswan, openiked",
        ),
        ("lab down --name x", 2, "Error: no lab 'x' is running"),
        ("lab matrix nope", 2, "there is no scenario 'nope'"),
        ("lab matrix --peer nope", 2, "expected one of the peers"),
        ("lab matrix --to -", 2, "- (stdout) cannot take several files: name a folder"),
        ("capture . --parquet -", 2, "- (stdout) cannot take several files: name a folder"),
    ],
)
def test_what_a_lab_cannot_do_is_one_line(
    words: str, status: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "ca.pem").touch()
    done = fynx(*words.format(taken=tmp_path).split())
    assert (done.exit_code, told in done.stderr) == (status, True), done.output
    assert done.stderr.count("Error: ") == 1
    assert done.stdout == ""
