# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that share a list of tasks. They end with us: after an error, Ctrl-C, or when this process is killed.

A process that dies (out of memory, a fault of ours or of a library) costs the task that it was at, and no other.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

_PATIENCE = 5.0
"""Seconds until a process that does not end is killed."""


@dataclass(frozen=True, slots=True)
class Died:
    """The process that worked on a task has ended without a result."""

    status: int

    def __str__(self) -> str:
        if self.status >= 0:
            return f"the process that read it ended with status {self.status}"
        name = signal.Signals(-self.status).name
        likely = ": is there enough memory?" if -self.status == signal.SIGKILL else ""
        return f"the process that read it was ended by {name}{likely}"


def work(function: Callable[..., Any], tasks: Sequence[Any], arguments: tuple[Any, ...], count: int) -> Iterator[Any]:
    """Call ``function(task, *arguments)`` for each task in ``count`` processes. Yields (task, result or Died)."""
    waiting = deque(tasks)
    busy: dict[Connection, tuple[BaseProcess, Any]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < count:
                connection, process = _start(function, arguments)
                task = waiting.popleft()
                busy[connection] = process, task
                connection.send(task)
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                connection = ready
                process, task = busy[connection]
                try:
                    result = connection.recv()
                except (EOFError, OSError):
                    del busy[connection]
                    _end(process, connection)
                    yield task, Died(process.exitcode or 0)
                    continue
                if waiting:
                    busy[connection] = process, waiting.popleft()
                    connection.send(busy[connection][1])
                else:
                    del busy[connection]
                    _end(process, connection)
                yield task, result
    finally:
        for process, _ in busy.values():
            process.terminate()
        for connection, (process, _) in busy.items():
            _end(process, connection)


def _start(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Connection, BaseProcess]:
    # spawn: a fork of a process with threads (a notebook's, a Dask client's) may hang.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, function, arguments), daemon=True)
    # Ctrl-C reaches the whole process group. It is ours to end the others, so they never see it. The tracker is started
    # first, because its start unblocks the signal.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return ours, process


def _end(process: BaseProcess, connection: Connection) -> None:
    connection.close()  # which ends its loop
    process.join(_PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()


def _serve(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """The loop of a process: it ends when the other end of the connection is closed, by whatever means."""
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        answer = function(task, *arguments)  # an exception ends this process, with its traceback on stderr
        try:
            connection.send(answer)
        except OSError:
            return
