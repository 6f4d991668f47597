# SPDX-License-Identifier: GPL-2.0-or-later
"""Where each key of a TOML document stands. tomllib gives values without places; this gives places without values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

from fynx_scapy.settings.source import Lines

Path = tuple[str | int, ...]
"""The keys that lead to a value, with the index of each item of an array."""

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'",
    re.DOTALL,
)
# A number, a date or a word. A date and its time may have one space between them.
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d \d[^\s,\]}#]*|[^\s,\]}#]+")


def positions(text: str) -> Mapping[Path, int]:
    """The number of the line on which each key or item stands, for text that tomllib reads without an error."""
    return _Scan(text).document()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self._lines = Lines(text)
        self._arrays: dict[Path, int] = {}

    def document(self) -> Mapping[Path, int]:
        table: Path = ()
        self._skip(_SPACE)
        while self.at < len(self.text):
            if self._next("[["):
                keys = self._keys()
                table = (*self._resolved(keys[:-1]), keys[-1])
                index = self._arrays[table] = self._arrays.get(table, -1) + 1
                table = (*table, index)
                self._note(table)
                self.at += len("]]")
            elif self._next("["):
                table = self._resolved(self._keys())
                self._note(table)
                self.at += len("]")
            else:
                self._pair(table)
            self._skip(_SPACE)
        return self.found

    def _resolved(self, keys: list[str]) -> Path:
        """The path of a table, with the latest item of each array of tables on the way."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _note(self, path: Path) -> None:
        line = self._lines.number(self.at)
        for length in range(1, len(path) + 1):
            self.found.setdefault(path[:length], line)

    def _pair(self, table: Path) -> None:
        """``key.key = value``"""
        path = (*table, *self._keys())
        self._note(path)
        self.at += len("=")
        self._skip(_BLANK)
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_BLANK)
            quoted = _STRING.match(self.text, self.at)
            found = quoted or _BARE.match(self.text, self.at)
            if found is None:  # a newer TOML than this scanner knows
                raise ValueError("no key")
            keys.append(tomllib.loads(f"key = {found[0]}")["key"] if quoted else found[0])
            self.at = found.end()
            self._skip(_BLANK)
            if not self._next("."):
                return keys

    def _value(self, path: Path) -> None:
        if self._next("["):
            index = 0
            self._skip(_SPACE)
            while not self._next("]"):
                self._note((*path, index))
                self._value((*path, index))
                index += 1
                self._comma()
        elif self._next("{"):
            self._skip(_SPACE)
            while not self._next("}"):
                self._pair(path)
                self._comma()
        else:
            found = _STRING.match(self.text, self.at) or _PLAIN.match(self.text, self.at)
            if found is None:
                raise ValueError("no value")
            self.at = found.end()

    def _comma(self) -> None:
        self._skip(_SPACE)
        if self._next(","):
            self._skip(_SPACE)

    def _next(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
