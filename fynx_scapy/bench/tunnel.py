# SPDX-License-Identifier: GPL-2.0-or-later
"""A tunnel over UDP loopback between two processes: throughput and processor time, with and without offload."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from fynx_scapy.bench.ends import INITIATOR, RESPONDER, inner
from fynx_scapy.bench.figures import Figure, at_least, at_most
from fynx_scapy.client import IpsecClient
from fynx_scapy.errors import Timeout
from fynx_scapy.ike.basics.inbox import Inbox
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.net.aio import AioNetwork
from fynx_scapy.net.shard import Shard
from fynx_scapy.net.shards import Shards, Work
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.server import IpsecServer

HOST = "127.0.0.1"
SERVER = RESPONDER.replace(remote_id=None, force_encapsulation=True)
PORTS = EndpointConfig(port=0, natt_port=0, marker_always=True)
GO, STOP = "go", "stop"
"""What the sender says to the other processes."""
OCTETS = 1400
"""The length of an inner packet."""
BATCH = 128
"""How many packets the sender hands over at once."""
WINDOW = 1536
"""How many packets may be under way. Loopback has no back-pressure: what the receiver's socket has no room for is
lost."""
STEP = 512
"""After how many packets the receiver says how many it has."""
LOST = 0.2
"""After how many seconds without news the sender takes for lost what is under way."""
SETTLING = 0.05
"""How many seconds the receiver waits for what is still in its socket."""
PATIENCE = 10.0
"""How many seconds either end waits for the other."""
PACKETS = [inner("10.1.0.1", "10.2.0.1", OCTETS)] * BATCH


class Run(NamedTuple):
    """What came of one run."""

    rate: float
    """Inner packets that the receiver took out of the tunnel, in Gbit/s."""
    lost: float
    """Of those that were sent, in per cent."""
    sender: float
    """Processor time of the sender, in µs a packet."""
    receiver: float
    """Processor time of the receiver, in µs a packet."""


def _receive(shard: Shard, pipes: Sequence[Connection]) -> None:
    """A worker of the receiving end: take packets out of the tunnels, and say how many there were so far."""
    pipe = pipes[shard.share.number]
    with UdpNetwork(history=0, shard=shard) as network:
        endpoint = Endpoint(shard.hosts, [SERVER], config=shard.config)
        network.add(endpoint, native=False)
        heard: list[object] = []
        network.watch(pipe, lambda _: heard.append(pipe.recv()))
        network.run(lambda: bool(heard), limit=PATIENCE)  # until the tunnels are there
        inbox = Inbox(2 * WINDOW, 2 * WINDOW * OCTETS)
        for sa in endpoint.sas.values():
            sa.inbox = inbox
        pipe.send(0)
        count = told = 0
        begin = time.process_time()
        while len(heard) == 1:
            network.run(lambda: bool(inbox) or len(heard) > 1, limit=PATIENCE)
            count += len(inbox.drain())
            if count >= told + STEP:
                told = count
                pipe.send(count)
        network.run()  # what is still in the socket
        pipe.send((count + len(inbox), time.process_time() - begin))


def _serve(shard: Shard, pipes: Sequence[Connection]) -> None:
    """The receiving end as an asyncio program, with one session of a server."""
    asyncio.run(_answer(shard, *pipes))


async def _answer(shard: Shard, pipe: Connection) -> None:
    network = AioNetwork(shard=shard)
    async with IpsecServer(SERVER, local=shard.hosts, endpoint=shard.config, network=network, native=False) as server:
        with _words(pipe) as heard:
            session = await server.accept()
            await heard.get()
            pipe.send(0)
            begin = time.process_time()
            taking = asyncio.create_task(_take(session, pipe))
            await heard.get()
            await asyncio.sleep(SETTLING)
            taking.cancel()
            pipe.send((session.counters.packets_in, time.process_time() - begin))


async def _take(session: IpsecSession, pipe: Connection) -> None:
    count = told = 0
    while True:
        count += len(await session.recv_packets(STEP))
        if count >= told + STEP:
            told = count
            pipe.send(count)


@contextmanager
def _words(pipe: Connection) -> Iterator[asyncio.Queue[Any]]:
    """What the other end says, for the running event loop."""
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[Any]()
    loop.add_reader(pipe.fileno(), lambda: heard.put_nowait(pipe.recv()))
    try:
        yield heard
    finally:
        loop.remove_reader(pipe.fileno())


class _Worker:
    """What the sender knows of a worker of the receiving end."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.tunnels = self.sent = self.received = self.given_up = 0

    def takes_more(self) -> bool:
        """Whether a batch may follow what is under way."""
        while self.pipe.poll(0):
            self.received = self.pipe.recv()
        return self.room()

    def room(self) -> bool:
        """Whether a batch may follow, by what was said so far."""
        return self.sent - self.received - self.given_up <= WINDOW - BATCH

    def give_up(self) -> None:
        """Take for lost what is under way."""
        self.given_up = self.sent - self.received

    def tell(self, word: str) -> Any:
        """Say something, and return the answer."""
        self.pipe.send(word)
        answer: Any = self.hear()
        while isinstance(answer, int) and word == STOP:  # it was said before
            answer = self.hear()
        return answer

    def hear(self) -> Any:
        """What the worker says next."""
        if not self.pipe.poll(PATIENCE):
            raise Timeout(f"the other process of the tunnel has said nothing for {PATIENCE:g} s")
        return self.pipe.recv()


def run(seconds: float, *, offload: bool = True, workers: int = 1, tunnels: int = 1) -> Run:
    """Send through new tunnels for so long, no faster than the other end receives. Each has a peer with own ports."""
    with _receivers(_receive, workers, offload) as (there, ends), UdpNetwork(history=0, offload=offload) as network:
        clients: list[tuple[Endpoint, _Worker]] = []
        while len(clients) < tunnels:
            client, sa = _connect(network, there, len(network.hosts))
            owner = ends[int.from_bytes(sa.spi_r) % workers]
            if owner.tunnels < tunnels / workers:
                owner.tunnels += 1
                clients.append((client, owner))
        for end in ends:
            end.tell(GO)
        begin, spent = time.monotonic(), time.process_time()
        while time.monotonic() < begin + seconds:
            ready = [(client, end) for client, end in clients if end.takes_more()]
            if not ready and not wait([end.pipe for end in ends], LOST):
                for end in ends:
                    end.give_up()
            for client, end in ready:
                end.sent += client.send_many(PACKETS, network.now)
            network.run(network.now)
        return _result(ends, time.process_time() - spent, begin)


async def _send(seconds: float) -> Run:
    with _receivers(_serve) as (there, (end,)):
        async with IpsecClient(_config(there), local=HOST, endpoint=PORTS, native=False) as client:
            session = await client.connect()
            end.tell(GO)
            with _words(end.pipe) as heard:
                begin, spent = time.monotonic(), time.process_time()
                while time.monotonic() < begin + seconds:
                    if end.room():
                        await session.send_packets(PACKETS)
                        end.sent += BATCH
                    else:
                        try:
                            end.received = await asyncio.wait_for(heard.get(), LOST)
                        except TimeoutError:
                            end.give_up()
                spent = time.process_time() - spent
            return _result([end], spent, begin)


@contextmanager
def _receivers(work: Work, workers: int = 1, offload: bool = True) -> Iterator[tuple[EndpointConfig, list[_Worker]]]:
    """Start the processes of the receiving end. Yields its ports, and what there is of each."""
    pipes = [multiprocessing.get_context("spawn").Pipe() for _ in range(workers)]
    try:
        with Shards(HOST, PORTS, workers=workers, native=False, offload=offload) as shards:
            shards.start(work, [theirs for _, theirs in pipes])
            yield shards.shards[0].config, [_Worker(ours) for ours, _ in pipes]
    finally:
        for pipe in itertools.chain(*pipes):
            pipe.close()


def _result(ends: list[_Worker], spent: float, begin: float) -> Run:
    results = [end.tell(STOP) for end in ends]
    took = time.monotonic() - begin
    sent, received = sum(end.sent for end in ends), sum(count for count, _ in results)
    return Run(
        rate=received * OCTETS * 8 / took / 1e9,
        lost=100 * (1 - received / sent),
        sender=spent / sent * 1e6,
        receiver=sum(theirs for _, theirs in results) / received * 1e6,
    )


def _config(there: EndpointConfig, number: int = 0) -> IkeConfig:
    remote = Address(HOST, there.port)
    return INITIATOR.replace(
        local_id=f"client-{number}", remote=remote, remote_natt_port=there.natt_port, force_encapsulation=True
    )


def _connect(network: UdpNetwork, there: EndpointConfig, number: int) -> tuple[Endpoint, IkeSa]:
    client = Endpoint(HOST, config=PORTS)
    network.add(client, f"client {number}", native=False)
    with network.acting() as now:
        sa = client.connect(_config(there, number), now)
    if not network.run(lambda: sa.established, limit=PATIENCE):
        raise Timeout(f"no tunnel was set up within {PATIENCE:g} s")
    return client, sa


def measure(quick: bool) -> list[Figure]:
    """Throughput, loss and processor time: medians of runs in turns."""
    seconds, rounds = (0.3, 1) if quick else (1.0, 5)
    kinds: dict[str, Callable[[], Run]] = {
        "api": lambda: asyncio.run(_send(seconds)),
        "fast": partial(run, seconds),
        "slow": partial(run, seconds, offload=False),
        "one": partial(run, seconds, tunnels=4),
        "two": partial(run, seconds, tunnels=4, workers=2),
    }
    runs: dict[str, list[Run]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, done in runs.items():
            done.append(kinds[kind]())
    api, fast, slow, one, two = (Run(*map(statistics.median, zip(*done, strict=True))) for done in runs.values())
    what = f"packets of {OCTETS} bytes, AES-128-GCM"
    without = Figure(f"{what}, one datagram a call", slow.rate, "Gbit/s")
    with_offload = Figure(f"{what}, with offload", fast.rate, "Gbit/s", bound=at_least(1.5))
    return [
        with_offload,
        Figure("the same beside one datagram a call", fast.rate, "Gbit/s", floor=without, bound=at_least(1.5)),
        Figure(
            "the same through IpsecClient and IpsecServer", api.rate, "Gbit/s", floor=with_offload, bound=at_least(0.7)
        ),
        Figure("lost with offload", fast.lost, "% lost", bound=at_most(1)),
        Figure("lost with one datagram a call", slow.lost, "% lost", bound=at_most(1)),
        Figure("processor time of the sender", fast.sender, "µs", floor=Figure("without", slow.sender, "µs")),
        Figure("processor time of the receiver", fast.receiver, "µs", floor=Figure("without", slow.receiver, "µs")),
        Figure(
            "processor time of two workers that receive from four peers",
            two.receiver,
            "µs",
            floor=Figure("of one worker", one.receiver, "µs"),
            bound=at_most(1.25),
        ),
    ]
