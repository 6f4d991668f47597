# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdicts as JUnit XML: what other programs count is what we count."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

from fynx_scapy import scenarios
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Result, Run, Scenario, Verdict, run
from fynx_scapy.harness.cases import Case, judged
from fynx_scapy.harness.cases.registering import scenario_of
from fynx_scapy.harness.manifest import ExpectedFailure
from fynx_scapy.harness.verbs import set_header
from fynx_scapy.report.junit import junit_xml


def wrong(run: Run) -> None:
    """Is not met."""
    run.session().sa_init()
    raise AssertionError("expected <x>, found \x07 & more")


def crash(run: Run) -> None:
    """Cannot be carried through."""
    raise ConfigError("a word")


def made() -> list[Result]:
    needed = scenarios.load("cookie").requirements
    bodies = [Scenario(body.__name__, "RFC 7296", needed, body, __name__) for body in (wrong, crash)]
    results = [run(scenarios.load("psk_handshake")), *map(run, bodies)]
    return [*results, Result(bodies[0], Verdict.SKIP, "not run: a reason", 0.0, [], ("a part",), ("an IKE SA",))]


def test_each_verdict_is_what_junit_calls_it() -> None:
    results = made()
    suite = ElementTree.fromstring(junit_xml(results, {"target": "192.0.2.1:500"}))[0]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    cases = suite.findall("testcase")
    assert [case[-1].tag for case in cases] == ["properties", "failure", "error", "skipped"]
    message = cases[1][-1].get("message") or ""
    assert message.startswith("expected <x>, found \\x07 & more (test_junit.py:")
    assert (cases[1][-1].text or "").startswith("raise AssertionError(")
    assert cases[3][-1].get("message") == "not run: a reason"


# Element -> the attributes that it needs, those that it may have, and the elements that it may hold: as Jenkins's
# xunit-plugin (junit-10.xsd) has them, but for the properties of a test case, which pytest writes too.
ELEMENTS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors"}, {"time", "skipped"}, {"properties", "testcase"}),
    "testcase": ({"name"}, {"time", "classname"}, {"properties", "skipped", "error", "failure"}),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    **{name: (set(), {"message"}, set()) for name in ("skipped", "error", "failure")},
}


def faults(element: ElementTree.Element) -> list[str]:
    needed, possible, inside = ELEMENTS[element.tag]
    found = [f"{element.tag} without {name}" for name in needed - set(element.keys())]
    found += [f"{element.tag} with {name}" for name in set(element.keys()) - needed - possible]
    found += [f"{child.tag} in {element.tag}" for child in element if child.tag not in inside]
    if not re.fullmatch(r"\d+\.\d+", element.get("time", "0.0")):
        found.append(f"time {element.get('time')}")
    return found + [fault for child in element if child.tag in ELEMENTS for fault in faults(child)]


def test_it_is_what_programs_read() -> None:
    assert faults(ElementTree.fromstring(junit_xml(made(), {"target": "192.0.2.1:500"}))) == []
    assert faults(ElementTree.fromstring(junit_xml([], {}))) == []
    wrong = ElementTree.fromstring('<testsuite name="x" tests="1" failures="0" time="soon"><skipped/></testsuite>')
    assert sorted(faults(wrong)) == ["skipped in testsuite", "testsuite without errors", "time soon"]


def test_a_case_has_its_topic_its_role_and_its_mutation() -> None:
    row = Case(
        "version", base="liveness", do=set_header(version=0x30), then=judged("it \x07", lambda _: None), source="x"
    )
    case = scenario_of(row, "fynx_scapy.scenarios.negative.header")
    manifest = ExpectedFailure(scenario="version", reason="it <answers>")
    failed = replace(run(case), verdict=Verdict.XFAIL, expected_failure=manifest, peer="192.0.2.1:500", reason="so")
    suite = ElementTree.fromstring(junit_xml([failed], {}))[0]
    assert suite.get("skipped") == "1"
    (element,) = suite.findall("testcase")
    assert element.get("name") == "version[initiator]"
    assert element.get("classname") == "fynx_scapy.scenarios.negative.header"
    assert element[-1].get("message") == "XFAIL: so"
    found = {each.get("name"): each.get("value") for each in element.iter("property")}
    wanted = {"role": "initiator", "severity": "medium", "peer": "192.0.2.1:500", "mutation": "set_header(version=48)"}
    wanted |= {"expected": "it \N{REPLACEMENT CHARACTER}", "the manifest says": "it <answers>", "verdict": "XFAIL"}
    assert wanted.items() <= found.items()


def test_its_properties_say_what_was_checked_and_what_was_not() -> None:
    suite = ElementTree.fromstring(junit_xml(made(), {"target": "192.0.2.1:500"}))[0]

    def properties(element: ElementTree.Element) -> dict[str | None, str | None]:
        return {each.get("name"): each.get("value") for each in element.findall("properties/property")}

    checked = {needed.id for needed in scenarios.load("psk_handshake").requirements}
    others = {needed.id for needed in scenarios.load("cookie").requirements}
    told = properties(suite)
    assert told["target"] == "192.0.2.1:500"
    assert set((told["requirements checked"] or "").split()) == checked - others
    assert set((told["requirements not checked"] or "").split()) == others
    cases = [properties(case) for case in suite.findall("testcase")]
    assert ["requirements checked" in case for case in cases] == [True, False, False, False]
    assert (cases[3]["left out"], cases[3]["left at the peer"]) == ("a part", "an IKE SA")
