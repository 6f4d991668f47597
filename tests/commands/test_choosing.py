# SPDX-License-Identifier: GPL-2.0-or-later
"""What there is to choose from, what narrows a choice, and what ``fynx run`` prints of many results that are alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fynx_scapy import scenarios
from tests.harness.peers import fynx

CASES = """
from fynx_scapy.harness import Run, scenario
from fynx_scapy.harness.cases import Case, cases, no_sa, alive
from fynx_scapy.harness.verbs import drop

cases(__name__, [
    Case(f"alone_{number}", base="init", do=drop("Ni"), then=no_sa(), source="RFC 7296 section 1.2")
    for number in range(5)
])


@scenario("RFC 7296 section 1.2", live=True)
def broken(run: Run) -> None:
    \"""Fails.\"""
    raise AssertionError("it does")


@scenario("RFC 7296 section 1.2")
def passing(run: Run) -> None:
    \"""Passes.\"""
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(CASES)
    return file


def test_topics_and_suites_are_listed_with_their_numbers() -> None:
    rows = {line.split()[0]: line.split() for line in fynx("list", "--topics").stdout.splitlines()}
    everything = scenarios.everything().values()
    for name, chosen in (
        ("negative", [each for each in everything if each.topic.startswith("negative/")]),
        ("negative/header", [each for each in everything if each.topic == "negative/header"]),
        ("suite:cve", [each for each in everything if "cve" in each.suites]),
    ):
        assert rows[name][1:4] == [str(len(chosen)), str(sum(bool(each.live) for each in chosen)), "*"], name
        assert rows[name][4:], name
    topics = {each.topic for each in everything}
    assert set(rows) == {"negative", *topics, *(f"suite:{suite}" for each in everything for suite in each.suites)}


@pytest.mark.parametrize(
    ("words", "keeps"),
    [
        (["--suite", "cve"], lambda each: "cve" in each["suites"]),
        (["--severity", "critical"], lambda each: each["severity"] == "critical"),
        (["--role", "responder"], lambda each: "responder" in each["roles"]),
    ],
)
def test_a_list_is_narrowed_as_a_run_is(words: list[str], keeps: object) -> None:
    every = [json.loads(line) for line in fynx("list", "negative", "--json").stdout.splitlines()]
    kept = [json.loads(line) for line in fynx("list", "negative", "--json", *words).stdout.splitlines()]
    assert kept == list(filter(keeps, every))  # type: ignore[call-overload]
    assert 0 < len(kept) < len(every)


def test_sentences_are_found_by_their_section_as_it_is_printed() -> None:
    assert fynx("list", "--rfc", "RFC 7296 section 2.5").stdout == fynx("list", "--rfc", "7296-2.5").stdout
    assert fynx("list", "--rfc", "7296-2.5").stdout.startswith("7296-2.5-01")


def test_a_quiet_run_prints_what_did_not_pass_and_counts_the_rest(mine: Path) -> None:
    loud, quiet = fynx("run", mine), fynx("run", mine, "--quiet")
    assert (loud.exit_code, quiet.exit_code) == (1, 1)
    assert "PASS     alone_0" in loud.stdout
    assert "alone_0" not in quiet.stdout
    assert "FAIL broken: it does" in quiet.stdout
    assert "6 PASS, 1 FAIL" in quiet.stdout


def test_a_run_ends_at_the_first_failure_if_it_is_asked_to(mine: Path, tmp_path: Path) -> None:
    done = fynx("run", mine, "-x", "--resume", tmp_path / "journal")
    assert done.exit_code == 1
    assert "NOT RUN passing: the run ended at the first failure: broken" in done.stdout
    assert "5 PASS, 1 FAIL, 1 NOT RUN" in done.stdout
    rest = fynx("run", mine, "--resume", tmp_path / "journal", "--quiet")
    assert "6 PASS, 1 FAIL in" in rest.stdout


def test_a_long_title_is_cut_in_a_list_and_whole_in_its_json() -> None:
    (line,) = fynx("list", "auth_longer").stdout.splitlines()
    (entry,) = map(json.loads, fynx("list", "auth_longer", "--json").stdout.splitlines())
    assert len(entry["title"]) > 300
    assert entry["title"][:150] in line
    assert len(line) < 280
    assert line.endswith("… (RFC 7296 section 1.2)")


def test_one_reason_of_many_is_printed_once(mine: Path, tmp_path: Path) -> None:
    assert fynx("run", "psk_handshake", "--pcap", tmp_path / "run.pcapng").exit_code == 0
    key = tmp_path / "key"
    key.write_text("correct horse battery staple")
    again = ["run", "negative/nonces", "--role", "responder", "--recording", tmp_path / "run.pcapng"]
    done = fynx(*again, "--psk-file", key)
    lines = [
        line for line in done.stdout.splitlines() if line.endswith("not run: a recording is played as its initiator")
    ]
    assert len(lines) == 1
    assert lines[0].startswith("SKIP ")
    assert " more: " in lines[0]


def test_a_recording_without_its_key_ends_before_any_case(tmp_path: Path) -> None:
    assert fynx("run", "psk_handshake", "--pcap", tmp_path / "run.pcapng").exit_code == 0
    done = fynx("run", "payload_ke_missing_in_init", "--recording", tmp_path / "run.pcapng")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "expected the pre-shared key" in done.stderr
    key = tmp_path / "key"
    key.write_text("correct horse battery staple")
    good = fynx("run", "payload_ke_missing_in_init", "--recording", tmp_path / "run.pcapng", "--psk-file", key)
    assert good.exit_code == 0, good.output
    assert "1 PASS" in good.stdout
    again = fynx(
        "run", "payload_ke_missing_in_init", "--recording", tmp_path / "run.pcapng", "--psk-file", key, "--json"
    )
    assert f"--psk-file {key}" in json.loads(again.stdout)["command"]


def test_a_key_for_nobody_is_refused(mine: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret")
    done = fynx("run", mine, "--psk-file", key)
    assert done.exit_code == 2
    assert "there is no --target" in done.stderr
    assert fynx("run", mine, "--quiet", key=key).exit_code == 1  # the environment may have one for other commands


def test_an_unexpected_pass_has_its_reason_once(mine: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.toml"
    manifest.write_text('[[expected]]\nscenario = "passing"\nreason = "it never does"\nrequirement = "7296-2.5-08"\n')
    done = fynx("run", mine, "--manifest", manifest)
    assert done.stdout.count("it never does") == 1
    assert "passing: the row is about 7296-2.5-08" in done.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["strongswn"], "found 'strongswn'; did you mean strongswan?"),
        (["libreswan"], "runs in a guest, which only the matrix supports"),
        (["strongswan", "--target", "192.0.2.1"], "leave out --target"),
        (["strongswan", "--wait", "3"], "leave out --wait"),
        (["strongswan", "--local-id", "alice"], "--local-id describes a live peer, but --target is missing"),
        (["strongswan", "--seed", "1"], "--seed has no effect on a live peer"),
    ],
)
def test_a_lab_that_cannot_be_is_misuse(words: list[str], error: str) -> None:
    done = fynx("run", "psk_handshake", "--lab", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert error in done.stderr
