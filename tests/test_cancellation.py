# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever a program awaits may be cancelled at any point: nothing is left behind, and nothing is lost.

Each test cancels the same call after 0, 1, 2, … turns of the event loop, until it is done before it is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest

from fynx_scapy import ChildConfig, IkeSa, IpsecClient, IpsecSession
from fynx_scapy.events import MessageSent, SaDeleted
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.endpoint import Endpoint
from tests.aio import PING, PONG, alice, run, serving, tunnel


async def cancelled_at_every_turn(
    call: Callable[[], Coroutine[Any, Any, Any]], during: Callable[[], Awaitable[object] | None] = lambda: None
) -> AsyncIterator[asyncio.Task[Any]]:
    """The call, cancelled in its first turn, in its second, and so on; the last one is the first that is done."""
    for turns in itertools.count():
        task = asyncio.create_task(call())
        happening = during()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if happening is not None:
            await happening
        yield task
        if not task.cancelled():
            assert turns > 0
            return


def in_use(endpoint: Endpoint) -> list[object]:
    """The IKE SAs of an endpoint that have not ended."""
    return [sa for sa in endpoint.sas.values() if sa.state is not State.CLOSED]


async def until_quiet(session: IpsecSession) -> None:
    """Wait until no request waits for its answer."""
    await session.network.until(lambda: not session.network.busy)


def test_connect() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            tries = 0
            async for task in cancelled_at_every_turn(client.connect):
                tries += 1
                if task.cancelled():
                    # Half-open IKE SAs expire at the server; what has keys is deleted.
                    await asyncio.sleep(60)
                    assert (client.sessions, server.sessions) == ((), ())
                    assert not any(in_use(endpoint) for endpoint in (*client.endpoints, server.endpoint))
            assert tries > 5
            assert len(client.sessions) == len(server.sessions) == 1

    run(main)


def test_recv_packet() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            sent, got = 0, []

            async def send() -> None:
                await theirs.send_packet(PONG[:-1] + bytes([sent]))

            async for task in cancelled_at_every_turn(ours.recv_packet, lambda: asyncio.create_task(send())):
                sent += 1
                if not task.cancelled():
                    got.append(task.result())
            while len(got) < sent:
                got.append(await ours.recv_packet())
            assert [packet[-1] for packet in got] == list(range(sent))
            assert sent > 2

    run(main)


def test_one_reader_of_two() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            for turns in range(6):
                first, second = (asyncio.create_task(ours.recv_packet()) for _ in range(2))
                await asyncio.sleep(0)
                await theirs.send_packet(PONG)
                for _ in range(turns):
                    await asyncio.sleep(0)
                first.cancel()
                await asyncio.wait([first])
                if not first.cancelled():
                    await theirs.send_packet(PONG)
                # The packet that woke both is left to the other one.
                assert await second == PONG

    run(main)


def test_rekeys_go_on() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            for what in ({"ike": True}, {"child": True}):
                async for _ in cancelled_at_every_turn(lambda what=what: ours.rekey(**what)):  # type: ignore[misc]
                    await until_quiet(ours)
                    await ours.send_packet(PING)
                    assert await theirs.recv_packet() == PING
                    assert len(ours.children) == 1
            await asyncio.sleep(100)
            assert len(in_use(ours.endpoint)) == len(in_use(theirs.endpoint)) == 1

    run(main)


def test_create_child() -> None:
    more = ChildConfig(name="more", local_ts="10.1.0.0/16", remote_ts="10.2.0.0/16")

    async def main() -> None:
        async with tunnel() as (ours, theirs):
            async for _ in cancelled_at_every_turn(lambda: ours.create_child(more)):
                await until_quiet(ours)
                assert {child.inbound.spi for child in ours.children} == {
                    child.outbound.spi for child in theirs.children
                }

    run(main)


def test_close_of_a_session() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            for turns in range(8):
                session = await client.connect()
                task = asyncio.create_task(session.close())
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                if turns:  # it was begun
                    assert session.closed
                    await asyncio.sleep(1)
                else:
                    await session.close()
                assert (client.sessions, server.sessions) == ((), ())

    run(main)


@pytest.mark.parametrize("what", [IkeSa.rekey, IkeSa.reauthenticate], ids=["rekey", "reauthentication"])
@pytest.mark.parametrize("by_peer", [False, True], ids=["by us", "by the peer"])
def test_close_while_the_ike_sa_is_replaced(what: Callable[[IkeSa], object], by_peer: bool) -> None:
    """Whether the engine knows of the new IKE SA only, or its event has been told: it ends too."""

    async def main() -> None:
        for turns in range(12):
            async with serving() as server, IpsecClient(alice(server), native=False) as client:
                ours, theirs = await client.connect(), await server.accept()
                replacing = theirs if by_peer and what is IkeSa.rekey else ours
                with replacing.network.acting():
                    what(replacing.sa)
                for _ in range(turns):
                    await asyncio.sleep(0)
                await (theirs if by_peer and what is not IkeSa.rekey else ours).close()
                await asyncio.sleep(60)
                # Who has authenticated anew may have a session of its own at a server.
                assert len(in_use(ours.endpoint)) == len(client.sessions)
                assert len(in_use(server.endpoint)) == len(server.sessions)
                assert not client.sessions or (by_peer and what is IkeSa.reauthenticate)

    run(main)


def test_accept() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            accepted = []
            async for task in cancelled_at_every_turn(server.accept, lambda: asyncio.create_task(client.connect())):
                if not task.cancelled():
                    accepted.append(task.result())
            while len(accepted) < len(client.sessions):
                accepted.append(await server.accept())
            assert accepted == list(server.sessions)

    run(main)


def test_shutdown_of_a_client_and_a_server() -> None:
    async def main() -> None:
        for turns in range(8):
            async with serving() as server:
                client = IpsecClient(alice(server), native=False)
                await client.connect()
                for closing in (client.shutdown, server.close):
                    task = asyncio.create_task(closing())
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.wait([task])
                    if not turns:
                        await closing()
                assert client.network.closed
                assert server.network.closed
                assert not client.sessions
                assert not server.sessions

    run(main)


def test_sending_and_what_waits_for_room() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            sent = 0
            async for _ in cancelled_at_every_turn(lambda: ours.send_packets([PING] * 500)):
                await until_quiet(ours)
                sent = ours.counters.packets_out
            assert sent > 500
            await theirs.network.until(lambda: theirs.counters.packets_in == sent)

    run(main)


def test_reading_from_all_sessions_and_events() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            ours = await client.connect()
            theirs = await server.accept()
            got, sent = [], 0

            async def send() -> None:
                await theirs.send_packet(PONG)

            async for task in cancelled_at_every_turn(client.recv_packet, lambda: asyncio.create_task(send())):
                sent += 1
                got += [] if task.cancelled() else [task.result()]
            while len(got) < sent:
                got.append(await client.recv_packet())
            assert sent > 2
            # Of the events of ten liveness checks, none is lost with a reader that was cancelled.
            told, events = [], ours.events()
            async for task in cancelled_at_every_turn(events.__anext__, lambda: asyncio.create_task(ours.check())):
                told += [] if task.cancelled() else [task.result()]
            await ours.close()
            told += [event async for event in events]
            numbers = [event.header.id for event in told if isinstance(event, MessageSent)]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert isinstance(told[-1], SaDeleted)

    run(main)
