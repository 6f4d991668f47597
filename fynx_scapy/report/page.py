# SPDX-License-Identifier: GPL-2.0-or-later
"""The model that the template renders, and the rendering."""

from __future__ import annotations

import functools
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import jinja2
from markupsafe import Markup

from fynx_scapy import __version__
from fynx_scapy.crypto.transforms import keyword_of
from fynx_scapy.harness import Result, Stage, Tally, Verdict
from fynx_scapy.harness.requirements import catalogue
from fynx_scapy.harness.tally import worst_first
from fynx_scapy.ike.events import ChildSaInstalled, KeysDerived
from fynx_scapy.ladder import STYLE, Ladder, Row
from fynx_scapy.report.messages import opened
from fynx_scapy.text import printable_lines


@dataclass(frozen=True, slots=True)
class Conversation:
    """One session: its label, what was agreed, and its ladder as HTML."""

    label: str
    facts: dict[str, str]
    ladder: Markup
    packets: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One scenario: its result, its docstring behind the title, and its conversations."""

    result: Result
    paragraphs: list[str]
    conversations: list[Conversation]

    @property
    def packets(self) -> int:
        """How many messages and ESP packets it sent."""
        return sum(conversation.packets for conversation in self.conversations)


def _shown(value: Any) -> Any:
    """What a template shows, printable; what is markup already stays markup."""
    if isinstance(value, Markup):
        return Markup(printable_lines(value))
    return printable_lines(value) if isinstance(value, str) else value


@functools.cache
def environment() -> jinja2.Environment:
    """The templates of all pages; whatever they show is printable, and escaped."""
    return jinja2.Environment(
        finalize=_shown,
        loader=jinja2.PackageLoader("fynx_scapy.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def our_versions() -> dict[str, str]:
    """Whose work it is: ours, Python's, and that of the packages below us."""
    told = {"fynx-scapy": __version__, "Python": platform.python_version()}
    return told | {name: metadata.version(name) for name in ("scapy", "cryptography")}


def render(
    results: Sequence[Result],
    *,
    seed: int | None = None,
    command: str,
    versions: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
) -> str:
    """The whole page, which loads nothing from anywhere and holds no key. What failed comes first.

    ``command`` is what repeats the run, to the byte where there is a ``seed``; ``versions`` are those of others,
    ``about`` says when, where and between whom it was.
    """
    sections = [_section(result) for result in worst_first(results)]
    tally = Tally.of(results)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            sections=sections,
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


def _section(result: Result) -> Section:
    paragraphs = result.scenario.description.partition("\n")[2].strip().split("\n\n")
    failed = result.verdict in (Verdict.FAIL, Verdict.ERROR)
    last = len(result.stages) - 1
    conversations = [
        _conversation(s, result.reason if failed and i == last else "") for i, s in enumerate(result.stages)
    ]
    return Section(result, [p for p in paragraphs if p], conversations)


def _conversation(stage: Stage, failure: str = "") -> Conversation:
    ladder = stage.ladder()
    if failure:
        _mark(ladder, stage, failure)
    # Ladder.html escapes what it writes, and the template what a row opens to.
    return Conversation(stage.label, _facts(stage), Markup(ladder.html(_details)), len(ladder.packets), bool(failure))


def _mark(ladder: Ladder, stage: Stage, failure: str) -> None:
    """Say where the scenario failed: behind what had happened by then, before its IKE SAs were deleted."""
    later = {id(event) for _, event in stage.events[stage.reached :]} if stage.reached is not None else set()
    place = next((i for i, row in enumerate(ladder.rows) if id(row.event) in later), len(ladder.rows))
    time = ladder.rows[place - 1].time if place else 0.0
    ladder.rows.insert(place, Row(time, ladder.ends[0], "", "", f"FAILED HERE: {failure}", bad=True))


def _details(row: Row) -> str:
    found = opened(row)
    return "" if found is None else environment().get_template("message.html.j2").render(message=found)


def _facts(stage: Stage) -> dict[str, str]:
    """What the two ends agreed on, from the events of the one that says it first."""
    facts: dict[str, str] = {}
    for _, event in stage.events:
        if isinstance(event, KeysDerived):
            transforms = [found for found in (event.encr, event.integ, event.prf, event.ke) if found is not None]
            facts.setdefault("IKE SA", "-".join(map(keyword_of, transforms)))
        elif isinstance(event, ChildSaInstalled):
            words = [keyword_of(found) for found in (event.encr, event.integ) if found is not None]
            facts.setdefault("ESP", "-".join([*words, *(["esn"] if event.esn else [])]))
    return facts
