# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs lives one after the other, and reports faults with how to reproduce them: `scripts/fuzz --stateful`."""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tools.stateful.life import Life

STEPS_OF_A_LIFE = 250
TELL_EVERY = 30.0  # seconds


@dataclass
class Result:
    """Counts, and one example of each kind of fault."""

    steps: int = 0
    lives: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)

    def summary(self) -> str:
        """One line."""
        rate = self.steps / max(self.seconds, 0.001)
        wrong = f"{len(self.faults)} kinds of faults" if self.faults else "no fault"
        return f"{self.steps} steps in {self.lives} lives, {self.seconds:.0f} s, {rate:.0f} a second: {wrong}"


def run_lives(steps: int, seed: int, first: int = 0, tell: Callable[[Result], None] = lambda result: None) -> Result:
    """Run that many steps, beginning with life ``first``. A fault is recorded in the result, and ends that life."""
    result, number, begun = Result(), first, time.perf_counter()
    while result.steps < steps:
        life, done = Life(seed, number), 0
        try:
            while done < STEPS_OF_A_LIFE and result.steps < steps:
                done += 1
                result.steps += 1
                life.step()
            life.end()
        except Exception as error:  # any exception of the endpoint is a finding
            kind = signature(error)
            result.times[kind] += 1
            result.faults.setdefault(kind, explained(error, life, seed, number, done))
        result.counts += life.counts
        result.lives += 1
        number += 1
        result.seconds = time.perf_counter() - begun
        tell(result)
    return result


def signature(error: Exception) -> str:
    """The kind of a fault: exception class, place, and text without numbers."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = re.sub(r"[0-9a-f]{8,}|[0-9]+", "#", str(error))[:80]
    return f"{type(error).__name__} at {frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} in {frame.name}: {text}"


def explained(error: Exception, life: Life, seed: int, number: int, done: int) -> str:
    """The last steps, the error, and how to reproduce it."""
    trace = "\n".join(line if len(line) < 400 else line[:400] + "…" for line in life.trace)
    told = "".join(traceback.format_exception(error))
    return f"{trace}\n{told}again: scripts/fuzz --stateful {done} {seed} {number}"


def main(arguments: Sequence[str]) -> int:
    """The command line: STEPS, SEED, and the LIFE to begin with. Returns the exit status, 1 after any fault."""
    logging.getLogger("scapy").setLevel(logging.ERROR)  # its ISAKMP warns of what we make up
    steps, seed, first = (int(value) for value in [*arguments, *("200000", "1", "0")[len(arguments) :]])
    told, due = 0, time.perf_counter() + TELL_EVERY

    def tell(result: Result) -> None:
        nonlocal told, due
        for text in list(result.faults.values())[told:]:
            print(f"\nfault {told + 1}\n{text}\n", flush=True)
            told += 1
        if time.perf_counter() >= due:
            due += TELL_EVERY
            print(f"{result.summary()}", file=sys.stderr, flush=True)

    result = run_lives(steps, seed, first, tell)
    print(f"seed {seed}: {result.summary()}")
    for title, prefix in (("steps", "step "), ("in the clear", "unprotected "), ("events", "event ")):
        named = [(name, count) for name, count in result.counts.most_common() if name.startswith(prefix)]
        print(f"{title}: " + ", ".join(f"{name.removeprefix(prefix)} {count}" for name, count in named))
    for kind, times in result.times.most_common():
        print(f"{times} times: {kind}")
    if not result.faults:
        print(
            "nothing was raised, nothing unprotected changed anything, no ceiling was passed, nothing was left behind"
        )
    return 1 if result.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
