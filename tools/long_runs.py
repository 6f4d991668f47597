# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs that take minutes: scripts/soak runs them, tests run samples."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from fynx_scapy.errors import LabError
from tools import flood, live_tunnels, soak, tunnels, udp_flood, week
from tools.crossing import Crossing, every

CHUNK = 500
LIVES = 1000


def _cross(start: int) -> tuple[int, list[str]]:
    """Run one part of the crossings. Returns their number and the failures."""
    runs = list(islice(every(), start, start + CHUNK))
    found = ((run, Crossing(*run).run()) for run in runs)
    return len(runs), [f"{run}: {wrong}" for run, wrong in found if wrong]


def crossings(pool: ProcessPoolExecutor) -> list[str]:
    """Run every order and every fault of every pair of exchanges."""
    total = sum(1 for _ in every())
    count, wrong = 0, []
    for ran, faults in pool.map(_cross, range(0, total, CHUNK)):
        count += ran
        wrong += faults
    print(f"crossings: {count} runs, {len(wrong)} failed")
    return wrong


def _live(first: int) -> soak.Report:
    return soak.run(LIVES // 20, first)


def lives(pool: ProcessPoolExecutor) -> list[str]:
    """Run a thousand seeded handshakes with twenty rekeys and traffic over a lossy network."""
    total = soak.Report()
    for report in pool.map(_live, range(0, LIVES, LIVES // 20)):
        total.runs += report.runs
        total.counts += report.counts
        total.faults += report.faults
    print(f"lives: {total}")
    return total.faults


def a_week(pool: ProcessPoolExecutor) -> list[str]:
    """Seven days of virtual time with default lifetimes and traffic both ways; what day 7 holds more than day 1."""
    report = pool.submit(week.run).result()
    print(f"week: {report}")
    wrong = [f"{count} live {name} after closing" for name, count in report.live.items() if count]
    if report.growth >= 64 * 1024:
        wrong.append(f"memory grew by {report.growth} bytes from day 1 to day 7")
    return wrong if report.seconds < 60 else [*wrong, f"{report.seconds:.0f} s"]


def a_flood(pool: ProcessPoolExecutor) -> list[str]:
    """Send a hundred thousand IKE_SA_INIT requests with ten legitimate peers in between; and floods over UDP."""
    report = pool.submit(flood.run).result()
    print(f"flood: {report}")
    wrong = [f"{report.layers} layers were built for strangers without a cookie"] if report.layers else []
    if report.connected != 10:
        wrong.append(f"{report.connected} of 10 legitimate peers connected")
    for name in udp_flood.FLOODS:
        real = udp_flood.run(name, seconds=20.0, peers=5)
        print(f"flood: {real}")
        wrong += [f"{name}: a legitimate peer needed {took:.1f} s" for took in real.took if took >= udp_flood.LIMIT]
    return wrong


def _tunnels(seed: int) -> tunnels.Report:
    return tunnels.run(200, 8, seed)


def many_tunnels(pool: ProcessPoolExecutor) -> list[str]:
    """Run 200 sessions of asyncio clients with one server over a bad network, four times."""
    wrong = []
    for report in pool.map(_tunnels, range(4)):
        print(f"tunnels: {report}")
        wrong += report.faults
    return wrong


def with_strongswan(pool: ProcessPoolExecutor) -> list[str]:
    """Hold a tunnel as a client and one as a server with a live strongSwan for ten minutes, with rekeys."""
    try:
        reports = pool.submit(live_tunnels.run, 600.0).result()
    except LabError as error:
        return [f"no live peer: {error}"]
    wrong = []
    for report in reports:
        print(f"live: {report}")
        wrong += report.faults
    return wrong


PARTS: dict[str, Callable[[ProcessPoolExecutor], list[str]]] = {
    "crossings": crossings,
    "lives": lives,
    "week": a_week,
    "flood": a_flood,
    "tunnels": many_tunnels,
    "live": with_strongswan,
}


def main(names: list[str]) -> int:
    """Run the named parts, or all. Returns the exit status: 0 for success, 1 for failures, 2 for an unknown name."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"expected some of {', '.join(PARTS)}, found {', '.join(unknown)}", file=sys.stderr)
        return 2
    failed = False
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for name in names or PARTS:
            begun = time.monotonic()
            wrong = PARTS[name](pool)
            failed |= bool(wrong)
            print(f"{name}: {time.monotonic() - begun:.0f} s", *_some(wrong), sep="\n  ")
    return failed


def _some(wrong: list[str]) -> Iterator[str]:
    yield from wrong[:10]
    if len(wrong) > 10:
        yield f"and {len(wrong) - 10} more"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
