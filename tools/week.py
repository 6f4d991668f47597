# SPDX-License-Identifier: GPL-2.0-or-later
"""A week of virtual time with default lifetimes and traffic both ways: how long it takes, and which objects remain."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass

from fynx_scapy.ike.answers import Answers
from fynx_scapy.ike.basics.randomness import SeededRandomness
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.config import ChildConfig, IkeConfig, Psk
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.exchange import Pending
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.life.dpd import Watch
from fynx_scapy.ike.life.lifetimes import ChildLife, IkeLife
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.path.keepalive import Path
from fynx_scapy.ike.reassembly import Reassembly
from fynx_scapy.ike.requests import Requests
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.strangers.admission import Admitted
from fynx_scapy.ike.terms.pool import Lease
from fynx_scapy.ike.wire.fragments import Fragment
from fynx_scapy.ike.wire.window import Kept
from fynx_scapy.net.echo import echo_request
from fynx_scapy.net.memory import Network

DAY = 86400.0
ALICE, BOB = "192.0.2.1", "192.0.2.2"
LIVE = (
    IkeSa, ChildSa, Timer, Kept, Pending, Requests, Answers,
    IkeLife, ChildLife, Watch, Reassembly, Fragment, Admitted, Lease, Path,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``seconds`` of real time, ``growth`` in bytes from the end of day 1 to the end of day 7.

    ``live`` counts the SAs, timers and caches that remain after closing, ``events`` the events by kind.
    """

    seconds: float
    days: int
    growth: int
    live: dict[str, int]
    sent: int
    answered: int
    events: dict[str, int]

    def __str__(self) -> str:
        happened = ", ".join(f"{count} {name}" for name, count in sorted(self.events.items()))
        live = sum(self.live.values())
        return (
            f"{self.days} days in {self.seconds:.1f} s; {self.answered} of {self.sent} pings answered; "
            f"{self.growth / 1024:.1f} KiB more at the end than after day 1; {live} objects remain after closing; "
            f"{happened}"
        )


def live_objects() -> dict[str, int]:
    """The numbers of SAs, timers and caches in this process, after a garbage collection."""
    gc.collect()
    counts = Counter(type(item).__name__ for item in gc.get_objects() if type(item) in LIVE)
    return {kind.__name__: counts[kind.__name__] for kind in LIVE}


def run(days: int = 7, every: float = 240.0, seed: int = 1) -> Report:
    """Let two endpoints with default lifetimes ping each other every ``every`` seconds for some days, then close."""
    before = live_objects()
    network = Network(seed=seed, history=0)
    alice = Endpoint(ALICE, randomness=SeededRandomness(f"{seed} alice"))
    child = ChildConfig(local_ts=("10.2.0.0/24",), remote_ts=("10.1.0.0/24",))
    answering = IkeConfig(local_id="bob", remote_id="alice", auth=Psk("secret"), children=(child,))
    bob = Endpoint(BOB, [answering], randomness=SeededRandomness(f"{seed} bob"))
    hosts = [network.add(alice, "alice", echo=True), network.add(bob, "bob", echo=True)]
    config = IkeConfig(local_id="alice", remote_id="bob", auth=Psk("secret"), remote=Address(BOB, 500))
    events: Counter[str] = Counter()
    network.subscribe(lambda _, event: events.update([type(event).__name__]))
    pings = [
        (alice, echo_request("10.1.0.1", "10.2.0.1", b"from alice")),
        (bob, echo_request("10.2.0.1", "10.1.0.1", b"from bob")),
    ]
    sent = answered = 0

    def tidy() -> None:
        nonlocal answered
        for host in hosts:
            answered += sum(packet[20] == 0 for packet in host.inbox)
            host.inbox.clear()

    first = 0
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    started = time.perf_counter()
    alice.connect(config, network.now)
    network.run()
    for day in range(1, days + 1):
        while network.now < day * DAY:
            for endpoint, packet in pings:
                sent += endpoint.send(packet, network.now)
            network.run(min(network.now + every, day * DAY))
            tidy()
        if day == 1:
            first = _traced()
    growth = _traced() - first
    seconds = time.perf_counter() - started
    for sa in list(alice.sas.values()):
        if sa.established:
            sa.endpoint.now = network.now
            sa.delete_ike()
    network.run(network.now + 3600.0)
    tidy()
    if not tracing:
        tracemalloc.stop()
    del sa
    after = live_objects()
    return Report(
        seconds=seconds,
        days=days,
        growth=growth,
        live={kind: after[kind] - before[kind] for kind in after},
        sent=sent,
        answered=answered,
        events=dict(events),
    )


def _traced() -> int:
    """The bytes that Python has allocated and not freed."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def main() -> None:
    """Run it and print the report."""
    print(run())


if __name__ == "__main__":
    main()
