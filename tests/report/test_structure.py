# SPDX-License-Identifier: GPL-2.0-or-later
"""What makes the pages quick and legible: closed and inert at first, searched and filtered, no wider than a phone."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import audit
from fynx_scapy.harness import Result, Role, Run, Scenario, run
from fynx_scapy.keylog import KeyLog
from fynx_scapy.lab.trial_runner import TrialOutcome
from fynx_scapy.report.audit import render as render_audit
from fynx_scapy.report.matrix import page as matrix
from fynx_scapy.report.page import render
from tests.capture.crossing import crossing
from tests.report.whole import whole
from tools import browser


def handshake(run: Run) -> None:
    """A handshake and a ping."""
    s = run.session(local_id="alice</template><script>alert(1)</script>\u202e")
    s.connect()
    s.ping()


def broken(run: Run) -> None:
    """Fails after its handshake."""
    handshake(run)
    raise AssertionError("expected more")


def result(name: str, body=handshake) -> Result:
    return run(Scenario(name, "RFC 7296", (), body, __name__), seed=1)


class Outline(HTMLParser):
    """The elements outside templates, and the texts of the templates of messages."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.depth = 0
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inert: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.depth:
            self.elements.append((tag, dict(attrs)))
        self.depth += tag == "template"
        if self.depth == 2 and tag == "template":
            self.inert.append("")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "template"

    def handle_data(self, data: str) -> None:
        if self.depth == 2:
            self.inert[-1] += data

    def of(self, tag: str, name: str = "") -> list[dict[str, str | None]]:
        return [
            each for kind, each in self.elements if kind == tag and name in ["", *(each.get("class") or "").split()]
        ]


@pytest.fixture(scope="module")
def page() -> str:
    results = [result(name) for name in ("error_one", "error_two", "alone")]
    return render(results, seed=1, command="fynx run")


def test_nothing_inside_a_section_is_in_the_page_at_first(page: str) -> None:
    outline = Outline(page)
    assert len(outline.of("details", "story")) == 3
    assert not outline.of("details", "conversation")
    assert "NAT_DETECTION" not in page


def test_everything_is_closed_and_ladders_are_inert(page: str) -> None:
    outline = Outline(whole(page))
    assert outline.of("details", "story")
    assert not [each for each in outline.of("details") if "open" in each]
    assert not outline.of("div", "ladder")
    assert len(outline.of("template")) == 3


def test_messages_are_data_until_they_are_opened(page: str) -> None:
    messages = [json.loads(text) for text in Outline(whole(page)).inert]
    assert len(messages) == 3 * 6
    assert messages[0]["header"]["exchange"] == "IKE_SA_INIT"
    assert [name for name, _ in messages[2]["payloads"]] == ["IDi", "IDr", "AUTH", "SA", "TSi", "TSr"]
    for text in (page, whole(page)):
        assert "<script>alert" not in text
        assert "\u202e" not in text
    assert "\u202e" not in json.dumps(messages, ensure_ascii=False)


def test_failures_are_open_but_not_more_than_a_few() -> None:
    outline = Outline(whole(render([result(f"bad_{number}", broken) for number in range(5)], command="fynx run")))
    stories = outline.of("details", "story")
    assert ["open" in each for each in stories] == [True] * 3 + [False] * 2
    assert sum("open" in each for each in outline.of("details", "conversation")) == 3


def facets(outline: Outline) -> dict[str | None, list[str | None]]:
    found: dict[str | None, list[str | None]] = {}
    for tag, attributes in outline.elements:
        if tag == "select":
            found[attributes["data-facet"]] = options = []
        elif tag == "option":
            options.append(attributes["value"])
    return found


def test_search_and_filters_of_a_run(page: str) -> None:
    outline = Outline(page)
    (search,) = [each for each in outline.of("input") if each["type"] == "search"]
    assert search["aria-label"] == "Search scenarios"
    assert facets(outline) == {"verdict": ["", "PASS"], "topic": ["", "error", "other"]}
    items = [each for _, each in outline.elements if "data-item" in each]
    assert sorted(str(each["id"]) for each in items) == ["alone", "error_one", "error_two"]
    assert {each["id"]: each["data-topic"] for each in items}["error_one"] == "error"


def test_search_and_filters_of_an_audit(tmp_path: Path) -> None:
    with Capture(crossing(tmp_path)) as capture:
        audits = [audit(capture)]
    outline = Outline(render_audit(audits))
    assert [each["aria-label"] for each in outline.of("input")] == ["Search findings"]
    assert set(facets(outline)) == {"status", "severity"}
    rows = [each for each in outline.of("tr") if "data-item" in each]
    assert len(rows) == len({each["data-item"] for each in rows}) == len(audits[0].grouped())
    assert {each["data-status"] for each in rows} == set(facets(outline)["status"]) - {""}
    assert ["open" in each for each in outline.of("details", "story")] == [True]
    assert ["open" in each for each in Outline(render_audit(audits * 2)).of("details", "story")] == [False, False]


def test_search_of_a_matrix() -> None:
    outline = Outline(matrix([], "fynx lab matrix"))
    assert [each["aria-label"] for each in outline.of("input")] == ["Search trials"]


def test_every_page_fits_its_screen(page: str) -> None:
    for text in (page, matrix([], "fynx lab matrix")):
        assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
        assert "@media (max-width:40rem)" in text


@pytest.mark.slow
@pytest.mark.parametrize("width", browser.WIDTHS)
def test_in_chromium(page: str, tmp_path: Path, width: int) -> None:
    """What is clicked opens, what is searched is found, and nothing is wider than the screen."""
    program = browser.program()
    if program is None:
        pytest.skip("chromium is not installed")
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    with browser.browser(program) as made:
        visit = made.visit(path, width)
        assert visit.widest <= width
        made.evaluate(browser.OPEN)
        assert made.evaluate("document.querySelector('.opened .fields th').textContent") == "initiator's SPI"
        assert made.evaluate("document.querySelector('.ladder').textContent").count("IKE_AUTH") == 2
        assert made.evaluate(browser.WIDEST) <= width
        made.evaluate(browser.SEARCH.replace("child", "error_two"))
        assert made.evaluate("document.querySelector('output').textContent") == "1 of 3 shown"


def outcomes() -> list[TrialOutcome]:
    """Two trials with two peers in both roles; one fails."""
    found = []
    for name, body in (("psk", handshake), ("broken", broken)):
        done = result(name, body)
        trial = done.scenario
        for peer in ("strongswan", "libreswan"):
            for role in Role:
                found.append(TrialOutcome(trial, peer, "1.0", role, done, "", lambda _: None, KeyLog()))
    return found


def test_the_trials_of_a_matrix_are_filtered_by_verdict() -> None:
    outline = Outline(matrix(outcomes(), "fynx lab matrix"))
    assert facets(outline) == {"verdict": ["", "PASS", "FAIL"]}
    rows = {each["data-item"]: each["data-verdict"] for each in outline.of("tr") if "data-item" in each}
    assert rows == {"psk": "PASS", "broken": "FAIL"}
