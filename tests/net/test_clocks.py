# SPDX-License-Identifier: GPL-2.0-or-later
"""A step begins at the network's time: endpoints have no clock, and are told before anybody has them act."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address, Outgoing
from fynx_scapy.net.memory import Network
from fynx_scapy.session import Session
from tests.harness.peers import KEY, bob
from tests.ike.pair import ALICE

STEPS: dict[str, Callable[[Session], object]] = {
    "liveness": lambda s: s.liveness(),
    "request": lambda s: s.request("INFORMATIONAL"),
    "create_child": lambda s: s.create_child(),
    "rekey_child": lambda s: s.rekey_child(),
    "rekey_ike": lambda s: s.rekey_ike(),
    "delete_child": lambda s: s.delete(s.child),
    "delete": lambda s: s.delete(),
}


@pytest.mark.parametrize("step", STEPS)
def test_after_a_while_in_memory(step: str) -> None:
    s = Session(psk="secret", seed=1)
    s.connect()
    s.network.run(s.network.now + 100)
    assert s.client.now == s.peer.now == s.network.now > 100
    began, told = s.network.now, []

    def note(message: Outgoing) -> None:
        told.append(s.client.now)

    s.tap("payloads", note)
    STEPS[step](s)
    assert told[0] == began
    assert s.client.now == s.peer.now == s.network.now


@pytest.mark.parametrize("step", STEPS)
def test_after_a_while_on_a_real_network(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with bob() as peer, Session(Address("127.0.0.1", peer.port), psk=KEY) as s:
        s.connect()
        monkeypatch.setattr(s.network, "_started", s.network._started - 100)  # type: ignore[attr-defined]
        told = []

        def note(message: Outgoing) -> None:
            told.append(s.client.now)

        s.tap("payloads", note)
        STEPS[step](s)
        assert 100 < told[0] <= s.network.now


def test_whoever_is_plugged_in_later_is_told() -> None:
    network, late = Network(), Endpoint(ALICE)
    network.run(50.0)
    network.add(late)
    assert late.now == 50.0


def test_time_is_told_when_waiting_fails_and_when_somebody_raises() -> None:
    network, late = Network(), Endpoint(ALICE)
    network.add(late)
    late.timers.set(10.0, lambda now: None)
    late.timers.set(20.0, lambda now: None)
    assert not network.run(lambda: False, limit=15.0)
    assert late.now == network.now == 10.0
    with pytest.raises(ZeroDivisionError):
        network.run(lambda: 1 // (network.now < 20) > 1, limit=15.0)
    assert late.now == network.now == 20.0
