# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx decrypt``: write a capture's packets decrypted, for other tools."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.commands.losses import Losses, look
from fynx_scapy.commands.opening import not_over, opened
from fynx_scapy.commands.options import CAPTURE, OUTPUT_NEEDED, STDIO, keys_of, reads_capture

if TYPE_CHECKING:
    from fynx_scapy.capture import Capture


@click.command()
@CAPTURE
@OUTPUT_NEEDED
@reads_capture
def decrypt(capture: Path, output: Path, ports: tuple[int, ...], **given: Any) -> None:
    """Write the packets of CAPTURE decrypted, as pcapng: inner packets for ESP, and IKE messages without SK.

    CAPTURE is pcap or pcapng, optionally gzipped; - is stdin. Each packet has a comment.

    Exit status 0 when nothing was left out; 1 when something was (unreadable, bad ICV, or not decrypted, with or
    without keys), as listed on stderr; 2 for misuse.
    """
    losses = Losses(wanted=True)
    with opened(capture, keys_of(capture, given), ports) as found:
        not_over(output, capture)
        count = _save(found, output)
        verdicts, messages = found.icvs, found.follow()
        look(found, losses).finish(capture)
    closed = sum(message.closed for message in messages)
    click.echo(
        f"{count} packets written to {'stdout' if str(output) == STDIO else output}; "
        f"ESP: {verdicts['opened']} decrypted, {verdicts['closed']} not decrypted, {verdicts['bad']} with a bad ICV; "
        f"IKE messages: {len(messages) - closed} readable, {closed} not decrypted",
        err=True,
    )
    sys.exit(losses.status)


def _save(capture: Capture, output: Path) -> int:
    if str(output) == STDIO:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "plain.pcapng"
            count = capture.save_decrypted(path)
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()
        return count
    try:
        return capture.save_decrypted(output)
    except OSError as error:
        raise click.UsageError(f"cannot write {output}: {error.strerror}") from None
