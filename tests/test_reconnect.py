# SPDX-License-Identifier: GPL-2.0-or-later
"""A client's session whose peer was lost: set up again as often and as soon as its policy says. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fynx_scapy import ChildConfig, DeadPeerDetection, IpsecClient, IpsecServer, IpsecSession, Reconnect
from fynx_scapy.errors import ConfigError, NoRoute, PeerError, SessionClosed, Timeout
from fynx_scapy.events import Reconnecting
from tests.aio import BOB, HERE, PING, QUICK, alice, run, serving

SOON = DeadPeerDetection(interval=10.0, retransmission=QUICK)
MORE = ChildConfig(name="more", local_ts="10.1.5.0/24", remote_ts="10.2.5.0/24")
SERVER = BOB.replace(children=(*BOB.children, MORE.replace(local_ts=MORE.remote_ts, remote_ts=MORE.local_ts)))


def test_delays_grow_up_to_a_limit() -> None:
    policy = Reconnect(wait=1, factor=2, limit=10)
    assert [policy.delay(attempt) for attempt in range(5)] == [1, 2, 4, 8, 10]
    assert policy.delay(10_000) == 10
    assert Reconnect(wait=3, factor=1).delay(10_000) == 3
    with pytest.raises(ConfigError, match=r"Reconnect\.factor"):
        policy.replace(factor=0.5)


@asynccontextmanager
async def lost(
    policy: Reconnect | None = None, dpd: DeadPeerDetection = SOON, **changes: Any
) -> AsyncIterator[tuple[IpsecSession, IpsecServer]]:
    """A session whose server was killed, once its client has noticed, and that server."""
    async with serving(SERVER) as server:
        config = alice(server, dpd=dpd, **changes)
        async with IpsecClient(config, native=False, reconnect=policy) as client:
            session = await client.connect()
            server.network.close()
            async for event in session.events():
                if isinstance(event, Reconnecting):
                    break
            yield session, server


def again(server: IpsecServer, **changes: Any) -> IpsecServer:
    """A server on the ports of one that was killed."""
    return IpsecServer(SERVER.replace(**changes), local=HERE, endpoint=server.endpoint.config, native=False)


@pytest.mark.parametrize("action", ["clear", "restart", "hold"])
def test_a_server_that_was_killed_comes_back(action: str) -> None:
    policy = Reconnect() if action == "clear" else None

    async def main() -> None:
        async with lost(policy, SOON.replace(action=action)) as (session, server):
            assert (session.open, session.closed, session.lost_because.code) == (False, False, "closed.peer-dead")
            before, events = session.sa, session.events()
            waiting = asyncio.create_task(session.send_packet(PING))
            await asyncio.sleep(20)
            assert not waiting.done()
            async with again(server) as new:
                theirs = await new.accept()
                await waiting
                assert await theirs.recv_packet() == PING
                assert session.open
                assert session.sa is not before
                await session.close()
            told = [event async for event in events]
            attempts = [event for event in told if isinstance(event, Reconnecting)]
            assert [event.attempt for event in attempts] == list(range(2, 2 + len(attempts)))
            assert {event.code for event in attempts} == {"timeout.unreachable"}
            # Each wait is at most twice the one before, and cut by up to a half.
            assert all(2**at <= event.wait * 2 <= 2 ** (at + 1) for at, event in enumerate(attempts, 1))

    run(main)


def test_a_server_that_says_goodbye_and_all_child_sas() -> None:
    async def main() -> None:
        async with (
            serving(SERVER) as server,
            IpsecClient(alice(server), native=False, reconnect=Reconnect(wait=5)) as client,
        ):
            session = await client.connect()
            gone = await session.create_child(MORE.replace(name="gone"))
            await session.create_child(MORE)
            await session.delete_child(gone)
            # HDR, SK {D}  -->   <--  HDR, SK {}
            await server.close()
            assert session.lost_because.code == "closed.by-peer"
            async with again(server) as new:
                theirs = await new.accept()
                await session.opened()
                while len(theirs.children) < 2:
                    await asyncio.sleep(0.1)
                assert [child.name for child in session.children] == ["net", "more"]

    run(main)


def test_no_route_for_a_while_then_one_from_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = iter(["", "", "127.0.0.2"])

    def source(*_: object) -> str:
        if found := next(sources):
            return found
        raise NoRoute("no route")

    async def main() -> None:
        async with (
            serving(SERVER) as server,
            IpsecClient(alice(server), native=False, reconnect=Reconnect(wait=1)) as client,
        ):
            session = await client.connect()
            theirs = await server.accept()
            monkeypatch.setattr("fynx_scapy.client.source_for", source)
            await theirs.close()
            theirs = await server.accept()
            await session.opened()
            assert theirs.remote.host == "127.0.0.2"
            await session.send_packet(PING)
            assert await theirs.recv_packet() == PING

    run(main)


def test_it_gives_up() -> None:
    async def main() -> None:
        async with lost(Reconnect(attempts=3)) as (session, _):
            with pytest.raises(Timeout):
                await session.recv_packet()
            assert session.reason.code == "timeout.unreachable"
            with pytest.raises(Timeout):
                await session.send_packet(PING)

    run(main)


def test_what_will_not_pass_is_not_tried_again() -> None:
    async def main() -> None:
        async with lost(Reconnect()) as (session, server), again(server, auth="another"):
            with pytest.raises(PeerError) as refused:
                await session.opened()
            assert refused.value.code == "peer.authentication-failed"
            assert session.closed

    run(main)


@pytest.mark.parametrize("wait", [0.01, 30], ids=["in the middle of an attempt", "between two"])
def test_it_is_closed_meanwhile(wait: float) -> None:
    async def main() -> None:
        async with lost(Reconnect(wait=wait)) as (session, _):
            waiting = asyncio.create_task(session.send_packet(PING))
            await asyncio.sleep(0.02)
            await session.close()
            with pytest.raises(SessionClosed):
                await waiting
            assert session.reason.code == "closed.by-us"
            await asyncio.sleep(session.endpoint.config.linger + 1)  # meanwhile, it answers retransmissions
            assert not session.endpoint.sas

    run(main)


def test_it_is_lost_in_the_middle_of_coming_back() -> None:
    async def main() -> None:
        async with lost(Reconnect(wait=1)) as (session, server):
            session.further_children = (MORE,)
            async with again(server) as new:
                theirs = await new.accept()
                await session.opened()
                theirs.begin_close()
                # Its Delete arrives while the client asks for the further Child SA.
                while not session.lost_because:
                    await asyncio.sleep(0)
                await session.opened()
                assert session.open
                await new.accept()

    run(main)
