# SPDX-License-Identifier: GPL-2.0-or-later
"""The report: one page, nothing loaded, everything escaped, no key in it, and every message open to its fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

import pytest

from fynx_scapy import scenarios
from fynx_scapy.harness import Result, Run, Scenario, Verdict, run
from fynx_scapy.ike.events import ChildSaInstalled, KeysDerived
from fynx_scapy.ladder import Ladder, Row
from fynx_scapy.report.messages import message_details
from fynx_scapy.report.page import render as rendered
from fynx_scapy.session import Session
from tests.plain import PLAIN_NAMES
from tests.report.whole import whole


def render(results: Sequence[Result], **told: Any) -> str:
    return whole(rendered(results, **told))


VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting while it collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "script" not in self.open:
            self.words.append(data)

    @cached_property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return [run(scenarios.load(name), seed=7) for name in PLAIN_NAMES]


@pytest.fixture(scope="module")
def html(results: list[Result]) -> str:
    return render(results, seed=7, command="fynx run --seed 7")


@pytest.mark.slow
def test_the_page_is_whole_and_loads_nothing(html: str) -> None:
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert not {"link", "img", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not {"src", "srcset", "data", "action", "poster"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in html
    assert "@import" not in html
    assert "http:" not in html
    assert "https:" not in html


@pytest.mark.slow
def test_every_scenario_is_there(html: str, results: list[Result]) -> None:
    page = Page(html)
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    sections = {attributes.get("id") for tag, attributes in page.tags if tag == "section"}
    assert links == {f"#{each.scenario.name}" for each in results if each.scenario.requirements}
    assert sections == {None, *PLAIN_NAMES}
    for result in results:
        assert result.scenario.title in page.text
        assert result.scenario.source in page.text
        for needed in result.scenario.requirements:
            assert needed.id in page.text
            assert " ".join(needed.sentence.split()) in page.text
    passed = sum(result.verdict is Verdict.PASS for result in results)
    assert {result.verdict for result in results} == {Verdict.PASS, Verdict.SKIP}
    assert f"{passed} of {len(results)} PASS" in page.text
    assert "fynx run --seed 7" in page.text
    ladders = sum(attributes.get("class") == "ladder" for _, attributes in page.tags)
    assert ladders == sum(len(result.stages) for result in results)


@pytest.mark.slow
def test_no_key_is_in_it(html: str, results: list[Result]) -> None:
    secrets = []
    for result in results:
        for stage in result.stages:
            for _, event in stage.events:
                if isinstance(event, KeysDerived):
                    keys = event.keys
                    secrets += [keys.sk_d, keys.sk_ai, keys.sk_ar, keys.sk_ei, keys.sk_er, keys.sk_pi, keys.sk_pr]
                elif isinstance(event, ChildSaInstalled):
                    secrets += [event.encr_key_in, event.encr_key_out, event.integ_key_in, event.integ_key_out]
    found = {secret.hex() for secret in secrets if secret}
    assert len(found) > 200
    assert not {secret for secret in found if secret in html}
    for words in ("correct horse", "open sesame", "shut sesame"):
        assert words not in html


def test_a_scenario_that_fails_says_why_and_is_escaped() -> None:
    def body(run: Run) -> None:
        """A <b>bold</b> title.

        More & more.
        """
        run.session("label <i>", local_id="alice<script>alert(1)</script>").connect()
        raise AssertionError("expected <x>, found &y;")

    result = run(Scenario("made_up", "RFC <7296>", (), body, __name__))
    html = render([result], seed=1, command="fynx run")
    page = Page(html)
    assert "1 of 1 FAIL" in page.text
    assert "A <b>bold</b> title." in page.text
    assert "More & more." in page.text
    assert "expected <x>, found &y;" in page.text
    assert "alice<script>alert(1)</script>" in page.text
    assert "<script>alert" not in html
    assert sum(tag == "script" for tag, _ in page.tags) == 1


def failing(run: Run) -> None:
    """Fails at its second message."""
    s = run.session("the first")
    s.connect()
    s = run.session("the second")
    s.sa_init()
    raise AssertionError("expected more")


def passing(run: Run) -> None:
    """Passes."""
    run.session().sa_init()


def test_failures_come_first_and_the_failing_step_is_marked() -> None:
    needed = scenarios.load("cookie").requirements
    good, bad = (Scenario(body.__name__, "RFC 7296", needed, body, __name__) for body in (passing, failing))
    skipped = Result(replace(good, name="skipped"), Verdict.SKIP, "not run: a reason", 0.0, [], ("a part",), ("an SA",))
    html = render([skipped, run(good), run(bad)], seed=1, command="fynx run")
    page = Page(html)
    order = [attributes["id"] for tag, attributes in page.tags if tag == "section" and "id" in attributes]
    assert order == ["failing", "passing", "skipped"]
    assert page.text.count("FAILED HERE: expected more") == 1
    second = html.index("FAILED HERE")
    assert html.index("the second") < second < html.index("IKE_SA_INIT", second)  # behind all that came before
    assert 'raise AssertionError("expected more")' in page.text
    assert "left out: a part" in page.text
    assert "left at the peer: an SA" in page.text
    assert f"0 of {len(needed)}" in page.text
    assert f"{len(needed)} requirements of these scenarios count as not checked" in page.text


def test_skip_looks_like_skip() -> None:
    skipped = Result(Scenario("x", "RFC", (), passing, __name__), Verdict.SKIP, "not run: why", 0.0, [])
    html = render([run(Scenario("y", "RFC", (), passing, __name__)), skipped], command="fynx run")
    assert '<h1 class="good">1 of 2 PASS, 1 of 2 SKIP</h1>' in html
    assert html.count('class="verdict skip"') == html.count('class="reason skip"') == 1
    for rule in (".verdict.skip{color:var(--soft);", ".reason.skip{color:var(--soft)}"):
        assert rule in html
    assert '<h1 class="bad">' in render([skipped], command="fynx run")  # nothing was judged


def test_the_page_says_when_where_and_who() -> None:
    about = {"date": "2026-01-02 03:04:05 UTC", "target": "192.0.2.1:500", "the peer's vendor IDs": "<strong>Swan"}
    page = Page(render([], command="fynx run", about=about, versions={"strongSwan": "6.0.1"}))
    for name, value in about.items():
        assert f"{name} {value}" in page.text
    assert all(name in page.text for name in ("scapy ", "cryptography ", "Python ", "strongSwan 6.0.1"))


def rows(session: Session) -> list[Row]:
    return Ladder(session.events).packets


def test_a_message_opens_to_its_fields() -> None:
    s = Session(seed=1)
    s.connect()
    s.ping()
    init, _, auth, _, ping, _ = (message_details(row) for row in rows(s))
    assert init is not None
    assert auth is not None
    assert ping is not None
    assert init.header["exchange"] == "IKE_SA_INIT"
    assert init.header["flags"] == "Initiator"
    assert (init.header["from"], init.header["to"]) == ("192.0.2.1:500", "192.0.2.2:500")
    assert not init.encrypted
    sa = dict(init.payloads)["SA"]
    assert sa["prop"][0]["trans"][0] == {
        "transform_type": "ENCR",
        "transform_id": "ENCR_AES_GCM_16",
        "key_length": 128,
    }
    assert auth.encrypted
    assert [name for name, _ in auth.payloads] == ["IDi", "IDr", "AUTH", "SA", "TSi", "TSr"]
    assert dict(auth.payloads)["IDi"]["text"] == "alice"
    assert auth.payloads[3][1]["prop"][0]["SPIsize"] == 4  # computed fields have their values
    assert [where for where, _ in auth.octets] == ["on the wire", "inside SK, padding included"]
    assert ping.header["sequence number"] == 1
    assert ping.header["octets inside"] == 84
    assert message_details(Row(0.0, "", "responder", "datagram", "")) is None
