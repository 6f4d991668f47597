# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of scenario × peer × role → verdict, as an HTML page that links to ladders and captures, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fynx_scapy import __version__
from fynx_scapy.files import write_text
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.lab.trial_runner import TrialOutcome, good
from fynx_scapy.report.page import render
from fynx_scapy.report.templating import environment


@dataclass(frozen=True, slots=True)
class Unable:
    """A scenario that a peer cannot do: it is shown without a verdict, with what the peer ``lacks``, or ``why``."""

    trial: Scenario
    peer: str
    lacks: str
    why: str = ""


class Matrix:
    """A folder with the results of scenarios: ``index.html``, ``matrix.json``, and a folder for each peer.

    OSError when a file cannot be written.
    """

    def __init__(self, folder: Path, command: str, unable: Sequence[Unable] = ()) -> None:
        self._folder, self._command, self._unable = folder, command, list(unable)
        self.outcomes: list[TrialOutcome] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add_unable(self, unable: Unable) -> None:
        """Add a scenario that turned out to be impossible with a peer."""
        self._unable.append(unable)

    def add(self, outcome: TrialOutcome) -> None:
        """Add an outcome, and write its ladder, its capture and the peer's log."""
        self.outcomes.append(outcome)
        (self._folder / outcome.peer).mkdir(exist_ok=True)
        page = render([outcome.result], command=self._command, versions={outcome.peer: outcome.version})
        write_text(self._stem(outcome).with_suffix(".html"), page)
        outcome.save_capture(self._stem(outcome).with_suffix(".pcapng"))
        write_text(self._stem(outcome).with_suffix(".log"), outcome.log, secret=True)  # it may contain keys

    def _stem(self, outcome: TrialOutcome) -> Path:
        return self._folder / outcome.peer / f"{outcome.trial.name}-{outcome.role.value}"

    def write(self) -> Path:
        """Write the page and the JSON of all outcomes so far; returns the page's path."""
        document = {"version": __version__, "outcomes": [outcome.as_dict() for outcome in self.outcomes]}
        document["unable"] = [
            {"scenario": each.trial.name, "peer": each.peer, "lacks": each.lacks, "why": each.why}
            for each in self._unable
        ]
        write_text(self._folder / "matrix.json", json.dumps(document, indent=1) + "\n")
        index = self._folder / "index.html"
        write_text(index, page(self.outcomes, self._command, self._unable))
        return index


def page(outcomes: Sequence[TrialOutcome], command: str, unable: Sequence[Unable] = ()) -> str:
    """The table as HTML, with links into the folders that `Matrix` writes."""
    versions = dict.fromkeys((each.peer for each in unable), "") | {each.peer: each.version for each in outcomes}
    peers = list(versions.items())
    verdicts: dict[str, list[str]] = {}
    for outcome in outcomes:
        found = verdicts.setdefault(outcome.trial.name, [])
        if outcome.result.verdict.value not in found:
            found.append(outcome.result.verdict.value)
    cells = {(outcome.trial.name, outcome.peer, outcome.role): outcome for outcome in outcomes}
    shown = [*(outcome.trial for outcome in outcomes), *(each.trial for each in unable)]
    return (
        environment()
        .get_template("matrix.html.j2")
        .render(
            peers=peers,
            roles=list(Role),
            trials=list({trial.name: trial for trial in shown}.values()),
            cells=cells,
            unable={(each.trial.name, each.peer): each.why or f"the peer lacks {each.lacks}" for each in unable},
            verdicts=verdicts,
            facets={"verdict": Counter(verdict for found in verdicts.values() for verdict in found)},
            passed=sum(map(good, outcomes)),
            outcomes=outcomes,
            seconds=sum(outcome.result.seconds for outcome in outcomes),
            version=__version__,
            command=command,
        )
    )
