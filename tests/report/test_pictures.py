# SPDX-License-Identifier: GPL-2.0-or-later
"""The report in headless Chromium: it is filtered, a case is opened, and the documents' pictures are taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from fynx_scapy.harness import run
from fynx_scapy.report.page import render
from tools import browser, pictures

MOST_SECONDS, MOST_OCTETS = 2.0, 5_000_000
ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chromium")]


@pytest.fixture(scope="module")
def program() -> str:
    found = browser.program()
    if found is None:
        pytest.skip("chromium is not installed")
    return found


def test_a_reader_filters_and_opens_a_case_in_light_and_dark(program: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(pictures.page(), encoding="utf-8")
    grounds = []
    for shot, made in pictures.take(program, path, tmp_path / "pictures"):
        grounds.append(made.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert (tmp_path / "pictures" / f"{shot.name}.png").read_bytes().startswith(b"\x89PNG")
        if not shot.script:
            continue
        shown = [each for each in made.evaluate("all('section.scenario:not([hidden])').map(each => each.id)") if each]
        assert made.evaluate("document.querySelector('.filter output').textContent").startswith(f"{len(shown)} of ")
        assert shown[0].startswith("major_version_3")
        case = made.evaluate("document.querySelector('section.scenario:not([hidden]) .case').innerText")
        assert re.search(r"mutation\s+set_header\(version=48\)", case)
        assert re.search(r"header / version\s+0x20\s+0x30", case)
        assert re.search(r"expected\s+N\(INVALID_MAJOR_VERSION\)", case)
        text = made.evaluate("document.querySelector('section.scenario:not([hidden]) .requirements').innerText")
        assert "it MUST drop the message and SHOULD send an unauthenticated Notify message" in text
        ladder = made.evaluate("document.querySelector('section.scenario:not([hidden]) .ladder').innerText")
        assert "IKE_SA_INIT request 0" in ladder
    light, dark = grounds[0], grounds[1]
    assert light == grounds[2] != dark == grounds[3]


def test_three_hundred_cases_open_in_time(program: str, tmp_path: Path) -> None:
    """The quickest of three visits: other programs run on this machine too."""
    jobs = [(each, role) for each in scenarios.chosen(["negative/*"]) for role in each.roles]
    results = [run(each, role=role) for each, role in jobs[:: max(1, len(jobs) // 300)][:300]]
    text = render(results, seed=0, command="fynx run")
    assert len(text.encode()) < MOST_OCTETS
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")
    with browser.browser(program) as made:
        visits = [made.visit(path, 1280) for _ in range(3)]
        assert made.evaluate("document.querySelectorAll('section.scenario').length") == 300
    assert min(visit.usable for visit in visits) < MOST_SECONDS
    assert min(visit.search for visit in visits) < MOST_SECONDS


def test_the_documents_show_them() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    named = set(re.findall(r"pictures/([\w-]+)\.png", guide))
    assert named == {path.stem for path in pictures.FOLDER.glob("*.png")} == {shot.name for shot in pictures.SHOTS}
