# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run leaves: a case file for each finding, a page that says how to run them, and the state to go on from."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fynx_scapy import __version__, files
from fynx_scapy.errors import ConfigError
from fynx_scapy.fuzz.faults import Fault, Kind
from fynx_scapy.fuzz.fuzzer import Fuzzer, Plan
from fynx_scapy.fuzz.steps import Talk
from fynx_scapy.fuzz.weights import Weights
from fynx_scapy.harness.cases import Case
from fynx_scapy.text import counted, printable

STATE, PAGE = "state.json", "README.md"
MOST_OCTETS = 256 << 20
"""The largest state that is read."""
MOST = 10**12
"""The most of anything that a run may have done."""
_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault and the conversations that show it."""

    name: str
    """The name of its case file, without the ending."""
    fault: Fault
    talks: tuple[Talk, ...]
    cases: int
    """How many cases had been run when it was found."""
    minimised: bool
    """Whether the conversations showed it again, and were made as small as possible."""
    tries: int = 0
    """How many tries that took."""

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain values for JSON."""
        return {
            "name": self.name,
            "kind": str(self.fault.kind),
            "key": self.fault.key,
            "text": self.fault.text,
            "cases": self.cases,
            "minimised": self.minimised,
            "tries": self.tries,
            "talks": [talk.as_dict() for talk in self.talks],
        }

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> Finding:
        """The finding of `as_dict`. ConfigError when it cannot be read."""
        try:
            fault = Fault(Kind(made["kind"]), printable(made["key"]), printable(made["text"]))
            if not re.fullmatch(rf"{fault.kind}_\d{{1,7}}", made["name"]):
                raise ValueError(f"expected a name such as {fault.kind}_1, found {made['name']!r}")
            talks = tuple(Talk.from_dict(talk) for talk in made["talks"])
            done, tries = (int(_number(made[name])) for name in ("cases", "tries"))
            return cls(made["name"], fault, talks, done, bool(made["minimised"]), tries)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"expected a finding, found {str(made)[:200]}: {error}") from None


def source(finding: Finding, *, seed: int, slow: float, target: str | None, row: Case | None = None) -> str:
    """The case file of a finding, which fails while the peer has the fault: a ``row``, or a scenario."""
    who = f"the peer at {target}" if target else "the embedded peer"
    text = printable(finding.fault.text).replace('"""', "'''").replace("\\", "/")
    doubt = "" if finding.minimised else "\nThe fault was not seen again when these conversations were repeated.\n"
    run = f"fynx run {finding.name}.py" + (" --target HOST --psk-file FILE" if target else "")
    head = f'''"""Found by fynx fuzz {__version__} with {who}, seed {seed}, after {counted(finding.cases, "case")}:
{text}
{doubt}
    {run}
"""
'''
    return head + (_row(row) if row is not None else _scenario(finding, slow))


def _row(case: Case) -> str:
    """A row of negative cases."""
    words = {word for one in case.do for word in [one.text.partition("(")[0]]}
    ours = ["from fynx_scapy.fuzz import Edit, edited\n"] if "edited" in words else []
    theirs = sorted(words - {"edited"})
    verbs = [f"from fynx_scapy.harness.verbs import {', '.join(theirs)}\n"] if theirs else []
    return f"""
{"".join(ours)}from fynx_scapy.harness.cases import Case, Role, cases, survives
{"".join(verbs)}
cases(
    __name__,
    [
        Case(
            {case.name!r},
            base={str(case.base)!r},
            at={case.at!r},
            do={case.do!r},
            then=survives(),
            severity={case.severity!r},
            source={case.source!r},
            roles=({", ".join(f"Role.{role.name}" for role in case.possible_roles)},),
        ),
    ],
)
"""


def _scenario(finding: Finding, slow: float) -> str:
    """A scenario that holds the conversations of a finding."""
    needed = sorted({"Step", "Talk", "replay"} | ({"Edit"} if any(talk.edits for talk in finding.talks) else set()))
    more = f", slow={slow!r}" if finding.fault.kind is Kind.SLOW else ""
    return f'''
from fynx_scapy.fuzz import {", ".join(needed)}
from fynx_scapy.harness import Run, main, scenario

TALKS = (
{_talks(finding.talks)})


@scenario("RFC 7296 section 2.21", live=True)
def {finding.name}(run: Run) -> None:
    """A peer survives what fynx fuzz has sent it: {finding.fault.kind}."""
    replay(run, TALKS, {str(finding.fault.kind)!r}{more})


if __name__ == "__main__":
    main(__file__)
'''


def _talks(talks: Sequence[Talk]) -> str:
    lines = []
    for talk in talks:
        lines.append("    Talk(\n        (\n")
        for step in talk.steps:
            one = f"            {step!r},\n"
            if len(one) > _WIDTH and step.edits:
                edits = "".join(f"                    {edit!r},\n" for edit in step.edits)
                one = f"            Step(\n                {step.base!r},\n                {step.at!r},\n"
                one += f"                (\n{edits}                ),\n            ),\n"
            lines.append(one)
        lines.append(f"        ),\n        {talk.role!r},\n    ),\n")
    return "".join(lines)


class Store:
    """A folder for what a run finds. It is made when there is something to write."""

    def __init__(self, folder: Path, plan: Plan, *, target: str | None = None, command: str = "fynx fuzz") -> None:
        self.folder, self.plan, self.target, self.command = folder, plan, target, command
        self.findings: list[Finding] = []

    def name(self, kind: Kind) -> str:
        """A name for the next finding of a kind."""
        taken = {finding.name for finding in self.findings}
        return next(name for number in range(1, 1_000_000) if (name := f"{kind}_{number}") not in taken)

    def add(self, finding: Finding, row: Case | None = None) -> Path:
        """Write the case file of a finding, as a ``row`` if there is one, and the page. OSError when it cannot."""
        self.findings.append(finding)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{finding.name}.py"
        text = source(finding, seed=self.plan.seed, slow=self.plan.slow, target=self.target, row=row)
        files.write_text(path, text)
        files.write_text(self.folder / PAGE, self.page())
        return path

    def page(self) -> str:
        """The page that says what was found and how to run it."""
        rest = " --target HOST --psk-file FILE" if self.target else ""
        rows = [
            f"| [{one.name}.py]({one.name}.py) | {one.fault.kind} | {_cell(one.fault.text)} "
            f"| {'yes' if one.minimised else 'not seen again'} |"
            for one in self.findings
        ]
        head = ["| case | kind | what happened | minimised |", "|---|---|---|---|"]
        lines = [
            "# Findings of fynx fuzz",
            "",
            f"Found with: `{self.command}`",
            "",
            *head,
            *rows,
            "",
            "Each case fails while the peer has the fault. Run one, or all of them:",
            "",
            "```console",
            f"$ fynx run {self.findings[0].name + '.py' if self.findings else 'CASE.py'}{rest}",
            f"$ fynx run .{rest} --ladders --pcap findings.pcapng",
            "```",
            "",
            "With `--pcap`, the capture has its keys in a folder beside it.",
        ]
        return "\n".join(lines) + "\n"

    def save(self, fuzzer: Fuzzer) -> None:
        """Write the state after a block, from which `load` goes on."""
        progress = fuzzer.progress
        state = {
            "version": __version__,
            "plan": {name: getattr(self.plan, name) for name in _PLAN},
            "target": self.target,
            "progress": {
                **{name: getattr(progress, name) for name in _NUMBERS},
                **{name: dict(getattr(progress, name)) for name in _COUNTERS},
            },
            "known": sorted(fuzzer.known),
            "findings": [finding.as_dict() for finding in self.findings],
            **fuzzer.weights.as_dict(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write_text(self.folder / STATE, json.dumps(state) + "\n")

    def load(self, fuzzer: Fuzzer) -> None:
        """Go on from the state of this folder. ConfigError when there is none, or of another run."""
        state = read_state(self.folder)
        _same("seed", state["plan"]["seed"], self.plan.seed)
        _same("target", state["target"], self.target)
        try:
            for name in _NUMBERS:
                number = _number(state["progress"][name])
                setattr(fuzzer.progress, name, number if name == "seconds" else int(number))
            for name in _COUNTERS:
                counts = {printable(what): int(_number(count)) for what, count in state["progress"][name].items()}
                setattr(fuzzer.progress, name, Counter(counts))
            fuzzer.known = set(map(str, state["known"]))
            self.findings = [Finding.from_dict(made) for made in state["findings"]]
            fuzzer.weights = Weights.from_dict(state)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError, ConfigError) as error:
            raise ConfigError(f"{self.folder / STATE}: it cannot be read: {printable(str(error))}") from None


_PLAN = ("cases", "seed", "roles", "block", "length", "slow", "wait")
_NUMBERS = ("cases", "talks", "blocks", "unsent", "seconds")
_COUNTERS = ("answers", "bases", "edits")


def read_state(folder: Path) -> dict[str, Any]:
    """The state of a run in a folder. ConfigError when there is none."""
    path = folder / STATE
    try:
        octets = files.read_octets(path, MOST_OCTETS)
        if len(octets) > MOST_OCTETS:
            raise ConfigError(f"{path}: expected a state of at most {MOST_OCTETS >> 20} MB, found a larger file")
        state = json.loads(octets)
    except RecursionError:
        raise ConfigError(f"{path}: expected JSON, found lists that are nested too deeply") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; --resume needs the folder of an earlier run") from None
    except ValueError as error:
        raise ConfigError(f"{path}: expected JSON: {error}") from None
    if not isinstance(state, dict) or not {"plan", "target", "progress", "known", "findings"} <= state.keys():
        raise ConfigError(f"{path}: expected the state of a run of fynx fuzz")
    plan = state["plan"]
    if not isinstance(plan, dict) or type(plan.get("seed")) is not int or not isinstance(plan.get("roles"), str):
        raise ConfigError(f"{path}: expected a plan with a seed and roles, found {printable(str(plan), 200)}")
    return state


def _number(value: Any) -> float:
    """A number of a file. TypeError and ValueError for what no run has done so often."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {value!r}")
    if not (math.isfinite(value) and 0 <= value <= MOST):
        raise ValueError(f"expected a number from 0 to {MOST}")
    return value


def _same(name: str, stored: Any, given: Any) -> None:
    if stored != given:
        raise ConfigError(f"expected the {name} of the run to resume, {stored!r}, found {given!r}")


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")
