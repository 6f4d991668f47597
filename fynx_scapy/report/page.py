# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a run: the model, and its rendering with templates."""

from __future__ import annotations

import html
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from markupsafe import Markup

from fynx_scapy import __version__
from fynx_scapy.crypto.transforms import keyword_of
from fynx_scapy.harness import Result, Stage, Tally, Verdict
from fynx_scapy.harness.requirements import catalogue
from fynx_scapy.harness.tally import worst_first
from fynx_scapy.ike.events import ChildSaInstalled, KeysDerived
from fynx_scapy.ladder import STYLE, Ladder, Row
from fynx_scapy.report.messages import message_details
from fynx_scapy.report.templating import environment
from fynx_scapy.text import printable_lines

OTHER = "other"
MOST_OPENED = 3
"""So many failures are open at first. A page that opens more is slow when all fail."""


@dataclass(frozen=True, slots=True)
class SessionLadder:
    """One session: its label, the negotiated algorithms, and its ladder as HTML."""

    label: str
    facts: dict[str, str]
    ladder: Markup
    packets: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One scenario: its result, its docstring after the title, and its sessions.

    ``kind`` is what a reader filters by. A section that is ``opened`` shows where its scenario failed.
    """

    result: Result
    paragraphs: list[str]
    conversations: list[SessionLadder]
    kind: str = ""
    opened: bool = False

    @property
    def packets(self) -> int:
        """The number of messages and ESP packets."""
        return sum(conversation.packets for conversation in self.conversations)


def our_versions() -> dict[str, str]:
    """The versions of fynx-scapy, Python and the packages that we use."""
    versions = {"fynx-scapy": __version__, "Python": platform.python_version()}
    return versions | {name: metadata.version(name) for name in ("scapy", "cryptography")}


def render(
    results: Sequence[Result],
    *,
    seed: int | None = None,
    command: str,
    versions: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
) -> str:
    """The whole page, with failures first. It loads no external resources and contains no key.

    ``command`` repeats the run, with a ``seed`` to the byte. ``versions`` are more versions to show, ``about`` is when,
    where and with which peer the run was.
    """
    kinds = _kinds([result.scenario.name for result in results])
    sections = [_section(result, kinds[result.scenario.name], at) for at, result in enumerate(worst_first(results))]
    tally = Tally.of(results)
    facets = {
        "verdict": Counter(section.result.verdict.value for section in sections),
        "kind": dict(sorted(Counter(section.kind for section in sections).items())),
    }
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            sections=sections,
            facets=facets,
            tally=tally,
            catalogue=len(catalogue()),
            packets=sum(section.packets for section in sections),
            seconds=sum(result.seconds for result in results),
            seed=seed,
            command=command,
            about=dict(about or {}),
            versions=our_versions() | dict(versions or {}),
            ladder_style=Markup(STYLE),
        )
    )


def _kinds(names: Sequence[str]) -> dict[str, str]:
    """The kind of each scenario: the first word of its name, if another has it too."""
    words = Counter(name.partition("_")[0] for name in names)
    return {name: word if words[word := name.partition("_")[0]] > 1 else OTHER for name in names}


def _section(result: Result, kind: str, place: int) -> Section:
    paragraphs = result.scenario.description.partition("\n")[2].strip().split("\n\n")
    failed = result.verdict in (Verdict.FAIL, Verdict.ERROR)
    last = len(result.stages) - 1
    conversations = [
        _conversation(s, result.reason if failed and i == last else "") for i, s in enumerate(result.stages)
    ]
    opened = failed and place < MOST_OPENED
    return Section(result, [p for p in paragraphs if p], conversations, kind, opened)


def _conversation(stage: Stage, failure: str = "") -> SessionLadder:
    ladder = stage.ladder()
    if failure:
        _mark(ladder, stage, failure)
    # Ladder.html escapes its own text; the template escapes the details of a row.
    return SessionLadder(stage.label, facts(stage), Markup(ladder.html(_details)), len(ladder.packets), bool(failure))


def _mark(ladder: Ladder, stage: Stage, failure: str) -> None:
    """Mark where the scenario failed: after the events that it had by then, before its IKE SAs were deleted."""
    later = {id(event) for _, event in stage.events[stage.reached :]} if stage.reached is not None else set()
    place = next((i for i, row in enumerate(ladder.rows) if id(row.event) in later), len(ladder.rows))
    time = ladder.rows[place - 1].time if place else 0.0
    ladder.rows.insert(place, Row(time, ladder.ends[0], "", "", f"FAILED HERE: {failure}", bad=True))


def _details(row: Row) -> str:
    details = message_details(row)
    if details is None:
        return ""
    # As data, which the page's script shows once the message is opened. Elements would be six times as much to parse.
    data = json.dumps(_printable(asdict(details)), ensure_ascii=False, separators=(",", ":"))
    return f"<template>{html.escape(data, quote=False)}</template>"


def _printable(value: Any) -> Any:
    """A value as JSON has it, with printable texts."""
    if isinstance(value, Mapping):
        return {printable_lines(str(name)): _printable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(inner) for inner in value]
    return value if isinstance(value, int | float | None) else printable_lines(str(value))


def facts(stage: Stage) -> dict[str, str]:
    """The negotiated algorithms, from the first event that has them."""
    found: dict[str, str] = {}
    for _, event in stage.events:
        if isinstance(event, KeysDerived):
            transforms = [number for number in (event.encr, event.integ, event.prf, event.ke) if number is not None]
            found.setdefault("IKE SA", "-".join(map(keyword_of, transforms)))
        elif isinstance(event, ChildSaInstalled):
            names = [keyword_of(number) for number in (event.encr, event.integ) if number is not None]
            found.setdefault("ESP", "-".join([*names, *(["esn"] if event.esn else [])]))
    return found
