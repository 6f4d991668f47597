# SPDX-License-Identifier: GPL-2.0-or-later
"""What the topic `memory` measures is real: the tunnels are there, with packets on each, and rekeys leave nothing."""

from __future__ import annotations

import pytest

from fynx_scapy.bench import memory
from fynx_scapy.bench.ends import ALICE, BOB


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("measured", [ALICE, BOB])
def test_every_tunnel_is_set_up_and_used(measured: str) -> None:
    found = memory.per_sa(measured, 16)
    assert set(found) == {"IKE SA", "Child SA", "used"}


@pytest.mark.slow  # rekeys hundreds of times
def test_packets_and_rekeys_leave_nothing() -> None:
    assert memory.growth_by_packets(6400) < 1 << 20
    assert memory.growth_by_rekeys(50) < 1 << 20


def test_a_handshake_takes_memory() -> None:
    assert 10_000 < memory.peak() < 1 << 20
