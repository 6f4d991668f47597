# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of a packet through an endpoint is measured, and does not depend on how many Child SAs there are."""

from __future__ import annotations

import pytest

from fynx_scapy.bench import datapath
from fynx_scapy.bench.datapath import Gateway


def test_all_packets_of_a_gateway_arrive_each_on_its_own_child_sa() -> None:
    gateway = Gateway(20)
    for turns, used in ((False, 1), (True, 20)):
        before = [ours.outbound.packets for ours, _ in gateway.pairs]
        for fed, each in ((gateway.send(turns=turns), 1), (gateway.send_many(turns=turns), datapath.BATCH)):
            for item in fed.feed(40 // each + 1):
                assert int(fed.call(item) or 0) == each  # type: ignore[call-overload]
        changed = sum(ours.outbound.packets > old for (ours, _), old in zip(gateway.pairs, before, strict=True))
        assert changed == used
        for fed in (gateway.receive(turns=turns), gateway.receive_burst(turns=turns)):
            for item in fed.feed(3):
                fed.call(item)
            assert len(gateway.bob.packets()) in (3, 3 * datapath.BATCH)
    assert not gateway.bob.counts.drops


@pytest.mark.slow  # measures for a second
def test_sending_and_receiving_keep_their_distance_to_the_cipher() -> None:
    figures = datapath.measure(quick=True)
    judged = [(figure.name, figure.ratio, figure.bound.limit) for figure in figures if figure.bound is not None]
    assert len(judged) == 8
    # Twice the bound, since the machine may be busy; a scan of 200 Child SAs would be 20 times.
    assert [row for row in judged if row[1] is None or row[1] > 2 * row[2]] == []
