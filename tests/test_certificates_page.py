# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/certificates.md and docs/eap.md: their commands and programs run as written, some with a live strongSwan."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.test_documents import CHARON, blocks

PAGES = [
    pytest.param(
        "docs/certificates.md", marks=pytest.mark.skipif(not CHARON, reason="charon-systemd is not installed")
    ),
    "docs/eap.md",
]
FILE = re.compile(r"# (\w+\.\w+)\n")
"""The first line of a block that is a file."""


def steps(page: str) -> Iterator[tuple[str, str]]:
    """The commands of a page, each with the output that follows it there."""
    for block in blocks(page, "console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


def alike(text: str) -> str:
    """Times, ports, rates and versions differ from run to run: a number counts as 0, and white space as one blank."""
    return " ".join(re.sub(r"\d+(\.\d+)*", "0", text).split())


def shows(told: str, found: str) -> bool:
    """Whether a command printed what the page shows; ``...`` is anything, also nothing."""
    return bool(re.fullmatch(".*".join(re.escape(alike(part)) for part in told.split("...")), alike(found)))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    started("fynx lab down", tmp_path).communicate(timeout=60)


def started(command: str, folder: Path) -> subprocess.Popen[str]:
    """A command of the page, as in an activated environment, with labs of this test only."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["sh", "-c", f"exec {command}"],
        cwd=folder,
        env={**os.environ, "PATH": path, "XDG_RUNTIME_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs(page: str, folder: Path) -> None:
    """From the first command to the last. What ends with & runs until it is killed; what shows an error fails."""
    for block in (block for language in ("python", "toml", "text") for block in blocks(page, language)):
        if named := FILE.match(block):
            (folder / named[1]).write_text(block if named[1].partition(".")[2] != "password" else block[named.end() :])
            (folder / named[1]).chmod(0o600)
    with ExitStack() as running:
        for command, told in steps(page):
            if command.endswith(" &"):
                server, shown = running.enter_context(started(command.removesuffix(" &"), folder)), told
                running.callback(server.kill)
                ready = server.stdout.readline()
                continue
            if command == "kill %1":
                server.terminate()
                out, command, told = ready + server.communicate(timeout=30)[0], str(server.args), shown
            else:
                done = started(command, folder)
                out, _ = done.communicate(timeout=120)
                fails = "Error: " in told or ": refused (" in told
                assert (done.returncode != 0) == fails, f"{command} ended with {done.returncode}:\n{out}"
            assert shows(told, out), f"{command}\nshows:\n{told}\nfound:\n{out}"


def test_what_differs_from_the_page_is_seen() -> None:
    assert shows("13:37:51 peer: ... in 29 ms\n...\n", "08:00:00 peer: alice > bob, in 1 ms\n")
    assert not shows("1 ping, 1 answer", "1 ping, 0 answers")
    assert not shows("alice\n...\n", "bob\n")
