# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx shell``."""

from __future__ import annotations

import click

from fynx_scapy.errors import FynxError


@click.command()
@click.argument("capture", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--keys", type=click.Path(exists=True), metavar="PATH", help="Its keys, if not those beside it.")
def shell(capture: str | None, keys: str | None) -> None:
    """Open a prompt with everything at hand: layers, sessions, and the CAPTURE as c."""
    from fynx_scapy.shell import start

    try:
        start(capture, keys)
    except FynxError as error:
        raise click.ClickException(str(error)) from None
