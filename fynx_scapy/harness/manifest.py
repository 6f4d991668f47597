# SPDX-License-Identifier: GPL-2.0-or-later
"""Manifests: which scenarios a peer is expected to fail, each with the reason and the versions it was seen in.

A manifest is a TOML file. The first row that fits counts:

    [[expected]]
    scenario = "error_major_version"
    versions = "<6.2"
    reason = "it answers a message that is marked as a response"
    requirement = "7296-3.1-11"
"""

from __future__ import annotations

import difflib
import fnmatch
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fynx_scapy.checks import Checked, flag, kind, one_of, optional, required, setting, several, text
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness.requirements import requirement
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.versions import parsed, read_range, within
from fynx_scapy.settings.positions import positions
from fynx_scapy.settings.source import read_text
from fynx_scapy.settings.tables import Reader
from fynx_scapy.settings.toml import syntax
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from fynx_scapy.harness.scenario import Scenario

MOST_ROWS = 4096
"""The most rows of a manifest."""


@dataclass(frozen=True, slots=True)
class Named:
    """A scenario of which nothing but the name is known."""

    name: str
    topic: str = ""


def _known_requirement(value: Any) -> Any:
    return requirement(value).id if isinstance(value, str) and value else value


def _printable(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFailure(Checked):
    """A row of a manifest: a failure that is expected of a peer."""

    scenario: str = required(text(), read=_printable)
    """The name of a scenario, with or without its topic, or a pattern such as ``negative/header/*``."""
    reason: str = required(text(), read=_printable)
    """What the peer does, and why that is a failure."""
    role: str | None = setting(None, optional(one_of(*(role.value for role in Role))))
    """Our role, if it fails in one role only."""
    verdict: str = setting("FAIL", one_of("FAIL", "ERROR"))
    """The verdict that is expected without this row."""
    versions: str = setting("", text(empty=True), read=read_range)
    """The versions of the peer that fail, such as ``5.9.8`` or ``>=5.9.8,<6.0``; empty for every version."""
    requirement: str = setting("", text(empty=True), read=_known_requirement)
    """The ID of the sentence that the peer does not keep to."""
    sentence: str = setting("", text(empty=True), read=_printable)
    """The RFC, its section and its sentence, where no requirement has an ID for it."""
    sometimes: bool = setting(False, flag())
    """Whether it fails in some runs only, so that a PASS does not say that the row is out of date."""
    cve: str = setting("", text(empty=True), read=_printable)
    """The published vulnerability that it is."""

    def about(self, version: str) -> bool:
        """Whether the row is about this version of the peer. One that is not known fits every row."""
        known = parsed(version)
        return not known or within(known, self.versions)

    def names(self, scenario: Scenario | Named) -> bool:
        """Whether the row is about this scenario."""
        return fnmatch.fnmatchcase(scenario.name, self.scenario) or fnmatch.fnmatchcase(
            f"{scenario.topic}/{scenario.name}", self.scenario
        )

    def fits(self, scenario: Scenario, role: Role, version: str = "") -> bool:
        """Whether the row is about a run of this scenario, in this role, with that version of the peer.

        A version that is not known fits every row.
        """
        return self.names(scenario) and self.role in (None, role.value) and self.about(version)

    def as_dict(self) -> dict[str, Any]:
        """The row as plain values for JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Checked):
    """The expected failures of a peer."""

    expected: tuple[ExpectedFailure, ...] = setting((), several(kind(ExpectedFailure), 0, MOST_ROWS))
    source: str = ""
    """The name of the manifest or of its file."""
    lines: Mapping[int, int] = field(default_factory=dict, compare=False, repr=False)
    """The line of each row."""

    @classmethod
    def from_file(cls, path: Path, name: str = "") -> Manifest:
        """Read a TOML file. ConfigError names file, line and key."""
        content = read_text(path)
        try:
            table = tomllib.loads(content)
            places = positions(content)
        except RecursionError:
            raise ConfigError(f"{path}: expected TOML, found arrays or tables that are nested too deeply") from None
        except ValueError as error:
            raise syntax(path, str(error)) from None
        made = Reader(path, places).read(cls, table)
        lines = {index: places.get(("expected", index), 0) for index in range(len(made.expected))}
        return cls(expected=made.expected, source=name or str(path), lines=lines)

    @classmethod
    def shipped(cls, name: str) -> Manifest:
        """The manifest that we ship for a peer. ConfigError for an unknown name, with the nearest."""
        known = shipped_names()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"expected one of the peers {', '.join(known)}, found {printable(repr(name))}{hint}")
        with resources.as_file(_folder() / f"{name}.toml") as path:
            return cls.from_file(path, name)

    def check_names(self, known: Collection[Scenario | Named]) -> None:
        """ConfigError for a row that is about none of these scenarios, with the nearest name."""
        names = {scenario.name for scenario in known} | {f"{each.topic}/{each.name}" for each in known if each.topic}
        for index, row in enumerate(self.expected):
            if not any(row.names(scenario) for scenario in known):
                near = difflib.get_close_matches(row.scenario, names, n=1, cutoff=0.4)
                hint = f"; did you mean {near[0]}?" if near else ""
                line = f" line {self.lines[index]}:" if self.lines.get(index) else ""
                raise ConfigError(f"{self.source}:{line} there is no scenario {printable(repr(row.scenario))}{hint}")

    def row(self, scenario: Scenario, role: Role, version: str = "") -> ExpectedFailure | None:
        """The first row about this run, if there is one."""
        return next((row for row in self.expected if row.fits(scenario, role, version)), None)

    def __add__(self, other: Manifest) -> Manifest:
        """The rows of both. Those of the first count before those of the other."""
        source = ", ".join(filter(None, (self.source, other.source)))
        return Manifest(expected=self.expected + other.expected, source=source)


def shipped_names() -> list[str]:
    """The names of the manifests that we ship."""
    return sorted(each.name.removesuffix(".toml") for each in _folder().iterdir() if each.name.endswith(".toml"))


def _folder() -> Any:
    return resources.files("fynx_scapy").joinpath("manifests")
