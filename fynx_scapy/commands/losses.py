# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command left out of a capture. Each loss is reported on stderr, and losses decide the exit status.

The rule for all commands that read captures: 0 nothing was left out, 1 something was, 2 misuse. "Left out" means
unreadable, with a bad ICV, beyond a limit, or, if there are keys, not decrypted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fynx_scapy.capture.reading.losses import several
from fynx_scapy.commands.options import STDIO
from fynx_scapy.text import LONGEST, counted, printable

if TYPE_CHECKING:
    from fynx_scapy.capture import Capture

INTERRUPTED = 130
"""The exit status that a shell shows for a process killed by SIGINT: Ctrl-C."""
MOST_SHOWN = 20


class Losses:
    """The losses of one capture, reported as they are found. ``wanted``: whether undecrypted packets are a loss."""

    def __init__(self, wanted: bool = False, name: str = "") -> None:
        self.wanted = wanted
        self.count = 0
        self.closed: Counter[str] = Counter()
        self._prefix = f"{printable(name)}: " if name else ""

    def add(self, text: str) -> None:
        """Count a loss and print it. Only the first 20 are printed."""
        self.count += 1
        if self.count <= MOST_SHOWN:
            click.echo(f"error: {self._prefix}{printable(text, LONGEST)}", err=True)

    def guessed(self, texts: Sequence[str]) -> None:
        """Report what was decrypted on a guess. That is no loss."""
        for text in texts[:MOST_SHOWN]:
            click.echo(f"{self._prefix}{printable(text, LONGEST)}", err=True)
        if len(texts) > MOST_SHOWN:
            click.echo(f"{self._prefix}… and {counted(len(texts) - MOST_SHOWN, 'more SA')}", err=True)

    def filtered(self, left_out: int, total: int) -> None:
        """Report what a filter left out. That is no loss."""
        click.echo(f"{self._prefix}the filter left out {left_out} of {several(total, 'IPsec packet')}", err=True)

    def finish(self, path: Path) -> None:
        """Report how many losses were not printed, what was not decrypted, and where to put keys."""
        if self.count > MOST_SHOWN:
            click.echo(f"error: {self._prefix}{self.count - MOST_SHOWN} more", err=True)
        if not self.closed:
            return
        for name, packets in list(self.closed.items())[:MOST_SHOWN]:
            click.echo(f"{self._prefix}no key for {name}: {several(packets, 'packet')} not decrypted", err=True)
        if len(self.closed) > MOST_SHOWN:
            click.echo(f"{self._prefix}… and for {several(len(self.closed) - MOST_SHOWN, 'more SA')}", err=True)
        name = "NAME" if str(path) == STDIO else printable(path.with_suffix("").name)
        click.echo(
            f"put keys beside the capture ({name}.ikev2_decryption_table and {name}.esp_sa in Wireshark's format, "
            f"{name}.keys.json, or the folder {name}.keys), or give them with --keys PATH",
            err=True,
        )

    @property
    def status(self) -> int:
        """The exit status."""
        return 1 if self.count or (self.wanted and self.closed) else 0


def look(capture: Capture, losses: Losses, *, inside: bool = True) -> Losses:
    """Report every loss of a capture. ``inside``: also those inside IKE messages and ESP.

    This is the one place that knows what can be lost. Of what a filter took, that is what was lost of it.
    """
    from fynx_scapy.capture.chosen import ChosenCapture

    if isinstance(capture, ChosenCapture):
        losses.filtered(capture.left_out, capture.total)
    # Go over ESP first: it may confirm keys that decrypt more IKE messages, and it has losses too.
    tally = capture.tally if inside else None
    for problem in capture.problems:
        losses.add(where(*problem))
    if tally is not None:
        for text in _unopened(capture, losses.closed):
            losses.add(text)
        losses.guessed(capture.opener.guesses)
        losses.closed.update(tally.closed)
        for text, packets in tally.faults.items():
            losses.add(f"{several(packets, 'packet')} of {text}")
    return losses


def where(number: int, offset: int, text: str) -> str:
    """A problem with its place in the capture. A loss of the capture as a whole has no place."""
    places = [f"packet {number}"] if number else []
    places += [f"offset {offset}"] if offset else []
    return f"{', '.join(places)}: {text}" if places else text


def _unopened(capture: Capture, closed: Counter[str]) -> Iterator[str]:
    """The errors of IKE messages. Counts in ``closed`` those without a key."""
    cut = {(message.number, message.data) for message in capture.index.messages if message.missing}
    for message in capture.follow():
        if (message.number, message.message) in cut:  # a problem of the capture says so
            continue
        if message.errors:
            yield f"packet {message.number}: {'; '.join(message.errors)}"
        elif message.closed:
            head: Any = message.message
            closed[f"IKE SA {head[:8].hex()} {head[8:16].hex()}"] += 1
