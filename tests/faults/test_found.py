# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of what finds each fault, as scripts/faults has written it, still holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fynx_scapy.harness.ledger import proven
from tests.faults.fault import FAULTS
from tools.faults import all_tests, under
from tools.faults_page import FOUND

LIST: dict[str, list[str] | None] = json.loads(Path(FOUND).read_text("utf-8"))
TESTS = {(test.place, test.role.value): test for test in all_tests()}
ONE_OF_EACH_AREA = {FAULTS[name].area: name for name, found in LIST.items() if found and name in FAULTS}


def still_finds(name: str) -> None:
    place, role = LIST[name] or ("", "")
    assert under(FAULTS[name], TESTS[place, role])[0] == "FAIL", f"{name}: run scripts/faults"


def test_the_list_has_every_fault():
    assert LIST.keys() == FAULTS.keys(), "run scripts/faults"
    assert {tuple(found) for found in LIST.values() if found} <= TESTS.keys()


def test_at_least_nine_of_ten_faults_are_found():
    first = [name for name in LIST if FAULTS[name].chosen_first]
    assert sum(LIST[name] is not None for name in first) >= 0.9 * len(first)
    assert len(ONE_OF_EACH_AREA) == 28


@pytest.mark.parametrize("name", sorted(ONE_OF_EACH_AREA.values())[::4])
def test_a_sample_is_found_by_what_the_list_says(name):
    still_finds(name)


@pytest.mark.slow
def test_each_is_found_by_what_the_list_says():
    for name, found in LIST.items():
        if found:
            still_finds(name)


def test_proofs_are_of_faults_that_break_the_requirement():
    for identifier, tests in proven().items():
        for names in tests.values():
            assert all(identifier in FAULTS[name].requirements for name in names)
