# SPDX-License-Identifier: GPL-2.0-or-later
"""The text of a configuration file, and the octets of a file with a secret: of a limited size, with one clear error."""

from __future__ import annotations

import bisect
import re
import stat
from pathlib import Path

from fynx_scapy.checks import only_line, secret_in_file
from fynx_scapy.errors import ConfigError
from fynx_scapy.files import read_octets

MOST_OCTETS = 1 << 20
"""The largest configuration file that is read, in octets."""
MOST_SECRET = 64 << 10
"""The largest file that is read as a secret, in octets."""


class Lines:
    """The lines of a text, numbered from 1."""

    def __init__(self, text: str) -> None:
        self._ends = [found.start() for found in re.finditer("\n", text)]

    def number(self, offset: int) -> int:
        """The number of the line on which a character stands."""
        return bisect.bisect_left(self._ends, offset) + 1


def read_text(path: Path, most: int = MOST_OCTETS, what: str = "a configuration") -> str:
    """The text of a file of at most ``most`` octets. ConfigError if it cannot be read, is larger, or is no UTF-8."""
    octets = _octets(path, most, what)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: expected text in UTF-8, found other octets") from None
    if "\0" in text:
        raise ConfigError(f"{path}: expected text, found a binary file")
    return text


def read_secret_file(path: Path) -> bytes:
    """The secret in a file: its one line, or hex digits after ``0x`` there. ConfigError if none."""
    return secret_in_file(only_line(_octets(path, MOST_SECRET, "a secret"), "a secret", str(path)), str(path))


def read_passphrase_file(path: Path) -> bytes:
    """The passphrase in a file: its one line. ConfigError if there is none."""
    return only_line(_octets(path, MOST_SECRET, "a passphrase"), "a passphrase", str(path))


def readable_by_all(path: Path) -> bool:
    """Whether every user of this machine may read a file."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def exposed(path: Path) -> str:
    """The warning about a file with a secret that everybody may read."""
    return f"{path}: it has a secret, and every user of this machine may read it: chmod 600 it"


def _octets(path: Path, most: int, what: str) -> bytes:
    try:
        octets = read_octets(path, most)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(octets) > most:
        raise ConfigError(f"{path}: expected {what} of at most {most >> 10} KB, found a larger file")
    return octets
