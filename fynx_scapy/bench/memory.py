# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory at one end: for IKE SAs and Child SAs, during a handshake, and what packets and rekeys leave behind."""

from __future__ import annotations

import concurrent.futures
import gc
import itertools
import multiprocessing
import resource
import tracemalloc
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from fynx_scapy.bench.ends import ALICE, BOB, INITIATOR, RESPONDER, Ends, inner
from fynx_scapy.bench.figures import Figure, SkippedError, at_most
from fynx_scapy.bench.rekey import Loaded
from fynx_scapy.errors import UnexpectedError
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Burst, Datagram

BATCH = 8
"""How many handshakes run at once: fewer than make a server ask for cookies."""
WARM = 100
"""So many IKE SAs are there before the first measurement, which then includes nothing that is needed once."""
PACKETS = 64
"""Packets of a batch."""
REKEYS = 200
"""So many of both kinds run at least before memory is measured."""
SERVER = RESPONDER.replace(remote_id=None, childless=True)
_CHILD = INITIATOR.children[0]


def resident() -> int:
    """The resident memory of this process in octets, after a collection of garbage."""
    gc.collect()
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError as error:
        raise SkippedError(f"/proc/self/statm cannot be read: {error.strerror}") from None


class End:
    """One end of many tunnels, each with an identity and a network of its own; both have the defaults of an endpoint.

    Each method returns what is to be delivered to the other end.
    """

    def __init__(self, host: str) -> None:
        self.endpoint = Endpoint(host, [SERVER] if host == BOB else [])
        self.begun = 0
        self.now = 0.0

    def connect(self, count: int) -> list[Datagram | Burst]:
        """Begin so many IKE SAs without a Child SA."""
        for _ in range(count):
            config = INITIATOR.replace(local_id=f"client{self.begun}@example.org", children=(), childless=True)
            self.endpoint.connect(config, self._moment())
            self.begun += 1
        return self.endpoint.output()

    def children(self, start: int, count: int) -> list[Datagram | Burst]:
        """Begin a Child SA for so many IKE SAs, from the given one on."""
        for number, sa in enumerate(list(self.endpoint.sas.values())[start : start + count], start):
            sa.create_child(_child(number))
        return self.endpoint.output()

    def send(self) -> list[Datagram | Burst]:
        """Send a packet on every Child SA."""
        for sa, child in self.endpoint.children.values():
            source, destination = (str(selectors[0].addresses[0]) for selectors in (child.local_ts, child.remote_ts))
            self.endpoint.send_on(sa, child, inner(source, destination, 64))
        return self.endpoint.output()

    def take(self, items: Sequence[Datagram | Burst]) -> list[Datagram | Burst]:
        """Receive what the other end has sent."""
        for item in items:
            if isinstance(item, Burst):
                self.endpoint.receive_burst(item.turned(), self._moment())
            else:
                self.endpoint.receive(item.turned(), self._moment())
        self.endpoint.events()
        self.endpoint.packets()
        return self.endpoint.output()

    def count(self) -> tuple[int, int, int]:
        """Its established IKE SAs, its Child SAs, and the packets that it has received."""
        established = sum(sa.established for sa in self.endpoint.sas.values())
        return established, len(self.endpoint.children), self.endpoint.counts.esp_packets_in

    def resident(self) -> int:
        """The memory of its process in octets."""
        return resident()

    def _moment(self) -> float:
        self.now += 0.001
        self.endpoint.now = self.now
        return self.now


def _child(number: int) -> ChildConfig:
    return _CHILD.replace(local_ts=(f"10.1.{number >> 8}.{number & 255}/32",))


class Apart:
    """An end in a process of its own, whose memory is measured."""

    def __init__(self, host: str) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_obey, args=(theirs, host), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, name: str, *given: Any) -> Any:
        """What a method of the end returns."""
        self._pipe.send((name, given))
        return self._pipe.recv()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()


def _obey(pipe: Connection, host: str) -> None:
    end = End(host)
    with pipe:
        while True:
            try:
                name, given = pipe.recv()
            except EOFError:
                return
            pipe.send(getattr(end, name)(*given))


class Tunnels:
    """Many tunnels between a measured end and another one."""

    def __init__(self, measured: str) -> None:
        self._initiates = measured == ALICE
        self.apart, self.other = Apart(measured), End(BOB if self._initiates else ALICE)

    def _begin(self, name: str, *given: Any) -> None:
        """Have the initiator begin something, and deliver all that follows from it."""
        if self._initiates:
            self._settle(self.apart.ask(name, *given), [])
        else:
            self._settle([], getattr(self.other, name)(*given))

    def _settle(self, from_apart: list[Any], from_other: list[Any]) -> None:
        while from_apart or from_other:
            from_apart, from_other = self.apart.ask("take", from_other), self.other.take(from_apart)

    def connect(self, upto: int) -> None:
        """Set up IKE SAs without Child SAs, until there are so many."""
        while (there := self.apart.ask("count")[0]) < upto:
            self._begin("connect", min(BATCH, upto - there))
            if self.apart.ask("count")[0] == there:
                raise UnexpectedError(f"the end that is measured has {there} IKE SAs and takes no more")

    def children(self, number: int) -> None:
        """Set up a Child SA on each."""
        for start in range(0, number, BATCH):
            self._begin("children", start, min(BATCH, number - start))

    def packets(self) -> None:
        """Send a packet on each Child SA, both ways."""
        self._settle(self.apart.ask("send"), self.other.send())


def per_sa(measured: str, number: int) -> dict[str, float]:
    """What one more of each takes at one end, in octets: an IKE SA, a Child SA, and its ciphers once both are used."""
    tunnels = Tunnels(measured)
    try:
        tunnels.connect(WARM)
        tunnels.children(WARM)
        tunnels.packets()
        marks = [tunnels.apart.ask("resident")]
        tunnels.connect(WARM + number)
        marks.append(tunnels.apart.ask("resident"))
        tunnels.children(WARM + number)
        marks.append(tunnels.apart.ask("resident"))
        tunnels.packets()
        marks.append(tunnels.apart.ask("resident"))
        found = tunnels.apart.ask("count")
    finally:
        tunnels.apart.close()
    if found[:2] != (WARM + number, 2 * WARM + number) or found[2] < number:
        raise UnexpectedError(f"expected {WARM + number} tunnels with packets on each, found {found}")
    ike, child, used = ((after - before) / number for before, after in itertools.pairwise(marks))
    return {"IKE SA": ike, "Child SA": child, "used": used}


def peak() -> int:
    """By how many octets Python's memory rises for a handshake, both ends together."""
    Ends().connect()
    ends = Ends()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        ends.connect()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def growth_by_packets(number: int) -> int:
    """By how many octets the resident memory of both ends grows for so many packets."""
    ends = Ends()
    ends.connect()
    batch = [inner("10.1.0.1", "10.2.0.1")] * PACKETS

    def run(packets: int) -> None:
        for _ in range(packets // PACKETS):
            ends.alice.send_many(batch, ends.now)
            for item in ends.alice.output():
                assert isinstance(item, Burst)
                ends.bob.receive_burst(item.turned(), ends.now)
            if len(ends.bob.packets()) != PACKETS:
                raise UnexpectedError("packets were lost, so there is nothing to measure")

    run(20 * PACKETS)
    ends.quiet()
    before = resident()
    run(number)
    return resident() - before


def growth_by_rekeys(number: int) -> int:
    """By how many octets it grows for so many rekeys of the Child SA and as many of the IKE SA.

    At least as many have run before, so that replaced SAs have waited for Python's collector as long as they ever will.
    """
    loaded = Loaded()

    def run(times: int) -> None:
        for _ in range(times):
            loaded.rekey_child()
            loaded.rekey_ike()

    run(max(number, REKEYS))
    before = resident()
    run(number)
    return resident() - before


def measure(quick: bool) -> list[Figure]:
    """What an IKE SA and a Child SA take at either end, and what does not remain."""
    number = 400 if quick else 5000
    packets, rekeys = (100_000, 40) if quick else (1_000_000, 400)
    figures = []
    for host, role in ((BOB, "responder"), (ALICE, "initiator")):
        found = per_sa(host, number)
        figures += [
            Figure(f"an IKE SA at the {role}", found["IKE SA"] / 1024, "KiB", bound=at_most(24)),
            Figure(f"a Child SA at the {role}", found["Child SA"] / 1024, "KiB", bound=at_most(6)),
            Figure(f"its ciphers at the {role}, once packets pass both ways", found["used"] / 1024, "KiB"),
        ]
    figures.append(Figure("peak of Python's memory in a handshake, both ends", peak() / 1024, "KiB"))
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as apart:
        grown = apart.submit(growth_by_packets, packets), apart.submit(growth_by_rekeys, rekeys)
        names = f"growth over {packets:,} packets, both ends", f"growth over {2 * rekeys} rekeys, both ends"
        for name, future in zip(names, grown, strict=True):
            figures.append(Figure(name, max(0, future.result()) / (1 << 20), "MiB", bound=at_most(1)))
    return figures
