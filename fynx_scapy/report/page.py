# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a run: the model, and its rendering with templates."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

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
    """One scenario: its result, its docstring after the title, and its sessions."""

    result: Result
    paragraphs: list[str]
    conversations: list[SessionLadder]

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


def _conversation(stage: Stage, failure: str = "") -> SessionLadder:
    ladder = stage.ladder()
    if failure:
        _mark(ladder, stage, failure)
    # Ladder.html escapes its own text; the template escapes the details of a row.
    return SessionLadder(stage.label, _facts(stage), Markup(ladder.html(_details)), len(ladder.packets), bool(failure))


def _mark(ladder: Ladder, stage: Stage, failure: str) -> None:
    """Mark where the scenario failed: after the events that it had by then, before its IKE SAs were deleted."""
    later = {id(event) for _, event in stage.events[stage.reached :]} if stage.reached is not None else set()
    place = next((i for i, row in enumerate(ladder.rows) if id(row.event) in later), len(ladder.rows))
    time = ladder.rows[place - 1].time if place else 0.0
    ladder.rows.insert(place, Row(time, ladder.ends[0], "", "", f"FAILED HERE: {failure}", bad=True))


def _details(row: Row) -> str:
    details = message_details(row)
    return "" if details is None else environment().get_template("message.html.j2").render(message=details)


def _facts(stage: Stage) -> dict[str, str]:
    """The negotiated algorithms, from the first event that has them."""
    facts: dict[str, str] = {}
    for _, event in stage.events:
        if isinstance(event, KeysDerived):
            transforms = [number for number in (event.encr, event.integ, event.prf, event.ke) if number is not None]
            facts.setdefault("IKE SA", "-".join(map(keyword_of, transforms)))
        elif isinstance(event, ChildSaInstalled):
            names = [keyword_of(number) for number in (event.encr, event.integ) if number is not None]
            facts.setdefault("ESP", "-".join([*names, *(["esn"] if event.esn else [])]))
    return facts
