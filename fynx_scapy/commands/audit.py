# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx audit``: captures judged, in a terminal, as JSON, and as a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.capture.options import keys_of, secret_options
from fynx_scapy.errors import CaptureError, ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from fynx_scapy.capture.audit import Audit

PROFILES = ("rfc", "cnsa2", "bsi")
SEVERITIES = ("info", "low", "medium", "high")
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
_STYLES = {
    "OK": "green",
    "SEEN": "dim",
    "WEAK": "yellow",
    "FORBIDDEN": "bold red",
    "FAILED": "red",
    "UNKNOWN": "magenta",
}


@click.command()
@click.argument("captures", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@secret_options
@click.option(
    "--port", "ports", multiple=True, type=click.IntRange(1, 65535), help="A port used as 4500 is. Repeatable."
)
@click.option("--profile", type=click.Choice(PROFILES), default="rfc", show_default=True, help="The tables that judge.")
@click.option("--all", "everything", is_flag=True, help="Show what is OK or only observed too; files hold it anyway.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write the findings as JSON.")
@click.option(
    "--html", "html_file", type=_FILE, metavar="FILE", help="Write a report: one page that needs nothing else."
)
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit with 1 if a finding is at least as severe.")
def audit(
    captures: tuple[Path, ...],
    ports: tuple[int, ...],
    profile: str,
    everything: bool,
    json_file: Path | None,
    html_file: Path | None,
    fail_on: str | None,
    **given: Any,
) -> None:
    """Judge what was offered, chosen and used in CAPTURES: algorithms, keys, lifetimes, errors.

    Each finding names its packets and the document that it follows. What cannot be seen or looked up is UNKNOWN, never
    OK.

    Exit status 0 whatever is found, 1 only with --fail-on, 2 for misuse.
    """
    from fynx_scapy.capture import Capture
    from fynx_scapy.capture.audit import Severity
    from fynx_scapy.capture.audit import audit as judged

    audits, warned = [], set()
    for path in captures:
        keys = keys_of(path, given)
        for warning in keys.warnings:
            if warning not in warned:
                click.echo(f"warning: {warning}", err=True)
            warned.add(warning)
        try:
            with _progress(path) as progress, Capture(path, keys, ports=ports, progress=progress) as capture:
                audits.append(judged(capture, profile))
        except (CaptureError, ConfigError) as error:
            raise click.UsageError(str(error)) from None
    console = _console()
    for each in audits:
        _show(console, each, everything)
    if json_file is not None:
        document = {"profile": profile, "captures": [each.as_dict() for each in audits]}
        _write(json_file, json.dumps(document, indent=1) + "\n")
    if html_file is not None:
        from fynx_scapy.report.audit import render

        _write(html_file, render(audits))
    if fail_on is not None and any(each.worst >= Severity[fail_on.upper()] for each in audits):
        sys.exit(1)


@contextmanager
def _progress(path: Path) -> Iterator[Callable[[int], None] | None]:
    """A bar on stderr for each pass over a capture, where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    from fynx_scapy.text import printable

    with Progress(console=Console(stderr=True), transient=True) as progress:
        total = None if path.suffix == ".gz" else path.stat().st_size
        bar = progress.add_task(escape(printable(path.name)), total=total)
        yield lambda offset: progress.update(bar, completed=offset)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from None


def _console() -> Console:
    from rich.console import Console

    # Where nobody looks on, no terminal's width cuts the columns.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _show(console: Console, audit: Audit, everything: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from fynx_scapy.report.audit import packets
    from fynx_scapy.text import LONGEST, printable

    facts = audit.facts.as_dict()
    line = (
        f"{facts['capture']}: {facts['packets']} packets, {facts['conversations']} conversations, {facts['ike_sas']} "
        f"IKE SAs, {facts['child_sas']} Child SAs. Profile: {audit.profile.title}"
    )
    console.print(Text(printable(line), style="bold"))
    if audit.profile.note:
        console.print(Text(audit.profile.note, style="dim"))
    for fingerprint in dict.fromkeys(str(each) for each in audit.facts.fingerprints):
        console.print(Text(f"fingerprint of {fingerprint}", style="dim"))
    counts = dict.fromkeys(_STYLES, 0)
    for finding in audit.findings:
        counts[finding.status.value] += 1
    grouped = audit.grouped()
    shown = [each for each in grouped if everything or each.status.value not in ("OK", "SEEN")]
    table = Table(box=None, pad_edge=False, show_header=bool(shown))
    for head in ("severity", "status", "what", "where", "packets", "source"):
        table.add_column(head, overflow="fold")
    for finding in shown:
        cells = (finding.severity.name, finding.title, finding.subject, packets(finding), str(finding.source))
        severity, *rest = (Text(printable(cell, LONGEST)) for cell in cells)
        table.add_row(severity, Text(finding.status.value, style=_STYLES[finding.status.value]), *rest)
    if shown:
        console.print(table)
    for finding in shown:
        if finding.cause:
            text = f"{finding.title}: {finding.explanation} Likely cause: {finding.cause}"
            console.print(Text(printable(text, LONGEST)))
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no findings"
    hidden = len(grouped) - len(shown)
    console.print(Text(summary + (f"; {hidden} lines not shown (--all)" if hidden else "")))
    console.print()
