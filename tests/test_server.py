# SPDX-License-Identifier: GPL-2.0-or-later
"""A server of asyncio programs: whom it accepts, what it does without its user, and what does not end it."""

from __future__ import annotations

import asyncio
import os
import random
import socket

import pytest

from fynx_scapy import (
    ChildConfig,
    ConfigReply,
    ConfigRequest,
    DeadPeerDetection,
    EndpointConfig,
    IpsecClient,
    IpsecServer,
    Lifetime,
    Limits,
)
from fynx_scapy.errors import (
    AddressInUse,
    AddressUnknown,
    ConfigError,
    LocalError,
    NoPrivilege,
    PeerError,
    SessionClosed,
)
from fynx_scapy.events import IkeSaRekeyed, PeerDead, SaDeleted
from fynx_scapy.net import AioNetwork, echo_request
from tests.aio import BOB, FREE, HERE, PING, PONG, QUICK, alice, run, serving, tunnel

# Accepting


def test_sessions_are_accepted_in_order() -> None:
    async def main() -> None:
        async with serving() as server:
            names = [f"client-{number}" for number in range(5)]
            async with IpsecClient([alice(server, local_id=name) for name in names], native=False) as client:
                for config in client.configs:
                    await client.connect(config)
                accepted = [await server.accept() for _ in names]
                assert [str(session.remote_id) for session in accepted] == names
                assert accepted == list(server.sessions)
                assert repr(server) == f"<IpsecServer {server.addresses[0]}, 5 sessions>"

    run(main)


@pytest.mark.parametrize("what", ["ike", "child"])
def test_a_packet_that_comes_with_the_end_of_a_rekey_is_answered(what: str) -> None:
    """The IKE SA has a successor before the session is told so, and the answer leaves through that one."""

    async def main() -> None:
        async with tunnel() as (ours, theirs):

            async def answer() -> None:
                async for _ in theirs:
                    await theirs.send_packet(PONG)

            async def ask() -> int:
                sent = 0
                while not rekey.done():
                    await ours.send_packet(PING)
                    sent += 1
                    await asyncio.sleep(0)
                return sent

            async with asyncio.TaskGroup() as tasks:
                answers = tasks.create_task(answer())
                for _ in range(3):
                    rekey = tasks.create_task(ours.rekey(ike=what == "ike", child=what == "child"))
                    for _ in range(await ask()):
                        assert await ours.recv_packet() == PONG
                await ours.close()
                await answers

    run(main)


def test_iterating_ends_when_the_server_is_closed() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            seen = []

            async def take() -> None:
                async for session in server:
                    seen.append(session)

            taking = asyncio.create_task(take())
            await client.connect()
            await client.connect()
            await server.close()
            await taking
            assert len(seen) == 2
            assert all(session.reason.code == "closed.by-us" for session in seen)
            with pytest.raises(LocalError, match="closed"):
                await server.accept()
            with pytest.raises(LocalError, match="closed"):
                await server.bind()

    run(main)


def test_too_many_wait_to_be_accepted() -> None:
    async def main() -> None:
        async with serving(backlog=2) as server, IpsecClient(alice(server), native=False) as client:
            sessions = [await client.connect() for _ in range(2)]
            # HDR, SK {IDi, AUTH, …}  -->   <--  HDR, SK {IDr, AUTH, …}   <--  HDR, SK {D}
            with pytest.raises(SessionClosed, match="deleted by the peer"):
                await client.connect()
            assert server.refused == 1
            # One that ends before it is accepted makes room.
            await sessions[0].close()
            await client.connect()
            assert [session.open for session in (await server.accept(), await server.accept())] == [True, True]

    run(main)


def test_a_peer_that_reauthenticates() -> None:
    """By default its new IKE SA is a session of its own; a server may also have one session for each peer."""

    async def main() -> None:
        for unique in (False, True):
            async with serving(unique=unique) as server, IpsecClient(alice(server), native=False) as client:
                ours = await client.connect()
                theirs = await server.accept()
                with client.network.acting():
                    ours.sa.reauthenticate()
                old = ours.sa
                await ours.send_packet(PING)
                assert await theirs.recv_packet() == PING
                await client.network.until(lambda old=old, ours=ours: ours.sas and old not in ours.sas)  # type: ignore[misc]
                assert ours.open
                assert theirs.open is unique
                now = theirs if unique else await server.accept()
                await ours.send_packet(PING)
                assert await now.recv_packet() == PING
                await now.send_packet(PONG)
                assert await ours.recv_packet() == PONG

    run(main)


def test_a_peer_that_chooses_an_spi_of_another_endpoint_of_ours() -> None:
    """SPIs are unique at one endpoint only, and a peer may read those of others on the wire."""

    async def main() -> None:
        async with serving() as good, serving(local="::1") as evil, IpsecClient(native=False) as client:
            victim, other = await client.connect(alice(good)), await client.connect(alice(evil))
            assert len(client.endpoints) == 2
            theirs = await evil.accept()
            evil.endpoint.router.new_spi = lambda: victim.sa.own_spi  # type: ignore[method-assign]
            await theirs.rekey(ike=True)
            assert other.sa.spi_i == victim.sa.own_spi
            await theirs.close()
            await other.wait_closed()
            await victim.send_packet(PING)
            assert await (await good.accept()).recv_packet() == PING

    run(main)


@pytest.mark.parametrize("loop", ["virtual", "uvloop"])
def test_the_clock_of_an_endpoint_does_not_run_backwards(loop: str) -> None:
    """A reader that answers is woken in the middle of a turn of the event loop, long after it sent before."""

    async def main() -> None:
        async with tunnel() as (ours, theirs):
            for _ in range(2):
                await ours.send_packet(PING)
                await theirs.recv_packet()
                received = theirs.endpoint.now
                await theirs.send_packet(PONG)
                assert theirs.sa.last_sent >= received
                await ours.recv_packet()
                await asyncio.sleep(100 if loop == "virtual" else 0)

    run(main, loop)


def test_reload() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            before = await client.connect()
            server.reload(BOB.replace(auth="new"))
            with pytest.raises(PeerError):
                await client.connect()
            await client.connect(alice(server, auth="new"))
            with pytest.raises(ConfigError):
                server.reload([])
            assert before.open
            await before.rekey()

    run(main)


def test_assigned_addresses() -> None:
    async def main() -> None:
        pool = BOB.replace(
            cp_reply=ConfigReply(pool="10.1.7.0/24"),
            children=ChildConfig(local_ts="10.2.0.0/16", remote_ts="0.0.0.0/0"),
        )
        async with serving(pool) as server:
            child = ChildConfig(local_ts="0.0.0.0/0", remote_ts="10.2.0.0/16")
            config = alice(server, children=child, cp_request=ConfigRequest())
            async with IpsecClient(config, native=False) as client:
                sessions = [await client.connect() for _ in range(3)]
                theirs = [await server.accept() for _ in sessions]
                assert [session.addresses for session in sessions] == [session.addresses for session in theirs]
                assert len({session.addresses for session in sessions}) == 3
                # Policy sends what is for a client on its session.
                for session in sessions:
                    packet = echo_request("10.2.0.1", session.addresses[0])
                    (server_side,) = (each for each in theirs if each.addresses == session.addresses)
                    await server_side.send_packet(packet)
                    assert await session.recv_packet() == packet
                    await client.send_packet(echo_request(session.addresses[0], "10.2.0.1"))
                    assert (await server_side.recv_packet())[12:16] == socket.inet_aton(session.addresses[0])

    run(main)


# Without its user


def test_lifetimes_dead_peers_and_what_is_lost() -> None:
    """Two hours of rekeys that nobody asked for, then a client that is killed."""
    life = Lifetime(soft=Limits(seconds=600), hard=Limits(seconds=900))

    async def main() -> None:
        config = BOB.replace(lifetime=life, dpd=DeadPeerDetection(interval=30, retransmission=QUICK))
        async with serving(config) as server:
            client = IpsecClient(alice(server), native=False)
            ours = await client.connect()
            theirs = await server.accept()
            events = theirs.events()
            for _ in range(120):
                await asyncio.sleep(60)
                await ours.send_packet(PING)
                assert await theirs.recv_packet() == PING
            assert theirs.counters.ike_rekeys >= 8
            assert theirs.counters.packets_in == 120
            client.network.close()
            await theirs.wait_closed()
            assert theirs.reason.code == "closed.peer-dead"
            kinds = [type(event) async for event in events]
            assert kinds.count(PeerDead) == 1
            assert kinds[-1] is SaDeleted
            assert IkeSaRekeyed in kinds
            await client.shutdown()

    run(main)


def test_a_child_sa_reaches_its_packets() -> None:
    async def main() -> None:
        few = Lifetime(soft=Limits(packets=20), hard=Limits(packets=1000))
        child = BOB.children[0].replace(lifetime=few)
        async with tunnel(BOB.replace(children=child)) as (ours, theirs):
            for _ in range(100):
                await theirs.send_packet(PONG)
                assert await ours.recv_packet() == PONG
            assert theirs.counters.child_rekeys >= 4

    run(main)


# What does not end it


def test_hostile_datagrams() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            ours = await client.connect()
            theirs = await server.accept()
            spi, chance = theirs.children[0].inbound.spi.to_bytes(4), random.Random(7)
            ike = theirs.sa.spi_i + theirs.sa.spi_r
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for number in range(600):
                    octets = chance.randbytes(chance.choice((0, 1, 4, 8, 27, 28, 60, 300, 1400)))
                    start = chance.choice((b"", bytes(4), bytes(4) + ike, spi, spi + bytes(4), b"\xff"))
                    for address in server.endpoint.hosts:
                        for port in (server.endpoint.config.port, server.endpoint.config.natt_port):
                            stranger.sendto(start + octets, (address, port))
                    if number % 50 == 0:
                        await ours.send_packet(PING)
                        assert await theirs.recv_packet() == PING
            assert not server.network.failures
            assert sum(server.endpoint.counts.drops.values()) > 600
            assert (await client.connect()).open

    run(main)


def test_an_error_of_a_listener_ends_nothing() -> None:
    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            failures: list[str] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(str(told["message"])))

            def listen(*_: object) -> None:
                raise ValueError("a bug of the user")

            with server.network.subscribe(listen):
                await client.connect()
            assert any("ValueError in a listener" in failure for failure in failures)
            assert (await server.accept()).open

    run(main)


# Bad input


def test_an_address_in_use() -> None:
    async def main() -> None:
        async with serving() as server:
            with pytest.raises(AddressInUse, match="another program uses"):
                await IpsecServer(BOB, local=HERE, endpoint=server.endpoint.config, native=False).bind()

    run(main)


def test_an_address_of_another_machine() -> None:
    async def main() -> None:
        with pytest.raises(AddressUnknown):
            await IpsecServer(BOB, local="192.0.2.1", endpoint=FREE).bind()

    run(main)


def test_a_port_without_privilege() -> None:
    def refused(family: int, kind: int, protocol: int) -> socket.socket:
        class Unprivileged(socket.socket):
            def bind(self, address: object) -> None:
                raise PermissionError(13, os.strerror(13))

        return Unprivileged(family, kind, protocol)

    async def main() -> None:
        with pytest.raises(NoPrivilege):
            await IpsecServer(BOB, local=HERE, open_socket=refused).bind()

    run(main)


def test_misuse() -> None:
    with pytest.raises(ConfigError, match=r"IpsecServer\.configs"):
        IpsecServer([], local=HERE)
    with pytest.raises(ConfigError, match=r"IpsecServer\.backlog"):
        IpsecServer(BOB, local=HERE, backlog=0)
    with pytest.raises(ConfigError, match="IP address"):
        IpsecServer(BOB, local="nowhere")
    with pytest.raises(ConfigError, match="IkeConfig"):
        IpsecClient("not a configuration")  # type: ignore[arg-type]

    async def main() -> None:
        with pytest.raises(LocalError, match="bind"):
            await IpsecServer(BOB, local=HERE).accept()
        with pytest.raises(LocalError, match=r"IkeConfig\.remote"):
            await IpsecClient(BOB).connect()
        with pytest.raises(LocalError, match="configuration"):
            await IpsecClient().connect()

    run(main)


def test_one_network_for_several() -> None:
    async def main() -> None:
        async with AioNetwork() as network:
            settings = EndpointConfig(port=0, natt_port=0, marker_always=True)
            server = IpsecServer(BOB, local=HERE, endpoint=settings, network=network, native=False)
            await server.bind()
            async with IpsecClient(alice(server), network=network, native=False) as client:
                session = await client.connect()
                await session.send_packet(PING)
                assert await (await server.accept()).recv_packet() == PING
            assert not network.closed
            assert list(network.hosts) == ["server"]
            await server.close()
            assert not network.hosts

    run(main)
