# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx follow``: derive keys from the secrets given, and write key tables for other tools."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.losses import Losses, look
from fynx_scapy.commands.opening import SeveralOutputs, check_outputs, opened, save_keys, writing
from fynx_scapy.commands.options import CAPTURE, JSON, OUTPUT, SAVE, STDIO, filter_of, filters, keys_of, reads_capture

if TYPE_CHECKING:
    # The command itself imports Scapy and the ciphers, so that --help works without them
    from fynx_scapy.capture import Capture
    from fynx_scapy.capture.follow.sas import CapturedChildSa, CapturedIkeSa

VERDICTS = {True: "verified", False: "BAD", None: "not checked"}


@click.command()
@CAPTURE
@reads_capture
@filters
@JSON
@OUTPUT
@SAVE
def follow(capture: Path, ports: tuple[int, ...], as_json: bool, output: Path, save: Path | None, **given: Any) -> None:
    """Derive every key of CAPTURE that the given secrets determine, and verify each AUTH payload.

    CAPTURE is pcap or pcapng, optionally gzipped; - is stdin. --json prints one document. Only --save writes keys.

    Exit status 0 when nothing was left out; 1 when something was (unreadable, bad ICV, or not decrypted although there
    are keys), as listed on stderr, or when an AUTH payload is bad; 2 for misuse.
    """
    check_outputs({"--output": output, "--save": save}, [capture], given)
    alone = str(save) == str(output) == STDIO
    if alone and as_json:
        raise click.UsageError("--json and --save - both write to stdout: give one of them a file")
    keys = keys_of(capture, given)
    losses = Losses(keys.decrypts)
    with opened(capture, keys, ports, filter_of(given)) as found:
        counts = _counts(found)
        written = SeveralOutputs()
        with written.each(), writing(output) as out:
            if as_json:
                click.echo(json.dumps(_document(found, counts), indent=1), file=out)
            elif not alone:
                for line in _lines(found):
                    click.echo(line, file=out)
                for kind, (opened_, total) in counts.items():
                    click.echo(f"{opened_} of {total} {kind} decrypted", file=out)
        if save is not None:
            with written.each():
                for path in save_keys(found.confirmed_keys(), save):
                    click.echo(f"wrote {path}", err=True)
        look(found, losses).finish(capture)
        bad = any(verdict.verified is False for sa in found.ike_sas for verdict in sa.auth)
    sys.exit(written.status or (1 if bad else losses.status))


def _counts(capture: Capture) -> dict[str, tuple[int, int]]:
    """How many messages and ESP packets were decrypted, and how many there are."""
    esp = capture.icvs
    protected = [message for message in capture.follow() if message.opened is not None]
    return {
        "protected messages": (sum(not message.closed for message in protected), len(protected)),
        "ESP packets": (esp["opened"], sum(esp.values())),
    }


def _document(capture: Capture, counts: dict[str, tuple[int, int]]) -> dict[str, Any]:
    from fynx_scapy.capture.showing.summary import sa_row

    return {
        "capture": capture.name,
        "sas": [{"conversation": number} | sa_row(sa) for sa, number in _numbered(capture)],
        "opened": {kind: {"opened": opened_, "of": total} for kind, (opened_, total) in counts.items()},
    }


def _numbered(capture: Capture) -> Iterator[tuple[CapturedIkeSa, int]]:
    """The IKE SAs, each with its conversation's number. An IKE SA without messages gets its parent's number."""
    numbers = {spi_i: talk.number for talk in capture.conversations for spi_i, _ in talk.spis}
    for sa in capture.ike_sas:
        known = sa
        while known.spi_i not in numbers and known.parent is not None:
            known = known.parent
        yield sa, numbers[known.spi_i]


def _lines(capture: Capture) -> Iterator[str]:
    from fynx_scapy.capture.showing.remedies import with_remedy

    for sa, number in _numbered(capture):
        yield f"conversation {number}: {_ike_line(sa)}"
        shown = set()  # a certificate counts for each AUTH of its owner, and is in one message
        for verdict in sa.auth:
            who = f"{verdict.role} {verdict.identity}".rstrip()
            reason = verdict.reason if verdict.verified else with_remedy(verdict.reason)
            yield f"  packet {verdict.number}: AUTH of {who}: {VERDICTS[verdict.verified]} ({reason})"
            for text in verdict.certificates:
                if (verdict.role, text) not in shown:
                    shown.add((verdict.role, text))
                    yield f"  packet {verdict.number}: certificate of {verdict.role}: {text}"
        for child in sa.children:
            yield _child_line(child)


def _ike_line(sa: CapturedIkeSa) -> str:
    from fynx_scapy.crypto.transforms import keyword_of

    words = [keyword_of(t) for t in (sa.suite.encr, sa.suite.integ, sa.suite.prf) if t] if sa.suite else ["?"]
    if sa.sets:
        state = f"keys from {' and '.join(dict.fromkeys(held.derived for held in sa.sets))}"
    else:
        state = "no secret fits" if sa.numbers else "no message to try a secret on"
    rekeys = f", rekeys {sa.parent.spi_i.hex()}" if sa.parent else ""
    return f"IKE SA {sa.spi_i.hex()} {sa.spi_r.hex()} {'-'.join(words)}: {state}{rekeys}"


def _child_line(child: CapturedChildSa) -> str:
    from fynx_scapy.crypto.transforms import keyword_of

    words = [keyword_of(t) for t in (child.suite.encr, child.suite.integ) if t] + (["esn"] if child.esn else [])
    state = f"keys from {child.derived}" if child.keys else "no packet to confirm its keys"
    rekeys = f", rekeys {child.rekeys.spi_i:08x} {child.rekeys.spi_r:08x}" if child.rekeys else ""
    return (
        f"  packet {child.number}: Child SA {child.spi_i:08x} {child.spi_r:08x} {'-'.join(words)} {child.mode}: "
        f"{state}{rekeys}"
    )
