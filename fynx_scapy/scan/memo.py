# SPDX-License-Identifier: GPL-2.0-or-later
"""The answers of a scan in a file, so that an interrupted scan goes on where it stopped.

JSON lines: the first names the host, each other one a request, by its key, and the octets of its answer.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from pathlib import Path
from typing import TextIO

from fynx_scapy.errors import ConfigError
from fynx_scapy.scan.answer import LONGEST

VERSION = 1
_LONGEST_FILE = 64 << 20


class Memo:
    """Answers by key, in memory and, with a ``path``, in a file that grows with each of them.

    ``target`` and ``local`` are the host's address and ours. ConfigError when the file is that of another host, no
    such file, or in use by another scan; OSError when it cannot be read or written.
    """

    def __init__(self, target: str, local: str, path: Path | None = None) -> None:
        self._answers: dict[str, bytes] = {}
        self._file: TextIO | None = None
        self.local = local
        """Our address when the first answer came."""
        if path is None:
            return
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: expected a file for the answers of a scan, found something else")
        with contextlib.ExitStack() as undo:
            self._file = undo.enter_context(path.open("a", encoding="ascii"))
            self._alone(path)
            if path.stat().st_size:
                self._file.truncate(self._read(path, target))  # a line that a kill cut short: it is asked again
            else:
                self._write({"fynx scan": VERSION, "target": target, "local": local})
            undo.pop_all()

    def _alone(self, path: Path) -> None:
        """Lock the file until it is closed, so that no other scan writes to it."""
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{path}: another scan is writing to this file") from None

    def __len__(self) -> int:
        return len(self._answers)

    def _read(self, path: Path, target: str) -> int:
        """Read the answers; returns how many octets of the file are whole lines."""
        if path.stat().st_size > _LONGEST_FILE:
            raise ConfigError(f"{path}: expected the answers of a scan, found a file of more than 64 MB")
        octets = path.read_bytes()
        whole = octets.rfind(b"\n") + 1
        first, *lines = octets[:whole].decode("ascii", "replace").splitlines() or [""]
        head = _object(first)
        if head.get("fynx scan") != VERSION:
            raise ConfigError(f"{path}: expected the answers of an earlier scan, as --resume writes them")
        if head.get("target") != target:
            raise ConfigError(f"{path}: expected answers of {target}, found those of {head.get('target')!s:.100}")
        self.local = str(head.get("local", self.local))
        for number, line in enumerate(lines, 2):
            entry = _object(line)
            key, wire = entry.get("key"), entry.get("answer")
            if not isinstance(key, str) or not isinstance(wire, str) or len(wire) > 2 * LONGEST:
                raise ConfigError(f"{path}: line {number}: expected a key and an answer")
            try:
                self._answers[key] = bytes.fromhex(wire)
            except ValueError:
                raise ConfigError(f"{path}: line {number}: expected hexadecimal digits as the answer") from None
        return whole

    def get(self, key: str) -> bytes | None:
        """The answer to a request, or None."""
        return self._answers.get(key)

    def put(self, key: str, wire: bytes) -> None:
        """Keep the answer to a request."""
        self._answers[key] = wire
        self._write({"key": key, "answer": wire.hex()})

    def _write(self, entry: dict[str, object]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _object(line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
