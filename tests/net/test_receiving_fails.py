# SPDX-License-Identifier: GPL-2.0-or-later
"""A socket from which nothing can be received for a while: it costs neither the processor nor a flood of events."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from fynx_scapy import Endpoint
from fynx_scapy.events import MessageDropped, ReceiveFailed
from fynx_scapy.net import AioNetwork, UdpNetwork
from tests.aio import FREE, HERE, run

SHORTLY = 0.1
MOST = 5
"""After 10, 20, 40 and 80 milliseconds it is tried again."""


class Failing(socket.socket):
    """A socket of which the kernel gives nothing while it fails: what has arrived stays, and it stays readable."""

    fails = True
    tries = 0

    def recvmsg(self, *args: int) -> Any:
        type(self).tries += 1
        if self.fails and socket.MSG_ERRQUEUE not in args:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        return super().recvmsg(*args)


@pytest.fixture
def opened() -> Callable[[int, int, int], socket.socket]:
    class Fresh(Failing):
        pass

    return Fresh


def send(endpoint: Endpoint) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"no IKE message", (HERE, endpoint.config.port))


def bob() -> Endpoint:
    return Endpoint(HERE, config=FREE)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_in_an_event_loop(opened: Any, loop: str) -> None:
    async def main() -> None:
        async with AioNetwork(open_socket=opened, history=None) as network:
            endpoint = bob()
            network.add(endpoint, "bob", native=False)
            send(endpoint)
            await asyncio.sleep(SHORTLY)
            failures = [event for _, event in network.events if isinstance(event, ReceiveFailed)]
            assert 1 < len(failures) <= MOST
            assert opened.tries <= MOST
            opened.fails = False
            assert await network.until(lambda: isinstance(network.events[-1][1], MessageDropped), limit=1)
            tries = opened.tries
            send(endpoint)
            assert await network.until(lambda: opened.tries > tries, limit=1)  # and at once again from now on

    run(main, loop)


def test_without_an_event_loop(opened: Any) -> None:
    with UdpNetwork(open_socket=opened) as network:
        endpoint = bob()
        network.add(endpoint, "bob", native=False)
        send(endpoint)
        network.run(network.now + SHORTLY)
        failures = [event for _, event in network.events if isinstance(event, ReceiveFailed)]
        assert 1 < len(failures) <= MOST
        assert opened.tries <= MOST
        opened.fails = False
        assert network.run(lambda: isinstance(network.events[-1][1], MessageDropped), limit=1)


def test_it_may_be_removed_meanwhile(opened: Any) -> None:
    with UdpNetwork(open_socket=opened) as network:
        endpoint = bob()
        network.add(endpoint, "bob", native=False)
        send(endpoint)
        assert network.run(lambda: bool(network.events), limit=1)
        network.remove("bob")
        network.run(network.now + 0.02)
