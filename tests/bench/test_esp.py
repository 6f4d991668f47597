# SPDX-License-Identifier: GPL-2.0-or-later
"""What the topic `esp` measures is real: the packets open, Scapy opens what it sealed, every figure is there."""

from __future__ import annotations

import pytest

from fynx_scapy.bench import esp
from fynx_scapy.errors import UnexpectedError


@pytest.mark.parametrize("suite", esp.SUITES, ids=lambda suite: suite.name)
def test_every_way_does_its_work(suite: esp.Suite) -> None:
    ways = esp.Ways(suite, 64)
    for run in (ways.seal, ways.seal_many, ways.open, ways.open_many, *suite.bare(ways.plaintext)):
        run()
    assert ways.outbound.packets == ways.inbound.packets == 2 * esp.BATCH
    assert ways.inbound.replays == 0
    ways.check()
    assert ways.scapy.open() == ways.payload


def test_packets_that_do_not_open_are_not_measured() -> None:
    ways = esp.Ways(esp.SUITES[0], 64)
    ways.packets[3] = bytes(100)
    with pytest.raises(UnexpectedError, match="does not open"):
        ways.check()


@pytest.mark.slow  # measures for a second or two
def test_figures_of_a_quick_run() -> None:
    figures = {figure.name: figure for figure in esp.measure(quick=True)}
    judged = [name for name, figure in figures.items() if figure.bound is not None]
    assert len(judged) == 10
    assert all(figure.ratio is None or figure.ratio > 0.1 for figure in figures.values())
