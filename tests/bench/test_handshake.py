# SPDX-License-Identifier: GPL-2.0-or-later
"""What the topic `handshake` measures is real: the handshakes succeed, with each group, and a server holds them."""

from __future__ import annotations

import asyncio

import pytest

from fynx_scapy.bench import handshake
from fynx_scapy.bench.figures import Fed
from fynx_scapy.errors import UnexpectedError


@pytest.mark.parametrize("group", handshake.GROUPS)
def test_a_handshake_with_each_group(group: str) -> None:
    handshakes = handshake.handshakes(group)
    (ends,) = handshakes.feed(1)
    handshakes.call(ends)
    (sa,) = ends.alice.sas.values()
    assert sa.suite.ke is not None
    assert sa.suite.ke.id == handshake.GROUPS[group]
    handshake.key_exchanges(group)()


def test_one_exchange_after_the_other() -> None:
    half = handshake.Half().init()
    assert half.sa is not None
    assert half.sa.connecting
    half.auth()
    assert half.sa.established


def test_a_handshake_that_fails_is_not_measured() -> None:
    fed: Fed = handshake.handshakes("X25519")
    (ends,) = fed.feed(1)
    ends.bob.configs = []
    with pytest.raises(UnexpectedError, match="failed"):
        fed.call(ends)


@pytest.mark.slow  # starts a process
def test_a_server_holds_its_tunnels() -> None:
    with handshake._server() as (pipe, remote, natt_port):
        run = asyncio.run(handshake.served(pipe, remote, natt_port, 40, 10))
    assert run.held == (40, 40)
    assert 0 < run.processor < 1
    assert run.both > 0
    assert run.latency > 0
