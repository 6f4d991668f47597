# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/requirements.md, and the names of pytest's tests that check requirements, from their markers."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fynx_scapy.harness.ledger import Check, Coverage, Entry, Ledger, ledger, shortened
from fynx_scapy.harness.scenario import Scenario
from fynx_scapy.text import counted

ROOT = Path(__file__).resolve().parent.parent
HARNESS = ROOT / "fynx_scapy" / "harness"
COVERED = ROOT / "tests" / "harness" / "covered.txt"
NOTE = "<!-- Written by scripts/docs from the code: change that, not this page. -->"
CELL = 138
TITLES = {
    "7296": "Internet Key Exchange Protocol Version 2 (IKEv2)",
    "7383": "IKEv2 Message Fragmentation",
    "4303": "IP Encapsulating Security Payload (ESP)",
    "3948": "UDP Encapsulation of IPsec ESP Packets",
    "8784": "Mixing Preshared Keys in IKEv2 for Post-quantum Security",
    "7427": "Signature Authentication in IKEv2",
    "7619": "The NULL Authentication Method in IKEv2",
    "8420": "Using EdDSA in IKEv2",
    "9593": "Announcing Supported Authentication Methods in IKEv2",
    "4806": "OCSP Extensions to IKEv2",
    "4945": "The Internet IP Security PKI Profile (of its sentences, those that concern IKEv2 peers)",
    "5280": "Internet X.509 PKI Certificate and CRL Profile (those that concern who judges a certificate)",
}


def every_scenario() -> list[Scenario]:
    """Every scenario and case."""
    from fynx_scapy import scenarios

    return scenarios.chosen(())


def whole() -> Ledger:
    """The ledger of this repository."""
    return ledger(every_scenario())


# Markers


def marked(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """pytest's tests with the marker ``requirements``: file and test -> requirements, and whether it is negative."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text()
        if "mark.requirements(" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for call in _marks(node):
                    found[f"{path.relative_to(root)}::{node.name}"] = _content(call)
    return found


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.Call]:
    for each in node.decorator_list:
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "pytest.mark.requirements":
            yield each


def _content(call: ast.Call) -> dict[str, Any]:
    named = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    return {
        "requirements": [ast.literal_eval(each) for each in call.args],
        "negative": bool(named.get("negative", False)),
    }


def list_of_tests() -> str:
    """fynx_scapy/harness/marked.json: one test a line."""
    rows = (f"{json.dumps(place)}: {json.dumps(content)}" for place, content in marked().items())
    return "{\n" + ",\n".join(rows) + "\n}\n"


def covered_before() -> list[str]:
    """The IDs that were covered when scripts/docs last ran."""
    return COVERED.read_text().split()


def covered_txt() -> str:
    """tests/harness/covered.txt: what it had, and what is covered now. It never gets shorter by itself."""
    entries = whole()
    kept = set(covered_before()) | {identifier for identifier, entry in entries.items() if entry.covered}
    return "".join(f"{identifier}\n" for identifier in entries if identifier in kept)


# The page

INTRODUCTION = """\
The sentences of the RFCs below that require something, allow something or say how the protocol works, each with the
tests that check it, or why there is none. `fynx list --rfc 7296-2.5` shows the same for an RFC, a section, an area or
one ID, with every test and the whole sentence; `--json` for programs.

A test is a scenario, a case, or a test of pytest's with `@pytest.mark.requirements(…)`. A
negative test sends something wrong or unusual and looks at the reaction. *Seen to fail* names a fault of a peer under
which one of the tests failed.
"""

COUNTED = """\
Counted are the sentences that require something (not permissions, duplicates, or text about documents) and whose
breach can be observed from outside.
"""


def requirements() -> str:
    """docs/requirements.md."""
    entries = whole()
    every = list(entries.values())
    figure = Coverage.over(every)
    parts = [
        "# Requirements\n",
        f"{NOTE}\n",
        INTRODUCTION,
        f"**Covered: {figure}**, each by at least one test. {figure.proven} have a test that was seen to fail.\n",
        COUNTED,
        "## By RFC\n",
        _figures("RFC", ((f"{rfc}: {TITLES[rfc]}", [e for e in every if e.requirement.rfc == rfc]) for rfc in TITLES)),
        "## By area\n",
        _figures("area", ((f"[{area}](#{anchor(area)})", _of(every, area)) for area in areas(every))),
        "## Why there is no test\n",
        _why(every),
    ]
    for area in areas(every):
        parts += [f"## {area.capitalize()}\n", *_tables(_of(every, area))]
    return "\n".join(parts)


def areas(entries: Iterable[Entry]) -> list[str]:
    """The areas, in alphabetical order."""
    return sorted({entry.requirement.area for entry in entries})


def anchor(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return "".join(char for char in title.lower() if char.isalnum() or char in "- ").replace(" ", "-")


def _of(entries: Iterable[Entry], area: str) -> list[Entry]:
    return [entry for entry in entries if entry.requirement.area == area]


def _figures(name: str, rows: Iterable[tuple[str, list[Entry]]]) -> str:
    lines = [f"| {name} | sentences | counted | covered | | seen to fail |", "| --- | --: | --: | --: | --: | --: |"]
    for title, entries in rows:
        figure = Coverage.over(entries)
        share = f"{figure.percent:.0f} %" if figure.of else ""
        lines.append(f"| {title} | {len(entries)} | {figure.of} | {figure.covered} | {share} | {figure.proven} |")
    return "\n".join(lines) + "\n"


def _why(entries: Iterable[Entry]) -> str:
    kinds = Counter(entry.reason.kind for entry in entries if entry.reason)
    lines = ["| reason | sentences |", "| --- | --: |"]
    return "\n".join([*lines, *(f"| {kind} | {count} |" for kind, count in kinds.most_common())]) + "\n"


def _tables(entries: list[Entry]) -> Iterator[str]:
    covered = [entry for entry in entries if entry.covered]
    if covered:
        lines = ["| ID | sentence | positive | negative | seen to fail |", "| --- | --- | --- | --- | --- |"]
        for entry in covered:
            tests = f"{_tests(entry.positive)} | {_tests(entry.negative)} | {_fault(entry)}"
            lines.append(f"| {entry.requirement.id} | {_sentence(entry)} | {tests} |")
        yield "\n".join(lines) + "\n"
    if len(covered) < len(entries):
        lines = ["| ID | sentence | no test, because |", "| --- | --- | --- |"]
        for entry in entries:
            if entry.reason is not None:
                lines.append(f"| {entry.requirement.id} | {_sentence(entry)} | {_reason(entry)} |")
        yield "\n".join(lines) + "\n"


def _sentence(entry: Entry) -> str:
    one = entry.requirement
    return shortened(f"{one.level}: {one.sentence}", CELL).replace("|", r"\|").replace("<", r"\<").replace("*", r"\*")


def _tests(tests: tuple[Check, ...]) -> str:
    if not tests:
        return ""
    more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
    return f"`{tests[0].place}`{more}"


def _fault(entry: Entry) -> str:
    faults = [fault for test in entry.tests for fault in test.faults]
    return f"`{faults[0]}`" if faults else ""


def _reason(entry: Entry) -> str:
    reason = entry.reason
    assert reason is not None
    if not reason.link:
        return shortened(str(reason), CELL)
    target = reason.link
    if target.startswith("RFC "):
        return shortened(f"{reason} ({target})", CELL)
    return f"{shortened(str(reason), CELL - len(target) - 10)} ([more]({target.removeprefix('docs/')}))"


def summary() -> str:
    """One line for whoever runs scripts/docs."""
    entries = whole()
    left = sum(not entry.covered and entry.reason is None for entry in entries.values())
    return f"requirements: {Coverage.over(entries.values())}; {counted(left, 'sentence')} without test and reason"
