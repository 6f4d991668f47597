# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of known differences: read by version, and about things that exist."""

from __future__ import annotations

import pytest

from fynx_scapy.lab.differences import BOOLEANS, DIFFERENCES, PORT_FLOAT, KnownDifference, differences, parsed
from fynx_scapy.lab.trial_runner import PEERS
from fynx_scapy.scenarios import names


@pytest.mark.parametrize(
    ("told", "number"),
    [("5.9.8", (5, 9, 8)), ("6.0.1-6+deb13u7", (6, 0, 1)), ("6.0.0beta6", (6, 0, 0)), ("", ()), ("unknown", ())],
)
def test_versions_as_programs_tell_them(told: str, number: tuple[int, ...]) -> None:
    assert parsed(told) == number


@pytest.mark.parametrize(
    ("version", "holds"),
    [("5.9.8", False), ("5.9.14", False), ("6.0", False), ("6.0.1", True), ("6.0.10", True), ("10.0", False)],
)
def test_a_range_begins_with_its_first_and_ends_before_its_last(version: str, holds: bool) -> None:
    assert KnownDifference("peer", "what", "why", since="6.0.1", before="10.0").holds(version) is holds


@pytest.mark.parametrize(
    ("version", "child_sa_not_found", "port_float"),
    [("5.9.8", True, False), ("6.0.1", False, True), ("6.1.0", False, True)],
)
def test_each_strongswan_that_was_seen(version: str, child_sa_not_found: bool, port_float: bool) -> None:
    known = differences("strongswan", version)
    assert ("error_child_sa_not_found" in known) is child_sa_not_found
    assert (PORT_FLOAT in known) is port_float
    assert "error_unknown_exchange" in known


def test_each_tshark_that_was_seen() -> None:
    assert BOOLEANS not in differences("tshark", "4.0.17")
    assert BOOLEANS in differences("tshark", "4.4.19")


def test_what_is_no_scenario_is_asked_for_by_a_name() -> None:
    assert {row.program for row in DIFFERENCES} <= {*PEERS, "tshark"}
    assert {row.what for row in DIFFERENCES} - set(names()) == {PORT_FLOAT, BOOLEANS}
    assert all(row.why for row in DIFFERENCES)
