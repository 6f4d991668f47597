# SPDX-License-Identifier: GPL-2.0-or-later
"""``--keys`` in every command: a file of which nothing can be read is misuse, one that is read in part is not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy import files as reading
from fynx_scapy.cli import main
from tests.commands.files import Files
from tests.privileges import no_override
from tests.shared import shared


def run(command: str, files: Files, capture: Path, *more: object, stdin: bytes | None = None) -> Result:
    words: list[object] = [command, capture, *more]
    if command == "decrypt":
        words += ["-o", files.folder / "out.pcapng"]
    return CliRunner().invoke(main, list(map(str, words)), input=stdin, catch_exceptions=False)


@pytest.mark.parametrize("content", [b"", b"nothing\n", b"\x00\xff" * 500, b'"IPv4","a","b"\n'])
def test_a_file_without_anything_to_read_is_misuse(command: str, files: Files, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "unread.txt"
    path.write_bytes(content)
    done = run(command, files, files.good, "--keys", path)
    assert done.exit_code == 2
    assert "unread.txt: no key or secret could be read; known formats: fynx-scapy's keys.json" in done.stderr
    assert "Traceback" not in done.output


def test_so_is_one_among_others_and_stdin(command: str, files: Files, tmp_path: Path) -> None:
    (tmp_path / "unread.txt").write_text("nothing")
    done = run(command, files, files.good, "--keys", files.keys, "--keys", tmp_path / "unread.txt")
    assert done.exit_code == 2
    done = run(command, files, files.good, "--keys", "-", stdin=b"nothing")
    assert (done.exit_code, "stdin: no key or secret could be read" in done.stderr) == (2, True)


def test_one_bad_row_is_a_warning_and_the_command_goes_on(command: str, files: Files, tmp_path: Path) -> None:
    for name in ("ikev2_decryption_table", "esp_sa", "keys.json", "psk.secrets"):
        (tmp_path / name).write_text((files.keys / name).read_text())
    with (tmp_path / "esp_sa").open("a") as table:
        table.write("one,two\n")
    done = run(command, files, files.good, "--keys", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "esp_sa: line 3: 2 columns, expected 8" in done.stderr


def test_a_file_that_may_not_be_read(command: str, files: Files, tmp_path: Path) -> None:
    (tmp_path / "a.esp_sa").touch(mode=0o000)
    with no_override():
        assert run(command, files, files.good, "--keys", tmp_path / "a.esp_sa").exit_code == 2


def test_a_folder_without_key_files_and_a_link_that_leads_nowhere(command: str, files: Files, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("empty", "loop"):
        done = run(command, files, files.good, "--keys", tmp_path / name)
        assert (done.exit_code, done.stdout) == (2, "")


def test_keys_beside_the_capture_that_are_not_read_are_named(command: str, files: Files, tmp_path: Path) -> None:
    """Once, and only those: a file that --keys names, or one in a folder that it names, is read."""
    capture = tmp_path / "run.pcapng"
    capture.write_bytes(files.good.read_bytes())
    table, folder = tmp_path / "run.esp_sa", tmp_path / "run.keys"
    table.write_text((files.keys / "esp_sa").read_text())
    shutil.copytree(files.keys, folder)
    others = tmp_path / "others"
    shutil.copytree(files.keys, others)
    for given, left in (
        ([], []),
        ([others], [table, folder]),
        ([table, others], [folder]),
        ([folder], [table]),
        ([folder / "keys.json", folder / "psk.secrets", table], []),
        ([tmp_path], [folder]),
    ):
        done = run(command, files, capture, *(word for path in given for word in ("--keys", path)))
        assert "Traceback" not in done.output
        read, unread = (", ".join(map(str, paths)) for paths in (given, left))
        line = f"--keys {read} takes the place of the keys beside the capture: {unread} is not read"
        assert done.stderr.count("takes the place of the keys beside the capture") == bool(left)
        assert not left or line in done.stderr.splitlines()


def test_a_psk_file_without_end_is_misuse(command: str, files: Files) -> None:
    done = run(command, files, files.good, "--psk-file", "/dev/zero")
    assert done.exit_code == 2
    assert "/dev/zero: expected a pre-shared key, but the file is larger than 64 KB" in done.stderr


@pytest.mark.parametrize(
    ("octets", "lines"),
    [(b"one\ntwo\n", 2), (b"one\r\ntwo", 2), (b"one\n\n", 2), (b"one\rtwo\rthree\r", 3), (b"0x00\n\n\n", 3)],
)
def test_a_psk_file_with_several_lines_is_misuse(files: Files, tmp_path: Path, octets: bytes, lines: int) -> None:
    """A final line end counts for nothing; octets that are no text may be any."""
    (tmp_path / "psk").write_bytes(octets)
    done = run("dissect", files, files.good, "--psk-file", tmp_path / "psk")
    assert done.exit_code == 2
    assert f"psk: expected a pre-shared key on one line, found {lines} lines" in done.stderr
    (tmp_path / "psk").write_bytes(b"\xff\n\r" + octets)
    assert run("dissect", files, files.good, "--psk-file", tmp_path / "psk").exit_code != 2


def test_files_with_keys_that_do_not_end(
    command: str, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PATIENCE", 0.05)
    os.mkfifo(tmp_path / "pipe")  # nobody writes into it
    for option in ("--psk-file", "--keys"):
        done = run(command, files, files.good, option, tmp_path / "pipe")
        assert (done.exit_code, done.stdout) == (2, "")
        assert "it is a pipe or a device that did not end within 0.05 s" in done.stderr


CASES = {
    "K01-pluto-830/pluto830.log": 4,
    "K01-pluto-830/tcpdump-ike-secrets.txt": 4,
    "K02-tcpdump-E/tcpdump-esp-secrets.txt": 6,
    "K03-vpp/vpp-show-ikev2.txt": 10,
    "K04-fortigate/fortigate-tunnel-list.txt": 6,
    "K05-setkey/setkey-D.txt": 6,
    "K08-decimal-spi/decspi.esp_sa": 6,
    "K09-cidr/bar.esp_sa": 6,
}


@pytest.mark.parametrize(("name", "opened"), CASES.items(), ids=CASES)
def test_keys_as_people_have_them(name: str, opened: int) -> None:
    keys = shared(f"cases/{name}")
    done = CliRunner().invoke(main, ["dissect", str(keys.parent / "cbc.pcapng"), "--keys", str(keys)])
    assert (done.stdout.count("[icv ok]") + done.stdout.count("unchecked"), done.exit_code) == (opened, opened < 10)
