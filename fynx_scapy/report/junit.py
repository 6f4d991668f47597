# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdicts as JUnit XML for continuous integration: SKIP, NOT RUN and XFAIL are skipped, XPASS is a failure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from fynx_scapy.harness import Result, Tally, Verdict

_TAGS = {
    Verdict.SKIP: "skipped",
    Verdict.NOT_RUN: "skipped",
    Verdict.XFAIL: "skipped",
    Verdict.FAIL: "failure",
    Verdict.XPASS: "failure",
    Verdict.ERROR: "error",
}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Sequence[Result], about: Mapping[str, str]) -> str:
    """One test suite with a test case for each scenario. Its properties are ``about`` and the requirements checked."""
    tally = Tally.of(results)
    suite = ElementTree.Element(
        "testsuite",
        name="fynx-scapy",
        tests=str(len(results)),
        failures=_count(tally, "failure"),
        errors=_count(tally, "error"),
        skipped=_count(tally, "skipped"),
        time=f"{sum(result.seconds for result in results):.3f}",
    )
    lists = {
        "requirements checked": tally.checked,
        "requirements checked in part": tally.partly,
        "requirements not checked": tally.unchecked,
    }
    _properties(suite, {**about, **{name: " ".join(ids) for name, ids in lists.items()}})
    for result in results:
        suite.append(_case(result))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(result: Result) -> ElementTree.Element:
    """A test case: its class is the topic, and its name says the role if there are several."""
    scenario, details, row = result.scenario, result.details, result.expected_failure
    name = f"{scenario.name}[{result.role.value}]" if len(scenario.roles) > 1 else scenario.name
    topic = ".".join(filter(None, ("fynx_scapy", "scenarios", *scenario.topic.split("/"))))
    case = ElementTree.Element("testcase", name=name, classname=topic, time=f"{result.seconds:.3f}")
    how = "not checked" if result.verdict is not Verdict.PASS else "checked in part" if result.in_part else "checked"
    notes = {
        "verdict": result.verdict.value,
        "source": scenario.source,
        "role": result.role.value,
        "severity": scenario.severity,
        "suites": " ".join(sorted(scenario.suites)),
        "peer": result.peer,
        f"requirements {how}": " ".join(requirement.id for requirement in scenario.requirements),
        "left out": "; ".join(result.left_out),
        "left at the peer": "; ".join(result.left_behind),
        "tried again": "; ".join(result.retried),
    }
    if details is not None:
        notes |= {"mutation": details.mutation, "expected": details.expected, "found": details.found}
    if row is not None:
        notes["the manifest says"] = row.reason
    _properties(case, notes)
    if result.verdict in _TAGS:
        reason = f"{result.verdict.value}: {result.reason}" if row is not None else result.reason
        outcome = ElementTree.SubElement(case, _TAGS[result.verdict], message=_clean(reason))
        outcome.text = _clean(result.step)
    return case


def _count(tally: Tally, tag: str) -> str:
    return str(sum(count for verdict, count in tally.verdicts.items() if _TAGS.get(verdict) == tag))


def _properties(parent: ElementTree.Element, values: Mapping[str, str]) -> None:
    properties = ElementTree.SubElement(parent, "properties")
    for name, value in values.items():
        if value:
            ElementTree.SubElement(properties, "property", name=name, value=_clean(value))


def _clean(text: str) -> str:
    """Replace characters that XML cannot represent."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
