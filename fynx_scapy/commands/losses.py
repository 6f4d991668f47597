# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command left out of a capture. Each loss is reported on stderr, and losses decide the exit status.

The rule for all commands that read captures: 0 nothing was left out, 1 something was, 2 misuse. "Left out" means
unreadable, with a bad ICV, beyond a limit, or, if there are keys, not decrypted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
MOST_NUMBERS = 5
"""How many packets of one kind of loss are named."""

_VARYING = re.compile(r"(?<![\w.:])(?<!protocol )(?<!version )(?<!type )(?:0x[0-9a-f]+|\d{1,7})(?![\w%]|[.:]\w)")
"""Lengths, offsets and identifications: numbers in which losses of one kind differ. SPIs and addresses are not."""

_PLACE = re.compile(r"packet (\d+)(?:, | at )offset (\d+): ")


_PLACE = re.compile(r"packet (\d+) at offset (\d+): ")
"""How the text of an unreadable frame begins."""


@dataclass(slots=True)
class _Kind:
    """The losses that differ in nothing but their packets and `_VARYING` numbers."""

    first: str
    offset: int
    lows: list[str]
    highs: list[str]
    packets: int = 0
    numbers: list[int] = field(default_factory=list)
    last: int = -1

    def add(self, number: int, varying: list[str]) -> None:
        """Count one more."""
        self.lows = [min(pair, key=_value) for pair in zip(self.lows, varying, strict=True)]
        self.highs = [max(pair, key=_value) for pair in zip(self.highs, varying, strict=True)]
        if number != self.last:  # a packet may have two
            self.packets += 1
            if len(self.numbers) < MOST_NUMBERS:
                self.numbers.append(number)
        self.last = number

    def line(self) -> str:
        """All of them in one line. One alone has its offset in the file."""
        if self.packets == 1:
            return where(self.numbers[0], self.offset, self.text)
        more = ", …" if self.packets > len(self.numbers) else ""
        return f"{several(self.packets, 'packet')}: {self.text} (packets {', '.join(map(str, self.numbers))}{more})"

    @property
    def text(self) -> str:
        """What is wrong with them, with the range of each number that varies."""
        ranges = iter(low if low == high else f"{low}–{high}" for low, high in zip(self.lows, self.highs, strict=True))
        return _VARYING.sub(lambda _: next(ranges), self.first)


class Losses:
    """The losses of one capture. ``wanted``: whether undecrypted packets are a loss.

    Losses of one kind are one line, printed by `report`. If ``live``, the first of each kind is also printed when it is
    found, because the end of the capture may be hours away.
    """

    def __init__(self, wanted: bool = False, name: str = "", *, live: bool = False) -> None:
        self.wanted = wanted
        self.count = 0
        self.closed: Counter[str] = Counter()
        self._live = live
        self._prefix = f"{printable(name)}: " if name else ""
        self._kinds: dict[str, _Kind] = {}
        self._unnamed = 0

    def add(self, text: str, number: int = 0, offset: int = 0) -> None:
        """Count a loss: its text, and its packet and offset. Those of a capture as a whole have neither.

        A text may begin with its own place, which is then taken from there.
        """
        self.count += 1
        if placed := _PLACE.match(text):
            number, offset, text = int(placed[1]), int(placed[2]), text[placed.end() :]
        key = _VARYING.sub("#", text) if number else text
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= MOST_SHOWN:
                self._unnamed += 1
                return
            varying = _VARYING.findall(text)
            kind = self._kinds[key] = _Kind(text, offset, varying, varying)
            if self._live:
                self._print(where(number, offset, text))
        kind.add(number, _VARYING.findall(text))

    def report(self) -> None:
        """Print what was added since the last report, and how many kinds of losses were too many to print."""
        for kind in self._kinds.values():
            if not self._live or kind.packets > 1:
                self._print(kind.line())
        if self._unnamed:
            self._print(f"{self._unnamed} more")
        self._kinds, self._unnamed = {}, 0

    def _print(self, text: str) -> None:
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
        """Report the losses not yet reported, what was not decrypted, and where to put keys."""
        self.report()
        if not self.closed:
            return
        for name, packets in list(self.closed.items())[:MOST_SHOWN]:
            click.echo(f"{self._prefix}no key for {name}: {several(packets, 'packet')} not decrypted", err=True)
        if len(self.closed) > MOST_SHOWN:
            click.echo(f"{self._prefix}… and for {several(len(self.closed) - MOST_SHOWN, 'more SA')}", err=True)
        name = "NAME" if str(path) == STDIO else printable(path.stem)
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
    for number, offset, text in capture.problems:
        losses.add(text, number, offset)
    if tally is not None:
        for number, text in _unopened(capture, losses.closed):
            losses.add(text, number)
        for text, packets in tally.faults.items():
            losses.add(f"{several(packets, 'packet')} of {text}")
        losses.guessed(capture.opener.guesses)
        losses.closed.update(tally.closed)
    losses.report()  # now: what a command does next may fail
    return losses


def _value(number: str) -> int:
    return int(number, 0) if number.startswith("0x") else int(number)


def where(number: int, offset: int, text: str) -> str:
    """A problem with its place in the capture. A loss of the capture as a whole has no place."""
    places = [f"packet {number}"] if number else []
    places += [f"offset {offset}"] if offset else []
    return f"{', '.join(places)}: {text}" if places else text


def _unopened(capture: Capture, closed: Counter[str]) -> Iterator[tuple[int, str]]:
    """The errors of IKE messages, each with its packet. Counts in ``closed`` those without a key."""
    cut = {(message.number, message.data) for message in capture.index.messages if message.missing}
    for message in capture.follow():
        if (message.number, message.message) in cut:  # a problem of the capture says so
            continue
        if message.errors:
            yield message.number, "; ".join(message.errors)
        elif message.closed:
            head: Any = message.message
            closed[f"IKE SA {head[:8].hex()} {head[8:16].hex()}"] += 1
