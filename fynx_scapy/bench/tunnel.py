# SPDX-License-Identifier: GPL-2.0-or-later
"""A tunnel over UDP loopback between two processes: throughput and processor time, with and without offload."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from fynx_scapy.bench.ends import INITIATOR, RESPONDER, inner
from fynx_scapy.bench.figures import Figure, at_least, at_most
from fynx_scapy.errors import Timeout
from fynx_scapy.ike.basics.inbox import Inbox
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address
from fynx_scapy.net.udp import UdpNetwork, free_ports

HOST = "127.0.0.1"
OCTETS = 1400
"""The length of an inner packet."""
BATCH = 128
"""How many packets the sender hands over at once."""
WINDOW = 1024
"""How many packets may be under way. Loopback has no back-pressure: what the receiver's socket has no room for is
lost."""
STEP = 256
"""After how many packets the receiver says how many it has."""
LOST = 0.2
"""After how many seconds without news the sender takes for lost what is under way."""
PATIENCE = 10.0
"""How many seconds either end waits for the other."""


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


@contextmanager
def _end(config: IkeConfig, *, offload: bool) -> Iterator[tuple[UdpNetwork, Endpoint]]:
    port, natt_port = free_ports(HOST)
    settings = EndpointConfig(port=port, natt_port=natt_port, marker_always=True)
    with UdpNetwork(history=0, offload=offload) as network:
        endpoint = Endpoint(HOST, [config], config=settings)
        network.add(endpoint, native=False)
        yield network, endpoint


def _receive(pipe: Connection, offload: bool) -> None:
    """The other process: take packets out of the tunnel, and say how many there were so far."""
    with _end(RESPONDER.replace(force_encapsulation=True), offload=offload) as (network, endpoint), pipe:
        pipe.send((endpoint.config.port, endpoint.config.natt_port))
        if not network.run(lambda: any(sa.established for sa in endpoint.sas.values()), limit=PATIENCE):
            return
        (sa,) = endpoint.sas.values()
        sa.inbox = inbox = Inbox(2 * WINDOW, 2 * WINDOW * OCTETS)
        stop: list[object] = []
        network.watch(pipe, lambda _: stop.append(pipe.recv()))
        pipe.send(0)
        count = told = 0
        begin = time.process_time()
        while not stop:
            network.run(lambda: bool(inbox or stop), limit=PATIENCE)
            count += len(inbox.drain())
            if count >= told + STEP:
                told = count
                pipe.send(count)
        network.run()  # what is still in the socket
        pipe.send((count + len(inbox), time.process_time() - begin))


def _next(pipe: Connection) -> Any:
    """What the other process says next."""
    if not pipe.poll(PATIENCE):
        raise Timeout(f"the other process of the tunnel has said nothing for {PATIENCE:g} s")
    return pipe.recv()


def run(seconds: float, *, offload: bool) -> Run:
    """Send through a new tunnel for so long, no faster than the other process receives."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=_receive, args=(theirs, offload), daemon=True)
    process.start()
    theirs.close()
    with _end(INITIATOR, offload=offload) as (network, endpoint), pipe:
        port, natt_port = _next(pipe)
        there = Address(HOST, port)
        config = INITIATOR.replace(remote=there, remote_natt_port=natt_port, force_encapsulation=True)
        sa = endpoint.connect(config, network.now)
        network.run(lambda: sa.established, limit=PATIENCE)
        received = _next(pipe)
        packets = [inner("10.1.0.1", "10.2.0.1", OCTETS)] * BATCH
        sent = given_up = 0
        begin, spent = time.monotonic(), time.process_time()
        while time.monotonic() < begin + seconds:
            if sent - received - given_up > WINDOW - BATCH:
                if pipe.poll(LOST):
                    received = pipe.recv()
                else:
                    given_up = sent - received
                continue
            sent += endpoint.send_many(packets, network.now)
            network.run(network.now)
        spent = time.process_time() - spent
        pipe.send("stop")
        while not isinstance(received, tuple):
            received = _next(pipe)
        count, theirs_spent = received
        took = time.monotonic() - begin
    process.join(PATIENCE)
    process.close()
    return Run(
        rate=count * OCTETS * 8 / took / 1e9,
        lost=100 * (1 - count / sent),
        sender=spent / sent * 1e6,
        receiver=theirs_spent / count * 1e6,
    )


def measure(quick: bool) -> list[Figure]:
    """Throughput, loss and processor time: medians of runs in turns."""
    runs: dict[bool, list[Run]] = {True: [], False: []}
    for _ in range(1 if quick else 5):
        for offload, done in runs.items():
            done.append(run(0.3 if quick else 1.0, offload=offload))
    fast, slow = (Run(*map(statistics.median, zip(*done, strict=True))) for done in runs.values())
    what = f"packets of {OCTETS} bytes, AES-128-GCM"
    without = Figure(f"{what}, one datagram a call", slow.rate, "Gbit/s")
    return [
        Figure(f"{what}, with offload", fast.rate, "Gbit/s", bound=at_least(1.5)),
        Figure("the same beside one datagram a call", fast.rate, "Gbit/s", floor=without, bound=at_least(1.5)),
        Figure("lost with offload", fast.lost, "% lost", bound=at_most(1)),
        Figure("lost with one datagram a call", slow.lost, "% lost", bound=at_most(1)),
        *(
            Figure(f"processor time of the {end}, with offload", with_, "µs", floor=Figure("without", none, "µs"))
            for end, with_, none in (
                ("sender", fast.sender, slow.sender),
                ("receiver", fast.receiver, slow.receiver),
            )
        ),
    ]
