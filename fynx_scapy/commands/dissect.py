# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx dissect``: show every packet of a capture as it arrives."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from fynx_scapy.capture.reading.losses import several
from fynx_scapy.commands.losses import Losses
from fynx_scapy.commands.opening import as_file, check_outputs, misuse, no_routes, opened, some, stdin, writing
from fynx_scapy.commands.options import CAPTURE, JSON, OUTPUT, STDIO, filter_of, filters, keys_of, reads_capture

if TYPE_CHECKING:
    # The command itself imports Scapy and the ciphers, so that --help works without them
    from fynx_scapy.capture import Dissection
    from fynx_scapy.capture.choice import Chooser, Filter
    from fynx_scapy.keylog import KeyLog

Record = dict[str, Any]


@click.command()
@CAPTURE
@reads_capture
@filters
@JSON
@OUTPUT
def dissect(capture: Path, ports: tuple[int, ...], as_json: bool, output: Path, **given: Any) -> None:
    """Show every IPsec packet of CAPTURE, decrypted if there is a key.

    CAPTURE is pcap or pcapng, optionally gzipped; - is stdin. Packets from a pipe are shown as they arrive, but with
    --conversation only once all are there. --json prints one object per line and packet, in which the
    packets inside it are.

    Exit status 0 when nothing was left out; 1 when something was (unreadable, bad ICV, or not decrypted although there
    are keys), as listed on stderr; 2 for misuse.
    """
    from fynx_scapy.capture import Dissection
    from fynx_scapy.capture.dissect import flat

    check_outputs({"--output": output}, [capture], given)
    no_routes()
    keys, choice = keys_of(capture, given), filter_of(given)
    pass_ = Dissection(keys, frozenset(ports))
    losses = Losses(keys.decrypts, live=not capture.is_file())
    source: Path | BinaryIO = stdin() if str(capture) == STDIO else capture
    stopped = None
    with ExitStack() as stack:
        if choice is not None and choice.conversations:  # they are numbered over the whole capture
            source = stack.enter_context(as_file(capture))
        pass_.takes = None if choice is None else stack.enter_context(_chooser(source, keys, ports, choice)).packet
        records = pass_.records(source, "stdin" if str(capture) == STDIO else None)
        with misuse():
            first = next(records, None)  # raises if the file is not a capture
        with writing(output) as out:
            show = _json(out) if as_json else _person(out, pass_)
            try:
                for record in chain([] if first is None else [first], records):
                    for each in [record] if as_json else flat(record):
                        show(each)
                    for each in flat(record):
                        if each["error"]:
                            losses.add(each["error"], _place(each))
            except KeyboardInterrupt as error:  # the usual end of a live capture: what is written so far is kept
                stopped = error
    if choice is not None:
        some(pass_.taken, pass_.taken + pass_.left_out)
        losses.filtered(pass_.left_out, pass_.taken + pass_.left_out)
    _finish(capture, pass_, losses)
    if stopped is not None:
        raise stopped
    sys.exit(losses.status)


@contextmanager
def _chooser(source: Path | BinaryIO, keys: KeyLog, ports: Sequence[int], choice: Filter) -> Iterator[Chooser]:
    """The predicate of a filter. Only conversations need a pass over the whole capture before."""
    from fynx_scapy.capture.choice import Chooser

    if not choice.conversations or not isinstance(source, Path):
        yield Chooser(choice)
        return
    with opened(source, keys, ports) as whole, misuse():
        yield Chooser(choice, whole.transcript)


def _json(out: TextIO) -> Callable[[Record], None]:
    def show(record: Record) -> None:
        out.write(json.dumps(record, separators=(", ", ": ")) + "\n")
        out.flush()

    return show


def _person(out: TextIO, pass_: Dissection) -> Callable[[Record], None]:
    """A function that prints a record for people: plain lines, coloured if ``out`` is a terminal."""
    from fynx_scapy.capture.showing.text import line

    def text(record: Record) -> str:
        return line(record, pass_.began)

    if not out.isatty():
        return lambda record: click.echo(text(record), file=out)
    from rich.text import Text

    from fynx_scapy.commands.opening import console

    screen = console(out)

    def coloured(record: Record) -> None:
        style = "red" if record["error"] else "green" if record.get("decrypted") else ""
        screen.print(Text(text(record), style=style), soft_wrap=True)

    return coloured


def _place(record: Record) -> int:
    """The packet that a loss belongs to. The error that ends a capture names its own place."""
    number: int = record["number"]
    return 0 if record["kind"] == "unreadable" and record["src"] is None else number


def _finish(capture: Path, done: Dissection, losses: Losses) -> None:
    if done.foreign:
        click.echo(f"{several(done.foreign, 'packet')} {'is' if done.foreign == 1 else 'are'} not IPsec", err=True)
    losses.guessed(done.guesses)
    losses.closed.update(done.closed)
    losses.finish(capture)
