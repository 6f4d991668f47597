# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program that runs for long shows: a line for everything that happens, and on a terminal a status line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from fynx_scapy.commands.opening import console

if TYPE_CHECKING:
    from rich.console import RenderableType

PERIOD = 0.5
"""Seconds between two looks at the status."""


class Screen:
    """Lines and a status line on one stream. Where it is no terminal, there are only lines."""

    def __init__(self, out: TextIO, *, quiet: bool = False, prefix: str = "") -> None:
        self._console = console(out)
        self._quiet, self._prefix = quiet, prefix

    def line(self, text: str, *, always: bool = False) -> None:
        """Print a line with the time of day. Nothing where it was to be quiet, unless ``always``."""
        if always or not self._quiet:
            self.plain(f"{time.strftime('%H:%M:%S')} {self._prefix}{text}")

    def plain(self, text: str) -> None:
        """Print a line as it is."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        self._console.file.flush()

    def show(self, thing: RenderableType) -> None:
        """Print a table, or whatever rich knows how to print."""
        self._console.print(thing)
        self._console.file.flush()

    @contextmanager
    def status(self, text: Callable[[], str]) -> Iterator[Callable[[], None]]:
        """Show a status line inside this context. Yields what brings it up to date."""
        if not self._console.is_terminal:
            yield lambda: None
            return
        from rich.live import Live
        from rich.text import Text

        def shown() -> Text:
            return Text(text(), style="dim", no_wrap=True, overflow="ellipsis")

        with Live(shown(), console=self._console, auto_refresh=False, transient=True) as live:
            yield lambda: live.update(shown(), refresh=True)


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def octets(number: float) -> str:
    """A number of octets with a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
