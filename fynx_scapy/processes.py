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
    """The process that worked on a task has ended without a result. Its text goes on after "the process"."""

    status: int

    def __str__(self) -> str:
        if self.status >= 0:
            return f"ended with status {self.status}"
        name = signal.Signals(-self.status).name
        likely = ": is there enough memory?" if -self.status == signal.SIGKILL else ""
        return f"was ended by {name}{likely}"


def work(
    function: Callable[..., Any],
    tasks: Sequence[Any],
    arguments: tuple[Any, ...],
    count: int,
    *,
    copied: bool = False,
    began: Callable[[Any], object] = lambda task: None,
) -> Iterator[Any]:
    """Call ``function(task, *arguments)`` for each task in ``count`` processes. Yields (task, result or Died).

    With ``copied`` each process is a fork of this one: it starts at once and knows what we know, but is only safe in
    a program that has no other threads; ``function`` and ``arguments`` need not be pickled then. ``began`` is called
    with each task that a process gets.
    """
    waiting = deque(tasks)

    def given(connection: Connection, process: BaseProcess) -> None:
        busy[connection] = process, waiting.popleft()
        connection.send(busy[connection][1])
        began(busy[connection][1])

    busy: dict[Connection, tuple[BaseProcess, Any]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < count:
                given(*_start(function, arguments, list(busy), copied=copied))
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
                    given(connection, process)
                else:
                    del busy[connection]
                    _end(process, connection)
                yield task, result
    finally:
        for process, _ in busy.values():
            process.terminate()
        for connection, (process, _) in busy.items():
            _end(process, connection)


def _start(
    function: Callable[..., Any], arguments: tuple[Any, ...], others: Sequence[Connection], *, copied: bool
) -> tuple[Connection, BaseProcess]:
    # A fork of a process with threads (a notebook's, a Dask client's) may hang.
    context = multiprocessing.get_context("fork") if copied else multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    # A fork has our ends of all connections: as long as it has them, no process would see that we have ended.
    shut = (ours, *others) if copied else ()
    process = context.Process(target=_serve, args=(theirs, function, arguments, shut), daemon=True)
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


def _serve(
    connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], shut: Sequence[Connection]
) -> None:
    """The loop of a process: it ends when the other end of the connection is closed, by whatever means."""
    for inherited in shut:
        inherited.close()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
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
