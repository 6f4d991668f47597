# SPDX-License-Identifier: GPL-2.0-or-later
"""``fynx serve --workers N``: several processes that serve the same ports, and the one that looks after them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from fynx_scapy.commands.screen import Screen
from fynx_scapy.commands.serving import read, run_server
from fynx_scapy.net.shard import Shard
from fynx_scapy.net.shards import Shards
from fynx_scapy.settings import Settings
from fynx_scapy.text import counted

_LOOK = 0.5
"""Seconds between two looks at the signals."""


def run_workers(settings: Settings, workers: int, screen: Screen, given: Mapping[str, Any]) -> int:
    """Serve with several processes until a signal or --duration. Returns the exit status."""
    end = time.monotonic() + given["duration"] if given["duration"] is not None else float("inf")
    offload = not given["no_offload"]
    with _signals() as caught, Shards(settings.local, settings.endpoint, workers=workers, offload=offload) as shards:
        shards.start(_work, {**given, "duration": None})
        for host in shards.hosts:
            place = f"{host} port {shards.shards[0].config.port}"
            screen.line(f"serving at {place} with {counted(workers, 'worker')}", always=True)
        restarts = 0
        while not caught & {signal.SIGINT, signal.SIGTERM} and time.monotonic() < end and shards.wait(_LOOK):
            if signal.SIGHUP in caught:
                caught.discard(signal.SIGHUP)
                shards.signal(signal.SIGHUP)
            if shards.restarts.total() > restarts:
                restarts = shards.restarts.total()
                screen.line(f"a worker has died and was started again, {counted(restarts, 'time')} so far", always=True)
        shards.stop()
    screen.line(f"ended: {counted(workers, 'worker')}, {counted(restarts, 'restart')}", always=True)
    return 0


def _work(shard: Shard, given: Mapping[str, Any]) -> None:
    """One worker. It reads the configuration by itself, as it does on SIGHUP."""
    screen = Screen(sys.stdout, quiet=given["quiet"], prefix=f"worker {shard.share.number}: ")
    if given["metrics"] is not None:
        host, port = given["metrics"]
        given = {**given, "metrics": (host, port and port + shard.share.number)}
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(run_server(read(given, given["pools"], given["local"]), screen, given, shard))


@contextmanager
def _signals() -> Iterator[set[int]]:
    """Take note of signals inside this context, instead of ending by them."""
    caught: set[int] = set()

    def note(number: int, _: FrameType | None) -> None:
        caught.add(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
