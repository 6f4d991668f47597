# SPDX-License-Identifier: GPL-2.0-or-later
"""Long runs over a lossy network: a handshake, twenty rekeys by either peer, and traffic in both directions.

The network loses three datagrams in ten, duplicates one in ten, and reorders. Every delivered ESP packet must be
accepted exactly once, unless it is a copy or older than the replay window. These rejections are counted by reason; any
other rejection is a fault.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from fynx_scapy.ike.config import ChildConfig, Retransmission
from fynx_scapy.ike.events import EspReceived, Event, IntegrityFailed, MessageDropped, ReplayDropped
from fynx_scapy.ike.message import Datagram, DatagramKind
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.net.echo import echo_request
from fynx_scapy.net.memory import Network
from fynx_scapy.net.wire import Wire
from tests.ike.pair import Pair, alice, bob

REKEYS = 20
PATIENCE = Retransmission(timeout=1.0, base=1.15, tries=30)
WINDOW = 64
FLOWS = {"alice": ("10.1.0.1", "10.2.0.1"), "bob": ("10.2.0.1", "10.1.0.1")}


@dataclass
class Report:
    """The results of several runs."""

    runs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return f"{self.runs} runs: {counts}; faults: {len(self.faults)}"


class Watched(Network):
    """A network that checks how the receiver handles each ESP packet."""

    def __init__(self, seed: int, report: Report) -> None:
        wire = Wire(delay=0.02, loss=0.3, duplication=0.1, reordering=0.3, jitter=0.5)
        super().__init__(seed=seed, wire=wire, history=0)
        self.report, self.seed = report, seed
        self.accepted: set[tuple[str, int, int]] = set()
        self.highest: dict[tuple[str, int], int] = {}
        self.told: list[tuple[str, Event]] = []
        self.subscribe(lambda who, event: self.told.append((who, event)))

    def _deliver(self, datagram: Datagram) -> None:
        if datagram.kind not in (DatagramKind.ESP, DatagramKind.ESP_IN_UDP):
            return super()._deliver(datagram)
        name = next(name for name, host in self.hosts.items() if host.endpoint.host == datagram.remote.host)
        self.told.clear()
        self._collect()
        super()._deliver(datagram)
        self._collect()
        told = [event for who, event in self.told if who == name]
        spi, seq = int.from_bytes(datagram.data[:4]), int.from_bytes(datagram.data[4:8])
        self._judge(name, spi, seq, told)
        return None

    def _judge(self, name: str, spi: int, seq: int, told: list[Event]) -> None:
        report, key = self.report, (name, spi, seq)
        highest = self.highest.get((name, spi), 0)
        report.counts["ESP delivered"] += 1
        if any(isinstance(event, EspReceived) for event in told):
            report.counts["accepted"] += 1
            if key in self.accepted:
                report.faults.append(f"seed {self.seed}: {name} accepted {spi:#x} seq {seq} twice")
            self.accepted.add(key)
            self.highest[name, spi] = max(highest, seq)
        elif key in self.accepted and any(isinstance(event, ReplayDropped) for event in told):
            report.counts["rejected: a copy"] += 1
        elif seq <= highest - WINDOW and any(isinstance(event, ReplayDropped) for event in told):
            report.counts["rejected: older than the window"] += 1
        else:
            wrong = [e for e in told if isinstance(e, ReplayDropped | MessageDropped | IntegrityFailed)]
            report.faults.append(f"seed {self.seed}: {name} rejected {spi:#x} seq {seq}, highest {highest}: {wrong}")


def current(pair: Pair, who: str) -> IkeSa | None:
    """The established IKE SA of an endpoint, if it has exactly one."""
    found = [sa for sa in pair.network.hosts[who].endpoint.sas.values() if sa.established]
    return found[-1] if found else None


def run_once(seed: int, report: Report, rekeys: int = REKEYS) -> None:
    """One seeded run. Adds its results to the report."""
    chance = random.Random(f"soak {seed}")
    network = Watched(seed, report)
    ours = ChildConfig(
        proposals=chance.choice(["aes128gcm16", "aes128gcm16-x25519", "aes128-sha256"]), replay_window=WINDOW
    )
    theirs = ours.replace(local_ts=ours.remote_ts, remote_ts=ours.local_ts)
    pair = Pair(bob(children=(theirs,), retransmission=PATIENCE, half_open_lifetime=3600.0), seed=seed, network=network)
    network.hosts["bob"].echo = False
    pair.alice.connect(alice(children=(ours,), retransmission=PATIENCE), network.now)
    report.runs += 1
    if not network.run(lambda: bool(pair.alice.children and pair.bob.children)):
        report.faults.append(f"seed {seed}: no handshake")
        return
    done = 0
    while done < rekeys:
        who = chance.choice(["alice", "bob"])
        sa = current(pair, who)
        if sa is not None and not sa.requests.pending and sa.children:
            sa.endpoint.now = network.now
            if chance.random() < 0.5:
                sa.rekey()
            else:
                sa.rekey_child(chance.choice(list(sa.children.values())))
            done += 1
            report.counts["rekeys begun"] += 1
        _traffic(pair, chance.uniform(0.2, 4.0), report)
    network.wire.loss = network.wire.duplication = network.wire.reordering = 0.0
    _traffic(pair, 1.0, report)
    network.run(network.now + 900)
    _check_end(pair, seed, report)


def _traffic(pair: Pair, seconds: float, report: Report) -> None:
    network = pair.network
    end = network.now + seconds
    while network.now < end:
        for who, (source, destination) in FLOWS.items():
            endpoint = network.hosts[who].endpoint
            if endpoint.send(echo_request(source, destination, b"soak"), network.now):
                report.counts["ESP sent"] += 1
            else:
                report.faults.append(f"{who} has no Child SA to send on at {network.now:.3f} s")
        network.run(network.now + 0.1)
        for host in network.hosts.values():
            host.inbox.clear()


def _check_end(pair: Pair, seed: int, report: Report) -> None:
    for who in ("alice", "bob"):
        endpoint = pair.network.hosts[who].endpoint
        states = [sa.state.value for sa in endpoint.sas.values()]
        if states != ["established"] or len(endpoint.children) != 1:
            report.faults.append(f"seed {seed}: {who} ends with {states} and {len(endpoint.children)} Child SAs")
    network = pair.network
    for who, (source, destination) in FLOWS.items():
        packet = echo_request(source, destination, b"the end")
        network.hosts[who].endpoint.send(packet, network.now)
        network.run()
        if packet not in network.hosts["bob" if who == "alice" else "alice"].inbox:
            report.faults.append(f"seed {seed}: no traffic from {who} in the end")


def run(count: int, first: int = 0) -> Report:
    """``count`` runs with seeds from ``first`` on."""
    report = Report()
    for seed in range(first, first + count):
        run_once(seed, report)
    return report
