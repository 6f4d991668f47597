# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx audit``: the findings in a terminal, as JSON, and as one HTML page that loads nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import CaptureError, ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from ..capture.audit import Audit, Finding
    from ..keylog import KeyLog

PROFILES = ("rfc", "cnsa2", "bsi")
SEVERITIES = ("info", "low", "medium", "high")
MOST_PACKETS = 12
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
@click.option(
    "--keys",
    "key_paths",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, path_type=Path),
    help="A key file or a folder of them, in any format that we know. May be given again. Without it, what lies beside "
    "each capture is used.",
)
@click.option(
    "--secret", "secrets", multiple=True, metavar="HEX", help="The shared secret of a key exchange. Repeatable."
)
@click.option(
    "--psk", "psk", multiple=True, metavar="TEXT", help="A pre-shared key: with it AUTH is verified. Repeatable."
)
@click.option(
    "--port", "ports", multiple=True, type=click.IntRange(1, 65535), help="A port used as 4500 is. Repeatable."
)
@click.option("--profile", type=click.Choice(PROFILES), default="rfc", show_default=True, help="The tables that judge.")
@click.option("--all", "everything", is_flag=True, help="Show what is OK or only observed too; files hold it anyway.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write the findings as JSON.")
@click.option(
    "--html", "html_file", type=_FILE, metavar="FILE", help="Write a report: one HTML page that needs nothing else."
)
@click.option("--fail-on", type=click.Choice(SEVERITIES), help="Exit with 1 if a finding is at least as severe.")
def audit(
    captures: tuple[Path, ...],
    key_paths: tuple[Path, ...],
    secrets: tuple[str, ...],
    psk: tuple[str, ...],
    ports: tuple[int, ...],
    profile: str,
    everything: bool,
    json_file: Path | None,
    html_file: Path | None,
    fail_on: str | None,
) -> None:
    """Judge what was offered, chosen and used in CAPTURES: algorithms, keys, lifetimes, errors.

    Each finding names its packets and the document that it follows. What cannot be seen or looked up is UNKNOWN, never
    OK.

    Exit status 0 whatever is found, 1 only with --fail-on, 2 for misuse.
    """
    from ..capture.audit import Severity

    audits = [_audited(path, key_paths, secrets, psk, ports, profile) for path in captures]
    console = _console()
    for each in audits:
        _show(console, each, everything)
    document = {"profile": profile, "captures": [each.as_dict() for each in audits]}
    if json_file is not None:
        _write(json_file, json.dumps(document, indent=1) + "\n")
    if html_file is not None:
        _write(html_file, render(audits))
    if fail_on is not None and any(each.worst >= Severity[fail_on.upper()] for each in audits):
        sys.exit(1)


def _audited(
    path: Path,
    key_paths: Sequence[Path],
    secrets: Sequence[str],
    psk: Sequence[str],
    ports: Sequence[int],
    profile: str,
) -> Audit:
    from ..capture import Capture
    from ..capture.audit import audit as run

    try:
        with Capture(path, _keys(path, key_paths, secrets, psk), ports=ports) as capture:
            return run(capture, profile)
    except (CaptureError, ConfigError) as error:
        raise click.UsageError(str(error)) from None


def _keys(path: Path, key_paths: Sequence[Path], secrets: Sequence[str], psk: Sequence[str]) -> KeyLog:
    """The keys that were given, else those beside the capture; secrets are added to either."""
    from ..keylog import KeyLog

    given: dict[str, Any] = {"secrets": list(secrets), "psk": list(psk)}
    log = KeyLog(**given)
    if not key_paths and not secrets:
        log.update(KeyLog.beside(path))
    for key_path in key_paths:
        log.add(key_path)
    for warning in log.warnings:
        click.echo(f"warning: {warning}", err=True)
    return log


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from None


# -- in a terminal ----------------------------------------------------------------------------------------------------


def _console() -> Console:
    from rich.console import Console

    # Where nobody looks on, no terminal's width cuts the columns.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _show(console: Console, audit: Audit, everything: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from ..capture.text import printable

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
        cells = (finding.severity.name, finding.title, finding.subject, _packets(finding), str(finding.source))
        severity, *rest = (Text(printable(cell)) for cell in cells)
        table.add_row(severity, Text(finding.status.value, style=_STYLES[finding.status.value]), *rest)
    if shown:
        console.print(table)
    for finding in shown:
        if finding.cause:
            console.print(Text(printable(f"{finding.title}: {finding.explanation} Likely cause: {finding.cause}")))
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no findings"
    hidden = len(grouped) - len(shown)
    console.print(Text(summary + (f"; {hidden} lines not shown (--all)" if hidden else "")))
    console.print()


def _packets(finding: Finding) -> str:
    numbers = [str(number) for number in finding.evidence[:MOST_PACKETS]]
    return ", ".join(numbers) + (", …" if len(finding.evidence) > MOST_PACKETS else "")


# -- as a page --------------------------------------------------------------------------------------------------------


def render(audits: Sequence[Audit]) -> str:
    """The report as HTML, which loads nothing from anywhere and holds no key."""
    from .. import __version__
    from ..capture.text import printable
    from .environment import environment

    worst = max((each.worst for each in audits), default=0)
    return (
        environment()
        .get_template("audit.html.j2")
        .render(
            audits=[_model(each, printable) for each in audits],
            profile=audits[0].profile,
            worst=["INFO", "LOW", "MEDIUM", "HIGH"][worst],
            count=sum(len(each.findings) for each in audits),
            packets=sum(each.facts.packets for each in audits),
            version=__version__,
        )
    )


def _model(audit: Audit, printable: Any) -> dict[str, Any]:
    counts: dict[str, int] = {}
    rows = []
    for finding in audit.findings:
        counts[finding.status.value] = counts.get(finding.status.value, 0) + 1
    for finding in audit.grouped():
        row = finding.as_dict()
        texts = {name: printable(row[name]) for name in ("title", "subject", "explanation", "cause")}
        rows.append(row | texts | {"packets": _packets(finding), "source": str(finding.source)})
    return audit.facts.as_dict() | {
        "name": printable(Path(audit.facts.name).name),
        "worst": audit.worst.name,
        "counts": counts,
        "marks": list({str(each): printable(each.text) for each in audit.facts.fingerprints}.items()),
        "findings": [row for row in rows if row["status"] not in ("OK", "SEEN")],
        "rest": [row for row in rows if row["status"] in ("OK", "SEEN")],
    }
