# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx audit``: judge captures; print the findings, or write them as JSON or an HTML page."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.losses import Losses, look
from fynx_scapy.commands.opening import SeveralOutputs, Unusable, check_outputs, console, opened, some, writing
from fynx_scapy.commands.options import (
    JSON_FILE,
    OUTPUT,
    PROFILES,
    STDIO,
    Folder,
    filter_of,
    filters,
    keys_of,
    reads_capture,
    writes,
)
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from fynx_scapy.capture.audit import Audit
    from fynx_scapy.pki.trust import Trust

SEVERITIES = ("info", "low", "medium", "high")
_STYLES = {
    "OK": "green",
    "SEEN": "dim",
    "WEAK": "yellow",
    "FORBIDDEN": "bold red",
    "FAILED": "red",
    "UNKNOWN": "magenta",
}


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Time(click.ParamType[datetime]):
    """A time as in ISO 8601. Without a time zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"expected a time such as 2026-01-31T12:00:00Z, found {printable(str(value))!r}", param, ctx)
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _trust(authorities: tuple[Path, ...], crls: tuple[Path, ...], ocsp: tuple[Path, ...]) -> Trust | None:
    """Whom chains are judged by. UsageError for files that cannot be read, before any capture is."""
    from fynx_scapy.errors import ConfigError
    from fynx_scapy.pki.trust import Trust

    if not authorities:
        for option in [name for name, files in (("--crl", crls), ("--ocsp", ocsp)) if files]:
            raise click.UsageError(f"{option} needs --ca: without an authority no chain is judged")
        return None
    try:
        return Trust(authorities, crls=crls, ocsp=ocsp)
    except ConfigError as error:
        raise click.UsageError(printable(str(error))) from None


def _export(folder: Path, audits: list[Audit]) -> None:
    """Write each certificate once, named by its fingerprint. It is a peer's: only hexadecimal digits name the file."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from fynx_scapy.files import writing as writing_file
    from fynx_scapy.pki.parsed import parse

    folder.mkdir(parents=True, exist_ok=True)
    found = {
        each.fingerprint: each for done in audits for part in done.facts.conversations for each in part.certificates
    }
    for fingerprint, each in found.items():
        if each.octets:
            with writing_file(folder / f"{fingerprint[:32]}.pem") as out:
                out.write(parse(each.octets).certificate.public_bytes(Encoding.PEM))


@click.command()
@click.argument(
    "captures",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@reads_capture
@filters
@JSON_FILE
@writes("--html", "html_file", what="a report, one self-contained HTML page")
@OUTPUT
@click.option("--profile", type=click.Choice(PROFILES), default="rfc", show_default=True, help="Judge by these tables.")
@click.option(
    "--ca",
    "authorities",
    metavar="FILE",
    type=_FILE,
    multiple=True,
    help="Judge certificate chains by these authorities, in PEM or DER; may be repeated.",
)
@click.option(
    "--crl",
    "crls",
    metavar="FILE",
    type=_FILE,
    multiple=True,
    help="With --ca: what these lists revoke is refused; may be repeated.",
)
@click.option(
    "--ocsp",
    metavar="FILE",
    type=_FILE,
    multiple=True,
    help="With --ca: a certificate that these OCSP responses call revoked is refused; may be repeated.",
)
@click.option(
    "--at",
    metavar="TIME",
    type=_Time(),
    help="Judge certificates at this time (ISO 8601, UTC without a zone), not at that of their packets.",
)
@click.option(
    "--certificates",
    metavar="DIR",
    type=Folder(),
    help="Write the certificates of the captures into this folder, in PEM.",
)
@click.option("--all", "everything", is_flag=True, help="Also print OK and SEEN findings; files always have them.")
@click.option(
    "--fail-on", type=click.Choice(SEVERITIES), help="Exit with status 1 if a finding is at least this severe."
)
def audit(
    captures: tuple[Path, ...],
    ports: tuple[int, ...],
    json_file: Path | None,
    html_file: Path | None,
    output: Path,
    profile: str,
    everything: bool,
    fail_on: str | None,
    authorities: tuple[Path, ...],
    crls: tuple[Path, ...],
    ocsp: tuple[Path, ...],
    at: datetime | None,
    certificates: Path | None,
    **given: Any,
) -> None:
    """Judge what was offered, chosen and used in CAPTURES: algorithms, keys, lifetimes, errors.

    CAPTURES are pcap or pcapng, optionally gzipped; - is stdin. Each finding names its packets and the document that it
    is based on. What cannot be seen or looked up is UNKNOWN, never OK. Filters choose conversations, and flows that
    belong to none; these are judged whole. Certificates are judged by --ca alone: nothing is fetched.

    Exit status 0 when nothing was left out; 1 when something was (unreadable, bad ICV, or not decrypted although there
    are keys), as listed on stderr, or with --fail-on when a finding is at least that severe; 2 for misuse.
    """
    from fynx_scapy.capture.audit import Severity
    from fynx_scapy.capture.audit import audit as judged
    from fynx_scapy.capture.chosen import ChosenCapture

    check_outputs({"--output": output, "--json": json_file, "--html": html_file}, captures, given)
    if sum(str(path) == STDIO for path in captures) > 1:
        raise click.UsageError("- (stdin) was given more than once, but can be read only once")
    trust = _trust(authorities, crls, ocsp)
    choice, taken, total = filter_of(given), 0, 0
    audits, status, warned = [], 0, set[str]()
    for path in captures:
        keys = keys_of(path, given, warned)
        losses = Losses(keys.decrypts, path.name if len(captures) > 1 else "")
        try:
            # Half of a conversation would be judged wrongly: what a filter takes a packet of is judged whole.
            with opened(path, keys, ports, choice, entire=True, none=True) as capture:
                audits.append(judged(capture, profile, trust=trust, at=at))
                if isinstance(capture, ChosenCapture):
                    taken, total = taken + capture.taken, total + capture.total
                look(capture, losses).finish(path)
        except Unusable as error:
            if len(captures) == 1:
                raise
            error.show()  # and judge the others
            status = error.exit_code
        status = max(status, losses.status)
    if choice is not None and audits:
        some(taken, total)
    written = SeveralOutputs()
    if json_file is not None:
        document = {"profile": profile, "captures": [done.as_dict() for done in audits]}
        with written.each(), writing(json_file) as out:
            out.write(json.dumps(document, indent=1) + "\n")
    if html_file is not None:
        from fynx_scapy.report.audit import render

        with written.each(), writing(html_file) as out:
            out.write(render(audits))
    if certificates is not None:
        with written.each():
            _export(certificates, audits)
    if STDIO not in (str(json_file), str(html_file)):
        with written.each(), writing(output) as out:
            screen = console(out)
            for done in audits:
                _show(screen, done, everything)
    if fail_on is not None and any(done.worst >= Severity[fail_on.upper()] for done in audits):
        status = max(status, 1)
    sys.exit(max(status, written.status))


def _show(screen: Console, audit: Audit, everything: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from fynx_scapy.capture.reading.losses import several
    from fynx_scapy.text import LONGEST, sentence

    facts = audit.facts.as_dict()
    nouns = {"packets": "packet", "conversations": "conversation", "ike_sas": "IKE SA", "child_sas": "Child SA"}
    counts = ", ".join(several(facts[name], noun) for name, noun in nouns.items())
    if facts["left_out"]:
        counts += f" ({several(facts['left_out'], 'packet')} left out by a filter)"
    line = f"{facts['capture']}: {counts}. Profile: {audit.profile.title}"
    screen.print(Text(printable(line), style="bold"))
    if audit.profile.note:
        screen.print(Text(audit.profile.note, style="dim"))
    totals = dict.fromkeys(_STYLES, 0)
    for finding in audit.findings:
        totals[finding.status.value] += 1
    grouped = audit.grouped()
    shown = [each for each in grouped if everything or each.status.value not in ("OK", "SEEN")]
    table = Table(box=None, pad_edge=False, show_header=bool(shown))
    for head in ("severity", "status", "what", "where", "packets", "source"):
        table.add_column(head, overflow="fold")
    for finding in shown:
        cells = (finding.severity.name, finding.title, finding.subject, finding.packets, str(finding.source))
        severity, *rest = (Text(printable(cell, LONGEST)) for cell in cells)
        table.add_row(severity, Text(finding.status.value, style=_STYLES[finding.status.value]), *rest)
    if shown:
        screen.print(table)
    for finding in shown:
        if finding.cause:
            why = f" {sentence(finding.explanation)}" if finding.explanation else ""
            text = f"{finding.title}:{why} Likely cause: {finding.cause}"
            screen.print(Text(printable(text, LONGEST)))
    summary = ", ".join(f"{count} {status}" for status, count in totals.items() if count) or "no findings"
    hidden = len(grouped) - len(shown)
    screen.print(Text(summary + (f"; {several(hidden, 'line')} not shown (--all)" if hidden else "")))
    for fingerprint in dict.fromkeys(str(each) for each in audit.facts.fingerprints):
        screen.print(Text(f"fingerprint of {fingerprint}", style="dim"))
    screen.print()
