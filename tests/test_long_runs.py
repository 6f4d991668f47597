# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples of what scripts/soak runs in full."""

from __future__ import annotations

import pytest

from tools import soak, udp_flood


@pytest.mark.slow
def test_fifty_lives_over_a_bad_wire():
    report = soak.run(50)
    assert report.faults == []
    assert report.runs == 50
    assert report.counts["rekeys begun"] == 1000
    assert report.counts["accepted"] > 20_000
    assert report.counts["rejected: a copy"] > 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", udp_flood.FLOODS)
def test_a_good_peer_gets_in_beside_a_flood(name):
    report = udp_flood.run(name)
    print(report)
    assert report.sent > 0.5 * report.seconds * udp_flood.FLOODS[name][1], "the flood did not come about"
    assert max(report.took) < udp_flood.LIMIT
