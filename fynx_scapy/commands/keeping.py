# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps the sessions of ``fynx connect`` and ``fynx serve``: answers pings, tells what happens to them, and counts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from fynx_scapy.commands.carrying import Carrier, lost
from fynx_scapy.commands.running import Running, told
from fynx_scapy.commands.screen import duration, octets
from fynx_scapy.errors import Closing, FynxError, SessionClosed
from fynx_scapy.ike.events import (
    ChildSaFailed,
    ChildSaInstalled,
    ChildSaRekeyed,
    Event,
    IkeSaRekeyed,
    LifetimeReached,
    Reconnecting,
)
from fynx_scapy.net.echo import echo_reply
from fynx_scapy.net.signals import Signal
from fynx_scapy.text import counted

if TYPE_CHECKING:
    from fynx_scapy.ipsec_session import IpsecSession
    from fynx_scapy.load.echoes import Echoes
    from fynx_scapy.net.tun_config import TunConfig


class Keeper:
    """What a program knows of its sessions, and does for them."""

    def __init__(self, run: Running, echoes: Echoes | None = None) -> None:
        self.run, self.echoes = run, echoes
        self.began = time.monotonic()
        self.sessions: dict[IpsecSession, str] = {}
        """The open sessions and their names."""
        self.ended: list[FynxError] = []
        """Why sessions ended that nobody here has closed. The latest of them, since a server has many."""
        self.rekeys = self.total = 0
        self.answers: list[float] = []
        """How many seconds each answer to a ping of ours took."""
        self.answered = Signal()
        self.carrier: Carrier | None = None
        """What carries packets between the sessions and a device."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None
        self._changed = Signal()

    def keep(self, name: str, session: IpsecSession) -> None:
        """Keep a session until it ends."""
        self.sessions[session] = name
        self.total += 1
        self.start(self._tell(name, session))
        if self.carrier is not None:
            self.carrier.add(session)
        else:
            self.start(self._read(session))

    def carry(self, config: TunConfig) -> None:
        """Open a device, whose packets go through the sessions that are kept from now on. TransportError."""
        self.carrier = Carrier(config, self.run.screen)
        self.start(lost(self.carrier))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside everything else. What it raises ends the program."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self.run.stopped.set()

    async def until_over(self) -> None:
        """Wait until no session is left."""
        while self.sessions:
            await self._changed.wait()

    async def end(self) -> None:
        """End all that was started."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.carrier is not None:
            await self.carrier.close()
        if self._broken is not None:
            raise self._broken

    # -- one session

    async def _tell(self, name: str, session: IpsecSession) -> None:
        async for event in session.events():
            if text := self._text(event):
                self.run.screen.line(f"{name}: {text}")
        self.rekeys += session.counters.ike_rekeys + session.counters.child_rekeys
        reason = session.reason
        del self.sessions[session]
        self._changed.fire()
        if reason is not None and not self.run.stopped.is_set():
            ours = isinstance(reason, SessionClosed) and reason.code == Closing.BY_US
            self.run.screen.line(f"{name}: closed" if ours else f"{name}: closed: {told(reason, advice=False)}")
            if not ours:
                self.ended = [*self.ended[-99:], reason]

    @staticmethod
    def _text(event: Event) -> str:
        match event:
            case IkeSaRekeyed():
                return f"IKE SA rekeyed by {'the peer' if event.by_peer else 'us'}"
            case ChildSaRekeyed():
                return f"Child SA rekeyed by {'the peer' if event.by_peer else 'us'}"
            case Reconnecting():
                return f"lost the peer, attempt {event.attempt} to reconnect in {event.wait:.1f} s [{event.code}]"
            case ChildSaFailed():
                return f"no Child SA {event.name}: {event.reason}"
            case LifetimeReached(limit="authentication" | "reauthentication", hard=hard):
                return "the authentication has ended" if hard else "authenticating again"
            case ChildSaInstalled():
                return f"Child SA with SPIs {event.inbound.spi:08x} in, {event.outbound.spi:08x} out"
        return ""

    async def _read(self, session: IpsecSession) -> None:
        """Answer pings, and note the answers to ours. Other packets have nobody to go to."""
        while True:
            try:
                packets = await session.recv_packets()
            except FynxError:
                return
            for packet in packets:
                seconds = self.echoes.answered(packet) if self.echoes is not None else None
                if seconds is not None:
                    self.answers.append(seconds)
                    self.answered.fire()
                elif (reply := echo_reply(packet)) is not None:
                    with contextlib.suppress(FynxError):  # it ends at this moment, or takes no answers
                        await session.send_packet(reply)

    # -- all of them

    def status(self) -> str:
        """The status line."""
        counts = self.run.network.counts()
        children = sum(len(session.children) for session in self.sessions)
        rekeys = self.rekeys + sum(
            session.counters.ike_rekeys + session.counters.child_rekeys for session in self.sessions
        )
        parts = [
            duration(time.monotonic() - self.began),
            counted(len(self.sessions), "session"),
            counted(children, "Child SA"),
            f"in {counted(counts.esp_packets_in, 'packet')}, {octets(counts.esp_bytes_in)}",
            f"out {counted(counts.esp_packets_out, 'packet')}, {octets(counts.esp_bytes_out)}",
            counted(rekeys, "rekey"),
        ]
        if drops := sum(counts.drops.values()):
            parts.insert(5, f"{drops:,} dropped")
        return " · ".join(parts)
