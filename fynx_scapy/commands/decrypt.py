# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx decrypt``: write a capture's packets decrypted, for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fynx_scapy.capture.reading.losses import several
from fynx_scapy.commands.losses import Losses, look
from fynx_scapy.commands.opening import check_outputs, opened, writing_octets
from fynx_scapy.commands.options import CAPTURE, OUTPUT_NEEDED, STDIO, filter_of, filters, keys_of, reads_capture


@click.command()
@CAPTURE
@OUTPUT_NEEDED
@reads_capture
@filters
def decrypt(capture: Path, output: Path, ports: tuple[int, ...], **given: Any) -> None:
    """Write the packets of CAPTURE decrypted, as pcapng: inner packets for ESP, and IKE messages without SK.

    CAPTURE is pcap or pcapng, optionally gzipped; - is stdin. Each packet has a comment.

    Exit status 0 when nothing was left out; 1 when something was (unreadable, bad ICV, or not decrypted, with or
    without keys), as listed on stderr; 2 for misuse.
    """
    from fynx_scapy.capture.showing.export import write_decrypted

    check_outputs({"--output": output}, [capture], given)
    losses = Losses(wanted=True)
    with opened(capture, keys_of(capture, given), ports, filter_of(given)) as found:
        found.follow()  # raises if it is not a capture, before anything is written
        with writing_octets(output, secret=True) as file:
            count = write_decrypted(found, file)
        verdicts, messages = found.icvs, found.follow()
        ah = f"AH: {found.tally.clear} in the clear; " if found.tally.clear else ""
        look(found, losses).finish(capture)
    closed = sum(message.closed for message in messages)
    click.echo(
        f"{several(count, 'packet')} written to {'stdout' if str(output) == STDIO else output}; "
        f"ESP: {verdicts['opened']} decrypted, {verdicts['closed']} not decrypted, {verdicts['bad']} with a bad ICV; "
        f"{ah}IKE messages: {len(messages) - closed} readable, {closed} not decrypted",
        err=True,
    )
    sys.exit(losses.status)
