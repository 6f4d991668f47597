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


@pytest.mark.slow
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


def test_what_other_faults_have_proven_is_kept_if_the_fault_and_the_test_are_still_there():
    before = {
        "7296-1.2-02": {
            WRONG_PSK: ["takes_any_auth", "takes_any_icv", "takes_nothing"],
            "gone.py::gone": ["takes_any_icv"],
        },
        "7296-1.2-03": {WRONG_PSK: ["takes_any_auth", "takes_any_icv"]},
    }
    assert proofs([Finding("takes_any_auth")], before) == {"7296-1.2-02": {WRONG_PSK: ["takes_any_icv"]}}


def test_the_nearest_test_names_what_is_broken_and_finds_few_other_faults():
    breaks = ("7296-1.2-02",)
    finding = Finding(
        "takes_any_auth",
        (
            Found("scenarios/a.py::broad", "initiator", "", breaks),
            Found("scenarios/b.py::narrow", "initiator", "", breaks),
            Found("scenarios/b.py::narrow", "responder", "", breaks, ours=True),
            Found("scenarios/a.py::other", "responder", "", ()),
        ),
    )
    before = {"7296-1.2-02": {"scenarios/a.py::broad": ["takes_any_auth", "takes_any_icv"]}}
    assert finding.nearest(before) == ["scenarios/b.py::narrow", "initiator"]
    assert Finding("takes_any_auth", finding.failed[2:]).nearest(before) == ["scenarios/a.py::other", "responder"]
    assert Finding("takes_any_auth", finding.failed[2:3]).nearest(before) is None


def test_the_page_says_what_was_found_by_what_and_what_was_not():
    found = {one.fault: one.nearest({}) for one in FINDINGS} | {"takes_any_icv": None}
    page = faults_page.page(found, proofs(FINDINGS), {"7296-3.14-06": {"tests/a.py::test_b": ["takes_any_icv"]}})
    assert (
        "- 2 of 4 faults are found in a peer, 1 of them by a test that names the broken requirement; 1 by pytest"
        in page
    )
    assert f"- `never_retransmits`: {FAULTS['never_retransmits'].what}" in page
    assert "| `handshake/wrong_psk.py::wrong_psk` |" in page
    assert "`a.py::other` (names none of these) |" in page
    assert "| `tests/a.py::test_b` |" in page
    assert "**nothing**" in page
    assert "- `takes_any_icv`: " not in page


def test_every_fault_has_a_row_of_plain_text():
    page = faults_page.page({fault.name: None for fault in faults()}, {}, {})
    assert page.count("\n| `") == len(faults())
    assert all(line.count("|") == 5 for line in page.splitlines() if line.startswith("| `"))
