# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``fynx follow``: what follows from the secrets at hand, and key tables of it for other tools."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..options import keys_of, secret_options

if TYPE_CHECKING:
    # Scapy and the ciphers are imported by the command itself: its help answers without them
    from .follower import Follower
    from .sas import ChildSa, IkeSa

VERDICTS = {True: "verified", False: "BAD", None: "not checked"}


@click.command()
@click.argument("capture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@secret_options
@click.option("--save", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write key tables there.")
def follow(capture: Path, save: Path | None, **given: Any) -> None:
    """Derive every key of CAPTURE that follows from what is given, and verify each AUTH payload.

    Exit status 1 when an AUTH payload is bad or the capture cannot be read to its end, 2 for misuse.
    """
    from ...errors import CaptureError
    from .follower import Follower

    keys = keys_of(capture, given)
    for warning in keys.warnings:
        click.echo(f"warning: {warning}", err=True)
    follower, counts, failed = Follower(keys), Counter[str](), False
    try:
        for kind, opened in _packets(capture, follower):
            counts[kind] += 1
            counts[f"{kind} opened"] += opened
            failed = failed or kind == "problems"
    except CaptureError as error:
        click.echo(f"error: {error}", err=True)
        failed = True
    counts["protected messages opened"] += len(follower.retry())
    for line in _lines(follower):
        click.echo(line)
    for kind in ("protected messages", "ESP packets"):
        click.echo(f"{counts[kind + ' opened']} of {counts[kind]} {kind} opened")
    if save is not None:
        for path in follower.keys().save(save):
            click.echo(f"wrote {path}", err=True)
    bad = any(verdict.verified is False for sa in follower.ike_sas for verdict in sa.auth)
    sys.exit(1 if bad or failed else 0)


def _packets(capture: Path, follower: Follower) -> Iterator[tuple[str, bool]]:
    """Feed a capture; for each protected message and each ESP packet, whether it opened."""
    from ..reading.walk import Walk

    for found in Walk().read(capture):
        if found.fault:
            named = found.fault.startswith("packet ") or not found.frame.number
            click.echo(f"error: {'' if named else f'packet {found.frame.number}: '}{found.fault}", err=True)
            yield "problems", False
            continue
        ends = (found.src, found.sport, found.dst, found.dport)
        if found.kind == "ike":
            message = follower.ike(found.data, found.frame.number, found.frame.time, *ends)
            if message.opened is not None:
                yield "protected messages", not message.closed
        elif found.kind == "esp":
            yield "ESP packets", follower.esp(found.data, found.src, found.dst).plaintext is not None


def _lines(follower: Follower) -> Iterator[str]:
    for sa in follower.ike_sas:
        yield _ike_line(sa)
        for verdict in sa.auth:
            who = f"{verdict.role} {verdict.identity}".rstrip()
            yield f"  packet {verdict.number}: AUTH of {who}: {VERDICTS[verdict.verified]} ({verdict.reason})"
        for child in sa.children:
            yield _child_line(child)


def _ike_line(sa: IkeSa) -> str:
    from ...crypto.transforms import keyword_of

    words = [keyword_of(t) for t in (sa.suite.encr, sa.suite.integ, sa.suite.prf) if t] if sa.suite else ["?"]
    if sa.sets:
        state = f"keys from {' and '.join(dict.fromkeys(held.derived for held in sa.sets))}"
    else:
        state = "no secret fits" if sa.numbers else "no message of its own to try a secret on"
    rekeys = f", rekeys {sa.parent.spi_i.hex()}" if sa.parent else ""
    return f"IKE SA {sa.spi_i.hex()} {sa.spi_r.hex()} {'-'.join(words)}: {state}{rekeys}"


def _child_line(child: ChildSa) -> str:
    from ...crypto.transforms import keyword_of

    words = [keyword_of(t) for t in (child.suite.encr, child.suite.integ) if t] + (["esn"] if child.esn else [])
    state = f"keys from {child.derived}" if child.keys else "no packet has decided its secret"
    rekeys = f", rekeys {child.rekeys.spi_i:08x} {child.rekeys.spi_r:08x}" if child.rekeys else ""
    return (
        f"  packet {child.number}: Child SA {child.spi_i:08x} {child.spi_r:08x} {'-'.join(words)} {child.mode}: "
        f"{state}{rekeys}"
    )
