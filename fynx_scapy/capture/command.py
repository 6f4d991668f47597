# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx dissect``: records on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ..text import printable
from .options import keys_of, secret_options

if TYPE_CHECKING:
    # Scapy and the ciphers are imported by the command itself: its help answers without them
    from .dissect import Dissection

CLOSED_SHOWN = 20


@click.command()
@click.argument("capture", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@secret_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object per packet and line.")
def dissect(capture: Path, as_json: bool, **given: Any) -> None:
    """Show every IPsec packet of CAPTURE (pcap or pcapng, - for stdin), decrypted where a key is at hand.

    Exit status 1 when an ICV is bad or a packet unreadable, 2 for misuse.
    """
    from .dissect import Dissection

    keys = keys_of(None if str(capture) == "-" else capture, given)
    for warning in keys.warnings:
        click.echo(f"warning: {warning}", err=True)
    pass_ = Dissection(keys)
    source: Path | BinaryIO = sys.stdin.buffer if str(capture) == "-" else capture
    show = _json if as_json else _person()
    for record in pass_.records(source, None if isinstance(source, Path) else "stdin"):
        show(record)
        if record["kind"] == "unreadable":
            click.echo(f"error: {record['error']}", err=True)
    _closing(capture, pass_)
    sys.exit(1 if pass_.failed else 0)


def _json(record: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(record, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def _person() -> Callable[[dict[str, Any]], None]:
    """What shows a record to a person: plain lines, with colours where stdout is a terminal."""
    from .showing.text import line

    start: list[float] = []

    def text(record: dict[str, Any]) -> str:
        if not start and record["time"] is not None:
            start.append(record["time"])
        return line(record, start[0] if start else None)

    if not sys.stdout.isatty():
        return lambda record: click.echo(text(record))
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)

    def coloured(record: dict[str, Any]) -> None:
        style = "red" if record["error"] else "green" if record.get("decrypted") else ""
        console.print(Text(text(record), style=style))

    return coloured


def _closing(capture: Path, done: Dissection) -> None:
    """What stayed closed for want of a key, and where a key is looked for."""
    if done.foreign:
        click.echo(f"{done.foreign} packets are not IPsec", err=True)
    if not done.closed:
        return
    for name, count in list(done.closed.items())[:CLOSED_SHOWN]:
        click.echo(f"no key for {name}: {count} packets stayed closed", err=True)
    if len(done.closed) > CLOSED_SHOWN:
        click.echo(f"… and for {len(done.closed) - CLOSED_SHOWN} SAs more", err=True)
    name = "NAME" if str(capture) == "-" else printable(capture.with_suffix("").name)
    click.echo(
        f"put keys beside the capture ({name}.ikev2_decryption_table and {name}.esp_sa as Wireshark has them, "
        f"{name}.keys.json, or the folder {name}.keys), or name them with --keys PATH",
        err=True,
    )
