# SPDX-License-Identifier: GPL-2.0-or-later
"""Manifests: what is read, what is refused, which row counts, and what it makes of a verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from fynx_scapy.errors import ConfigError
from fynx_scapy.harness import Result, Role, Scenario, Tally, Verdict
from fynx_scapy.harness.expectations import expected, unmatched
from fynx_scapy.harness.manifest import Manifest, shipped_names
from fynx_scapy.harness.versions import parsed, read_range, within

ROW = '[[expected]]\nscenario = "made_up"\nreason = "it does not care"\n'


def scenario(name: str = "made_up", topic: str = "negative/header") -> Scenario:
    return Scenario(name, "RFC 7296", (), lambda run: None, __name__, topic=topic)


def result(verdict: Verdict, made: Scenario | None = None, role: Role = Role.INITIATOR) -> Result:
    return Result(made or scenario(), verdict, "", 0.0, [], role=role)


@pytest.fixture
def read(tmp_path: Path):
    def manifest(text: str) -> Manifest:
        path = tmp_path / "peer.toml"
        path.write_text(text)
        return Manifest.from_file(path)

    return manifest


@pytest.mark.parametrize(
    ("version", "text", "holds"),
    [
        ("5.9.8-5+deb12u2", "5.9.8", True), ("5.9.8", "5.9", True), ("5.10", "5.9", False), ("5.9", "5.9.8", False),
        ("5.9.8", ">=5.9.8,<6.0", True), ("6.0", ">=5.9.8,<6.0", False), ("6.0.0", "<6.0", False),
        ("5.9.10", ">5.9.8", True), ("6", "<=6.0.0", True), ("7.2", "", True), ("4.10", "==4.1", False),
    ],
)  # fmt: skip
def test_ranges_of_versions(version: str, text: str, holds: bool) -> None:
    assert within(parsed(version), text) is holds


@pytest.mark.parametrize(
    ("told", "number"),
    [("5.9.8", (5, 9, 8)), ("6.0.1-6+deb13u7", (6, 0, 1)), ("6.0.0beta6", (6, 0, 0)), ("", ()), ("unknown", ())],
)
def test_versions_as_programs_tell_them(told: str, number: tuple[int, ...]) -> None:
    assert parsed(told) == number


@pytest.mark.parametrize("text", ["new", "5.x", ">=", "5.9 6.0", "~5.9", "1" * 10])
def test_what_is_no_range_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected versions such as '5\.9\.8'"):
        read_range(text)


@pytest.mark.parametrize(
    ("verdict", "expects", "version", "told"),
    [
        (Verdict.FAIL, "FAIL", "5.9.8", Verdict.XFAIL),
        (Verdict.PASS, "FAIL", "5.9.8", Verdict.XPASS),
        (Verdict.PASS, "FAIL", "", Verdict.PASS),  # the version is not known, and other versions conform
        (Verdict.FAIL, "FAIL", "", Verdict.XFAIL),
        (Verdict.FAIL, "FAIL", "6.0.1", Verdict.FAIL),
        (Verdict.ERROR, "FAIL", "5.9.8", Verdict.ERROR),
        (Verdict.ERROR, "ERROR", "5.9.8", Verdict.XFAIL),
        (Verdict.SKIP, "FAIL", "5.9.8", Verdict.SKIP),
        (Verdict.NOT_RUN, "FAIL", "5.9.8", Verdict.NOT_RUN),
    ],
)
def test_what_a_row_makes_of_a_verdict(read, verdict: Verdict, expects: str, version: str, told: Verdict) -> None:
    manifest = read(f'{ROW}verdict = "{expects}"\nversions = "<6"\n')
    found = expected(result(verdict), manifest, version)
    assert found.verdict is told
    assert (found.expected_failure is not None) is (told in (Verdict.XFAIL, Verdict.XPASS))
    if told is Verdict.XPASS:
        assert found.reason == "it passed, but a manifest expects FAIL: it does not care"


def test_what_fails_sometimes_may_pass(read) -> None:
    manifest = read(f"{ROW}sometimes = true")
    assert expected(result(Verdict.PASS), manifest).verdict is Verdict.PASS
    assert expected(result(Verdict.FAIL), manifest).verdict is Verdict.XFAIL


def test_a_row_without_versions_is_about_every_version(read) -> None:
    assert expected(result(Verdict.PASS), read(ROW)).verdict is Verdict.XPASS


@pytest.mark.parametrize("pattern", ["made_up", "negative/header/made_up", "negative/*", "made_*"])
def test_a_row_names_scenarios(read, pattern: str) -> None:
    manifest = read(ROW.replace("made_up", pattern))
    manifest.check_names([scenario()])
    assert expected(result(Verdict.FAIL), manifest).verdict is Verdict.XFAIL
    assert expected(result(Verdict.FAIL, scenario("other", "")), manifest).verdict is Verdict.FAIL


def test_a_row_may_be_about_one_role_and_the_first_that_fits_counts(read) -> None:
    manifest = read(f'{ROW}role = "responder"\n\n{ROW.replace("does not care", "never cares")}')
    first, second = manifest.expected
    told = [expected(result(Verdict.FAIL, role=role), manifest) for role in (Role.RESPONDER, Role.INITIATOR)]
    assert [each.expected_failure for each in told] == [first, second]
    assert list(unmatched(manifest, told)) == []
    assert [each.why for each in unmatched(manifest, told[:1])] == ["a row before it counts"]
    assert [each.why for each in unmatched(manifest, told[1:])] == ["its scenario was not run with us as responder"]


def test_rows_that_fitted_nothing_are_told_but_not_those_of_other_versions(read) -> None:
    other = ROW.replace("made_up", "other")
    manifest = read(f'{ROW}versions = "<6"\n\n{other}\n{ROW.replace("made_up", "third")}versions = "7"\n')
    skipped = [result(Verdict.SKIP), result(Verdict.PASS, scenario("fourth"))]
    found = {each.row.scenario: each.why for each in unmatched(manifest, skipped, "5.9.8")}
    assert found == {"made_up": "its scenario was not judged (SKIP)", "other": "its scenario was not chosen"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ROW.replace("reason", "raeson"), r"line 3: unknown key 'expected\[0\]\.raeson'; did you mean 'reason'\?"),
        (ROW.replace("[[expected]]", "[[expect]]"), "line 1: unknown key 'expect'; did you mean 'expected'"),
        (f'{ROW}role = "server side"', "line 4: expected .*role to be 'initiator', .*found 'server side'"),
        (f'{ROW}verdict = "SKIP"', "line 4: expected .*verdict to be 'FAIL' or 'ERROR', found 'SKIP'"),
        (f'{ROW}versions = "old"', "line 4: .*expected versions such as"),
        (f'{ROW}requirement = "7296-3.1-1"', r"line 4: .*'7296-3.1-1'; did you mean 7296-3.1-"),
        ('[[expected]]\nscenario = "made_up"\n', "line 1: expected reason in"),
        (ROW + "[x]]", "line 4, column 4: "),
    ],
)
def test_a_wrong_row_is_one_error_with_its_line(read, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(text)


def test_an_unknown_scenario_is_one_error_with_the_nearest(read) -> None:
    manifest = read(f"{ROW}\n{ROW.replace('made_up', 'maid_up')}")
    with pytest.raises(ConfigError, match=r"peer\.toml: line 5: there is no scenario 'maid_up'; did you mean made_up"):
        manifest.check_names([scenario()])


def test_an_unknown_peer_is_one_error_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="found 'strongswam'; did you mean strongswan"):
        Manifest.shipped("strongswam")


@pytest.mark.parametrize("name", shipped_names())
def test_each_row_that_we_ship_is_about_a_scenario_and_has_a_sentence(name: str) -> None:
    manifest = Manifest.shipped(name)
    manifest.check_names([scenarios.load(each) for each in scenarios.names()])
    assert all(row.reason and (row.requirement or row.sentence) for row in manifest.expected)


def test_rows_of_two_manifests_count_in_order(read) -> None:
    both = read(ROW) + read(ROW.replace("does not care", "never cares"))
    assert both.row(scenario(), Role.INITIATOR).reason == "it does not care"


@pytest.mark.parametrize(("verdict", "good"), [(Verdict.XFAIL, True), (Verdict.XPASS, False)])
def test_a_stale_manifest_fails_the_run(verdict: Verdict, good: bool) -> None:
    assert Tally.of([result(verdict)]).good is good
    made = replace(scenario(), requirements=(scenarios.load("psk_handshake").requirements[0],))
    assert Tally.of([result(verdict, made)]).checked == ()
