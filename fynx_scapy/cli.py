# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx``. What a command needs is imported when it runs: help and version answer without Scapy."""

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
"""Every command, which is a file in commands/, and the name of its function there."""

READER_GONE = 141
"""What a shell shows of a process that SIGPIPE ended: whoever read our output wanted no more of it."""


class Fynx(click.Group):
    """The group of commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in alphabetical order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fynx_scapy.commands.{cmd_name}")
        command: click.Command = getattr(module, COMMANDS[cmd_name])
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. That the reader of a pipe has gone (``fynx list | head -1``) ends it without a word."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes stdout once more at its end, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(READER_GONE)


@click.group(cls=Fynx, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fynx")
def main() -> None:
    """IKEv2 and ESP on Scapy: run scenarios, look into captures."""


if __name__ == "__main__":
    main()
