# SPDX-License-Identifier: GPL-2.0-or-later
"""A sample of the ten minutes that scripts/soak holds tunnels with strongSwan: one on CI, a quarter elsewhere."""

from __future__ import annotations

import os

from tools import live_tunnels

SECONDS = 60.0 if os.environ.get("CI") else 15.0


def test_a_client_and_a_server_hold_tunnels_through_rekeys(strongswan: str) -> None:
    reports = live_tunnels.run(SECONDS)
    assert [report.faults for report in reports] == [[], []], "\n".join(map(str, reports))
    for report in reports:
        assert report.counts["answers to us"] > SECONDS * 20
        assert report.counts["answers to there"] > SECONDS * 20


def test_drops_are_read_from_the_kernel() -> None:
    text = """Inter-|   Receive                            |  Transmit
 face |bytes packets errs drop fifo … multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0
   wan: 9 9 0 2 0 0 0 0 9 9 0 3 0 0 0 0
Ip: Forwarding InDiscards
Ip: 1 9
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
Udp: 100 0 9 100 4 1 0
UdpLite: InDatagrams RcvbufErrors
UdpLite: 0 9
"""
    assert live_tunnels.dropped(text) == 2 + 3 + 4 + 1
