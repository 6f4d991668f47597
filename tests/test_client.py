# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients, servers and sessions of asyncio programs, over real sockets on loopback. Nothing waits for a fixed time."""

from __future__ import annotations

import pytest

from fynx_scapy import IpsecClient
from fynx_scapy.errors import PeerError, SessionClosed, Timeout
from fynx_scapy.events import ChildSaRekeyed, IkeSaRekeyed, SaDeleted
from fynx_scapy.net.udp import free_ports
from tests.aio import HERE, PING, PONG, alice, run, serving, tunnel


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_whole_conversation(loop: str) -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            events = ours.events()
            assert (str(theirs.local_id), str(theirs.remote_id)) == ("bob", "alice")
            # ESP  -->   <--  ESP
            await ours.send_packet(PING)
            assert await theirs.recv_packet() == PING
            await theirs.send_packet(PONG)
            assert await ours.recv_packet() == PONG
            # CREATE_CHILD_SA twice, each with the Delete of what it replaces
            spi, child = ours.sa.spi_i, ours.children[0]
            await ours.rekey()
            assert (ours.sa.spi_i == spi, ours.children[0] is child) == (False, False)
            await theirs.send_packet(PONG)
            assert await ours.recv_packet() == PONG
            # HDR, SK {D}  -->   <--  HDR, SK {}
            await ours.close()
            await theirs.wait_closed()
            assert theirs.reason is not None
            assert theirs.reason.code == "closed.by-peer"
            seen = [type(event) for event in [event async for event in events]]
            assert [seen.count(kind) for kind in (IkeSaRekeyed, ChildSaRekeyed)] == [1, 1]
            assert seen[-1] is SaDeleted
            assert (ours.counters.packets_in, ours.counters.packets_out, ours.counters.bytes_out) == (2, 1, len(PING))
            assert (ours.counters.ike_rekeys, ours.counters.child_rekeys) == (1, 1)

    run(main, loop)


def test_the_server_may_rekey_and_close() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            await theirs.rekey()
            await ours.send_packet(PING)
            assert await theirs.recv_packet() == PING
            await theirs.close()
            with pytest.raises(SessionClosed, match="deleted by the peer"):
                await ours.recv_packet()

    run(main)


def test_a_wrong_key() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server, auth="wrong"), native=False) as client:
            with pytest.raises(PeerError, match="AUTHENTICATION_FAILED"):
                await client.connect()
            assert not client.sessions
            assert not server.sessions

    run(main)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_nobody_is_there(loop: str) -> None:
    """ICMP says so, which is a hint only; and a socket with an ICMP error in its queue is read on."""

    async def main() -> None:
        async with serving() as server:
            nobody = alice(server, remote=(HERE, free_ports(HERE)[0]))
            async with IpsecClient(alice(server), native=False) as client:
                with pytest.raises(Timeout):
                    await client.connect(nobody)
                assert (await client.connect()).open

    run(main, loop)


def test_the_child_sa_is_refused() -> None:
    async def main() -> None:
        async with serving() as server:
            child = alice(server).children[0].replace(remote_ts="10.9.0.0/16")
            async with IpsecClient(alice(server, children=child), native=False) as client:
                with pytest.raises(PeerError, match="TS_UNACCEPTABLE"):
                    await client.connect()

    run(main)
