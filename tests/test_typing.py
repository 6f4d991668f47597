# SPDX-License-Identifier: GPL-2.0-or-later
"""What the type checker says of users' code: nothing of what is right, and something of every mistake.

A mistake in tests/typing/wrong.py has ``# error: WORDS`` behind it, which the report of its line has to hold.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RIGHT, WRONG = "tests/typing/right.py", "tests/typing/wrong.py"
ERROR = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: (?P<words>.*)$", re.MULTILINE)


def reports() -> dict[tuple[str, int], str]:
    """What mypy says with the project's own settings, by file and line."""
    command = [sys.executable, "-m", "mypy", RIGHT, WRONG]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    found: dict[tuple[str, int], str] = {}
    for report in ERROR.finditer(done.stdout):
        place = report["file"], int(report["line"])
        found[place] = f"{found.get(place, '')}{report['words']}\n"
    return found


def mistakes() -> Iterator[tuple[int, str]]:
    for number, line in enumerate((ROOT / WRONG).read_text().splitlines(), 1):
        if match := re.search(r"  # error: (.+)$", line):
            yield number, match[1]


@pytest.mark.slow
def test_mistakes_are_reported_and_nothing_else() -> None:
    """One test, so that mypy runs once: some 8 s without its cache, less than 1 s with it."""
    reported, expected = reports(), dict(mistakes())
    assert len(expected) > 40
    assert {place: words for place, words in reported.items() if place[0] != WRONG} == {}, "reported although right"
    missed = {line: words for line, words in expected.items() if words not in reported.get((WRONG, line), "")}
    assert missed == {}, "not reported although wrong"
    assert {line for file, line in reported if file == WRONG} == expected.keys()


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "fynx_scapy" / "py.typed").exists()
