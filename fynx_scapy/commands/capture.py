# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx capture``: show what a capture, or a folder of captures, contains.

It is called ``capture`` rather than ``flows`` because it shows what the class `Capture` does: conversations, exchanges
and SAs before flows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.capture.reading.losses import several
from fynx_scapy.commands.losses import Losses, look, where
from fynx_scapy.commands.opening import check_outputs, console, misuse, opened, writing, written
from fynx_scapy.commands.options import JSON, OUTPUT, Folder, any_given, filter_of, filters, keys_of, reads_capture

if TYPE_CHECKING:
    from fynx_scapy.capture.scale import Results
    from fynx_scapy.keylog import KeyLog

COLUMNS = {
    "packets": "packets", "messages": "messages", "conversations": "conversations", "flows": "flows",
    "opened_esp": "opened ESP", "closed_esp": "closed ESP", "bad_esp": "bad ESP", "problems": "problems",
}  # fmt: skip
"""Columns of the table of a folder: name in a result, and head."""


@click.command()
@click.argument("capture", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@reads_capture
@filters
@JSON
@OUTPUT
@click.option("--ladder", is_flag=True, help="Also draw every conversation as a ladder.")
@click.option("--no-decrypt", is_flag=True, help="Index only: decrypt nothing and read no keys.")
@click.option("--workers", type=click.IntRange(1), help="Read a folder with this many processes; default: one per CPU.")
@click.option(
    "--parquet",
    type=Folder(),
    metavar="DIR",
    help="Write the tables of a folder's captures as Parquet (extra: parquet).",
)
def capture(
    capture: Path,
    ports: tuple[int, ...],
    as_json: bool,
    output: Path,
    ladder: bool,
    no_decrypt: bool,
    workers: int | None,
    parquet: Path | None,
    **given: Any,
) -> None:
    """Show what CAPTURE contains: conversations, exchanges, SAs and ESP flows.

    CAPTURE is pcap or pcapng, optionally gzipped; - is stdin; a folder of captures is read in parallel. --json prints
    one document; for a folder, one object per line and capture.

    Exit status 0 when nothing was left out; 1 when something was (unreadable, bad ICV, or not decrypted although there
    are keys), as listed on stderr; 2 for misuse.
    """
    if no_decrypt and any_given(given):
        raise click.UsageError("--no-decrypt uses no keys: omit the key options")
    check_outputs({"--output": output}, [capture], given)
    choice = filter_of(given)
    if capture.is_dir():
        if ladder or choice is not None:
            what = "--ladder works" if ladder else "filters work"
            raise click.UsageError(f"{what} on a single capture, not on a folder")
        _folder(capture, given, ports, as_json, output, no_decrypt, workers, parquet)
    if parquet is not None or workers is not None:
        raise click.UsageError("--parquet and --workers need a folder of captures")
    keys = None if no_decrypt else keys_of(capture, given)
    with opened(capture, keys, ports, choice) as found:
        from fynx_scapy.capture.showing import summary

        losses = Losses(keys is not None and keys.decrypts)
        document = summary.document(found, keys is not None and any_key(keys))
        with writing(output) as out:
            if as_json:
                click.echo(json.dumps(document, indent=1), file=out)
            else:
                screen = console(out)
                summary.show(found, document, screen)
                if ladder:
                    from fynx_scapy.ladder import WIDTH  # with Scapy, which nothing else here needs

                    width = screen.width if out.isatty() else WIDTH
                    click.echo(f"\n{found.ladder().text(width, titles=True)}", file=out)
        look(found, losses, inside=not no_decrypt).finish(capture)
    sys.exit(losses.status)


def any_key(keys: KeyLog) -> bool:
    """Whether any key can decrypt or verify something."""
    return keys.decrypts or keys.verifies


# -- a folder ---------------------------------------------------------------------------------------------------------


def _folder(
    folder: Path,
    given: dict[str, Any],
    ports: Sequence[int],
    as_json: bool,
    output: Path,
    no_decrypt: bool,
    workers: int | None,
    parquet: Path | None,
) -> None:
    keys = keys_of(None, given) if any_given(given) else None
    with misuse():
        results, stopped = _process(folder, keys, ports, workers, not no_decrypt)
        if parquet is not None:
            with written(parquet):
                results.write(parquet)
    if keys is not None and keys.esp_null:
        click.echo("--esp-null: ESP whose ICV is unchecked may be a guess; fynx capture FILE names each SA", err=True)
    with writing(output) as out:
        if as_json:
            for row in results.captures:
                click.echo(json.dumps(row), file=out)
        else:
            from fynx_scapy.capture.showing.summary import table

            rows = [[relpath(row["capture"], folder), *(row[name] for name in COLUMNS)] for row in results.captures]
            table(console(out), "captures", ("capture", *COLUMNS.values()), rows)
    status = max(_losses(results), default=0)
    if stopped:
        click.echo(stopped, err=True)
        raise KeyboardInterrupt
    sys.exit(status)


def _losses(results: Results) -> list[int]:
    """Report what was left out of each capture. Returns one exit status per capture."""
    found = {row["capture"]: Losses(name=row["capture"]) for row in results.captures}
    for row in results.tables["problems"]:
        found[row["capture"]].add(where(row["number"], row["offset"], row["text"]))
    for row in results.tables["messages"]:
        if row["errors"]:
            found[row["capture"]].add(f"packet {row['number']}: {row['errors']}")
    for row in results.captures:
        losses = found[row["capture"]]
        if row["error"]:
            losses.add(row["error"].removeprefix(f"{row['capture']}: "))
        if row["bad_esp"]:
            losses.add(f"{several(row['bad_esp'], 'ESP packet')} with a bad ICV")
        if row["keyed"] and (row["closed_esp"] or row["closed_messages"]):
            esp, messages = several(row["closed_esp"], "ESP packet"), several(row["closed_messages"], "IKE message")
            losses.add(f"{esp} and {messages} not decrypted")
        losses.finish(Path(row["capture"]))
    return [losses.status for losses in found.values()]


def _process(
    folder: Path, keys: KeyLog | None, ports: Sequence[int], workers: int | None, decrypt: bool
) -> tuple[Results, str]:
    """The results of a folder's captures. After Ctrl-C, those of the captures already read, and how many these are."""
    from rich.console import Console
    from rich.progress import Progress

    from fynx_scapy.capture.scale import Results, Tables, captures_in, each

    paths = [str(path) for path in captures_in(folder)]
    done: dict[str, Tables] = {}
    stopped = ""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("captures", total=len(paths))
        try:
            for path, tables in each(paths, keys, workers=workers, decrypt=decrypt, ports=ports):
                done[path] = tables
                progress.update(bar, completed=len(done))
        except KeyboardInterrupt:
            stopped = f"{len(done)} of {several(len(paths), 'capture')} read"
    return Results.of(paths, done), stopped
