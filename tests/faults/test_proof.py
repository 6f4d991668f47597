# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/faults: which tests find a fault, what that proves, and the page that says so."""

from __future__ import annotations

import signal

import pytest

from tests.faults.everything import faults
from tests.faults.fault import FAULTS
from tools import faults_page
from tools.faults import Finding, Found, OutOfTimeError, all_tests, at_most, find, proofs, stages, under

WRONG_PSK = "scenarios/handshake/wrong_psk.py::wrong_psk"


def test_a_fault_is_found_by_the_tests_of_what_it_breaks():
    finding = find("takes_any_auth")
    assert finding.proves
    assert not finding.errors
    assert {one.place.rpartition("::")[2]: one.breaks for one in finding.failed}["wrong_psk"] == ("7296-1.2-02",)


def test_a_test_passes_without_the_fault_and_with_another_one():
    test = next(one for one in all_tests() if one.scenario.name == "wrong_psk")
    assert under(None, test) == ("PASS", "")
    assert under(FAULTS["takes_any_padding"], test) == ("PASS", "")
    assert under(FAULTS["takes_any_auth"], test)[0] == "FAIL"


def test_tests_of_the_broken_requirements_come_first_then_those_of_the_area():
    fault = FAULTS["never_retransmits"]
    named, near, others = stages(fault, all_tests())
    assert all(test.requirements & set(fault.requirements) for test in named)
    assert all("retransmission" in test.areas for test in near)
    assert near
    assert len(named) + len(near) + len(others) == len(all_tests())


def test_what_does_not_end_is_ended():
    with pytest.raises(OutOfTimeError), at_most(0.01):
        signal.pause()


FINDINGS = [
    Finding(
        "takes_any_auth",
        (
            Found(WRONG_PSK, "initiator", "expected …", ("7296-1.2-02",)),
            Found("scenarios/a.py::other", "responder", "expected …", ()),
        ),
    ),
    Finding("takes_any_identity", (Found("scenarios/a.py::other", "initiator", "expected …", ()),)),
    Finding("never_retransmits"),
]


def test_a_test_proves_a_requirement_that_it_names_and_the_fault_breaks():
    assert proofs(FINDINGS) == {"7296-1.2-02": {WRONG_PSK: ["takes_any_auth"]}}


def test_the_page_says_what_was_found_by_what_and_what_was_not():
    page = faults_page.page(FINDINGS, proofs(FINDINGS))
    assert "- 2 of 3 faults are found, 1 of them by a test that names the broken requirement." in page
    assert f"- `never_retransmits`: {FAULTS['never_retransmits'].what}" in page
    assert "| `handshake/wrong_psk.py::wrong_psk` and 1 other |" in page
    assert "`a.py::other` (names none of these) |" in page
    assert "**nothing**" in page


def test_every_fault_has_a_row_of_plain_text():
    page = faults_page.page([Finding(fault.name) for fault in faults()], {})
    assert page.count("\n| `") == len(faults())
    assert all(line.count("|") == 5 for line in page.splitlines() if line.startswith("| `"))
