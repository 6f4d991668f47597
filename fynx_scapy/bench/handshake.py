# SPDX-License-Identifier: GPL-2.0-or-later
"""Handshakes: each exchange, each group, and a server of 5,000 tunnels over UDP loopback."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

from fynx_scapy.bench.ends import INITIATOR, RESPONDER, Ends
from fynx_scapy.bench.figures import Fed, Figure, at_least, at_most, interleaved
from fynx_scapy.client import IpsecClient
from fynx_scapy.crypto.ke import key_exchange
from fynx_scapy.errors import Timeout, UnexpectedError
from fynx_scapy.iana import KeMethod
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.exchanges.ike_auth import IkeAuth
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.server import IpsecServer

GROUPS = {
    "X25519": KeMethod.CURVE25519,
    "ECP-256": KeMethod.ECP_256,
    "MODP-2048": KeMethod.MODP_2048,
    "MODP-3072": KeMethod.MODP_3072,
}
HOST = "127.0.0.1"
PORTS = EndpointConfig(port=0, natt_port=0, marker_always=True)
SERVER = RESPONDER.replace(remote_id=None)
AT_ONCE = 8
"""How many handshakes are under way when the rate of the server is measured; more would make it ask for cookies."""
PATIENCE = 60.0
"""How many seconds the client waits for the server."""


# In this process


def handshakes(group: str) -> Fed:
    """Handshakes with a group, between two endpoints."""
    suite = (f"aes128gcm16-prfsha256-{group.lower().replace('-', '')}",)
    configs = INITIATOR.replace(proposals=suite), RESPONDER.replace(proposals=suite)
    return Fed(lambda ends: _established(ends.connect()), lambda count: [Ends(*configs) for _ in range(count)])


def _established(sa: IkeSa) -> None:
    if not sa.established or not sa.children:
        raise UnexpectedError("a handshake failed, so there is nothing to measure")


def key_exchanges(group: str) -> Callable[[], object]:
    """The key exchange of a handshake alone, both ends: two private values, and the secret that they share."""
    method = key_exchange(GROUPS[group])
    random = Ends().alice.randomness.octets

    def run() -> None:
        ours, theirs = method.generate(random), method.generate(random)
        if ours.shared(theirs.public) != theirs.shared(ours.public):
            raise UnexpectedError("a key exchange failed, so there is nothing to measure")

    return run


class Half:
    """Two endpoints that run a handshake exchange by exchange."""

    def __init__(self) -> None:
        self.ends = Ends()
        self.sa: IkeSa | None = None

    def init(self) -> Half:
        """IKE_SA_INIT."""
        self.sa = self.ends.alice.connect(INITIATOR, self.ends.now, authenticate=False)
        self._deliver()
        return self

    def auth(self) -> None:
        """IKE_AUTH, with the first Child SA."""
        assert self.sa is not None
        self.sa.start(IkeAuth(self.sa))
        self._deliver()
        _established(self.sa)

    def _deliver(self) -> None:
        while self.ends.flight():
            pass


def in_process(quick: bool) -> list[Figure]:
    """Each exchange and each group, in milliseconds of processor time of both ends."""
    took = interleaved(
        {
            "init": Fed(lambda half: half.init(), lambda count: [Half() for _ in range(count)]),
            "auth": Fed(lambda half: half.auth(), lambda count: [Half().init() for _ in range(count)]),
            **{group: handshakes(group) for group in GROUPS},
            **{f"bare {group}": key_exchanges(group) for group in GROUPS},
        },
        rounds=3 if quick else 15,
        seconds=0.03 if quick else 0.1,
    )
    figures = [
        Figure("IKE_SA_INIT with X25519, both ends", took["init"] * 1000, "ms"),
        Figure("IKE_AUTH with a pre-shared key and a Child SA, both ends", took["auth"] * 1000, "ms"),
    ]
    for group in GROUPS:
        whole, bare = took[group] * 1000, took[f"bare {group}"] * 1000
        figures += [
            Figure(f"handshake, {group}, both ends", whole, "ms", bound=at_most(200)),
            Figure(f"handshake, {group}, both ends, without its key exchange", whole - bare, "ms", bound=at_most(100)),
        ]
    return figures


# Over UDP loopback: a server in a process of its own


class Served(NamedTuple):
    """What came of a run against a server."""

    latency: float
    """The median time of a handshake in seconds, one after the other."""
    both: float
    """Processor time of client and server for such a handshake, in seconds: its time on an idle machine."""
    processor: float
    """Processor time of the server for a handshake, in seconds, while several are under way."""
    rate: float
    """Handshakes a second while several are under way; two processes share the cores."""
    held: tuple[int, int]
    """The IKE SAs and Child SAs of the server at the end."""


def _serve(pipe: Connection) -> None:
    asyncio.run(_answer(pipe))


async def _answer(pipe: Connection) -> None:
    """Serve, and say on request how many SAs there are and how much processor time it took so far."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    async with IpsecServer(SERVER, local=HOST, endpoint=PORTS, native=False) as server:

        def asked() -> None:
            try:
                pipe.recv()
            except EOFError:
                return over.set()
            endpoint = server.endpoint
            return pipe.send((len(endpoint.sas), len(endpoint.children), time.process_time()))

        loop.add_reader(pipe.fileno(), asked)
        config = server.endpoint.config
        pipe.send((config.port, config.natt_port))
        accepting = asyncio.create_task(_accept(server))
        await over.wait()
        loop.remove_reader(pipe.fileno())
        accepting.cancel()


async def _accept(server: IpsecServer) -> None:
    async for _ in server:
        pass


@contextmanager
def _server() -> Iterator[tuple[Connection, Address, int]]:
    """Start the server. Yields a pipe to ask it, its address and its port for ESP in UDP."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        port, natt_port = _heard(ours)
        yield ours, Address(HOST, port), natt_port
    finally:
        ours.close()
        process.join(PATIENCE)


def _heard(pipe: Connection) -> tuple[int, ...]:
    if not pipe.poll(PATIENCE):
        raise Timeout(f"the server process has said nothing for {PATIENCE:g} s")
    said: tuple[int, ...] = pipe.recv()
    return said


def _ask(pipe: Connection) -> tuple[int, int, float]:
    pipe.send(None)
    sas, children, processor = _heard(pipe)
    return sas, children, processor


async def served(pipe: Connection, remote: Address, natt_port: int, number: int, one_by_one: int) -> Served:
    """Set up so many tunnels: some one after the other, the others several at once."""
    config = INITIATOR.replace(remote=remote, remote_natt_port=natt_port, force_encapsulation=True)
    async with IpsecClient(config, local=HOST, endpoint=PORTS, native=False) as client:
        await client.connect(_named(config, 0))
        latencies, before, ours = [], _ask(pipe), time.process_time()
        for at in range(1, one_by_one):
            begin = time.perf_counter()
            await client.connect(_named(config, at))
            latencies.append(time.perf_counter() - begin)
        ours, middle = time.process_time() - ours, _ask(pipe)
        begin, turns = time.perf_counter(), iter(range(one_by_one, number))

        async def connect() -> None:
            for at in turns:
                await client.connect(_named(config, at))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(connect())
        took, (sas, children, spent) = time.perf_counter() - begin, _ask(pipe)
        if sas < number or children < number:
            raise UnexpectedError(f"expected {number} tunnels, found {sas} IKE SAs and {children} Child SAs")
        rest = number - one_by_one
        both = (ours + middle[2] - before[2]) / len(latencies)
        return Served(statistics.median(latencies), both, (spent - middle[2]) / rest, rest / took, (sas, children))


def _named(config: IkeConfig, number: int) -> IkeConfig:
    child = config.children[0].replace(local_ts=(f"10.1.{number >> 8}.{number & 255}/32",))
    return config.replace(local_id=f"client{number}@example.org", children=(child,))


def over_udp(quick: bool) -> list[Figure]:
    """What a client sees of a server, and what the server spends; at the end it holds all the tunnels."""
    number = 200 if quick else 5000
    with _server() as (pipe, remote, natt_port):
        run = asyncio.run(served(pipe, remote, natt_port, number, 20 if quick else 200))
    return [
        Figure("a handshake over UDP loopback, asyncio at both ends", run.latency * 1000, "ms", bound=at_most(10)),
        Figure("processor time of both for it", run.both * 1000, "ms"),
        Figure("processor time of the server for a handshake", run.processor * 1000, "ms"),
        Figure("handshakes that a core of the server takes", 1 / run.processor, "/s", bound=at_least(150)),
        Figure(f"handshakes of {AT_ONCE} at once, client and server sharing the machine", run.rate, "/s"),
        Figure(
            f"IKE SAs with a Child SA each that the server holds, of {number}",
            min(run.held) / number,
            "×",
            bound=at_least(1),
        ),
    ]


def measure(quick: bool) -> list[Figure]:
    """In this process, and over UDP loopback."""
    return [*in_process(quick), *over_udp(quick)]
