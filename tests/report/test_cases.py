# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of cases: what was sent before and after, what was expected, what came, and the sentences of the RFC."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fynx_scapy.harness import Result, Role, Run, Scenario, Verdict, run
from fynx_scapy.harness.cases import Case, silent
from fynx_scapy.harness.cases.registering import scenario_of
from fynx_scapy.harness.details import CaseDetails, Change
from fynx_scapy.harness.manifest import ExpectedFailure
from fynx_scapy.harness.requirements import catalogue
from fynx_scapy.harness.verbs import set_header
from fynx_scapy.report.coverage import areas, sentences
from fynx_scapy.report.page import render
from tests.report.test_structure import Outline, facets
from tests.report.whole import whole

VERSION = Case(
    "version_3", base="init", do=set_header(version=0x30), then=silent(), requirements=("7296-2.5-02",),
    severity="high", suites=("certain",),
)  # fmt: skip


def body(run: Run) -> None:
    """A conversation."""
    run.session().sa_init()


@pytest.fixture(scope="module")
def results() -> list[Result]:
    """A case that fails, the same as an expected failure, and scenarios that pass."""
    failed = run(scenario_of(VERSION, "fynx_scapy.scenarios.negative.made_up"), seed=1)
    row = ExpectedFailure(scenario="version_3", reason="it <answers>", versions="<6", requirement="7296-2.5-02")
    expected = replace(failed, verdict=Verdict.XFAIL, expected_failure=row, role=Role.RESPONDER)
    plain = run(Scenario("plain", "RFC 7296", (), body, __name__), seed=1)
    waiting = replace(plain, verdict=Verdict.NOT_RUN, reason="interrupted", stages=[])
    return [plain, expected, failed, waiting]


@pytest.fixture(scope="module")
def page(results: list[Result]) -> str:
    files = {"the capture": "run.pcapng", "its keys": "run.keys"}
    return whole(render(results, seed=1, command="fynx run", files=files))


def story(page: str, key: str) -> str:
    found = re.search(rf'<section class="scenario" id="{key}".*?</section>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_a_case_says_what_was_sent_expected_and_found(page: str) -> None:
    text = story(page, "version_3-initiator")
    assert "<code>set_header(version=48)</code>" in text
    assert (
        '<td>payloads</td><td>header / version</td><td><del class="octets">0x20</del></td>'
        '<td><ins class="octets">0x30</ins></td>' in text
    )
    assert '<th scope="row">expected</th><td>no answer</td>' in text
    assert re.search('<th scope="row">found</th><td>[^<]*INVALID_MAJOR_VERSION', text)
    assert catalogue()["7296-2.5-02"].sentence[:60] in text
    assert 'class="ladder"' in text
    assert "fynx run version_3 --seed 1" in text
    assert '<a href="run.pcapng">the capture</a> <a href="run.keys">its keys</a>' in text
    assert 'frame.comment contains "version_3"' in text


def test_an_expected_failure_says_why(page: str) -> None:
    text = story(page, "version_3-responder")
    assert "The manifest expects FAIL of versions &lt;6: it &lt;answers&gt;" in text
    assert 'class="verdict xfail"' in text
    assert '<details class="story" data-story="2">' in text  # not open: it is no news


def test_facets(results: list[Result]) -> None:
    outline = Outline(render(results, command="fynx run"))
    assert facets(outline) == {
        "verdict": ["", "FAIL", "NOT RUN", "XFAIL", "PASS"],
        "topic": ["", "negative/made_up", "plain"],
        "severity": ["", "high", "medium"],
        "role": ["", "initiator", "responder"],
    }
    sections = {each["id"]: each for each in outline.of("section", "scenario")}
    assert sections["version_3-initiator"]["data-suite"] == "certain"
    assert sections["plain-initiator"]["data-verdict"] == "NOT RUN"


def test_keys_are_unique(results: list[Result]) -> None:
    ids = [each["id"] for each in Outline(render(results * 2, command="x")).of("section", "scenario")]
    assert len(set(ids)) == len(ids) == 8
    other = [replace(each, peer=peer) for peer in ("192.0.2.1:500", "192.0.2.2:500") for each in results[:1]]
    ids = [each["id"] for each in Outline(render(other, command="x")).of("section", "scenario")]
    assert ids == ["plain-initiator-192.0.2.1:500", "plain-initiator-192.0.2.2:500"]


def test_what_a_peer_says_is_escaped() -> None:
    changes = (Change("wire", "<script>a", "<b>", "\u202e"),)
    details = CaseDetails("<i>", changes, "<script>e", "</template><script>f")
    result = Result(Scenario("x", "RFC", (), body, __name__), Verdict.PASS, "", 0.0, [], details=details)
    text = whole(render([result], command="x"))
    assert text.count("<script") == 1
    assert "\u202e" not in text


def test_coverage_counts_what_can_be_observed(results: list[Result]) -> None:
    named = sentences(results)
    assert [(each.requirement.id, each.state, each.results) for each in named] == [("7296-2.5-02", "not met", (1, 2))]
    rows = {each.name: each for each in areas(named)}
    assert sum(each.testable for each in rows.values()) == sum(each.testable for each in catalogue().values())
    mine = rows[catalogue()["7296-2.5-02"].area]
    assert dict(mine.states) == {"checked": 0, "in part": 0, "not met": 1, "not checked": 0}
    good = [replace(results[2], verdict=Verdict.PASS)]
    assert sentences(good)[0].state == "checked"
    assert {each.name: each.states["checked"] for each in areas(sentences(good))}[mine.name] == 1
    assert sentences([replace(good[0], in_part=True)])[0].state == "in part"
    assert sentences([replace(good[0], verdict=Verdict.SKIP)])[0].state == "not checked"
