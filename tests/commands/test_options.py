# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that commands share are written once, and none is ignored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from fynx_scapy.cli import COMMANDS, main
from fynx_scapy.commands import options
from fynx_scapy.commands.eap import EAP_PASSWORD
from tests.commands.files import PSK, READERS, Files, fynx


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand."""
    context = click.Context(main)
    for name in COMMANDS:
        found = main.get_command(context, name)
        assert found is not None
        yield name, found
        if isinstance(found, click.Group):
            yield from ((f"{name} {inner}", command) for inner, command in found.commands.items())


def option(decorator: options.Decorator) -> click.Option:
    def nothing() -> None: ...

    (made,) = click.command()(decorator(nothing)).params
    assert isinstance(made, click.Option)
    return made


def looks(made: click.Option) -> tuple[object, ...]:
    kind = type(made.type), getattr(made.type, "name", ""), getattr(made.type, "allow_dash", None)
    return made.opts, made.name, made.help, made.metavar, made.multiple, made.is_flag, kind


SHARED: dict[str, list[Any]] = {
    "--keys": [options.KEYS],
    **{f"--{name}": [made] for name, made in options.SECRETS.items()},
    "--eap-password": [options.SECRETS["eap-password"], EAP_PASSWORD],
    "--psk-file": [options.PSK_FILES, options.psk_file(), options.psk_file("FYNX_PSK_FILE")],
    "--json": [options.JSON, options.JSON_FILE],
    "--output": [options.OUTPUT, options.OUTPUT_NEEDED],
}


def test_shared_options_are_written_once() -> None:
    seen = dict.fromkeys(SHARED, 0)
    for name, command in commands():
        for made in command.params:
            if not isinstance(made, click.Option):
                continue
            for word in made.opts:
                if word in SHARED and not (name == "run" and word == "--keys"):  # run's is --save's older name
                    assert looks(made) in [looks(option(each)) for each in SHARED[word]], f"{name} {word}"
                    seen[word] += 1
            assert made.help, f"{name} {made.opts}"
    assert all(count >= 2 for count in seen.values()), seen


def test_ports_are_those_of_the_capture() -> None:
    for name, command in commands():
        made = next((each for each in command.params if "--port" in each.opts), None)
        if name in ("connect", "fuzz", "run", "scan", "serve"):  # our own port there
            continue
        assert (made is not None) == (name in (*READERS, "shell")), name
        if made is not None:
            assert isinstance(made, click.Option)
            assert looks(made) == looks(option(options.PORT))


def test_a_command_that_reads_captures_takes_all_that_they_share() -> None:
    wanted = {"--keys", *(f"--{name}" for name in options.SECRETS), "--psk-file", "--port"}
    found = dict(commands())
    for name in READERS:
        words = {word for made in found[name].params for word in made.opts}
        assert wanted | {"-o", "--output"} <= words, name
        assert ("--json" in words) == (name != "decrypt"), name
        (argument,) = (made for made in found[name].params if isinstance(made, click.Argument))
        assert isinstance(argument.type, click.Path)
        assert argument.type.allow_dash, name
        text = " ".join((found[name].help or "").split())
        for part in ("- is stdin", "Exit status 0", "as listed on stderr", "2 for misuse"):
            assert part in text, name
    assert wanted <= {word for made in found["shell"].params for word in made.opts}


def test_the_help_says_why_a_file_is_better_than_a_command_line() -> None:
    found = dict(commands())
    for made in found["follow"].params:
        if isinstance(made, click.Option) and made.opts[0] in {f"--{name}" for name in options.SECRETS}:
            assert "Safer in a file: --" in (made.help or "")
    for each in (options.KEYS, options.PSK_FILES):
        assert "Other users of this machine can read a command line" in (option(each).help or "")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_key_in_a_file(files: Files, tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "psk"
    path.write_bytes(PSK.encode() + end)
    words = ["follow", str(files.good), "--keys", str(files.keys / "keys.json")]
    for more, stdin in ((["--psk-file", str(path)], None), (["--psk-file", "-"], path.read_bytes())):
        done = CliRunner().invoke(main, [*words, *more], input=stdin)
        assert done.stdout.count(": verified (PSK 1 of 1)") == 2, done.output
        assert PSK not in done.output
    path.write_bytes(end)
    done = CliRunner().invoke(main, [*words, "--psk-file", str(path)])
    assert done.exit_code == 2
    assert "expected a pre-shared key" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("replay {good} --raw", "--raw uses no keys"),
        ("capture {good} --no-decrypt", "--no-decrypt uses no keys"),
        ("capture {good} --workers 2", "need a folder"),
        ("capture {good} --parquet {folder}", "need a folder"),
        ("capture {folder} --ladder", "works on a single capture"),
        ("replay {good} --to-scenario - -o x", "cannot be used with"),
    ],
)
def test_what_cannot_be_honoured_is_not_ignored(files: Files, words: str, told: str) -> None:
    done = CliRunner().invoke(
        main, [*words.format(good=files.good, folder=files.folder).split(), "--keys", str(files.keys)]
    )
    assert (done.exit_code, told in done.stderr) == (2, True), done.output


def test_json_needs_no_file_name_and_takes_one(files: Files, tmp_path: Path) -> None:
    for command in ("audit", "capture", "follow", "replay", "dissect"):
        done = fynx(command, files, files.good, "--json")
        assert done.exit_code == 0
        assert done.stdout.startswith("{"), command
    out = tmp_path / "a.json"
    done = fynx("audit", files, files.good, "--json", out)
    assert out.read_text().startswith("{")
    assert "Profile: " in done.stdout


def test_a_name_with_a_trailing_slash_is_a_folder(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["list", "-o", f"{tmp_path}/new/"])
    assert done.exit_code == 2
    assert "expected the name of a file, found that of a folder" in done.output
    assert not (tmp_path / "new").exists()


def test_the_folder_of_the_shell_is_a_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["capture", "."])
    assert (done.exit_code, "Error: " in done.output) == (2, True), done.output


def test_a_filter_does_not_move_the_times(files: Files) -> None:
    whole, part = (
        CliRunner().invoke(main, ["dissect", str(files.good), *words]).stdout.splitlines()
        for words in ((), ("--from", "3"))
    )
    assert part == whole[2:]
