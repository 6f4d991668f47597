# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx completion``: print a shell's completion script for fynx."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes fynx in SHELL.

    \b
    bash:  eval "$(fynx completion bash)"      in ~/.bashrc
    zsh:   eval "$(fynx completion zsh)"       in ~/.zshrc
    fish:  fynx completion fish | source       in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "fynx", "_FYNX_COMPLETE").source())
