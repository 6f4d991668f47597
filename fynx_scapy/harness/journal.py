# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal of a run: a line of JSON for the run, then one for each result, written as soon as there is one.

A run that was interrupted, or whose program or machine ended, goes on where its journal ends. It has no keys.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fynx_scapy import __version__
from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.details import CaseDetails
from fynx_scapy.harness.plan import Job
from fynx_scapy.harness.runner import Result, Verdict
from fynx_scapy.text import counted, printable, printable_lines

KIND = "fynx-scapy journal"
FORMAT = 1
MOST_OCTETS = 256 << 20
"""The largest journal that is read."""
MOST = 10**9
"""The most sessions, packets and seconds that a result may have."""
_BEGINS = f'{{"kind": "{KIND}"'.encode()

Key = tuple[str, str, str]
"""Peer, role and scenario."""


@dataclass(slots=True)
class Journal:
    """What was done earlier, and the file to which results are added."""

    path: Path
    seed: int | None = None
    """The seed of the run so far; None for a new journal."""
    done: dict[Key, Mapping[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What is different now, in words."""
    _header: dict[str, Any] = field(default_factory=dict)
    _length: int = 0
    _read_octets: int = 0
    _held: int = -1

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Read a journal, or make one if there is no such file. ConfigError for what is no journal."""
        made = cls(path)
        try:
            with path.open("rb") as file:
                octets = file.read(MOST_OCTETS + 1)
        except FileNotFoundError:
            return made
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
        if len(octets) > MOST_OCTETS:
            raise ConfigError(f"{path}: expected a journal of at most {MOST_OCTETS >> 20} MB, found a larger file")
        made._read_octets = len(octets)
        if octets:
            made._read(octets)
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let other runs write to the file."""
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)

    def __del__(self) -> None:
        self.__exit__()

    def _hold(self) -> None:
        """Keep other runs from writing to the file. ConfigError when one does, or did since the file was read."""
        self._held = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{self.path}: another run is writing this journal: name another file") from None
        if os.fstat(self._held).st_size != self._read_octets:
            raise ConfigError(f"{self.path}: another run has written to this journal meanwhile: start again")

    def _read(self, octets: bytes) -> None:
        lines = octets.split(b"\n")
        unfinished = lines.pop()  # a program that was killed may have written a part of a line
        self._length = len(octets) - len(unfinished)
        if unfinished:
            self.notes.append("the last line of the journal is not complete; its scenario runs again")
        if not lines and (unfinished.startswith(_BEGINS) or _BEGINS.startswith(unfinished)):
            self.notes[:] = ["the journal has nothing but a part of its first line: the run starts again"]
            return
        header = _parsed(lines[0]) if lines else None
        if header is None or header.get("kind") != KIND:
            raise ConfigError(f"{self.path}: expected the journal of a run, found another file")
        if header.get("format") != FORMAT:
            raise ConfigError(f"{self.path}: expected a journal of format {FORMAT}, found {header.get('format')!r}")
        if type(seed := header.get("seed")) not in (int, type(None)):
            raise ConfigError(f"{self.path}: expected a seed that is a number or null, found {shown(seed)}")
        self._header, self.seed = header, seed
        for number, line in enumerate(lines[1:], 2):
            entry = _parsed(line)
            try:
                assert entry is not None
                key = (entry["peer"], entry["role"], entry["name"])
                _restored(entry)
            except (AssertionError, AttributeError, KeyError, OverflowError, TypeError, ValueError):
                raise ConfigError(f"{self.path}: line {number}: expected a result, found something else") from None
            self.done[key] = entry

    def begin(self, jobs: Sequence[Job], seed: int | None) -> dict[Job, Result]:
        """Begin to write; returns the results of these jobs that are there. ConfigError for a different seed.

        ConfigError when another run writes it, OSError when it cannot be written.
        """
        keys = {_key(job): job for job in jobs}
        if self._header and seed != self.seed:
            raise ConfigError(
                f"{self.path}: expected the seed {self.seed}, with which it was begun, found {seed}: leave out --seed"
            )
        self._hold()
        if not self._header:
            self._header = {"kind": KIND, "format": FORMAT, "version": __version__, "seed": seed, "jobs": len(keys)}
            self._write(self._header, "w")
            return {}
        self._compare(keys)
        with self.path.open("r+b") as file:
            file.truncate(self._length)
        return {keys[key]: remembered(keys[key], entry) for key, entry in self.done.items() if key in keys}

    def _compare(self, keys: Mapping[Key, Job]) -> None:
        if (then := self._header.get("version")) != __version__:
            self.notes.append(f"the journal was begun by version {then}, this is {__version__}")
        if (jobs := self._header.get("jobs")) != len(keys):
            self.notes.append(f"the journal was begun for {jobs} runs of scenarios, there are {len(keys)} now")
        if gone := [key for key in self.done if key not in keys]:
            self.notes.append(f"{counted(len(gone), 'result')} in the journal have no scenario in this run: left out")

    def add(self, result: Result) -> None:
        """Write a result; it is in the file when this returns. OSError when the file cannot be written."""
        self._write({name: value for name, value in result.as_dict().items() if name not in _NOT_KEPT})

    def _write(self, entry: Mapping[str, Any], mode: str = "a") -> None:
        with self.path.open(mode, encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())


_NOT_KEPT = frozenset({"title", "source", "topic", "severity", "suites", "requirements", "remembered"})
"""What the scenario says itself."""


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _key(job: Job) -> Key:
    return (job.peer, job.role.value, job.scenario.name)


def _restored(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Result`, without scenario and role. KeyError, TypeError or ValueError for what is none."""
    texts = {name: printable_lines(str(entry[name])) for name in ("reason", "step", "peer")}
    lists = {name: tuple(map(printable, map(str, entry[name]))) for name in ("left_out", "left_behind", "retried")}
    details = CaseDetails.from_dict(entry["details"]) if entry["details"] is not None else None
    numbers = [float(entry[name]) for name in ("seconds", "sessions", "packets")]
    if not all(math.isfinite(number) and 0 <= number <= MOST for number in numbers):
        raise ValueError(f"expected numbers from 0 to {MOST}, found {numbers}")
    return {
        **texts,
        **lists,
        "verdict": Verdict(entry["verdict"]),
        "seconds": numbers[0],
        "in_part": bool(entry["in_part"]),
        "details": details,
        "counted": (int(entry["sessions"]), int(entry["packets"])),
    }


def remembered(job: Job, entry: Mapping[str, Any]) -> Result:
    """The result that a line of a journal remembers."""
    return Result(scenario=job.scenario, role=job.role, stages=[], **_restored(entry))
