# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx``. What a command needs is imported when it runs: help and version answer without Scapy."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import ClassVar

import click
from click.shell_completion import get_completion_class

from fynx_scapy import __version__

SHELLS = ("bash", "zsh", "fish")


class Fynx(click.Group):
    """The group of commands; those of ``LAZY`` live in a module of their own."""

    LAZY: ClassVar[Mapping[str, str]] = {
        "audit": "fynx_scapy.commands.audit:audit",
        "capture": "fynx_scapy.capture.overview:capture",
        "decrypt": "fynx_scapy.capture.overview:decrypt",
        "dissect": "fynx_scapy.capture.command:dissect",
        "follow": "fynx_scapy.capture.follow.command:follow",
        "lab": "fynx_scapy.commands.lab:lab",
        "list": "fynx_scapy.commands.run:list_",
        "replay": "fynx_scapy.capture.replay.command:replay",
        "run": "fynx_scapy.commands.run:run",
        "shell": "fynx_scapy.commands.shell:shell",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in alphabetical order."""
        return sorted({*super().list_commands(ctx), *self.LAZY})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported if need be."""
        if cmd_name not in self.LAZY:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.LAZY[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Fynx, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fynx")
def main() -> None:
    """IKEv2 and ESP on Scapy: run scenarios, look into captures."""


# -- the shell --------------------------------------------------------------------------------------------------------


@main.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes fynx on the command line of a SHELL.

    \b
    bash:  eval "$(fynx completion bash)"      in ~/.bashrc
    zsh:   eval "$(fynx completion zsh)"       in ~/.zshrc
    fish:  fynx completion fish | source       in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(main, {}, "fynx", "_FYNX_COMPLETE").source())


if __name__ == "__main__":
    main()
