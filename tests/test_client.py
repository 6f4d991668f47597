# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients, servers and sessions of asyncio programs, over real sockets on loopback. Nothing waits for a fixed time."""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
import traceback
from collections import Counter
from typing import Any

import pytest
from scapy.layers.inet import IP

from fynx_scapy import ChildConfig, DropReason, Endpoint, IpsecClient, IpsecSession, Retransmission
from fynx_scapy.errors import (
    ConfigError,
    FynxError,
    LocalError,
    MalformedError,
    PeerError,
    SessionClosed,
    Timeout,
    Unreachable,
)  # fmt: skip
from fynx_scapy.events import ChildSaRekeyed, EspReceived, EventsDropped, IkeSaRekeyed, Reconnecting, SaDeleted
from fynx_scapy.ike.basics.randomness import SystemRandomness
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.net import AioNetwork, echo_request
from fynx_scapy.net.udp import free_ports
from tests.aio import BOB, FREE, HERE, PING, PONG, alice, run, serving, tunnel


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


# Packets


def test_packets_that_no_child_sa_takes() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            with pytest.raises(LocalError, match="traffic selectors"):
                await ours.send_packet(echo_request("10.1.0.1", "10.9.0.1"))
            with pytest.raises(MalformedError):
                await ours.send_packet(b"no packet")
            assert ours.endpoint.counts.drops[DropReason.NO_POLICY] == 1
            # They hold up nothing.
            await ours.send_packets([PING] * 3)
            assert await theirs.recv_packets() == [PING] * 3

    run(main)


@pytest.mark.parametrize(
    ("wrong", "error", "reason"),
    [
        (echo_request("10.1.0.1", "10.9.0.1"), LocalError, DropReason.NO_POLICY),
        (b"no packet", MalformedError, DropReason.INNER_MALFORMED),
    ],
)
def test_one_of_many_that_cannot_be_sent(wrong: bytes, error: type[FynxError], reason: DropReason) -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            for more in (0, 100):  # in the first batch, in a later one
                sent = [PING, *[PING] * more, wrong, PING]
                with pytest.raises(error):
                    await ours.send_packets(sent)
                await theirs.network.until(lambda: len(theirs.inbox) == more + 2, limit=2)  # noqa: B023
                assert await theirs.recv_packets(200) == [PING] * (more + 2)
            assert ours.counters.packets_out == theirs.counters.packets_in == 104
            assert ours.counters.bytes_out == theirs.counters.bytes_in == 104 * len(PING)
            assert ours.endpoint.counts.drops == {reason: 2}

    run(main)


def test_the_child_sa_of_a_flow_changes() -> None:
    """A narrower Child SA takes a flow over while it exists, and a rekeyed one takes over for good."""

    async def main() -> None:
        config = BOB.replace(children=(*BOB.children, ChildConfig(local_ts="10.2.0.1", remote_ts="10.1.0.1")))
        async with tunnel(config) as (ours, theirs):
            wide = ours.children[0]

            async def used() -> ChildSa:
                before = {child: child.outbound.packets for child in ours.children}
                await ours.send_packet(PING)
                await ours.send_packets([PING] * 3)
                assert await theirs.recv_packet() == PING
                (found,) = [child for child in ours.children if child.outbound.packets == before[child] + 4]
                return found

            assert await used() is wide
            narrow = await ours.create_child(ChildConfig(local_ts="10.1.0.1", remote_ts="10.2.0.1"))
            assert await used() is narrow
            await ours.delete_child(narrow)
            assert await used() is wide
            await ours.rekey(child=wide, ike=True)
            assert await used() is not wide
            assert not ours.endpoint.counts.drops

    run(main)


def test_packets_are_sent_in_every_turn_of_a_rekey(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after an IKE SA has given its Child SAs to its successor, and before the session is told."""
    sessions: list[IpsecSession] = []
    ready, sent = AioNetwork._ready, Counter[IpsecSession]()

    def read_and_send(network: AioNetwork) -> None:
        ready(network)
        for session in sessions:
            if session.network is network and sent[session] < 200:
                with pytest.raises(StopIteration):
                    session.send_packet(PING if session is sessions[0] else PONG).send(None)
                sent[session] += 1

    async def main() -> None:
        async with tunnel() as (ours, theirs):
            sessions.extend((ours, theirs))
            for _ in range(3):
                await ours.rekey()
                await theirs.rekey()
            await ours.network.until(lambda: sum(sent.values()) == 400)
            for one, other in ((ours, theirs), (theirs, ours)):
                await one.network.until(lambda: one.counters.packets_in == sent[other], limit=2)  # noqa: B023
                assert not one.endpoint.counts.drops

    monkeypatch.setattr(AioNetwork, "_ready", read_and_send)
    run(main)


def test_iterating_over_packets_ends_with_the_session() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            await ours.send_packets([PING] * 100)
            await ours.close()
            # What came before the end can be read after it.
            assert [packet async for packet in theirs] == [PING] * 100
            assert theirs.take() is None
            for _ in range(2):
                with pytest.raises(SessionClosed) as closed:
                    await theirs.recv_packet()
            assert closed.value.code == "closed.by-peer"
            assert len(traceback.extract_tb(closed.tb)) < 10
            with pytest.raises(SessionClosed):
                await ours.send_packet(PING)
            with pytest.raises(SessionClosed):
                await ours.rekey()
            assert [event async for event in ours.events()] == []

    run(main)


def test_a_reader_that_falls_behind() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            theirs.inbox.most = 150
            await ours.send_packets([PING] * 200)
            await theirs.network.until(lambda: theirs.counters.packets_in + theirs.counters.dropped_in == 200)
            assert theirs.endpoint.counts.drops[DropReason.INBOX_FULL] == theirs.counters.dropped_in == 50
            assert len(await theirs.recv_packets(1000)) == 150

    run(main)


def test_senders_wait_for_room_in_the_kernel() -> None:
    full = False

    class Full(socket.socket):
        """A socket whose buffer is full when the test says so."""

        def sendmsg(self, *arguments: Any) -> int:
            if full:
                raise BlockingIOError
            return super().sendmsg(*arguments)

    def open_full(family: int, kind: int, protocol: int) -> socket.socket:
        return Full(family, kind, protocol)

    async def main() -> None:
        nonlocal full
        async with (
            serving() as server,
            IpsecClient(alice(server), native=False, open_socket=open_full) as client,
        ):
            ours = await client.connect()
            theirs = await server.accept()

            async def stuck() -> asyncio.Task[None]:
                sending = asyncio.create_task(ours.send_packets([PING] * 1000))
                for _ in range(20):
                    await asyncio.sleep(0)
                assert not sending.done()
                return sending

            full = True
            sending = await stuck()
            assert ours.counters.packets_out < 1000
            full = False
            await sending
            await theirs.network.until(lambda: theirs.counters.packets_in == 1000)
            # Nobody waits for what is still there when the socket is closed.
            full = True
            sending = await stuck()
            client.network.close()
            with pytest.raises(LocalError):
                await sending

    run(main)


def test_many_tunnels_of_one_client() -> None:
    async def main() -> None:
        async with serving() as server, serving() as other:
            nets = [ChildConfig(local_ts=f"10.1.{n}.0/24", remote_ts=f"10.2.{n}.0/24") for n in range(4)]
            configs = [
                alice(server if n % 2 else other, children=net, local_id=f"alice-{n}") for n, net in enumerate(nets)
            ]
            async with IpsecClient(configs, native=False) as client:
                await asyncio.gather(*map(client.connect, configs))
                theirs = [await (server if n % 2 else other).accept() for n in (0, 2, 1, 3)]
                theirs.sort(key=lambda session: str(session.remote_id))
                pings = [echo_request(f"10.1.{n}.1", f"10.2.{n}.1") for n in range(4)]
                for n, ping in enumerate(pings):
                    await client.send_packet(ping)
                    assert await theirs[n].recv_packet() == ping
                    await theirs[n].send_packets([echo_request(f"10.2.{n}.1", f"10.1.{n}.1")] * 3)
                await client.network.until(lambda: sum(each.counters.packets_in for each in client.sessions) == 12)
                got = [await client.recv_packet() for _ in range(12)]
                assert len(set(got[:4])) == 4, "each session has its turn"
                with pytest.raises(LocalError, match="selectors"):
                    await client.send_packet(PING.replace(bytes([10, 2, 0, 1]), bytes([10, 9, 0, 1])))
                before = {session.sa for session in client.sessions}
                await client.rekey()
                assert not before & {session.sa for session in client.sessions}
                for session in client.sessions:
                    await session.close()
                with pytest.raises(LocalError, match="open session"):
                    await client.recv_packet()
                assert len(client.endpoints) == 1
            with pytest.raises(LocalError, match="shut down"):
                await client.connect()

    run(main)


def test_sessions_whose_selectors_overlap() -> None:
    """A packet that is sent on a session leaves on a Child SA of that session, whatever others would take it."""

    async def main() -> None:
        async with serving() as server:
            configs = [alice(server, local_id=f"alice-{n}") for n in range(3)]
            async with IpsecClient(configs, native=False) as client:
                ours = [await client.connect(config) for config in configs]
                theirs = [await server.accept() for _ in ours]
                for _ in range(2):
                    for one, other in zip(ours, theirs, strict=True):
                        await one.send_packet(PING)
                        assert await other.recv_packet() == PING
                        await other.send_packets([PONG, PONG])
                        assert await one.recv_packet() == PONG
                        assert await one.recv_packet() == PONG
                    await ours[1].rekey()

    run(main)


class ReusedSpi:
    """Randomness that draws the same SPI always."""

    def __init__(self, spi: bytes) -> None:
        self._spi, self._others = spi, SystemRandomness()
        self.uniform = self._others.uniform

    def octets(self, count: int) -> bytes:
        """The SPI, or other random octets."""
        return self._spi if count == 8 else self._others.octets(count)


def test_a_peer_that_takes_one_of_our_spis() -> None:
    """A hostile server names its IKE SA like ours with another server. It gets none, and the other one stays."""

    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            good = await client.connect()
            hostile = Endpoint(HERE, BOB, config=FREE, randomness=ReusedSpi(good.sa.own_spi))
            client.network.add(hostile, "hostile", native=False)
            where = hostile.config
            with pytest.raises(Timeout):
                await client.connect(alice(server, remote=(HERE, where.port), remote_natt_port=where.natt_port))
            assert [sa.spi_r for sa in hostile.sas.values()] == [good.sa.spi_i]
            assert client.sessions == (good,)
            await good.rekey()
            await good.send_packet(PING)
            assert await (await server.accept()).recv_packet() == PING

    run(main)


# Events


def test_a_reader_of_events_that_falls_behind() -> None:
    async def main() -> None:
        async with tunnel() as (ours, _):
            events = ours.events()
            for attempt in range(1200):
                ours.report(Reconnecting(ours.network.now, attempt=attempt, wait=1.0, code="timeout", reason="nobody"))
            await ours.close()
            told = [event async for event in events]
            assert isinstance(told[0], EventsDropped)
            assert dict(told[0].kinds)["Reconnecting"] > 200
            assert len(told) < 1000
            assert sum(number for _, number in told[0].kinds) + len(told) - 1 > 1200
            assert isinstance(told[-1], SaDeleted)

    run(main)


def test_a_reader_of_events_that_wants_no_more() -> None:
    async def main() -> None:
        async with tunnel() as (ours, _):
            events, others = ours.events(), ours.events()
            await ours.check()
            await events.aclose()
            await events.aclose()
            assert [event async for event in events] == []
            await ours.close()
            assert len([event async for event in others]) > 2

    run(main)


def test_esp_packets_are_events_only_where_they_are_wanted() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            seen: list[object] = []
            told = theirs.events()
            with theirs.network.subscribe(lambda _, event: seen.append(type(event))):
                await ours.send_packet(PING)
                await theirs.network.until(lambda: bool(seen))
            await ours.send_packet(PING)
            await theirs.recv_packets(2)
            assert seen == [EspReceived]
            await ours.close()
            assert EspReceived not in [type(event) async for event in told]

    run(main)


# Time


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_handshake_is_quick(loop: str) -> None:
    """The median of many is below 10 ms. The processor's time counts, which other load does not make longer."""

    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            times = []
            for _ in range(60):
                begun = time.process_time()
                session = await client.connect()
                times.append(time.process_time() - begun)
                await session.close()
            assert statistics.median(times) < 0.05

    run(main, loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_nothing_listens(loop: str) -> None:
    """ICMP says it once, and we go on; it says it again, and we do not wait for the last retransmission."""

    async def main() -> None:
        config = BOB.replace(remote=(HERE, free_ports(HERE)[0]), retransmission=Retransmission(timeout=0.05, tries=12))
        async with IpsecClient(config) as client:
            with pytest.raises(Unreachable, match=f"nothing listens at {HERE}"):
                await client.connect()
            assert client.sessions == ()

    run(main, loop, seconds=5)


@pytest.mark.parametrize("wrong", ["text", None, 7, bytearray(PING), IP(PING)])
def test_what_is_no_bytes_is_no_packet(wrong: Any) -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs):
            for sending in (ours.send_packet(wrong), ours.send_packets([PING, wrong])):
                with pytest.raises(
                    LocalError, match=f"expected an inner packet as bytes, found {type(wrong).__name__}"
                ):
                    await sending
            with pytest.raises(LocalError, match="as bytes, found int"):
                await ours.send_packets(PING)  # type: ignore[arg-type]
            await ours.send_packet(PING)
            assert await theirs.recv_packet() == PING

    run(main)


def test_arguments_of_another_kind() -> None:
    async def main() -> None:
        async with tunnel() as (ours, _), IpsecClient(BOB) as client:
            calls: tuple[Any, ...] = (ours.create_child, ours.delete_child, client.connect)
            for call in calls:
                with pytest.raises(ConfigError, match=f"expected .*{call.__name__}.* to be an? .*, found 'office'"):
                    await call("office")

    run(main)


def test_a_packet_outside_of_the_selectors_is_named() -> None:
    async def main() -> None:
        async with tunnel() as (ours, _):
            with pytest.raises(LocalError, match=r"found 10\.9\.0\.1 > 10\.2\.0\.1, protocol 1$"):
                await ours.send_packet(echo_request("10.9.0.1", "10.2.0.1"))

    run(main)


def test_another_event_loop() -> None:
    """A session that another event loop uses raises, instead of waiting for what this loop never hears of."""

    async def elsewhere(client: IpsecClient, session: IpsecSession) -> None:
        calls = (session.send_packet(PING), session.recv_packet(), session.rekey(), client.connect(), client.shutdown())
        for call in calls:
            with pytest.raises(LocalError, match="expected the event loop in which the network was first used"):
                await asyncio.wait_for(call, 5)

    async def main() -> None:
        async with serving() as server, IpsecClient(alice(server), native=False) as client:
            session = await client.connect()
            await asyncio.to_thread(asyncio.run, elsewhere(client, session))
            await session.rekey()

    run(main, "asyncio")
