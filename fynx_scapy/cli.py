# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx``. A command imports what it needs when it runs, so ``--help`` and ``--version`` need no Scapy."""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from fynx_scapy import __version__
from fynx_scapy.commands.ending import on_end
from fynx_scapy.commands.losses import INTERRUPTED
from fynx_scapy.errors import FynxError
from fynx_scapy.text import printable

COMMANDS: Mapping[str, str] = {
    "audit": "audit",
    "bench": "bench",
    "capture": "capture",
    "completion": "completion",
    "connect": "connect",
    "decrypt": "decrypt",
    "dissect": "dissect",
    "follow": "follow",
    "fuzz": "fuzz",
    "lab": "lab",
    "list": "list_",
    "pki": "pki",
    "replay": "replay",
    "run": "run",
    "scan": "scan",
    "serve": "serve",
    "shell": "shell",
}
"""Command name -> name of its function. Each command is a file in commands/."""

MISUSE = 2
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What a write to stdout fails with, apart from EPIPE."""
READER_GONE = 141
"""The exit status that a shell shows for a process killed by SIGPIPE: the reader of our output has exited."""

COLLECTIONS = (2000, 20, 100)
"""The thresholds of Python's garbage collector. One message may have ten thousand layers, and few become garbage that
only the collector frees: with the default thresholds, it would take as long as parsing them.
"""


class _Ending(click.Command):
    """A command that ends with one line, or quietly, whatever ends it."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line, and leave nothing half-written when a signal ends it."""
        _check_streams()
        gc.set_threshold(*COLLECTIONS)
        with _terminated():
            return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line, or print ``--help`` or ``--version``."""
        with _one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with _one_line():
            return super().invoke(ctx)


class Fynx(_Ending, click.Group):
    """The group of commands. Each is imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fynx_scapy.commands.{cmd_name}")
        command: click.Command = getattr(module, COMMANDS[cmd_name])
        return command


@contextmanager
def _one_line() -> Iterator[None]:
    """End quietly when the reader of a pipe has exited (``fynx list | head -1``), and with one line on other errors."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _end(READER_GONE)
    except KeyboardInterrupt:
        _end(INTERRUPTED, "interrupted")
    except FynxError as error:
        _end(MISUSE, f"Error: {error}")
    except OSError as error:
        _end(MISUSE, f"Error: {_told(error)}")


def _told(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None and error.errno in NO_ROOM:  # every other file names itself
        return f"cannot write stdout: {reason}"
    return f"{printable(str(error.filename))}: {reason}" if error.filename else reason


def _end(status: int, text: str = "") -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # Python flushes once more at exit, which would print an error.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if text:
        with contextlib.suppress(OSError):
            click.echo(text, err=True)
    sys.exit(status)


def _check_streams() -> None:
    """A terminal that lacks a character gets its escape. stdout must be open, because a file would take its place."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 -- open to the end
    if sys.stdout is None:
        click.echo("Error: cannot write stdout: it is closed", err=True)
        sys.exit(MISUSE)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _terminated() -> contextlib.AbstractContextManager[None]:
    """Let SIGTERM and SIGHUP end the command like an exception, so that it removes what is half-written."""
    return on_end(lambda number: sys.exit(128 + number))


@click.group(cls=Fynx, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fynx")
def main() -> None:
    """IKEv2 and ESP on Scapy: run scenarios and analyse captures."""


def script(name: str, chosen: Callable[[], Any]) -> NoReturn:
    """Run the scenarios that ``chosen()`` returns with the options of ``fynx run``, as the script ``name``."""
    run = importlib.import_module("fynx_scapy.commands.run").run
    fixed: dict[str, Any] = {"names": (), "exclude": (), "folders": ()}
    command = _Ending(
        name,
        params=[param for param in run.params if param.name not in fixed],
        callback=functools.partial(run.callback, **fixed),
        help=f"Run {name}, and print its ladders. The options are those of fynx run.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command.main(prog_name=name, obj=chosen)
    raise AssertionError("click ends the program")


if __name__ == "__main__":
    main()
