# SPDX-License-Identifier: GPL-2.0-or-later
"""A wrong file is one line and status 2 in every command; the same capture has the same status and losses in all."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fynx_scapy.cli import main
from tests.capture.build import ethernet, ipv4, pcap
from tests.commands.files import READERS, Files
from tests.privileges import no_override

COMMANDS = {
    **{name: f"{name} {{capture}} {{keys}}" for name in READERS if name != "decrypt"},
    "decrypt": "decrypt {capture} {keys} -o {out}",
    "capture --ladder": "capture {capture} {keys} --ladder",
    "dissect --json": "dissect {capture} {keys} --json",
    "audit --html": "audit {capture} {keys} --html {out}",
    "replay --to-scenario": "replay {capture} {keys} --to-scenario {out}",
}
MAIN = {name: words for name, words in COMMANDS.items() if " " not in name}
RAW = {"replay --raw": "replay {capture} --raw"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
CAPTURES = (
    "picture", "text", "empty", "gzip of nothing", "cut gzip", "gzip of a text", "keys", "missing", "link to nothing",
    "header alone cut", "null",
)  # fmt: skip
KEYS = ("picture", "capture", "empty", "missing", "folder without keys", "null")
PSK_FILES = ("empty", "missing", "folder", "null", "two lines of nothing")


@pytest.fixture(scope="module")
def wrong(files: Files, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("wrong")
    made = {
        "picture": PNG,
        "text": b"this is no capture\n",
        "empty": b"",
        "gzip of nothing": gzip.compress(b""),
        "cut gzip": gzip.compress(files.good.read_bytes())[:6],
        "gzip of a text": gzip.compress(b"this is no capture\n"),
        "capture": files.good.read_bytes(),
        "header alone cut": files.good.read_bytes()[:3],
        "two lines of nothing": b"\n",
    }
    for name, octets in made.items():
        (place / name).write_bytes(octets)
    shutil.copy(files.keys / "keys.json", place / "keys")
    (place / "link to nothing").symlink_to("nowhere")
    (place / "folder").mkdir()
    (place / "folder" / "notes").write_text("nothing")
    found = {path.name: path for path in place.iterdir()}
    return found | {"missing": place / "none", "null": Path("/dev/null"), "folder without keys": place / "folder"}


def fynx(words: str, out: Path, *more: str, **named: object) -> Result:
    given = [each.format(out=out, **named) for each in words.split() if each != "{keys}"]
    return CliRunner().invoke(main, [*given, *more], catch_exceptions=False)


def one_line(done: Result, folder: Path) -> None:
    assert done.exit_code == 2, done.output
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("Error: ")] == lines[-1:], done.stderr
    assert done.stdout == ""
    assert list(folder.iterdir()) == []


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", CAPTURES)
@pytest.mark.parametrize("words", [*COMMANDS.values(), *RAW.values()], ids=[*COMMANDS, *RAW])
def test_what_is_no_capture(wrong: dict[str, Path], tmp_path: Path, words: str, name: str) -> None:
    one_line(fynx(words, tmp_path / "x", capture=wrong[name]), tmp_path)


@pytest.mark.parametrize("words", [words for name, words in COMMANDS.items() if not name.startswith("capture")])
def test_a_folder_is_no_capture(wrong: dict[str, Path], tmp_path: Path, words: str) -> None:
    one_line(fynx(words, tmp_path / "x", capture=wrong["folder"]), tmp_path)


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("words", MAIN.values(), ids=MAIN)
def test_what_is_no_key(wrong: dict[str, Path], files: Files, tmp_path: Path, words: str, name: str) -> None:
    one_line(fynx(words, tmp_path / "x", "--keys", str(wrong[name]), capture=files.good), tmp_path)


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", PSK_FILES)
@pytest.mark.parametrize(
    "words", [*MAIN.values(), "run --target 127.0.0.1 --json {out}", "lab up"], ids=[*MAIN, "run", "lab up"]
)
def test_what_is_no_pre_shared_key(wrong: dict[str, Path], files: Files, tmp_path: Path, words: str, name: str) -> None:
    one_line(fynx(words, tmp_path / "x", "--psk-file", str(wrong[name]), capture=files.good), tmp_path)


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_what_may_not_be_read(files: Files, tmp_path: Path, words: str) -> None:
    path = tmp_path / "closed"
    shutil.copy(files.good, path)
    path.chmod(0)
    with no_override():
        assert fynx(words, tmp_path / "x", capture=path).exit_code == 2


def test_of_several_captures_the_others_are_judged(files: Files, wrong: dict[str, Path], tmp_path: Path) -> None:
    words = ["audit", str(files.good), str(wrong["picture"]), "--keys", str(files.keys), "--html", str(tmp_path / "x")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert done.stderr.count("Error: ") == 1
    assert "good.pcapng: 8 packets" in done.stdout
    assert "good.pcapng" in (tmp_path / "x").read_text()


# -- the same capture is the same everywhere --------------------------------------------------------------------------


def losses(done: Result) -> list[str]:
    """The lines on stderr that say what was left out, without what a command adds of its own."""
    lines = [re.sub(r"^error: packet \d+(, offset \d+)?: ", "error: ", line) for line in done.stderr.splitlines()]
    return sorted(line for line in lines if line.startswith(("error: ", "no key for ")))


@pytest.mark.sample(2)
@pytest.mark.parametrize("keys", ["all keys", "ESP alone", "no key", "a pre-shared key alone"])
@pytest.mark.parametrize("kind", ["whole", "cut", "bad ICV", "not looked into", "malformed"])
def test_status_and_losses_are_the_same(files: Files, tmp_path: Path, kind: str, keys: str) -> None:
    octets = bytearray(files.good.read_bytes())
    if kind == "cut":
        octets = octets[:-10]
    elif kind == "bad ICV":
        octets[-9] ^= 1  # the end of the last packet, before its block's length
        octets[-17] ^= 1
    elif kind == "not looked into":
        ah = bytes([50, 4]) + bytes(2) + (7).to_bytes(4) + (1).to_bytes(4) + bytes(12) + bytes(3)
        octets = bytearray(pcap([*files.frames(), ipv4(51, ah)], 101))
    elif kind == "malformed":
        octets = bytearray(pcap([ethernet(ipv4(50, bytes(3)))]))
    path = tmp_path / "same.pcapng"
    path.write_bytes(octets)
    given = {
        "all keys": ["--keys", str(files.keys)],
        "ESP alone": ["--keys", str(files.keys / "esp_sa")],
        "no key": [],
        "a pre-shared key alone": ["--psk", "x"],
    }[keys]
    done = {}
    for name in ("dissect", "capture", "follow", "audit", "decrypt"):
        words = COMMANDS[name]
        done[name] = fynx(words, tmp_path / "x", *given, capture=path)
    statuses = {name: each.exit_code for name, each in done.items()}
    closed = "not decrypted" in done["capture"].stderr
    if closed and keys in ("no key", "a pre-shared key alone"):
        assert statuses.pop("decrypt") == 1  # what is not decrypted is its output
    assert len(set(statuses.values())) == 1, (statuses, {name: each.stderr for name, each in done.items()})
    told = {name: losses(each) for name, each in done.items()}
    assert all(each == told["capture"] for each in told.values()), told
