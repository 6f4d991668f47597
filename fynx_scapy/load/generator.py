# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts load on a gateway: sets tunnels up at a rate, holds them, rekeys them, sends through them, and measures."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine
from typing import Any

from fynx_scapy.client import IpsecClient
from fynx_scapy.errors import FynxError
from fynx_scapy.ike.config import IkeConfig
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.load.echoes import Echoes
from fynx_scapy.load.plan import LoadPlan, Traffic, numbered
from fynx_scapy.load.report import LoadReport
from fynx_scapy.net.signals import Signal

SAMPLE = 0.25
"""Seconds between two samples."""
TICK = 0.005
"""Seconds between two bursts of traffic. Those of one burst have the same time of sending."""
BEHIND = 0.1
"""How many seconds the traffic may be late. What is later is not sent any more, so that it does not come at once."""
FIRST_PACKET = 2.0
"""How many seconds the first ping of a tunnel may take before it counts as unanswered."""
LAST_ANSWERS = 0.5
"""How many seconds the answers to the last pings may take."""


class Load:
    """Runs a `LoadPlan` with an `IpsecClient`, and measures.

    >>> async with IpsecClient(local="192.0.2.1") as client:
    ...     report = await Load(client, config, LoadPlan(tunnels=100, rate=20)).run()

    ``config`` is that of every tunnel, with ``{n}`` for its number in the identity. ``report`` may be read at any time.
    Cancelling `run` ends it early; then `report` has what was measured so far.
    """

    def __init__(self, client: IpsecClient, config: IkeConfig, plan: LoadPlan) -> None:
        self.client, self.config, self.plan = client, config, plan
        self.report = LoadReport(plan)
        self.error: FynxError | None = None
        """Why the first tunnel failed that did."""
        self._now = asyncio.get_running_loop().time
        self.began = self._now()
        self._echoes, self._firsts = Echoes(plan.target, self._now), Echoes(plan.target, self._now)
        self._sessions: dict[IpsecSession, Signal] = {}
        self._holding = asyncio.Event()
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return self._now() - self.began

    @property
    def tunnels(self) -> int:
        """How many tunnels are up."""
        return len(self._sessions)

    async def run(self) -> LoadReport:
        """Set the tunnels up, hold them and close them. It raises what nobody expected."""
        self.began = self._now()
        self._start(self._sample())
        try:
            await self._set_up()
            await self._hold()
        finally:
            await self._end()
        if self._broken is not None:
            raise self._broken
        return self.report

    # -- setting up

    async def _set_up(self) -> None:
        plan, room = self.plan, asyncio.Semaphore(self.plan.at_once)
        began = self._now()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(1, plan.tunnels + 1):
                    if plan.rate is not None:
                        await self._until(began + (number - 1) / plan.rate)
                    await room.acquire()
                    group.create_task(self._tunnel(number)).add_done_callback(lambda _: room.release())
        finally:
            self.report.setup_seconds = self._now() - began

    async def _tunnel(self, number: int) -> None:
        """Set up one tunnel."""
        report, began = self.report, self._now()
        report.attempts += 1
        try:
            session = await self.client.connect(numbered(self.config, number, self.plan.tunnels))
        except FynxError as error:
            report.fail(report.failures, error.code, str(error))
            self.error = self.error or error
            return
        report.setups.add(self._now() - began)
        report.tunnels += 1
        answered = self._sessions[session] = Signal()
        report.most = max(report.most, self.tunnels)
        self._start(self._read(session, answered))
        if self.plan.first_packet:
            self._start(self._first_packet(session, answered, began))
        if self.plan.rekey_every is not None:
            self._start(self._rekey(session, self.plan.rekey_every))

    async def _first_packet(self, session: IpsecSession, answered: Signal, began: float) -> None:
        with contextlib.suppress(TimeoutError, FynxError):
            await session.send_packet(self._firsts.request(session))
            async with asyncio.timeout(FIRST_PACKET):
                await answered.wait()
            self.report.first_packets.add(self._now() - began)

    # -- what happens in a tunnel

    async def _read(self, session: IpsecSession, answered: Signal) -> None:
        """Take what comes out of a tunnel until it ends."""
        report = self.report
        while True:
            try:
                packets = await session.recv_packets()
            except FynxError as error:
                self._sessions.pop(session, None)
                if not self._closing:
                    report.fail(report.lost, error.code, str(error))
                return
            for packet in packets:
                if (seconds := self._echoes.answered(packet)) is not None:
                    report.packets_in += 1
                    report.latencies.add(seconds)
                elif self._firsts.answered(packet) is not None:
                    answered.fire()

    async def _rekey(self, session: IpsecSession, every: float) -> None:
        report = self.report
        await self._holding.wait()
        await asyncio.sleep(random.uniform(0, every))
        child = True
        while session.open:
            began = self._now()
            try:
                await session.rekey(child=child, ike=not child)
            except FynxError as error:
                if session.open:
                    report.fail(report.rekey_failures, error.code, str(error))
            else:
                (report.child_rekeys if child else report.ike_rekeys).add(self._now() - began)
            child = not child
            await self._until(began + every)

    async def _send(self, traffic: Traffic) -> None:
        """Pings over all tunnels in turns, at the rate that was asked for, or as fast as we can."""
        last, due, turn = self._now(), 0.0, 0
        while self._sessions:
            now = self._now()
            due = min(due + (now - last) * traffic.packets, traffic.packets * BEHIND + 1)
            last, packets, sessions = now, int(due), list(self._sessions)
            due -= packets
            chosen = min(packets, len(sessions))
            for place in range(chosen):
                share = packets // chosen + (place < packets % chosen)
                session = sessions[(turn + place) % len(sessions)]
                with contextlib.suppress(FynxError):  # it ends at this moment
                    await session.send_packets([self._echoes.request(session, traffic.size)] * share)
                    self.report.packets_out += share
            turn += chosen
            await asyncio.sleep(TICK)

    # -- holding and ending

    async def _hold(self) -> None:
        if not self._sessions or not self.plan.hold:
            await self._wait_first()
            return
        self._holding.set()
        began = self._now()
        traffic = self._start(self._send(self.plan.traffic)) if self.plan.traffic is not None else None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.plan.hold):
                    await self._lost_all()
        finally:
            self.report.hold_seconds = self._now() - began
            if traffic is not None:
                traffic.cancel()
        if traffic is not None:
            await asyncio.sleep(LAST_ANSWERS)

    async def _lost_all(self) -> None:
        while self._sessions:
            await asyncio.sleep(SAMPLE)

    async def _wait_first(self) -> None:
        """Give the first packets their time where nothing else takes any."""
        if self.plan.first_packet:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_PACKET):
                    while self.report.first_packets.count < self.tunnels:
                        await asyncio.sleep(TICK)

    async def _sample(self) -> None:
        while True:
            self.report.sample(self.seconds, self.tunnels)
            await asyncio.sleep(SAMPLE)

    async def _end(self) -> None:
        self.report.sample(self.seconds, self.tunnels)
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(session.close() for session in list(self._sessions)))

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._now()))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
