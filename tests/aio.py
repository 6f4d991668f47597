# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients and servers of asyncio programs on loopback, and event loops that must be empty in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from fynx_scapy import ChildConfig, EndpointConfig, IkeConfig, IpsecClient, IpsecServer, IpsecSession, Retransmission
from fynx_scapy.net import echo_request
from tools.virtual_loop import VirtualLoop

Main = Callable[[], Coroutine[Any, Any, None]]

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
