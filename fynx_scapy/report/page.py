# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a run: the model, and its rendering with templates."""

from __future__ import annotations

import functools
import html
import json
import platform
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from markupsafe import Markup

from fynx_scapy import __version__
from fynx_scapy.crypto.transforms import keyword_of
from fynx_scapy.harness import Result, Stage, Tally, Verdict
from fynx_scapy.harness.requirements import catalogue
from fynx_scapy.harness.tally import BAD, worst_first
from fynx_scapy.ike.events import ChildSaInstalled, KeysDerived
from fynx_scapy.ladder import STYLE, Ladder, Row
from fynx_scapy.report.coverage import areas, sentences
from fynx_scapy.report.messages import message_details
from fynx_scapy.report.packing import Octets, packed
from fynx_scapy.report.templating import environment
from fynx_scapy.text import counted, printable_lines

OTHER = "other"
MOST_OPENED = 3
"""So many failures are open at first. A page that opens more is slow when all fail."""
ALWAYS = ("verdict", "topic")
"""What a reader can always filter by; by anything else if the results differ in it."""


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
    """One scenario in one role: its result, its docstring after the title, and its sessions.

    ``key`` is its anchor. ``facets`` are what a reader filters by: name -> values. A section that is ``opened`` shows
    where its scenario failed. ``again`` is the command that runs it alone, if a seed repeats it.
    """

    key: str
    result: Result
    paragraphs: list[str]
    conversations: list[SessionLadder]
    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    opened: bool = False
    again: str = ""

    @property
    def packets(self) -> int:
        """The number of messages and ESP packets."""
        if self.result.counted is not None and not self.result.stages:
            return self.result.counted[1]
        return sum(conversation.packets for conversation in self.conversations)

    @property
    def figures(self) -> list[str]:
        """How many requirements and packets it has, and how long it took: a line each."""
        result, named = self.result, len(self.result.scenario.requirements)
        unchecked = "" if result.verdict is Verdict.PASS or not named else "0 of "
        told = [f"{unchecked}{counted(named, 'requirement')}"] if named else []
        return [*told, f"{counted(self.packets, 'packet')}, {result.seconds * 1000:.0f} ms"]


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
    files: Mapping[str, str] | None = None,
) -> str:
    """The whole page, with failures first. It loads no external resources and contains no key.

    ``command`` repeats the run, with a ``seed`` to the byte. ``versions`` are more versions to show, ``about`` is when,
    where and with which peer the run was. ``files`` are links to what was saved with it: text -> relative address.
    """
    ordered = worst_first(results)
    topics, keys = _topics([result.scenario.name for result in results]), keys_of(ordered)
    octets = Octets()
    sections = [
        _section(result, key, topics[result.scenario.name], seed, place, octets)
        for place, (result, key) in enumerate(zip(ordered, keys, strict=True))
    ]
    tally, named = Tally.of(results), sentences(ordered)
    story = environment().get_template("story.html.j2")
    files = dict(files or {})
    stories = [story.render(section=section, files=files) for section in sections]
    stories.append(environment().get_template("sentences.html.j2").render(sentences=named, keys=keys, results=ordered))
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            sections=sections,
            facets=_facets(sections),
            tally=tally,
            areas=areas(named),
            catalogue=len(catalogue()),
            packets=sum(section.packets for section in sections),
            seconds=sum(result.seconds for result in results),
            seed=seed,
            command=command,
            about=dict(about or {}),
            files=files,
            versions=our_versions() | dict(versions or {}),
            ladder_style=Markup(STYLE),
            stories=packed(stories),
            octets=octets.packed,
        )
    )


def _topics(names: Sequence[str]) -> dict[str, str]:
    """What a scenario without a topic is about: the first word of its name, if another has it too."""
    words = Counter(name.partition("_")[0] for name in names)
    return {name: word if words[word := name.partition("_")[0]] > 1 else OTHER for name in names}


def keys_of(results: Sequence[Result]) -> list[str]:
    """A name for each result: that of its scenario, if there is no other result of it."""
    counts = Counter(result.scenario.name for result in results)
    seen: Counter[str] = Counter()
    found = []
    for result in results:
        name = result.scenario.name
        if counts[name] > 1:
            name = "-".join(filter(None, (name, result.role.value, result.peer)))
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return found


def _facets(sections: Sequence[Section]) -> dict[str, dict[str, int]]:
    """What a reader can filter by: name -> value -> how many sections have it."""
    found: dict[str, Counter[str]] = {}
    for section in sections:
        for name, values in section.facets.items():
            found.setdefault(name, Counter()).update(values)
    found["topic"] = Counter(dict(sorted(found.get("topic", Counter()).items())))
    return {name: dict(counts) for name, counts in found.items() if len(counts) > 1 or name in ALWAYS}


def _section(result: Result, key: str, topic: str, seed: int | None, place: int, octets: Octets) -> Section:
    scenario = result.scenario
    paragraphs = scenario.description.partition("\n")[2].strip().split("\n\n")
    failed = result.verdict in (*BAD, Verdict.XFAIL)
    last = len(result.stages) - 1
    conversations = [
        _conversation(s, octets, result.reason if failed and i == last else "") for i, s in enumerate(result.stages)
    ]
    facets: dict[str, list[str]] = {
        "verdict": [result.verdict.value],
        "topic": [scenario.topic or topic],
        "severity": [scenario.severity],
        "role": [result.role.value],
        "suite": sorted(scenario.suites),
        "peer": [result.peer] if result.peer else [],
    }
    opened = result.verdict in BAD and place < MOST_OPENED
    return Section(key, result, [p for p in paragraphs if p], conversations, facets, opened, _again(result, seed))


def _again(result: Result, seed: int | None) -> str:
    if seed is None or not result.stages:
        return ""
    role = ["--role", result.role.value] if len(result.scenario.roles) > 1 else []
    return shlex.join(["fynx", "run", result.scenario.name, *role, "--seed", str(seed)])


def _conversation(stage: Stage, octets: Octets, failure: str = "") -> SessionLadder:
    ladder = stage.ladder()
    if failure:
        _mark(ladder, stage, failure)
    # Ladder.html escapes its own text; the template escapes the details of a row.
    shown = Markup(ladder.html(functools.partial(_details, octets)))
    return SessionLadder(stage.label, facts(stage), shown, len(ladder.packets), bool(failure))


def _mark(ladder: Ladder, stage: Stage, failure: str) -> None:
    """Mark where the scenario failed: after the events that it had by then, before its IKE SAs were deleted."""
    later = {id(event) for _, event in stage.events[stage.reached :]} if stage.reached is not None else set()
    place = next((i for i, row in enumerate(ladder.rows) if id(row.event) in later), len(ladder.rows))
    time = ladder.rows[place - 1].time if place else 0.0
    ladder.rows.insert(place, Row(time, ladder.ends[0], "", "", f"FAILED HERE: {failure}", bad=True))


def _details(octets: Octets, row: Row) -> str:
    details = message_details(row)
    if details is None:
        return ""
    # As data, which the page's script shows once the message is opened. Elements would be six times as much to parse.
    shown = _printable({"header": details.header, "encrypted": details.encrypted, "payloads": details.payloads})
    messages = [bytes.fromhex(digits) for _, digits in details.octets]
    shown["payloads"] = octets.within(shown["payloads"], messages)
    shown["octets"] = [[where, octets.add(each)] for (where, _), each in zip(details.octets, messages, strict=True)]
    data = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
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
