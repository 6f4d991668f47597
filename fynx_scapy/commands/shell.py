# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx shell``: open a Python prompt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fynx_scapy.commands.losses import Losses, look
from fynx_scapy.commands.opening import misuse, opened
from fynx_scapy.commands.options import KEY_FILES, STDIO, any_given, keys_of, reads_capture


@click.command()
@click.argument("capture", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@reads_capture
def shell(capture: Path | None, ports: tuple[int, ...], **given: Any) -> None:
    """Open a Python prompt with layers and sessions, and CAPTURE as c.

    Exit status 0 when nothing was left out of CAPTURE; 1 when something was (unreadable, bad ICV, or not decrypted
    although there are keys), as listed on stderr; 2 for misuse.
    """
    from fynx_scapy.shell import start

    if any(str(path) == STDIO for name in KEY_FILES for path in given[name]):
        raise click.UsageError("- (stdin) is needed for the prompt: put the keys into a file")
    if capture is None:
        if ports or any_given(given):
            raise click.UsageError("keys and ports need a CAPTURE, which is missing")
        with misuse():
            start()
        return
    keys = keys_of(capture, given)
    losses = Losses(keys.decrypts)
    with opened(capture, keys, ports) as found:
        look(found, losses).finish(capture)
        start(found)
    sys.exit(losses.status)
