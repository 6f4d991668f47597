# SPDX-License-Identifier: GPL-2.0-or-later
"""The program of ``fynx connect``: tunnels that are set up, kept and pinged through."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fynx_scapy.client import IpsecClient
from fynx_scapy.commands.carrying import for_client
from fynx_scapy.commands.keeping import Keeper
from fynx_scapy.commands.running import Refused, Running, Stopped, named, told
from fynx_scapy.commands.screen import Screen
from fynx_scapy.errors import FynxError, Timeout
from fynx_scapy.events import EapNotified, Event, IcmpReceived, Retransmitted
from fynx_scapy.ike.terms.timeouts import Reconnect
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.load.echoes import Echoes
from fynx_scapy.settings import Settings
from fynx_scapy.text import counted

PING_PERIOD = 1.0
"""Seconds between two pings."""


async def run_client(
    settings: Settings, ports_given: bool, ping: str | None, screen: Screen, given: Mapping[str, Any]
) -> int:
    """Run it to its end. Returns the exit status."""
    async with Running(screen, given) as run:
        client = IpsecClient(
            local=settings.local or None,
            endpoint=settings.endpoint if ports_given else None,
            network=run.network,
            reconnect=settings.reconnect or (Reconnect() if given["reconnect"] else None),
        )
        program = _Program(run, client, Echoes(ping) if ping is not None else None, given)
        try:
            async with client:
                return await program.main(settings)
        finally:
            if status := run.written():
                sys.exit(status)


class _Program(Keeper):
    """One run of the command."""

    def __init__(self, run: Running, client: IpsecClient, echoes: Echoes | None, given: Mapping[str, Any]) -> None:
        super().__init__(run, echoes)
        self.client = client
        self._given = given
        self.failed: list[FynxError] = []
        self.pings = 0
        self._connecting = ""

    async def main(self, settings: Settings) -> int:
        """Connect, keep the sessions until the end, and say how it was. Returns the exit status."""
        with self.run.shown(self.status), self._messages():
            try:
                await self.run.unless_stopped(self._connect(settings))
                await self.run.unless_stopped(self.until_over())
            except Stopped:
                if not self.total and self.run.interrupted:
                    raise asyncio.CancelledError from None
                if not self.total:
                    raise Timeout(f"expected a tunnel within --duration {self.run.duration:g}, found none") from None
            await self._last_answer()
            await self.end()
            last = self.status()
            await self.client.shutdown()
        self.run.screen.line(f"ended: {last}", always=True)
        if self.echoes is not None:
            self.run.screen.line(pinged(self.pings, self.answers), always=True)
        if self.failed or self.ended or (self.pings and not self.answers):
            return Refused.exit_code
        return 0

    async def _connect(self, settings: Settings) -> None:
        """Set up every connection. The first error is raised if none comes up."""
        found: dict[str, IpsecSession] = {}
        for name, config in settings.connections.items():
            began = time.monotonic()
            try:
                with self._waiting(name):
                    session = found[name] = await self.client.connect(config)
            except FynxError as error:
                if len(settings.connections) == 1:
                    raise
                self.failed.append(error)
                self.run.screen.line(f"{name}: {told(error)}", always=True)
                continue
            self.run.screen.line(f"{name}: {named(session)}, in {1000 * (time.monotonic() - began):.0f} ms")
        if not found:
            raise self.failed[0]
        if self._given["tun"] is not None:
            self.carry(for_client(found.values(), self._given))
        for name, session in found.items():
            self.keep(name, session)
            if self.echoes is not None:
                self.start(self._ping(session, self.echoes))

    async def _ping(self, session: IpsecSession, echoes: Echoes) -> None:
        while not session.closed:
            if session.open:
                await session.send_packet(echoes.request(session))
                self.pings += 1
            await asyncio.sleep(PING_PERIOD)

    async def _last_answer(self) -> None:
        """Give the last ping its time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PING_PERIOD):
                while self.sessions and len(self.answers) < self.pings:
                    await self.answered.wait()

    @contextlib.contextmanager
    def _waiting(self, name: str) -> Iterator[None]:
        """Say when the peer leaves us waiting."""

        def heard(_: str, event: Event) -> None:
            match event:
                case Retransmitted(request=True):
                    self.run.screen.line(f"{name}: no answer yet, the request was sent again ({event.attempt})")
                case IcmpReceived():
                    self.run.screen.line(f"{name}: {event.reporter} says of {event.remote}: {event.reason}")

        remove = self.run.network.subscribe(heard, esp=False)
        self._connecting = name
        try:
            yield
        finally:
            self._connecting = ""
            remove()

    @contextlib.contextmanager
    def _messages(self) -> Iterator[None]:
        """Say what a gateway has to say to its user, also when we authenticate again."""

        def heard(_: str, event: Event) -> None:
            if isinstance(event, EapNotified):
                name = self._connecting or "authenticating again"
                self.run.screen.line(f"{name}: message for the user: {event.text}")

        remove = self.run.network.subscribe(heard, esp=False)
        try:
            yield
        finally:
            remove()


def pinged(sent: int, times: list[float]) -> str:
    """What became of the pings."""
    text = f"{counted(sent, 'ping')}, {counted(len(times), 'answer')}"
    if times:
        low, mean, high = (1000 * value for value in (min(times), sum(times) / len(times), max(times)))
        text += f", {low:.1f}/{mean:.1f}/{high:.1f} ms at least, on average, at most"
    return text
