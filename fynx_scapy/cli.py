# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx``. A command imports what it needs when it runs, so ``--help`` and ``--version`` need no Scapy."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from fynx_scapy import __version__

COMMANDS: Mapping[str, str] = {
    "audit": "audit",
    "capture": "capture",
    "completion": "completion",
    "decrypt": "decrypt",
    "dissect": "dissect",
    "follow": "follow",
    "lab": "lab",
    "list": "list_",
    "replay": "replay",
    "run": "run",
    "shell": "shell",
}
"""Command name -> name of its function. Each command is a file in commands/."""

READER_GONE = 141
"""The exit status that a shell shows for a process killed by SIGPIPE: the reader of our output has exited."""


class Fynx(click.Group):
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

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. End it quietly when the reader of a pipe has exited (``fynx list | head -1``)."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes stdout again at exit, which would print an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(READER_GONE)


@click.group(cls=Fynx, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fynx")
def main() -> None:
    """IKEv2 and ESP on Scapy: run scenarios and analyse captures."""


if __name__ == "__main__":
    main()
