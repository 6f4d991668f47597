# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdicts as JUnit XML: what other programs count is what we count."""

from __future__ import annotations

from xml.etree import ElementTree

from fynx_scapy import scenarios
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Result, Run, Scenario, Verdict, run
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
