# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger of requirements: no sentence loses its last test unseen."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy.cli import main
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Scenario
from fynx_scapy.harness import ledger as module
from fynx_scapy.harness.ledger import Coverage, Ledger, chosen, ledger, missing, place_of, proven, read_reasons
from fynx_scapy.harness.requirements import catalogue, requirement
from tools.ledger import HARNESS, ROOT, anchor, covered_before, every_scenario, list_of_tests, marked, whole

PROBES = (
    "7296-2.1-02", "7296-2.1-07", "7296-2.3-09", "7296-2.3-05", "7296-2.4-04", "7296-2.5-02", "7296-2.5-06",
    "7296-2.5-08", "7296-2.5-07", "7296-3.2-03", "7296-2.5-11", "7296-2.6-04", "7296-2.6-06", "7296-1.2-05",
    "7296-2.21.1-i01", "7296-3.3-04", "7296-3.3.6-05", "7296-3.3.6-06", "7296-3.3.5-05", "7296-3.4-04", "7296-3.9-01",
    "7296-1.2-02", "7296-2.21.2-03", "7296-2.21.2-04", "7296-5-05", "7296-3.14-06", "7296-2.18-02", "7296-2.9-02",
    "7296-2.25-05", "7296-2.8.1-03", "7296-2.25.2-03", "7296-1.4.1-05", "7296-3.10.1-02", "7296-2.23-13",
    "7383-2.6-01", "7383-2.6-04", "7383-2.6.1-02", "4303-3.4.3-05", "4303-3.4.4.1-01", "3948-4-01",
)  # fmt: skip
"""The forty most valuable negative probes, in their order. Number 25 is EAP's, which the engine does not have yet."""


@functools.cache
def here() -> Ledger:
    return whole()


# What must stay as it is


def lost(entries: Ledger) -> list[str]:
    """What was covered once, and has no test now."""
    return [identifier for identifier in covered_before() if not entries[identifier].covered]


def test_no_sentence_has_lost_its_last_test() -> None:
    assert lost(here()) == [], "give them a test, or take them out of covered.txt and give uncovered.toml a reason"


def test_a_lost_test_would_be_noticed() -> None:
    (first, *rest) = [one for one in every_scenario() if requirement("7296-2.4-13") in one.requirements]
    without = [one for one in every_scenario() if one not in (first, *rest)]
    assert lost(ledger(without)) == ["7296-2.4-13"]


def test_whatever_can_be_observed_has_a_test_or_a_reason() -> None:
    assert missing(here()) == []


def test_no_reason_is_written_for_what_has_a_test() -> None:
    assert [identifier for identifier in module.written_reasons() if here()[identifier].covered] == []


def test_no_reason_is_written_where_the_catalogue_has_one() -> None:
    assert [one for one in module.written_reasons() if module._reason(requirement(one)) is not None] == []


def test_coverage_is_what_the_project_promises() -> None:
    figure = Coverage.over(here().values())
    assert figure.of == 684
    assert figure.percent >= 65
    assert {one for one in PROBES if not here()[one].covered} == set()
    assert len(set(PROBES)) == 40


def test_the_list_of_tests_is_that_of_the_markers() -> None:
    assert (HARNESS / "marked.json").read_text() == list_of_tests(), "run scripts/docs"


def test_markers_name_requirements() -> None:
    for place, content in marked().items():
        assert content["requirements"], place
        assert len(set(content["requirements"])) == len(content["requirements"]), place
        for identifier in content["requirements"]:
            assert identifier in catalogue(), (place, identifier)


def test_every_proof_is_of_a_test() -> None:
    known = {check.place for entry in here().values() for check in entry.tests}
    assert {place for tests in proven().values() for place in tests} - known == set()


def goes_somewhere(link: str) -> bool:
    if link.startswith("RFC "):
        return link[4:].isdecimal()
    page, _, heading = link.partition("#")
    path = ROOT / page
    lines = path.read_text().splitlines() if path.is_file() else []
    return heading in {anchor(line.lstrip("# ")) for line in lines if line.startswith("#")}


def test_links_of_reasons_lead_somewhere() -> None:
    assert read_reasons((HARNESS / "uncovered.toml").read_text(), goes_somewhere) == module.written_reasons()
    assert not goes_somewhere("docs/architecture.md#9-nothing")
    assert not goes_somewhere("docs/nothing.md#3-the-engine")


# How it is made


def made_up(name: str, topic: str, *identifiers: str) -> Scenario:
    where = f"fynx_scapy.scenarios.{topic.replace('/', '.')}"
    one = every_scenario()[0]
    return replace(
        one, name=name, topic=topic, module=where, requirements=tuple(requirement(each) for each in identifiers)
    )


def test_a_negative_test_is_one_of_a_sentence_with_a_negative_probe() -> None:
    # 7296-1.5-i01 is about what is sent; the input that makes the peer send it is not what it speaks of.
    case = made_up("major_version_3", "negative/header", "7296-2.5-02", "7296-1.5-i01")
    entries = ledger([case])
    (place,) = {check.place for check in entries["7296-1.5-i01"].tests}
    assert place == place_of(case) == "scenarios/negative/header.py::major_version_3"
    assert place in [check.place for check in entries["7296-2.5-02"].negative]
    assert place in [check.place for check in entries["7296-1.5-i01"].positive]
    assert not ledger([made_up("plain", "", "7296-2.5-02")])["7296-2.5-02"].negative[0].place.startswith("scenarios")


def test_what_the_catalogue_says_is_a_reason() -> None:
    entries = ledger([])
    kinds = {entry.reason.kind for entry in entries.values() if entry.reason}
    assert {"meta", "duplicate", "permission", "not observable"} <= kinds
    assert str(entries["7296-1.7-05"].reason) == "duplicate: of 7296-2.5-11"
    assert all(entry.reason is None for entry in entries.values() if entry.covered)


def test_coverage_counts_what_can_be_observed() -> None:
    entries = here()
    assert (Coverage.over([]).of, Coverage.over([]).percent) == (0, 100.0)
    three = [entries[one] for one in ("7296-3.8-01", "7296-2.5-02", "7296-1.7-05")]
    assert str(Coverage.over(three)) == "1 of 2 (50.0 %)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["7296-1.4-4"]\nwhy = "out of reach"\ntext = "x"', "did you mean 7296-1.4-0"),
        ('["7296-1.4-04"]\nwhy = "out of rech"\ntext = "x"', "did you mean out of reach"),
        ('["7296-1.4-04"]\nwhy = "out of reach"', "7296-1.4-04: expected a text that says why"),
        ('["7296-1.4-04"]\nwhy = "not implemented"\ntext = "x"', "7296-1.4-04: expected a link"),
        ('["7296-1.4-04"]\nwhy = "out of reach"\ntext = "x"\nlnk = "y"', "why, text and link, found lnk"),
    ],
)
def test_a_wrong_reason_is_one_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_reasons(text)


def test_markers_are_read_from_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_a.py").write_text(
        "@pytest.mark.slow\n@pytest.mark.requirements('7296-1-01', '7296-1-02', negative=True)\n"
        "def test_one():\n    pass\n\n\nasync def test_two():\n    pass\n"
    )
    assert marked(tmp_path) == {
        "tests/test_a.py::test_one": {"requirements": ["7296-1-01", "7296-1-02"], "negative": True}
    }


# On the command line


def test_a_word_chooses() -> None:
    entries = here()
    assert len(chosen(entries, "")) == 987
    assert len(chosen(entries, "RFC 7383")) == 46
    assert {entry.requirement.section for entry in chosen(entries, "7296-2.5")} == {"2.5"}
    assert {entry.requirement.area for entry in chosen(entries, "cookie")} == {"cookie"}
    with pytest.raises(ConfigError, match=r"'7296-2\.5-2'; did you mean 7296-2\.5-0\d\?"):
        chosen(entries, "7296-2.5-2")


def test_the_command_shows_it() -> None:
    done = CliRunner().invoke(main, ["list", "--rfc", "7296-2.6"])
    assert done.exit_code == 0
    assert "7296-2.6-06" in done.stdout
    assert "of those that can be observed" in done.stderr
    done = CliRunner().invoke(main, ["list", "--rfc", "7296-2.6-06"])
    assert "that party MUST ignore the cookie" in " ".join(done.stdout.split())
    assert "tests/ike/test_admission.py::test_a_wrong_cookie_is_answered_with_the_right_one" in done.stdout
    done = CliRunner().invoke(main, ["list", "--rfc", "--json"])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 987
    assert {row["id"] for row in rows if row["covered"]} == {one for one, entry in here().items() if entry.covered}


@pytest.mark.parametrize("words", [["--rfc", "9999"], ["cookie", "--rfc"]])
def test_misuse_of_the_command(words: list[str]) -> None:
    done = CliRunner().invoke(main, ["list", *words])
    assert done.exit_code == 2
    assert "expected" in done.stderr
