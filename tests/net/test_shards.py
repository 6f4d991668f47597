# SPDX-License-Identifier: GPL-2.0-or-later
"""Several workers on the same ports: each packet reaches the one whose SPI it has."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy import IpsecServer, IpsecSession
from fynx_scapy.errors import AddressInUse, ConfigError, LocalError, UnexpectedError
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Retransmission
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.net import offload, steering
from fynx_scapy.net.aio import AioNetwork
from fynx_scapy.net.echo import echo_reply, echo_request
from fynx_scapy.net.shard import Shard
from fynx_scapy.net.shards import Shards
from fynx_scapy.net.sockets import UdpPort
from fynx_scapy.net.udp import UdpNetwork, free_ports

HOSTS = ["127.0.0.1", "::1"]
PORTS = EndpointConfig(port=0, natt_port=0, marker_always=True)
CHILD = ChildConfig(local_ts="10.2.0.0/16", remote_ts="10.1.0.0/16")
SERVER = IkeConfig(auth="secret", local_id="gateway", children=(CHILD,), force_encapsulation=True,
                   retransmission=Retransmission(timeout=30.0, tries=1))  # fmt: skip
"""Patient, because a request that a busy machine sends again is dropped, and the tests count drops."""
CLIENT = SERVER.replace(
    local_id="client", remote_id="gateway",
    children=(CHILD.replace(local_ts=CHILD.remote_ts, remote_ts=CHILD.local_ts),),
)  # fmt: skip


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[Shards]:
    host, workers = getattr(request, "param", ("127.0.0.1", 3))
    with Shards(host, PORTS, workers=workers, native=False) as shards:
        yield shards


def ports(shards: Shards) -> list[list[UdpPort]]:
    """The workers' ports, opened as their networks open them."""
    return [
        [
            UdpPort(host, number, shard.open_socket, marker_always=True)
            for host in shard.hosts
            for number in (shard.config.port, shard.config.natt_port)
        ]
        for shard in shards.shards
    ]


# Who gets a packet


@pytest.mark.parametrize("host", HOSTS)
def test_the_kernel_chooses_as_we_do(host: str) -> None:
    """Ports without the marker, with it, and where the peer's port decides; IKE messages, ESP packets, and anything."""
    spis = st.binary(min_size=8, max_size=8) | st.just(bytes(8))
    ike = st.tuples(spis, spis, st.sampled_from([b"\x21\x20\x22\x08", b"\x21\x20\x22\x20", b"\x2e\x20\x23\x00"]))
    payloads = st.binary(max_size=40) | ike.map(lambda parts: b"".join(parts) + bytes(8))

    with ExitStack() as stack:
        sender = {
            always: stack.enter_context(closing(UdpPort(host, 4500 if always is None else 0)))
            for always in (True, False, None)
        }
        configs = {always: PORTS.replace(marker_always=bool(always)) for always in sender}
        groups = {
            always: stack.enter_context(Shards(host, config, workers=3, native=False))
            for always, config in configs.items()
        }

        @given(payloads, st.booleans())
        def chosen(payload: bytes, marked: bool) -> None:
            data = bytes(4) * marked + payload
            for always, shards in groups.items():
                there = Address(host, shards.shards[0].config.port)
                sender[always].socket.sendto(data, there)
                datagram = Datagram.from_udp(data, there, sender[always].address, marker_always=bool(always))
                socks = [shard.bound[socket.SOCK_DGRAM, there] for shard in shards.shards]
                readable = select.select(socks, [], [], 2)[0]
                assert [sock.recv(100) for sock in readable] == [data]
                assert socks.index(readable[0]) == steering.owner(datagram.data, datagram.kind, 3)

        chosen()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.skipif(os.geteuid() != 0, reason="IP protocol 50 needs raw sockets: run as root")
def test_each_worker_gets_its_esp_packets_only(host: str) -> None:
    with Shards(host, PORTS, workers=3) as shards, ExitStack() as stack:
        sender = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                                                   socket.SOCK_RAW, 50))  # fmt: skip
        socks = [shard.bound[socket.SOCK_RAW, Address(host, 0)] for shard in shards.shards]
        for spi in (256, 257, 258, 0xFFFFFFFF, 0x80000000):
            sender.sendto(spi.to_bytes(4) + b"esp", (host, 0))
            assert select.select(socks, [], [], 2)[0] == [socks[spi % 3]]
            assert socks[spi % 3].recv(100).endswith(spi.to_bytes(4) + b"esp")


def test_without_the_privilege_there_is_no_protocol_50() -> None:
    def unprivileged(family: int, kind: int, protocol: int) -> socket.socket:
        if kind == socket.SOCK_RAW:
            raise PermissionError(1, "Operation not permitted")
        return socket.socket(family, kind, protocol)

    with Shards("127.0.0.1", PORTS, workers=2, open_socket=unprivileged) as shards:
        assert "CAP_NET_RAW" in shards.refused
        endpoint = Endpoint("127.0.0.1", config=shards.shards[0].config)
        with UdpNetwork(shard=shards.shards[0]) as network:
            network.add(endpoint, "bob")
            assert not network.native("bob")


def esp(spi: int) -> bytes:
    return spi.to_bytes(4).ljust(100, b"\xee")


@pytest.mark.parametrize("group", [(host, 3) for host in HOSTS], indirect=True)
def test_what_the_kernel_joins_for_several_workers_is_handed_over(group: Shards) -> None:
    workers = ports(group)
    with ExitStack() as stack:
        for port in (port for opened in workers for port in opened):
            stack.callback(port.close)
        sender = stack.enter_context(closing(UdpPort(group.hosts[0], 0)))
        # ESP for all three, an IKE message for the second one, a keepalive
        ike = bytes(4) + (bytes(7) + b"\1" + bytes(11) + b"\x20").ljust(96, b".")
        datagrams = [*(esp(0x30000 + number) for number in (0, 1, 2, 0, 1)), ike, b"\xff"]
        there = Address(group.hosts[0], group.shards[0].config.natt_port)
        sender._submit(datagrams, [offload.segmented(100)], there)
        assert select.select([workers[0][1]], [], [], 2)[0]
        first, *others = group.shards
        kept = [ours for item in workers[0][1].receive() if (ours := first.keep(item))]
        assert [item.packets if isinstance(item, Burst) else item.wire for item in kept] == [
            [esp(0x30000), esp(0x30000)],
            b"\xff",
        ]
        handed = [list(shard.handed_over()) for shard in others]
        assert [[datagram.wire for datagram in arrived] for arrived in handed] == [
            [esp(0x30001), esp(0x30001), ike],
            [esp(0x30002)],
        ]
        assert {(datagram.local, datagram.remote) for arrived in handed for datagram in arrived} == {
            (there, sender.address)
        }
        # A worker that does not read does not hold up the others.
        for _ in range(2000):
            first.keep(Datagram(esp(0x30001), there, sender.address, DatagramKind.ESP_IN_UDP))
        assert 0 < first.lost < 2000


# SAs


class Gateway:
    """The workers of a group in threads of this process, which is all the same to the kernel."""

    def __init__(self, shards: Shards) -> None:
        self.networks = [UdpNetwork(shard=shard) for shard in shards.shards]
        self.ends = [Endpoint(shard.hosts, [SERVER], config=shard.config) for shard in shards.shards]
        for network, end in zip(self.networks, self.ends, strict=True):
            network.add(end, "gateway", echo=True, native=False)
            network.attend()

    def close(self) -> None:
        for network in self.networks:
            network.close()

    @property
    def sas(self) -> list[int]:
        """How many IKE SAs each worker has."""
        return [sum(sa.established for sa in end.sas.values()) for end in self.ends]


@pytest.mark.parametrize("group", [(host, 2) for host in HOSTS], indirect=True)
def test_a_peer_with_sas_at_every_worker(group: Shards) -> None:
    """One peer, from one pair of ports: handshakes, packets both ways, rekeys by either end."""
    config = group.shards[0].config
    with closing(Gateway(group)) as gateway, UdpNetwork() as network:
        client = Endpoint(group.hosts, config=PORTS)
        network.add(client, "client", native=False)
        base = CLIENT.replace(remote=Address(group.hosts[0], config.port), remote_natt_port=config.natt_port)
        sas: list[IkeSa] = []
        while min(gateway.sas) < 2:
            child = base.children[0].replace(local_ts=f"10.1.{len(sas)}.0/24")
            with network.acting() as now:
                sas.append(client.connect(base.replace(children=(child,)), now))
            assert network.run(lambda: sas[-1].established, limit=20)
        for end, shard in zip(gateway.ends, group.shards, strict=True):
            assert all(shard.share.has(sa.own_spi) for sa in end.sas.values())
            assert all(shard.share.has(spi.to_bytes(4)) for spi in end.children)

        def ping() -> None:
            pings = [echo_request(f"10.1.{number}.1", "10.2.0.1") for number in range(len(sas))] * 3
            inbox = network.host("client").inbox
            assert client.send_many(pings, network.now) == len(pings)
            assert network.run(lambda: len(inbox) == len(pings), limit=20)
            assert Counter(packet[16:20] for packet in inbox.drain()) == Counter(packet[12:16] for packet in pings)

        ping()
        for sa in sas:
            sa.rekey_child(next(iter(sa.children.values())))
            sa.rekey()
        assert network.run(lambda: all(sa.newest is not sa and sa.newest.established for sa in sas), limit=20)
        network.run()
        ping()
        for other in gateway.networks:
            with other.acting():
                for sa in [sa for sa in other.hosts["gateway"].endpoint.sas.values() if sa.established]:
                    sa.rekey()
        assert network.run(lambda: all(sa.newest is not sa.successor for sa in sas), limit=20)
        network.run()
        ping()
        drops = sum((end.counts.drops for end in (client, *gateway.ends)), Counter[str]())
        assert not drops


def test_what_cannot_be_handed_over_is_counted(group: Shards) -> None:
    shard = group.shards[0]
    endpoint = Endpoint(shard.hosts, config=shard.config)
    with UdpNetwork(shard=shard) as network, closing(UdpPort("127.0.0.1", 0, marker_always=True)) as sender:
        network.add(endpoint, "worker", native=False)
        there = Address("127.0.0.1", shard.config.natt_port)
        for _ in range(20):
            # To the first worker all of them, of which each second one is for the second worker, who does not read.
            packets = [esp(0x30000), esp(0x30001)] * 32
            sender.send_burst(Burst(packets, sender.address, there))
            network.run()
        lost = endpoint.counts.drops[DropReason.HANDOVER]
        assert 0 < lost < 20 * 32
        assert endpoint.counts.drops[DropReason.UNKNOWN_ESP_SPI] == 20 * 32


# Processes


async def _answer(shard: Shard) -> None:
    network = AioNetwork(shard=shard)
    async with IpsecServer(SERVER, local=shard.hosts, endpoint=shard.config, network=network, native=False) as server:
        tasks = []
        async for session in server:
            tasks.append(asyncio.create_task(_echo(session)))


async def _echo(session: IpsecSession) -> None:
    async with session:
        while True:
            await session.send_packet(echo_reply(await session.recv_packet()) or b"")


def answer(shard: Shard) -> None:
    """What a worker does: answer pings in every session."""
    asyncio.run(_answer(shard))


def fail(shard: Shard) -> None:
    """A worker that cannot work."""
    raise SystemExit(7)


def end(shard: Shard) -> None:
    """A worker that has nothing to do."""


@pytest.mark.slow
def test_workers_are_processes() -> None:
    """Two serve. One is killed and started again: its SAs are gone, and it serves anew. Both end with Deletes."""
    with Shards("127.0.0.1", PORTS, workers=2, native=False) as shards, UdpNetwork() as network:
        shards.start(answer)
        config = shards.shards[0].config
        client = Endpoint("127.0.0.1", config=PORTS)
        network.add(client, "client", native=False)
        base = CLIENT.replace(remote=Address("127.0.0.1", config.port), remote_natt_port=config.natt_port)

        def connect(owner: int, number: int) -> IkeSa:
            """An IKE SA with one of the workers."""
            child = base.children[0].replace(local_ts=f"10.1.{number}.0/24")
            with network.acting() as now:
                sa = client.connect(base.replace(children=(child,)), now)
            assert network.run(lambda: sa.established, limit=20)
            if shards.shards[owner].share.has(sa.spi_r):
                return sa
            sa.delete_ike()
            assert network.run(lambda: sa.state is State.CLOSED, limit=20)
            return connect(owner, number)

        def ping(number: int) -> None:
            inbox = network.host("client").inbox
            assert client.send(echo_request(f"10.1.{number}.1", "10.2.0.1"), network.now)
            assert network.run(lambda: len(inbox) == 1, limit=20)
            inbox.drain()

        first, second = connect(0, 0), connect(1, 1)
        ping(0)
        ping(1)
        for sa in (first, second):
            sa.rekey()
        assert network.run(lambda: first.newest.established and second.newest.established, limit=20)
        before = shards.pids
        os.kill(before[0], signal.SIGKILL)
        assert shards.wait(5)
        assert (shards.restarts, len(shards.pids), shards.pids[0] in before) == ({0: 1}, 2, True)
        ping(1)
        third = connect(0, 2)
        ping(2)
        shards.stop()
        # <--  HDR, SK {D}: from both workers
        assert network.run(lambda: second.newest.state is third.state is State.CLOSED, limit=20)
        assert not shards.pids


@pytest.mark.slow
def test_workers_that_end(group: Shards) -> None:
    def wait() -> None:
        while group.wait(10):
            pass

    group.start(fail)
    with pytest.raises(UnexpectedError, match=r"worker \d has ended 3 times right after its start.*status 7"):
        wait()
    group.stop()
    group.start(end)
    with pytest.raises(LocalError, match="not started yet"):
        group.start(end)
    wait()
    assert not group.pids


# What cannot be


def test_a_port_that_is_in_use() -> None:
    config = EndpointConfig(port=0, natt_port=0)
    with Shards("127.0.0.1", config, workers=2, native=False) as shards:
        with pytest.raises(AddressInUse):
            Shards("127.0.0.1", shards.shards[0].config, workers=2)
        with pytest.raises(AddressInUse):
            UdpPort("127.0.0.1", shards.shards[0].config.port)
        free = free_ports("127.0.0.1")[0]
        with pytest.raises(AddressInUse):
            Shards("127.0.0.1", config.replace(port=free, natt_port=shards.shards[0].config.port), workers=2)
        UdpPort("127.0.0.1", free).close()  # nothing stays open


def test_another_configuration_than_the_shards(group: Shards) -> None:
    with UdpNetwork(shard=group.shards[0]) as network, pytest.raises(ConfigError, match="spi_share"):
        network.add(Endpoint(group.hosts, config=group.shards[1].config))


@pytest.mark.parametrize("workers", [0, -1, 1025, 1.5, "2", None])
def test_numbers_of_workers(workers: Any) -> None:
    with pytest.raises(ConfigError, match="workers"):
        Shards("127.0.0.1", workers=workers)


def test_one_worker_needs_no_program() -> None:
    with Shards("127.0.0.1", PORTS, workers=1, native=False) as shards:
        assert shards.shards[0].config.spi_share == (0, 1)
