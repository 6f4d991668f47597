# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command writes: never over what it reads, whole or not at all, and one line when it cannot be written."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fynx_scapy.cli import main
from fynx_scapy.commands.opening import check_outputs
from fynx_scapy.keylog import KeyLog
from tests.commands.files import PSK, Files
from tests.test_files import at_most

# What each option of a command writes; {out} is the file or folder.
FILES = {
    "audit -o": "audit {good} --keys {keys} -o {out}",
    "audit --json": "audit {good} --keys {keys} --json {out}",
    "audit --html": "audit {good} --keys {keys} --html {out}",
    "capture -o": "capture {good} --keys {keys} -o {out}",
    "capture --json -o": "capture {good} --keys {keys} --json -o {out}",
    "capture --ladder -o": "capture {good} --keys {keys} --ladder -o {out}",
    "decrypt -o": "decrypt {good} --keys {keys} -o {out}",
    "dissect -o": "dissect {good} --keys {keys} -o {out}",
    "dissect --json -o": "dissect {good} --keys {keys} --json -o {out}",
    "follow -o": "follow {good} --keys {keys} -o {out}",
    "replay -o": "replay {good} --keys {keys} -o {out}",
    "replay --to-scenario": "replay {good} --keys {keys} --to-scenario {out}",
    "list -o": "list -o {out}",
    "run -o": "run psk_handshake --seed 1 -o {out}",
    "run --report": "run psk_handshake --seed 1 --report {out}",
    "run --json": "run psk_handshake --seed 1 --json {out}",
    "run --junit": "run psk_handshake --seed 1 --junit {out}",
    "run --pcap": "run psk_handshake --seed 1 --save {folder} --pcap {out}",
}
FOLDERS = {
    "follow --save": "follow {good} --keys {keys} --save {out}",
    "run --save": "run psk_handshake --seed 1 --save {out}",
}
PARQUET = {"capture --parquet": "capture {folder} --workers 1 --parquet {out}"}
every_file = pytest.mark.parametrize("words", FILES.values(), ids=FILES)
every_output = pytest.mark.parametrize("words", [*FILES.values(), *FOLDERS.values()], ids=[*FILES, *FOLDERS])
READING = {name: words for name, words in FILES.items() if "{good}" in words}
reading = pytest.mark.parametrize("words", READING.values(), ids=READING)
OLD = "what was there\n"


def fynx(words: str, files: Files, out: object, folder: Path, **paths: object) -> Result:
    known = {"good": files.good, "keys": files.keys, "out": out, "folder": folder / "more"} | paths
    return CliRunner().invoke(main, words.format(**known).split(), catch_exceptions=False)


def one_error(done: Result, *parts: str) -> None:
    """Status 2, and one line that says why."""
    assert done.exit_code == 2, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == lines[0]
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[0], done.stderr


# -- an input is no output --------------------------------------------------------------------------------------------


@pytest.fixture
def mine(files: Files, tmp_path: Path) -> Path:
    """A capture with keys beside it, a folder of keys, a file with a pre-shared key, and other paths to them."""
    shutil.copy(files.good, tmp_path / "run.pcapng")
    (tmp_path / "run.pcapng.gz").write_bytes(gzip.compress(files.good.read_bytes()))
    shutil.copytree(files.keys, tmp_path / "run.keys")
    shutil.copytree(files.keys, tmp_path / "keys")
    (tmp_path / "psk").write_text(PSK)
    (tmp_path / "symbolic").symlink_to("run.pcapng")
    os.link(tmp_path / "run.pcapng", tmp_path / "hard")
    os.link(tmp_path / "keys" / "keys.json", tmp_path / "hard key")
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.sample(4)
@reading
@pytest.mark.parametrize(
    ("capture", "out"),
    [
        ("run.pcapng", "run.pcapng"),
        ("run.pcapng", "./keys/../run.pcapng"),
        ("run.pcapng", "symbolic"),
        ("symbolic", "run.pcapng"),
        ("run.pcapng", "hard"),
        ("run.pcapng", "folder/run.pcapng"),
        ("run.pcapng.gz", "run.pcapng.gz"),
        ("run.pcapng", "keys/keys.json"),
        ("run.pcapng", "keys/psk.secrets"),
        ("run.pcapng", "psk"),
    ],
)
def test_an_input_is_no_output(
    files: Files, mine: Path, words: str, capture: str, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine)
    before = content(mine)
    done = fynx(f"{words} --psk-file psk", files, out, mine, good=capture, keys="keys")
    one_error(done, "is an input of this command")
    assert content(mine) == before


@reading
def test_neither_are_the_keys_beside_a_capture(files: Files, mine: Path, words: str) -> None:
    before = content(mine)
    words = words.replace("--keys {keys} ", "")
    for name in ("run.keys/esp_sa", "run.keys/psk.secrets"):
        one_error(fynx(words, files, mine / name, mine, good=mine / "run.pcapng"), "is an input of this command")
    assert content(mine) == before


@pytest.mark.parametrize("keys", ["keys", "keys/keys.json", "folder/keys/keys.json", "hard key"])
def test_tables_are_not_saved_over_those_read(files: Files, mine: Path, keys: str) -> None:
    before = content(mine)
    words = ["follow", str(mine / "run.pcapng"), "--keys", str(mine / keys), "--save", str(mine / "keys")]
    one_error(CliRunner().invoke(main, words), "--save", "is an input of this command")
    assert content(mine) == before


def test_a_capture_of_a_folder_is_no_output(files: Files, mine: Path) -> None:
    for words in ("capture {good} -o {out}", "capture {good} --json --workers 1 -o {out}"):
        one_error(fynx(words, files, mine / "run.pcapng", mine, good=mine), "is an input of this command")


def test_stdin_is_no_output_either(files: Files, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (mine / "run.pcapng").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(click.UsageError, match="is an input"):
            check_outputs({"--output": mine / "hard"}, [Path("-")])


def test_json_before_the_captures_replaces_none(files: Files, mine: Path) -> None:
    """--json takes a FILE or none: the next word is its FILE."""
    before = content(mine)
    shutil.copy(files.good, mine / "other.pcapng")
    done = CliRunner().invoke(main, ["audit", "--json", str(mine / "run.pcapng"), str(mine / "other.pcapng")])
    one_error(done, "would replace the capture", "put --json after the captures")
    assert content(mine) == before | {str(mine / "other.pcapng"): files.good.read_bytes()}


@pytest.mark.parametrize(
    "words",
    [
        "audit {good} --json {out} --html {out}",
        "audit {good} --json {out} --html {folder}/../x",
        "audit {good} -o {out} --html {out}",
        "audit {good} --json - --html -",
        "run psk_handshake --report {out} --json {out}",
        "run psk_handshake --junit {out} --pcap {out}",
        "run psk_handshake --report - --junit -",
        "run psk_handshake --save {folder} --json {folder}/keys.json",
        "follow {good} --save {folder} -o {folder}/esp_sa",
        "follow {good} --json --save -",
    ],
)
def test_two_outputs_are_two_files(files: Files, tmp_path: Path, words: str) -> None:
    one_error(fynx(words, files, tmp_path / "x", tmp_path), "both write to")
    assert list(tmp_path.iterdir()) == []


def test_devices_are_for_all(files: Files, tmp_path: Path) -> None:
    done = fynx("audit {good} --keys {keys} --json {out} --html {out} -o {out}", files, "/dev/null", tmp_path)
    assert (done.exit_code, done.output) == (0, "")


# -- where an output goes ---------------------------------------------------------------------------------------------


@pytest.mark.sample(3)
@every_output
def test_missing_folders_are_made(files: Files, tmp_path: Path, words: str) -> None:
    out = tmp_path / "new" / "folder" / "x"
    done = fynx(words, files, out, tmp_path)
    assert done.exit_code == 0, done.output
    assert out.exists()
    assert not list(tmp_path.rglob("*.part"))


def test_missing_folders_of_tables_are_made(files: Files, tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="duckdb is not installed")
    shutil.copy(files.good, tmp_path)
    words = ["capture", str(tmp_path), "--workers", "1", "--parquet", str(tmp_path / "new" / "folder")]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert (tmp_path / "new" / "folder" / "flows.parquet").exists()


@pytest.mark.sample(4)
@every_output
@pytest.mark.parametrize("out", ["/proc/x", "/proc/x/y", "/dev/null/x"])
def test_what_cannot_be_written_is_one_line(files: Files, tmp_path: Path, words: str, out: str) -> None:
    one_error(fynx(words, files, out, tmp_path), out.removesuffix("/y").removesuffix("null/x"))


@every_file
def test_a_folder_is_no_file(files: Files, tmp_path: Path, words: str) -> None:
    one_error(fynx(words, files, tmp_path, tmp_path), "directory")


@pytest.mark.sample(3)
@every_file
def test_a_full_device_is_one_line(files: Files, tmp_path: Path, words: str) -> None:
    one_error(fynx(words, files, "/dev/full", tmp_path), "cannot write /dev/full: No space left on device")


@pytest.mark.sample(3)
@every_file
def test_a_full_disk_leaves_what_was_there(files: Files, tmp_path: Path, words: str) -> None:
    out = tmp_path / "x"
    out.write_text(OLD)
    with at_most(10):
        one_error(fynx(words, files, out, tmp_path), "cannot write", "File too large")
    assert out.read_text() == OLD
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.sample(3)
@every_file
def test_no_link_is_followed(files: Files, tmp_path: Path, words: str) -> None:
    (tmp_path / "precious").write_text(OLD)
    (tmp_path / "x").symlink_to("precious")
    one_error(fynx(words, files, tmp_path / "x", tmp_path), f"cannot write {tmp_path / 'x'}: it is a symbolic link")
    assert (tmp_path / "precious").read_text() == OLD


def test_keys_go_to_stdout(files: Files, tmp_path: Path) -> None:
    for words in ("follow {good} --keys {keys} --save -", "run child_sa_not_found --seed 1 --save -"):
        log = KeyLog()
        log.parse(fynx(words, files, "", tmp_path).stdout)
        assert len(log.ike) == 1
        assert not log.warnings
    both = fynx("follow {good} --keys {keys} --save - -o {out}", files, tmp_path / "text", tmp_path)
    assert both.stdout.startswith("{")
    assert (tmp_path / "text").read_text().startswith("conversation 1")


def test_a_capture_goes_to_stdout(files: Files, tmp_path: Path) -> None:
    done = fynx("run psk_handshake --seed 1 --pcap -", files, "", tmp_path)
    assert done.stdout_bytes.startswith(b"\x0a\x0d\x0d\x0a")
    shown = CliRunner().invoke(main, ["dissect", "-"], input=done.stdout_bytes)
    assert "IKE_AUTH response 1" in shown.stdout


@pytest.mark.parametrize(
    ("command", "bad", "kept"),
    [
        ("run psk_handshake --seed 1 --report {bad} --pcap {out} --save {folder}", 1, ["out", "folder"]),
        ("run psk_handshake --seed 1 --junit {bad} --json {out} --report {bad}2", 2, ["out"]),
        ("run psk_handshake --seed 1 --save {bad} -o {out}", 1, ["out"]),
        ("audit {good} --keys {keys} --json {bad} --html {out}", 1, ["out"]),
        ("follow {good} --keys {keys} -o {bad} --save {folder}", 1, ["folder"]),
    ],
)
def test_what_cannot_be_written_does_not_take_the_other_outputs_along(
    files: Files, tmp_path: Path, command: str, bad: int, kept: list[str]
) -> None:
    """Hours of a live run were lost, captures and keys too, because the folder of the report was a file."""
    (tmp_path / "file").touch()
    places = {"bad": tmp_path / "file" / "x", "out": tmp_path / "out", "folder": tmp_path / "folder"}
    result = CliRunner().invoke(main, command.format(good=files.good, keys=files.keys, **places).split())
    assert result.exit_code == 2
    assert result.stderr.count("cannot write") == bad
    assert [name for name in ("out", "folder") if places[name].exists()] == kept
