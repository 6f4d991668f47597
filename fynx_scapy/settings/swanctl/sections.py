# SPDX-License-Identifier: GPL-2.0-or-later
"""The syntax of strongswan.conf and swanctl.conf: sections, values, includes and references, as strongSwan reads them.

``name : reference, reference { key = value … }``. A value ends with its line. Files that are included belong to the
section in which the include stands. A later value replaces an earlier one, and a later section extends it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from fynx_scapy.errors import ConfigError
from fynx_scapy.settings.source import Lines, read_text
from fynx_scapy.text import LONGEST, printable

MOST_FILES = 256
"""How many files one configuration may include."""
MOST_DEPTH = 16
"""How deeply includes and sections may be nested."""
MOST_SECTIONS = 50_000
"""How many sections there may be, inherited ones included: each reference may double them."""

_IGNORED = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_NAME = re.compile(r'[^#{}:.,="\r\n\t ]+')
_REFERENCE = re.compile(rf"{_NAME.pattern}(?:\.{_NAME.pattern})*")
_INCLUDE = re.compile(r"include[ \t]+(?=[^=])")
_BLANK = re.compile(r"[ \t\r]*")
_WORD = re.compile(r'[^#}"\r\n\t ]+')
_STRING = re.compile(r'"((?:\\.|[^\\"])*)"', re.DOTALL)
_PATTERN = re.compile(r'(?:\\[\\"#} ]|[^"\\#}\r\n\t ]|\\)+')
_ESCAPE = re.compile(r"\\(\r?\n|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\n": "", "\r\n": ""}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}: line {self.line}"


@dataclass(frozen=True, slots=True)
class Value:
    """A value and its place. The text is None where the assignment is empty, which clears what is inherited."""

    text: str | None = field(repr=False)
    place: Place


@dataclass(slots=True)
class Section:
    """A section: its values and its sections by name, in order, and the sections that it refers to."""

    name: str
    place: Place
    values: dict[str, Value] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)
    references: list[tuple[str, Place]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds: the sections with all that they inherit, and what is to be said of the file."""

    root: Section
    warnings: list[str]
    referred: frozenset[str]
    """The sections at the top that others inherit from."""


def read_sections(path: Path) -> Document:
    """The sections of a file and of those that it includes. ConfigError names the file and the line of a mistake."""
    root = Section("", Place(path, 1))
    files = _Files()
    _Parser(path, files).statements(root)
    inheritance = _Inheritance(root)
    whole = inheritance.whole(())
    referred = frozenset(name.partition(".")[0] for name in inheritance.found)
    return Document(whole, files.warnings + inheritance.warnings, referred)


class _Files:
    """How many files have been read, and what is to be said of them."""

    def __init__(self) -> None:
        self.count = 0
        self.warnings: list[str] = []


class _Parser:
    """Parses one file, and the files that it includes."""

    def __init__(self, path: Path, files: _Files, depth: int = 0) -> None:
        files.count += 1
        self.text = read_text(path)
        self._lines = Lines(self.text)
        self.path, self.files, self.depth = path, files, depth
        self.at = 0

    def statements(self, section: Section, depth: int = 0) -> None:
        """Everything up to the end of the section or of the file."""
        while True:
            self._skip(_IGNORED)
            if self.at == len(self.text):
                if depth:
                    self._fail(
                        f"expected }} at the end of section {printable(section.name)}, found the end of the file"
                    )
                return
            if self._next("}"):
                if not depth:
                    self.at -= 1
                    self._fail("expected a section or a value, found } without a section")
                return
            if found := _INCLUDE.match(self.text, self.at):
                self.at = found.end()
                self._include(section)
            else:
                self._statement(section, depth)

    def _statement(self, section: Section, depth: int) -> None:
        place = self._place()
        name = self._one(_NAME, "the name of a section or a value")
        self._skip(_IGNORED)
        if self._next("="):
            section.values[name] = Value(self._value(), place)
            return
        if depth + self.depth >= MOST_DEPTH:
            self._fail(f"expected sections at most {MOST_DEPTH} deep")
        inner = section.sections.setdefault(name, Section(name, place))
        if self._next(":"):
            inner.references += self._references()
        self._skip(_IGNORED)
        if not self._next("{"):
            self._fail(f"expected = or {{ after {printable(name, LONGEST)}")
        self.statements(inner, depth + 1)

    def _references(self) -> Iterator[tuple[str, Place]]:
        while True:
            self._skip(_IGNORED)
            place = self._place()
            yield self._one(_REFERENCE, "the name of a section to inherit from"), place
            self._skip(_IGNORED)
            if not self._next(","):
                return

    def _value(self) -> str | None:
        """The words and strings up to the end of the line, with one space between them."""
        parts = []
        while True:
            self._skip(_BLANK)
            if self.text.startswith('"', self.at):
                parts.append(self._string())
            elif word := _WORD.match(self.text, self.at):
                self.at = word.end()
                parts.append(word[0])
            else:
                return " ".join(parts) if parts else None

    def _string(self) -> str:
        found = _STRING.match(self.text, self.at)
        if found is None:
            self._fail('expected " at the end of a string, found the end of the file')
        self.at = found.end()
        return _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), found[1].replace("\r", ""))

    def _include(self, section: Section) -> None:
        place = self._place()
        if self.text.startswith('"', self.at):
            pattern = self._string()
        else:
            pattern = re.sub(r'\\([\\"#} ])', r"\1", self._one(_PATTERN, "the name of a file to include"))
        if self.depth + 1 > MOST_DEPTH:
            raise ConfigError(f"{place}: expected files that are included at most {MOST_DEPTH} deep")
        found = sorted(glob.glob(str(self.path.parent / pattern)))
        if not found:
            self.files.warnings.append(f"{place}: no file is called {printable(pattern, LONGEST)}: nothing is included")
        for name in found:
            if self.files.count > MOST_FILES:
                raise ConfigError(f"{place}: expected at most {MOST_FILES} files that are included")
            _Parser(Path(name), self.files, self.depth + 1).statements(section)

    def _one(self, pattern: re.Pattern[str], wanted: str) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            self._fail(f"expected {wanted}")
        self.at = found.end()
        return found[0]

    def _next(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _place(self) -> Place:
        return Place(self.path, self._lines.number(self.at))

    def _fail(self, text: str) -> NoReturn:
        """ConfigError, without a word of the file: what stands in the wrong place may be a secret."""
        raise ConfigError(f"{self._place()}: {text}")


class _Inheritance:
    """What sections inherit from those that they refer to, by their absolute names, wherever these stand."""

    def __init__(self, root: Section) -> None:
        self.root = root
        self.warnings: list[str] = []
        self.found: set[str] = set()
        """The references that lead somewhere."""
        self._layers: dict[tuple[str, ...], list[Section]] = {(): [root]}
        self._count = 0

    def whole(self, path: tuple[str, ...]) -> Section:
        """The section with all that it inherits. Its own comes first, then that of the references in their order."""
        layers = self._layers_of(path)
        self._count += 1
        if len(path) > MOST_DEPTH or self._count > MOST_SECTIONS:
            raise ConfigError(f"{layers[0].place}: section {printable('.'.join(path), LONGEST)} inherits without end")
        whole = Section(layers[0].name, layers[0].place)
        for layer in layers:
            for name, value in layer.values.items():
                whole.values.setdefault(name, value)
        whole.values = {name: value for name, value in whole.values.items() if value.text is not None}
        for name in dict.fromkeys(name for layer in layers for name in layer.sections):
            whole.sections[name] = self.whole((*path, name))
        return whole

    def _layers_of(self, path: tuple[str, ...]) -> list[Section]:
        """The sections that a section consists of, the one whose values win first."""
        if path not in self._layers:
            found = self._layers[path] = []  # what refers to itself finds nothing more
            for parent in self._layers_of(path[:-1]):
                if path[-1] in parent.sections:
                    self._add(found, parent.sections[path[-1]])
        return self._layers[path]

    def _add(self, found: list[Section], section: Section) -> None:
        if any(section is other for other in found):
            return
        found.append(section)
        for name, place in section.references:
            inherited = self._layers_of(tuple(name.split(".")))
            if inherited:
                self.found.add(name)
            else:
                self.warnings.append(f"{place}: no section is called {printable(name, LONGEST)}: nothing is inherited")
            for each in inherited:
                self._add(found, each)
