# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx … | head``: whoever has read enough ends a command, without a word."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.commands.files import READERS, Files


@pytest.mark.parametrize(
    "words",
    [
        "dissect {good} --json",
        "audit {good}",
        "list",
        *(
            pytest.param(words, marks=pytest.mark.slow)
            for words in (
                "dissect {good}", "capture {good}", "capture {good} --json", "follow {good}", "follow {good} --json",
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
