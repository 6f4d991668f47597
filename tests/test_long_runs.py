# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples of what scripts/soak runs in full."""

from __future__ import annotations

import pytest

from tools import soak, tunnels, udp_flood


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


@pytest.mark.slow
def test_forty_tunnels_over_a_bad_network():
    report = tunnels.run(40, 5)
    print(report)
    assert report.faults == []
    assert report.counts["handshakes"] == 40
    assert report.counts["packets received"] > 1500
    assert report.counts["ike rekeys"] + report.counts["child rekeys"] > 150
    assert report.counts["killed"] >= 20


@pytest.mark.slow
def test_packets_that_are_lost_at_an_end_are_noticed(monkeypatch):
    """Late packets of a Child SA that was rekeyed are not received any more."""
    monkeypatch.setattr(tunnels, "PORTS", tunnels.PORTS.replace(esp_linger=0.001))
    assert "were delivered" in str(tunnels.run(20, 6).faults)
