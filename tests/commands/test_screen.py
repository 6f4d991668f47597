# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs that run for long show: lines everywhere, a status line on a terminal."""

from __future__ import annotations

import io
import os

import pytest

from fynx_scapy.commands.screen import Screen, duration, octets


def test_where_there_is_no_terminal_there_are_lines_alone() -> None:
    out = io.StringIO()
    screen = Screen(out, prefix="worker 1: ")
    with screen.status(lambda: "the status") as refresh:
        refresh()
        screen.line("[bold]something[/bold] happened")
    assert out.getvalue()[8:] == " worker 1: [bold]something[/bold] happened\n"


def test_quiet_leaves_out_all_but_what_is_always_said() -> None:
    out = io.StringIO()
    screen = Screen(out, quiet=True)
    screen.line("something happened")
    screen.line("the summary", always=True)
    assert out.getvalue()[8:] == " the summary\n"


def test_on_a_terminal_lines_are_above_the_status() -> None:
    outer, inner = os.openpty()
    texts, seen = ["one", "two"], ""
    with open(inner, "w", encoding="utf-8") as terminal:
        screen = Screen(terminal)
        with screen.status(lambda: texts[0]) as refresh:
            del texts[0]
            screen.line("something happened")
            refresh()
        while not seen.endswith("\x1b[1A\x1b[2K"):  # the status is gone in the end
            seen += os.read(outer, 65536).decode()
    os.close(outer)
    assert seen.index("one") < seen.index("something happened\r\n") < seen.rindex("two")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00:00"), (61, "0:01:01"), (90_000, "25:00:00")])
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2e9, "2.0 GB"), (3e15, "3000.0 TB")]
)
def test_octets(number, text):
    assert octets(number) == text
