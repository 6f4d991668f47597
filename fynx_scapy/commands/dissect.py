# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx dissect``: every packet of a capture, as it comes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from fynx_scapy.commands.losses import Losses, opens
from fynx_scapy.commands.opening import misuse, writing
from fynx_scapy.commands.options import CAPTURE, JSON, OUTPUT, STDIO, keys_of, reads_capture

if TYPE_CHECKING:
    # Scapy and the ciphers are imported by the command itself: its help answers without them
    from fynx_scapy.capture import Dissection

Record = dict[str, Any]


@click.command()
@CAPTURE
@reads_capture
@JSON
@OUTPUT
def dissect(capture: Path, ports: tuple[int, ...], as_json: bool, output: Path, **given: Any) -> None:
    """Show every IPsec packet of CAPTURE, decrypted where there is a key.

    CAPTURE is pcap or pcapng, gzip too; - is stdin, and what comes through a pipe is shown as it comes. With --json,
    one object per packet and line.

    Exit status 0; 1 when something was left out (unreadable, a bad ICV, or closed although there are keys), which is
    named on stderr; 2 for misuse.
    """
    from fynx_scapy.capture import Dissection

    keys = keys_of(capture, given)
    losses, pass_ = Losses(opens(keys)), Dissection(keys, frozenset(ports))
    source: Path | BinaryIO = sys.stdin.buffer if str(capture) == STDIO else capture
    records = pass_.records(source, None if isinstance(source, Path) else "stdin")
    with misuse():
        first = next(records, None)  # whether it is a capture is known then
    with writing(output, capture) as out:
        show = _json(out) if as_json else _person(out)
        for record in chain([] if first is None else [first], records):
            show(record)
            if record["error"]:
                losses.add(_loss(record))
    _finish(capture, pass_, losses)
    sys.exit(losses.status)


def _json(out: TextIO) -> Callable[[Record], None]:
    def show(record: Record) -> None:
        out.write(json.dumps(record, separators=(", ", ": ")) + "\n")
        out.flush()

    return show


def _person(out: TextIO) -> Callable[[Record], None]:
    """What shows a record to a person: plain lines, with colours where ``out`` is a terminal."""
    from fynx_scapy.capture.showing.text import line

    start: list[float] = []

    def text(record: Record) -> str:
        if not start and record["time"] is not None:
            start.append(record["time"])
        return line(record, start[0] if start else None)

    if not out.isatty():
        return lambda record: click.echo(text(record), file=out)
    from rich.text import Text

    from fynx_scapy.commands.opening import console

    screen = console(out)

    def coloured(record: Record) -> None:
        style = "red" if record["error"] else "green" if record.get("decrypted") else ""
        screen.print(Text(text(record), style=style), soft_wrap=True)

    return coloured


def _loss(record: Record) -> str:
    # What ends a capture says by itself where it is, and a TCP stream that is cut off has no packet.
    whole = not record["number"] or (record["kind"] == "unreadable" and record["src"] is None)
    text: str = record["error"]
    return text if whole else f"packet {record['number']}: {text}"


def _finish(capture: Path, done: Dissection, losses: Losses) -> None:
    if done.foreign:
        click.echo(f"{done.foreign} packets are not IPsec", err=True)
    losses.closed.update(done.closed)
    losses.finish(capture)
