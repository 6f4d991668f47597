# SPDX-License-Identifier: GPL-2.0-or-later
"""The program of ``fynx serve``: peers that connect are answered, and the configuration is read again on SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fynx_scapy.commands.carrying import for_server
from fynx_scapy.commands.keeping import Keeper
from fynx_scapy.commands.peers import settings_of
from fynx_scapy.commands.refusing import Refusals
from fynx_scapy.commands.running import Running, Stopped, named, told
from fynx_scapy.commands.screen import Screen
from fynx_scapy.errors import FynxError
from fynx_scapy.ike.terms.cp_config import ConfigReply
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.net.own_addresses import own_addresses
from fynx_scapy.net.shard import Shard
from fynx_scapy.server import IpsecServer
from fynx_scapy.settings import Settings
from fynx_scapy.text import counted


def read(given: Mapping[str, Any], pools: tuple[str, ...], local: tuple[str, ...]) -> Settings:
    """The settings that the options give, with the addresses to serve at."""
    more: dict[str, Any] = {"cp_reply": ConfigReply(pool=pools)} if pools else {}
    settings, _ = settings_of(given, local, **more)
    if not settings.local:
        settings = settings.replace(local=own_addresses())
    return settings


async def run_server(settings: Settings, screen: Screen, given: Mapping[str, Any], shard: Shard | None = None) -> int:
    """Run it to its end, or one of several with its ``shard``. Returns the exit status."""
    async with Running(screen, given, shard) as run:
        server = IpsecServer(
            tuple(settings.connections.values()),
            local=settings.local if shard is None else shard.hosts,
            endpoint=settings.endpoint if shard is None else shard.config,
            network=run.network,
            backlog=10_000,
        )
        program = _Program(run, server, settings, given)
        try:
            async with server:
                await program.main()
        finally:
            if status := run.written():
                sys.exit(status)
    return 0


class _Program(Keeper):
    """One run of the command."""

    def __init__(self, run: Running, server: IpsecServer, settings: Settings, given: Mapping[str, Any]) -> None:
        super().__init__(run)
        self.server, self.settings = server, settings
        self._given = given
        self._files: Path | None = given["config"]
        self._refusals = Refusals(run.screen, run.network)

    async def main(self) -> None:
        """Serve until the end, and say how it was."""
        if self._given["tun"] is not None:
            self.carry(for_server(self.settings.connections.values(), self._given))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        try:
            for address in self.server.addresses:
                connections = counted(len(self.settings.connections), "connection")
                self.run.screen.line(f"serving {connections} at {address}", always=True)
            with self.run.shown(self.status), contextlib.suppress(Stopped):
                await self.run.unless_stopped(self._accept())
            last = self.status()
            await self.end()
            await self.server.close()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
        refused = f" · {counted(self._refusals.total, 'peer')} refused" if self._refusals.total else ""
        self.run.screen.line(f"ended: {last} · {counted(self.total, 'session')} in all{refused}", always=True)

    async def _accept(self) -> None:
        async for session in self.server:
            name = self._name(session)
            self.run.screen.line(f"{name}: {named(session)}")
            self.keep(name, session)

    def _name(self, session: IpsecSession) -> str:
        """The name of the connection whose configuration the session has."""
        names = self.settings.connections.items()
        return next((name for name, config in names if config.local_id == session.config.local_id
                     and config.remote_id == session.config.remote_id), "peer")  # fmt: skip

    def reload(self) -> None:
        """Read the file again. One with a mistake changes nothing."""
        if self._files is None:
            self.run.screen.line("SIGHUP: nothing to read again without --config", always=True)
            return
        try:
            settings = read(self._given, self._given["pools"], self._given["local"])
            self.server.reload(tuple(settings.connections.values()))
        except (FynxError, click.UsageError) as error:
            text = told(error) if isinstance(error, FynxError) else error.message
            self.run.screen.line(f"SIGHUP: the old configuration stays: {text}", always=True)
            return
        if (settings.local, settings.endpoint) != (self.settings.local, self.settings.endpoint):
            self.run.screen.line("SIGHUP: other addresses and ports are taken by a new start only", always=True)
        self.settings = settings
        self.run.screen.line(f"SIGHUP: {counted(len(settings.connections), 'connection')} from now on", always=True)
