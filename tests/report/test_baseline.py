# SPDX-License-Identifier: GPL-2.0-or-later
"""What failed, written as a manifest: with it, the next run fails for new failures alone."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy import scenarios
from fynx_scapy.harness import Manifest, Result, Role, Verdict
from fynx_scapy.harness.expectations import expected
from fynx_scapy.report.baseline import LONGEST, manifest_text
from fynx_scapy.text import printable
from tests.harness.peers import fynx

BOTH = scenarios.load("reserved_flags_inside")
ONE = replace(scenarios.load("psk_handshake"), requirements=())


def result(scenario: object, verdict: Verdict, role: Role = Role.INITIATOR, reason: str = "it does") -> Result:
    return Result(scenario, verdict, reason, 0.0, [], role=role)  # type: ignore[arg-type]


def read(folder: Path, results: list[Result]) -> Manifest:
    file = folder / "m.toml"
    file.write_text(manifest_text(results, command="fynx run", about={"date": "today"}))
    return Manifest.from_file(file)


def test_each_failure_is_expected_and_nothing_else(tmp_path: Path) -> None:
    results = [
        result(BOTH, Verdict.FAIL), result(BOTH, Verdict.PASS, Role.RESPONDER), result(ONE, Verdict.ERROR, reason=""),
        result(scenarios.load("cookie"), Verdict.XFAIL), result(scenarios.load("rekey_ike"), Verdict.SKIP),
    ]  # fmt: skip
    made = read(tmp_path, results)
    assert [(row.scenario, row.role, row.verdict) for row in made.expected] == [
        ("negative/header/reserved_flags_inside", "initiator", "FAIL"), ("handshake/psk_handshake", None, "ERROR"),
    ]  # fmt: skip
    assert (made.expected[0].requirement, made.expected[1].sentence) == (BOTH.requirements[0].id, ONE.source)
    assert [expected(each, made).verdict.value for each in results] == ["XFAIL", "PASS", "XFAIL", "XFAIL", "SKIP"]


def test_a_failure_in_every_role_that_ran_is_one_row(tmp_path: Path) -> None:
    both = [result(BOTH, Verdict.FAIL), result(BOTH, Verdict.FAIL, Role.RESPONDER)]
    for results in (both, [both[0], replace(both[1], verdict=Verdict.SKIP)]):
        (row,) = read(tmp_path, results).expected
        assert row.role is None


@given(st.text())
def test_any_reason_can_be_written(reason: str) -> None:
    (row,) = tomllib.loads(manifest_text([result(BOTH, Verdict.FAIL, reason=reason)], command=reason))["expected"]
    assert row["reason"] == printable(reason or "it fails", LONGEST)


def test_a_run_writes_it_and_the_next_one_passes(tmp_path: Path) -> None:
    file, manifest = tmp_path / "mine.py", tmp_path / "known.toml"
    file.write_text(
        "from fynx_scapy.harness import scenario\n\n\n@scenario('RFC 7296')\n"
        "def fails(run):\n    'Fails.'\n    raise AssertionError('\"\\x1b[31m')\n\n\n@scenario('RFC 7296')\n"
        "def passes(run):\n    'Passes.'\n"
    )
    assert fynx("run", file, "--write-manifest", manifest).exit_code == 1
    assert manifest.read_text().startswith("# 1 failure of: fynx run ")
    done = fynx("run", file, "--manifest", manifest)
    assert done.exit_code == 0, done.output
    assert "1 PASS, 1 XFAIL" in done.stdout
