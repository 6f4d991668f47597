# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients and servers of asyncio programs on loopback, and event loops that must be empty in the end."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from fynx_scapy import ChildConfig, EndpointConfig, IkeConfig, IpsecClient, IpsecServer, IpsecSession, Retransmission
from fynx_scapy.net import echo_request

Main = Callable[[], Coroutine[Any, Any, None]]


class VirtualSelector(selectors.DefaultSelector):
    """Waits for no time: where nothing has arrived, the clock goes on to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready. Loopback delivers before the sender's call returns, so what is not there will not come."""
        ready = super().select(0)
        if not ready and timeout != 0:
            assert timeout is not None, "everybody waits, and nothing will happen any more"
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with real sockets and virtual time: a day of rekeys takes no longer than their packets."""

    def __init__(self) -> None:
        self._waits = VirtualSelector()
        super().__init__(self._waits)

    def time(self) -> float:
        """Virtual seconds."""
        return self._waits.now


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
    "virtual": VirtualLoop,
}
QUICK = Retransmission(timeout=0.05, base=1.0, tries=2)
HERE = "127.0.0.1"
FREE = EndpointConfig(port=0, natt_port=0, marker_always=True)

BOB = IkeConfig(
    auth="secret",
    local_id="bob",
    children=ChildConfig(local_ts="10.2.0.0/16", remote_ts="10.1.0.0/16"),
    retransmission=QUICK,
)
PING = echo_request("10.1.0.1", "10.2.0.1")
PONG = echo_request("10.2.0.1", "10.1.0.1")


def run(main: Main, loop: str = "virtual", *, seconds: float = 86400.0) -> None:
    """Run a coroutine in an event loop of that kind. It must leave no task there, and end in time."""

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        failures: list[dict[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _, context: failures.append(context))
        runner.run(bounded())
        assert [str(failure) for failure in failures] == []


def alice(server: IpsecServer, **changes: Any) -> IkeConfig:
    """The configuration of a client of that server."""
    child = ChildConfig(local_ts="10.1.0.0/16", remote_ts="10.2.0.0/16")
    settings = server.endpoint.config
    fields: dict[str, Any] = {
        "auth": "secret",
        "local_id": "alice",
        "remote_id": "bob",
        "children": child,
        "retransmission": QUICK,
    }
    remote = {"remote": server.addresses[0], "remote_natt_port": settings.natt_port}
    return IkeConfig(**{**fields, **remote, **changes})


@asynccontextmanager
async def serving(config: IkeConfig = BOB, **more: Any) -> AsyncIterator[IpsecServer]:
    """A server on free ports of loopback."""
    arguments = {"local": HERE, "endpoint": FREE, "native": False, **more}
    async with IpsecServer(config, **arguments) as server:
        yield server


@asynccontextmanager
async def tunnel(config: IkeConfig = BOB, **changes: Any) -> AsyncIterator[tuple[IpsecSession, IpsecSession]]:
    """A session as its client and its server see it."""
    async with serving(config) as server, IpsecClient(alice(server, **changes), native=False) as client:
        ours = await client.connect()
        yield ours, await server.accept()
