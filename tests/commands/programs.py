# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs fynx as a process that goes on: its lines are read as they come."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

PATIENCE = 30.0
"""Seconds that a process may take for anything; in an idle machine it takes a moment."""


class Program:
    """A process of fynx: ``lines`` are those that it has printed so far, stderr among them.

    ``inside`` is a command that starts it, such as nsenter.
    """

    def __init__(self, *words: str, cwd: Path | None = None, inside: Sequence[str] = ()) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error"}
        self._process = subprocess.Popen(
            [*inside, Path(sys.executable).with_name("fynx"), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd=cwd, env=environment,
        )  # fmt: skip
        self.lines: list[str] = []
        self._read: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._pump, daemon=True)
        self._reader.start()

    def _pump(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                self._read.put(line.rstrip("\n"))
        self._read.put(None)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def until(self, words: str) -> str:
        """The first line with these words that has not been read yet."""
        while True:
            line = self._read.get(timeout=PATIENCE)
            assert line is not None, f"it ended without {words!r}:\n" + "\n".join(self.lines)
            self.lines.append(line)
            if words in line:
                return line

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def ended(self, number: int | None = None) -> int:
        """Wait until it ends, after a signal if one is given; returns its exit status."""
        if number is not None:
            self.signal(number)
        while (line := self._read.get(timeout=PATIENCE)) is not None:
            self.lines.append(line)
        return self._process.wait(PATIENCE)

    def __str__(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def serving(*words: str, cwd: Path | None = None) -> Iterator[Program]:
    """A server that is ready; it is ended by Ctrl-C, with exit status 0."""
    with Program("serve", *words, cwd=cwd) as program:
        program.until("serving")
        yield program
        assert program.ended(signal.SIGINT) == 0, str(program)
