# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP stream through a tunnel between TUN devices, beside strongSwan's ESP in user space.

iperf3 sends from one site to the other, through the kernel of each. It and both gateways share the processors of this
machine. With only two of them, what a packet costs in all decides how many pass: both are measured.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from fynx_scapy.bench.figures import Bound, Figure, SkippedError, at_least, at_most
from fynx_scapy.bench.gateways import MTU, PATIENCE, Gateways, Ours, StrongSwans, sites
from fynx_scapy.errors import LabError, MalformedError
from fynx_scapy.lab.namespace import Namespace
from fynx_scapy.lab.topology import Topology

SEGMENT = MTU - 52
"""The octets of TCP in a packet, after the headers of IPv4 and TCP with time stamps."""
OURS, PLAIN, SWAN = "ours", "ours without offload", "strongSwan"
WAYS: dict[str, Callable[[Topology], Gateways]] = {
    OURS: Ours,
    PLAIN: functools.partial(Ours, offload=False),
    SWAN: StrongSwans,
}


class Run(NamedTuple):
    """What came of one run."""

    rate: float
    """What the receiver got out of the tunnel, in Mbit/s."""
    cost: float
    """Processor time of both gateways, in µs for each packet of the MTU."""
    busy: float
    """The share of this machine's processors that was in use, by whatever, from 0 to 1."""
    damaged: int
    """How many TCP segments with a wrong checksum the receiver dropped."""
    suite: str
    """What was negotiated for ESP."""


def run(way: Callable[[Topology], Gateways], seconds: int) -> Run:
    """Send through a new tunnel for so many seconds. LabError when it cannot be set up."""
    with sites() as topology, closing(way(topology)) as gateways:
        ours, theirs = topology.ours, topology.theirs
        there = theirs.namespace.popen(["iperf3", "--server", "--bind", theirs.inner], output=subprocess.DEVNULL)
        try:
            _wait_for_port(theirs.namespace.run)
            before, idle = gateways.processor(), _idle()
            begin = time.monotonic()
            said = _client(ours.namespace, theirs.inner, ours.inner, seconds)
            took = time.monotonic() - begin
            busy = 1 - (_idle() - idle) / took / (os.cpu_count() or 1)
            spent = sum(gateways.processor()) - sum(before)
        finally:
            there.kill()
        received = _received(said)
        cost = spent / (received["bytes"] / SEGMENT) * 1e6
        damaged = _damaged(theirs.namespace.run("cat", "/proc/net/snmp"))
        return Run(received["bits_per_second"] / 1e6, cost, busy, damaged, gateways.suite)


def _client(namespace: Namespace, server: str, local: str, seconds: int) -> str:
    """What the sender says in the end; LabError when it does not come to one."""
    words = ["iperf3", "--client", server, "--bind", local, "--time", str(seconds), "--json"]
    with tempfile.TemporaryFile("w+") as output:
        process = namespace.popen([*words, "--connect-timeout", "3000"], output=output)
        end = time.monotonic() + seconds + PATIENCE
        try:
            while process.alive:
                if time.monotonic() > end:
                    raise LabError(f"iperf3 did not end {PATIENCE:g} s after its time: the tunnel lets nothing through")
                time.sleep(0.02)
        finally:
            process.kill()
        output.seek(0)
        return output.read()


def _wait_for_port(command: Callable[..., str]) -> None:
    end = time.monotonic() + 5
    while "0A " not in command("cat", "/proc/net/tcp"):
        if time.monotonic() > end:
            raise LabError("iperf3 did not open its port within 5 s")
        time.sleep(0.02)


def _received(said: str) -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads(said)["end"]["sum_received"]
    except (ValueError, KeyError):
        raise MalformedError("expected the results of iperf3 as JSON, found others") from None
    if not found["bytes"]:
        raise LabError("nothing came through the tunnel")
    return found


def _idle() -> float:
    """Seconds that the processors of this machine have been idle, all together."""
    fields = Path("/proc/stat").read_text().split(maxsplit=6)
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")


def _damaged(snmp: str) -> int:
    names, values = (line.split() for line in snmp.splitlines() if line.startswith("Tcp:"))
    return int(dict(zip(names, values, strict=True))["InCsumErrors"])


def measure(quick: bool) -> list[Figure]:
    """Throughput and processor time: medians of runs in turns. SkippedError where there can be no lab."""
    runs: dict[str, list[Run]] = {name: [] for name in WAYS}
    try:
        for _ in range(1 if quick else 5):
            for name, way in WAYS.items():
                runs[name].append(run(way, 1 if quick else 2))
    except LabError as error:
        raise SkippedError(str(error)) from None

    def median(name: str, what: Callable[[Run], float]) -> float:
        return statistics.median(map(what, runs[name]))

    def beside(name: str, what: Callable[[Run], float], unit: str, label: str, bound: Bound | None = None) -> Figure:
        floor = Figure(f"{SWAN}, {runs[SWAN][0].suite}", median(SWAN, what), unit)
        return Figure(label, median(name, what), unit, floor, bound)

    def rate(one: Run) -> float:
        return one.rate

    def cost(one: Run) -> float:
        return one.cost

    cores = os.cpu_count() or 1
    stream = f"a TCP stream over TUN, {runs[OURS][0].suite}"
    return [
        beside(OURS, rate, "Mbit/s", stream, at_least(2)),
        beside(PLAIN, rate, "Mbit/s", f"{stream}, without offload"),
        beside(OURS, cost, "µs", "processor time of both gateways, each packet"),
        beside(PLAIN, cost, "µs", "processor time of both gateways, each packet, without offload"),
        Figure("TCP segments with a wrong checksum", sum(one.damaged for one in runs[OURS]), "lost", bound=at_most(0)),
        *(
            Figure(f"processors in use, of {cores}: {name}", cores * median(name, lambda one: one.busy), "×")
            for name in (OURS, SWAN)
        ),
    ]
