# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands ``fynx capture`` and ``fynx decrypt``: what a capture holds, and its packets in the clear.

The first is called ``capture`` and not ``flows`` because it shows what the object `Capture` does: conversations,
exchanges and SAs before flows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import CaptureError, ConfigError
from .options import any_given, keys_of, secret_options

if TYPE_CHECKING:
    from rich.console import Console

    from ..keylog import KeyLog
    from .capture import Capture
    from .scale import Results

_PORTS = click.option(
    "--port",
    "ports",
    multiple=True,
    type=click.IntRange(1, 65535),
    help="A UDP or TCP port used as 4500 is. Repeatable.",
)
MOST_ROWS = 100


@click.command()
@click.argument("capture", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@secret_options
@_PORTS
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON document; of a folder, one object per capture and line."
)
@click.option("--ladder", is_flag=True, help="Draw every conversation as a ladder too.")
@click.option("--no-decrypt", is_flag=True, help="Index only: nothing is opened, no key is read.")
@click.option("--workers", type=click.IntRange(1), help="Processes for a folder; by default one for each processor.")
@click.option(
    "--parquet",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the tables of a folder's captures as Parquet (extra: parquet).",
)
def capture(
    capture: Path,
    ports: tuple[int, ...],
    as_json: bool,
    ladder: bool,
    no_decrypt: bool,
    workers: int | None,
    parquet: Path | None,
    **given: Any,
) -> None:
    """Show what CAPTURE holds: conversations, exchanges, SAs and ESP flows. - is stdin; a folder is read in parallel.

    Exit status 1 when something in it is unreadable or an ICV is bad, 2 for misuse.
    """
    folder = capture.is_dir()
    if parquet is not None and not folder:
        raise click.UsageError("--parquet is for a folder of captures")
    with _misuse():
        if folder:
            results = _process(capture, given, ports, workers, not no_decrypt)
            if parquet is not None:
                results.write(parquet)
            _show_results(results, as_json)
            sys.exit(1 if any(row["error"] or row["problems"] or row["bad_esp"] for row in results.captures) else 0)
        with _opened(capture, given, ports, none=no_decrypt) as opened:
            document = _document(opened, not no_decrypt and _any_key(opened.keys))
            if as_json:
                click.echo(json.dumps(document, indent=1))
            else:
                _show(opened, document)
                if ladder:
                    click.echo(f"\n{opened.ladder()}")
            sys.exit(1 if opened.index.failed or document.get("esp", {}).get("bad") else 0)


@click.command()
@click.argument("capture", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="The pcapng file to write.",
)
@secret_options
@_PORTS
def decrypt(capture: Path, output: Path, ports: tuple[int, ...], **given: Any) -> None:
    """Write the packets of CAPTURE in the clear: inner packets for ESP, IKE messages without SK, with comments.

    Exit status 1 when a packet is unreadable, stayed closed, or has a bad ICV; 2 for misuse.
    """
    with _misuse(), _opened(capture, given, ports) as opened:
        try:
            count = opened.save_decrypted(output)
        except OSError as error:
            raise click.UsageError(f"cannot write {output}: {error.strerror}") from None
        verdicts = opened.icvs
        messages = opened.follow()
        closed = sum(each.closed for each in messages)
        for problem in opened.problems[:20]:
            click.echo(f"error: packet {problem.number} at offset {problem.offset}: {problem.text}", err=True)
        click.echo(
            f"{count} packets written to {output}; ESP: {verdicts['opened']} opened, {verdicts['closed']} closed, "
            f"{verdicts['bad']} with a bad ICV; IKE messages: {len(messages) - closed} readable, {closed} closed",
            err=True,
        )
        sys.exit(1 if verdicts["closed"] or verdicts["bad"] or closed or opened.index.failed else 0)


# -- what both need ---------------------------------------------------------------------------------------------------


@contextmanager
def _misuse() -> Iterator[None]:
    """What cannot be opened is a mistake in the command."""
    try:
        yield
    except (CaptureError, ConfigError) as error:
        raise click.UsageError(str(error)) from None


def _keys(given: dict[str, Any], beside: Path | None) -> KeyLog:
    log = keys_of(beside, given)
    for warning in log.warnings:
        click.echo(f"warning: {warning}", err=True)
    return log


def _any_key(log: KeyLog) -> bool:
    """Whether there is anything to decrypt with: keys, or secrets to derive them from."""
    names = ("ike", "esp", "secrets", "private", "sk_d", "psk", "ppk", "msk")
    return any(getattr(log, name, None) for name in names)


@contextmanager
def _opened(path: Path, given: dict[str, Any], ports: Sequence[int], none: bool = False) -> Iterator[Capture]:
    """The capture, with a progress bar on stderr for each pass, where that is a terminal."""
    from ..keylog import KeyLog
    from .capture import Capture

    stdin = str(path) == "-"
    keys = KeyLog() if none else _keys(given, None if stdin else path)
    if not sys.stderr.isatty():
        with Capture(sys.stdin.buffer if stdin else path, keys, ports=ports) as found:
            yield found
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    known = None if stdin or path.suffix == ".gz" else path.stat().st_size
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading", total=known)
        with Capture(
            sys.stdin.buffer if stdin else path,
            keys,
            ports=ports,
            progress=lambda offset: progress.update(bar, completed=offset),
        ) as found:
            yield found


def _process(folder: Path, given: dict[str, Any], ports: Sequence[int], workers: int | None, decrypt: bool) -> Results:
    from .scale import process

    keys = _keys(given, None) if any_given(given) else None
    if not sys.stderr.isatty():
        return process(folder, keys, workers=workers, decrypt=decrypt, ports=ports)
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("captures", total=None)

        def watch(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        return process(folder, keys, workers=workers, decrypt=decrypt, ports=ports, progress=watch)


# -- what is shown ----------------------------------------------------------------------------------------------------


def _document(capture: Capture, decrypt: bool) -> dict[str, Any]:
    document = capture.as_dict()
    if decrypt:
        document["esp"] = dict(capture.icvs)
        document["inner_flows"] = [flow.as_dict() for flow in capture.inner_flows]
        document["sas"] = [sa_row(sa) for sa in capture.ike_sas]
    return document


def suite_text(suite: Any) -> str:
    """The algorithms of an SA, by IANA's names; no key."""
    from ..iana import Encr, Integ, Prf, name_of

    if suite is None:
        return "unknown"
    words = [name_of(Encr, suite.encr.id) + (f"-{suite.encr.key_length}" if suite.encr.key_length else "")]
    words += [name_of(Integ, suite.integ.id)] if suite.integ else []
    words += [name_of(Prf, suite.prf.id)] if suite.prf else []
    return ", ".join([*words, "ESN"] if suite.esn else words)


def sa_row(sa: Any) -> dict[str, Any]:
    """An IKE SA that was followed and its Child SAs, in plain values without keys."""
    return {
        "spi_i": sa.spi_i.hex(),
        "spi_r": sa.spi_r.hex(),
        "suite": suite_text(sa.suite),
        "keys": "known" if sa.keys is not None else "unknown",
        "derived": sa.derived,
        "rekeys": sa.parent.spi_i.hex() if sa.parent is not None else None,
        "auth": [
            {"packet": each.number, "role": each.role, "method": each.method, "verified": each.verified}
            | {"identity": each.identity, "reason": each.reason}
            for each in sa.auth
        ],
        "children": [
            {
                "spi_i": f"{child.spi_i:08x}",
                "spi_r": f"{child.spi_r:08x}",
                "suite": suite_text(child.suite),
                "mode": child.mode,
                "packet": child.number,
                "keys": "known" if child.keys is not None else "unknown",
                "derived": child.derived,
                "rekeys": f"{child.rekeys.spi_i:08x}" if child.rekeys is not None else None,
            }
            for child in sa.children
        ],
    }


def _console() -> Console:
    from rich.console import Console

    # Where nobody looks on, no terminal's width cuts the columns.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _table(console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from ..text import LONGEST, printable

    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, head in enumerate(heads):
        right = all(row[number] is None or isinstance(row[number], int | float) for row in rows)
        table.add_column(head, justify="right" if right else "left", overflow="fold")
    for row in rows[:MOST_ROWS]:
        cells = ("" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row)
        table.add_row(*(Text(printable(cell, LONGEST)) for cell in cells))
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"… and {len(rows) - MOST_ROWS} more; --json has all")
    console.print()


def _show(capture: Capture, document: dict[str, Any]) -> None:
    from ..text import printable

    console = _console()
    kinds = ", ".join(f"{count} {kind}" for kind, count in document["kinds"].items()) or "no IPsec"
    name = printable(capture.name)
    console.print(f"{name}: {document['packets']} packets: {kinds}; {document['foreign']} others\n", markup=False)
    conversations = capture.conversations
    rows: list[list[Any]] = [
        [c.number, c.initiator, c.responder, len(c), len(c.exchanges), len(c.spis), c.spis[0][0].hex()]
        for c in conversations
    ]
    _table(
        console, "conversations", ("", "initiator", "responder", "messages", "exchanges", "IKE SAs", "first SPI"), rows
    )
    rows = []
    for exchange in capture.exchanges:
        latency = None if exchange.latency is None else exchange.latency * 1000
        by = "initiator" if exchange.by_initiator else "responder"
        numbers = ", ".join(str(message.number) for message in exchange)
        row = [exchange.conversation.number, exchange.name, exchange.message_id, by, numbers]
        rows.append([*row, exchange.retransmissions or None, latency])
    _table(console, "exchanges", ("", "exchange", "ID", "asked by", "packets", "again", "ms"), rows)
    _sas(console, document.get("sas", []))
    unusual = ("missing", "reordered", "duplicates", "replays")
    rows = [
        [
            f"{f['protocol'].upper()} {f['spi']}",
            f["src"],
            f["dst"],
            f["encapsulation"],
            f["packets"],
            f["octets"],
            f"{f['lowest']}–{f['highest']}",
            *(f[name] or None for name in unusual),
        ]
        for f in document["flows"]
    ]
    heads = (
        "flow",
        "from",
        "to",
        "in",
        "packets",
        "octets",
        "sequence",
        "missing",
        "reordered",
        "duplicates",
        "replays",
    )
    _table(console, "flows", heads, rows)
    rows = [
        [f["src"], f["sport"], f["dst"], f["dport"], f["protocol"], f["packets"], f["octets"]]
        for f in document.get("inner_flows", [])
    ]
    _table(console, "inner flows", ("from", "port", "to", "port", "protocol", "packets", "octets"), rows)
    if "esp" in document:
        esp = document["esp"]
        console.print(f"ESP: {esp['opened']} opened, {esp['closed']} closed, {esp['bad']} with a bad ICV")
    for problem in document["problems"][:MOST_ROWS]:
        where = f"packet {problem['number']}, " if problem["number"] else ""
        click.echo(f"error: {where}offset {problem['offset']}: {problem['text']}", err=True)


def _sas(console: Console, sas: Sequence[dict[str, Any]]) -> None:
    words = {True: "verified", False: "BAD", None: "unchecked"}
    rows: list[list[Any]] = []
    for sa in sas:
        auth = ", ".join(f"{each['role']} {words[each['verified']]}" for each in sa["auth"])
        rows.append(["IKE", f"{sa['spi_i']} {sa['spi_r']}", sa["suite"], sa["derived"] or "keys unknown", auth])
        for child in sa["children"]:
            row = ["Child", f"{child['spi_i']} {child['spi_r']}", f"{child['suite']}, {child['mode']}"]
            rows.append([*row, child["derived"] or f"keys {child['keys']}", ""])
    _table(console, "SAs", ("", "SPIs", "algorithms", "keys from", "AUTH"), rows)


def _show_results(results: Results, as_json: bool) -> None:
    if as_json:
        for row in results.captures:
            click.echo(json.dumps(row))
        return
    console = _console()
    names = (
        "capture",
        "packets",
        "messages",
        "conversations",
        "flows",
        "opened_esp",
        "closed_esp",
        "bad_esp",
        "problems",
    )
    _table(console, "captures", names, [[row[name] for name in names] for row in results.captures])
    from ..text import printable

    for path, error in results.failed.items():
        click.echo(f"error: {printable(path)}: {error}", err=True)
