# SPDX-License-Identifier: GPL-2.0-or-later
"""A tunnel between a live strongSwan and an `IpsecClient`, and one with an `IpsecServer`: traffic and rekeys, for long.

>>> print(*run(seconds=600), sep="\\n")

Echo requests pass in both directions all the time. Our end rekeys by its lifetimes, as any program's does unasked, and
the peer is told to rekey meanwhile, so that rekeys cross now and then. The link loses ESP and IKE at random, and counts
what it loses: exactly so many answers must be missing, and both ends must have counted the packets in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from fynx_scapy import IkeConfig, IpsecClient, IpsecServer, IpsecSession, Lifetime, Limits, Retransmission
from fynx_scapy.errors import FynxError
from fynx_scapy.lab import Lab, Role
from fynx_scapy.lab.probe import Probe
from fynx_scapy.net import echo_reply, udp_packet
from fynx_scapy.net.aio import AioNetwork
from tools.lossy_link import LossyLink

EVERY = 0.01
"""The seconds between two echo requests of one direction."""
CHILD, IKE = 4.0, 9.0
"""The soft lifetimes of our SAs, in seconds."""
THEIRS = (3.0, 7.0)
"""The peer is told to rekey each time after a random number of seconds in this range."""
SETTLED = 60.0
"""After so many seconds the memory should grow no more."""
GROWTH = 8 << 20
"""So many octets it may grow after that: the peer's log and our counters are small, leaks are not."""
IMPATIENT = Retransmission(timeout=0.3, base=1.5, tries=8)
"""A message that the link has lost is sent again long before an end stops to wait."""
UNDER_WAY = 1.0
"""How many seconds the last answers have to arrive."""
ECHO = 7


@dataclass(slots=True)
class Report:
    """What came of one tunnel."""

    role: Role
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = ", ".join(f"{number} {name}" for name, number in sorted(self.counts.items()))
        return f"{self.role.driver}, {self.seconds:.0f} s: {told}; {len(self.faults)} faults"


class Tunnel:
    """One tunnel in a lab of its own, whose network serves the host behind the peer in a thread. Ours is asyncio."""

    def __init__(self, lab: Lab, role: Role, seed: int) -> None:
        self.report = Report(role)
        self._lab, self._random = lab, random.Random(f"{seed} {role.value}")
        self._network = AioNetwork(open_socket=lab.ours.namespace.socket)
        self._asked: set[int] = set()  # the numbers of our requests that were not answered yet
        self._link = LossyLink(lab)
        self._answers = 0
        lab.sniffer.stop()
        lab.network.attend()  # type: ignore[union-attr]  # of a lab for a Session

    @property
    def config(self) -> IkeConfig:
        """Ours: the peer's mirrored, with short lifetimes."""
        ours = self._lab.config.mirrored(lifetime=_lifetime(IKE), retransmission=IMPATIENT)
        children = tuple(child.replace(lifetime=_lifetime(CHILD)) for child in ours.children)
        return ours.replace(children=children, remote=self._lab.target)

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[IpsecSession]:
        local = self._lab.ours.address()
        if self.report.role.begins:
            async with IpsecClient(self.config, local=local, network=self._network) as client:
                yield await client.connect()
        else:
            async with IpsecServer(self.config, local=local, network=self._network) as server:
                self._lab.peer.initiate()
                yield await server.accept()

    async def hold(self, seconds: float) -> None:
        """Set the tunnel up, and hold it that long."""
        begun = time.monotonic()
        async with self._network, self._session() as session:
            before = self._dropped()
            probe = self._lab.inside.probe(self._lab.ours.inner, icmp=True)
            assert isinstance(probe, Probe)  # not one in a guest
            receiving = asyncio.create_task(self._receive(session))
            work: Sequence[Coroutine[Any, Any, None]] = (
                self._send(session), self._send_from_there(probe), self._peer_rekeys(), self._grow(seconds),
            )  # fmt: skip
            jobs = list(map(asyncio.create_task, work))
            await asyncio.wait([receiving, *jobs], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            for job in jobs:
                job.cancel()
            await asyncio.wait(jobs)
            await asyncio.sleep(UNDER_WAY)
            self._ended([receiving, *jobs])
            self.report.counts["dropped by the kernel"] = self._dropped() - before
            self._count_answers(probe)
            self._check(session, seconds)
            receiving.cancel()
            await asyncio.wait([receiving])
        self.report.seconds = time.monotonic() - begun
        if self._network.failures.total():
            self.report.faults.append(f"internal errors: {dict(self._network.failures)}")
        if left := [sa for sa in self._lab.peer.sas() if sa.established]:
            self.report.faults.append(f"{len(left)} IKE SAs are left at the peer")

    # What goes on meanwhile

    async def _send(self, session: IpsecSession) -> None:
        """Requests of ours, numbered. The session takes them whatever is rekeyed at the moment."""
        ours, theirs = self._lab.ours.inner, self._lab.theirs.inner
        for number in range(1 << 32):
            self._asked.add(number)
            await session.send_packet(udp_packet(ours, theirs, 40000, ECHO, struct.pack("!I", number)))
            self.report.counts["requests of ours"] += 1
            await asyncio.sleep(EVERY)

    async def _send_from_there(self, probe: Probe) -> None:
        while True:
            probe.send()
            self.report.counts["requests from there"] += 1
            self._count_answers(probe)
            await asyncio.sleep(EVERY)

    def _count_answers(self, probe: Probe) -> None:
        while probe.answered:  # which the lab's thread fills; it would grow all the time
            probe.answered.pop()
            self.report.counts["answers to there"] += 1

    async def _receive(self, session: IpsecSession) -> None:
        """Answer the peer's requests, and note the answers to ours."""
        while True:
            packet = await session.recv_packet()
            reply = echo_reply(packet)
            if reply is not None:
                self._answers += 1
                await session.send_packet(reply)
                continue
            number = int.from_bytes(packet[28:32])
            if number not in self._asked:
                self.report.faults.append(f"the answer to request {number} came again, or to none")
            self._asked.discard(number)
            self.report.counts["answers to us"] += 1

    async def _peer_rekeys(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(*THEIRS))
            if self._random.random() < 0.3:
                self._lab.peer.rekey_ike()
            else:
                self._lab.peer.rekey_child()
            self.report.counts["the peer was told to rekey"] += 1

    async def _grow(self, seconds: float) -> None:
        """How much memory this process needs more at the end than when all had settled."""
        if seconds > 2 * SETTLED:
            await asyncio.sleep(SETTLED)
            settled = resident()
            while True:
                self.report.counts["octets more in memory"] = max(0, resident() - settled)
                await asyncio.sleep(1.0)

    # What it came to

    def _dropped(self) -> int:
        """Packets that the devices and the sockets of both sites have dropped."""
        return sum(dropped(site.namespace.run("cat", "/proc/net/dev", "/proc/net/snmp"))
                   for site in (self._lab.ours, self._lab.theirs))  # fmt: skip

    def _delivered(self) -> int:
        """The inner packets that strongSwan has handed to the kernel behind it."""
        (device,) = json.loads(self._lab.theirs.namespace.run("ip", "-s", "-j", "link", "show", "ipsec0"))
        return int(device["stats64"]["rx"]["packets"])

    def _ended(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                if not isinstance(error, FynxError):
                    raise error
                self.report.faults.append(f"it ended early: {error}")

    def _check(self, session: IpsecSession, seconds: float) -> None:
        counts, faults = self.report.counts, self.report.faults
        counts["IKE rekeys"], counts["Child rekeys"] = session.counters.ike_rekeys, session.counters.child_rekeys
        counts.update({f"dropped: {why}": number for why, number in session.endpoint.counts.drops.items()})
        missing = counts["requests of ours"] - counts["answers to us"]
        missing += counts["requests from there"] - counts["answers to there"]
        counts["answers missing"] = missing
        lost, dropped_ = self._link.lost, counts["dropped by the kernel"]
        counts["lost by the link"] = sum(lost)
        if not sum(lost) <= missing <= sum(lost) + dropped_:
            faults.append(f"{missing} answers are missing: the link lost {sum(lost)}, the kernel dropped {dropped_}")
        ours = session.counters
        for what, found, expected in (
            ("sent", ours.packets_out, counts["requests of ours"] + self._answers),
            ("received", ours.packets_in, counts["answers to us"] + self._answers),
            ("left unread", ours.dropped_in, 0),
            ("delivered behind the peer", self._delivered(), ours.packets_out - lost.to_them),
        ):
            if abs(found - expected) > dropped_:
                faults.append(f"{found} packets were {what}, expected {expected}")
        if not session.open:
            faults.append(f"the session has ended: {session.reason}")
        for name, every in (("IKE rekeys", IKE), ("Child rekeys", CHILD)):
            if counts[name] < seconds / every / 2:
                faults.append(f"{counts[name]} {name} in {seconds:.0f} s")
        if counts["requests of ours"] < seconds / EVERY / 4:
            faults.append(f"{counts['requests of ours']} requests in {seconds:.0f} s: the tunnel was idle")
        if counts["octets more in memory"] > GROWTH:
            faults.append(f"memory grew by {counts['octets more in memory']} octets")


def _lifetime(seconds: float) -> Lifetime:
    return Lifetime(soft=Limits(seconds=seconds), hard=Limits(seconds=seconds + 30), jitter=0.3)


def dropped(text: str) -> int:
    """The drops in ``/proc/net/dev`` (of every device, both ways) and ``/proc/net/snmp`` (UDP without room)."""
    devices = re.findall(r"^ *\S+:((?: +\d+){16})$", text, re.MULTILINE)
    count = sum(int(column[3]) + int(column[11]) for column in map(str.split, devices))
    heads, values = (line.split() for line in re.findall(r"^Udp: .*$", text, re.MULTILINE))
    udp = dict(zip(heads, values, strict=True))
    return count + int(udp["RcvbufErrors"]) + int(udp["SndbufErrors"])


def resident() -> int:
    """The octets of this process in memory now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def _both(seconds: float, seed: int) -> list[Report]:
    with Lab() as one, Lab() as other:
        tunnels = [Tunnel(one, Role.CLIENT, seed), Tunnel(other, Role.SERVER, seed)]
        await asyncio.gather(*(tunnel.hold(seconds) for tunnel in tunnels))
        return [tunnel.report for tunnel in tunnels]


def run(seconds: float = 600.0, seed: int = 1) -> list[Report]:
    """Hold a tunnel as a client and one as a server side by side. LabError where no lab can be set up."""
    return asyncio.run(_both(seconds, seed))


if __name__ == "__main__":
    print(*run(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0), sep="\n")
