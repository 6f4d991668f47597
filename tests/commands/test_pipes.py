# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx … | head``: whoever has read enough ends a command, without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.files import READERS, Files


@pytest.mark.parametrize(
    "words",
    [
        "list",
        *(
            pytest.param(words, marks=pytest.mark.slow)
            for words in (
                "audit {good}", "dissect {good} --json", "dissect {good}",
                "capture {good}", "capture {good} --json", "follow {good}", "follow {good} --json",
                "audit {good} --json", "decrypt {good} -o -", "replay {good}", "replay {good} --json",
                "replay {good} --to-scenario -", "list --json", "completion bash", "run psk_handshake",
                "run psk_handshake --json", "lab matrix --list",
            )
        ),
    ],
)  # fmt: skip
def test_a_reader_that_has_gone_ends_a_command_quietly(files: Files, words: str) -> None:
    name, *more = words.format(good=files.good).split()
    more += ["--keys", str(files.keys)] if name in READERS else []
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "fynx_scapy.cli", name, *more],
            stdout=gone, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 141, done.stderr
    for word in ("Traceback", "BrokenPipe", "Broken pipe", "Exception"):
        assert word not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("more", [["--json"], []])
def test_ctrl_c_ends_a_live_capture_and_keeps_what_was_read(files: Files, tmp_path: Path, more: list[str]) -> None:
    words = ["dissect", "-", "--keys", str(files.keys), "-o", str(tmp_path / "out"), *more]
    command = [sys.executable, "-m", "fynx_scapy.cli", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(files.good.read_bytes())
        process.stdin.flush()
        while not any(path.stat().st_size for path in tmp_path.iterdir()) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, out, errors) == (130, b"", b"interrupted\n")
    (path,) = tmp_path.iterdir()
    assert path.name == "out"
    assert 0 < len(path.read_text().splitlines()) <= len(files.frames())
    assert path.read_text().endswith("\n")
