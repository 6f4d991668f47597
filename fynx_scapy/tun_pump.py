# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries inner packets between a TUN device and the sessions of a client or server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Self

from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.net.aio import AioNetwork
from fynx_scapy.net.hosts import Host
from fynx_scapy.net.signals import Signal
from fynx_scapy.net.tun import TunDevice

AT_ONCE = 128
"""How many packets we read from the device at most, then others have their turn."""
TOGETHER = 256
"""How many received packets are written together at most. The more, the more segments can be joined."""


class TunPump:
    """Carries packets in both directions until it is closed, or the device is removed.

    >>> async with TunPump(tun) as pump:
    ...     pump.add(session)
    ...     await session.wait_closed()

    What the kernel routes into the device goes to the session whose traffic selectors take it; what no session takes is
    dropped, like what the device does not take, and counted in the endpoint's ``counts``. While there is no room to
    send, packets wait in the kernel, which drops what its queue does not hold. The device has to stay open as long as
    the pump.
    """

    def __init__(self, tun: TunDevice) -> None:
        self.tun = tun
        self.error: Exception | None = None
        """Why it has stopped by itself: the device was removed."""
        self._endpoint: Endpoint | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._ended = Signal()

    def __repr__(self) -> str:
        return f"<TunPump {self.tun.name}{', ended' if self._closed else ''}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def add(self, session: IpsecSession) -> None:
        """Carry the packets of a session too, until it ends.

        LocalError for a session of another endpoint than the first one's (they cannot share a device), for one whose
        client or server was closed, and when the pump was closed.
        """
        if self._closed:
            raise LocalError("expected a pump that runs, found one that has ended")
        if self._endpoint is None:
            host = next((host for host in session.network.hosts.values() if host.endpoint is session.endpoint), None)
            if host is None or session.network.closed:
                raise LocalError(f"expected a session of an open client or server, found {session!r}")
            self._endpoint = session.endpoint
            self._start(self._outward(host, session.network))
        elif self._endpoint is not session.endpoint:
            raise LocalError(f"expected a session of {self._endpoint!r}, found one of {session.endpoint!r}")
        self._start(self._inward(session))

    async def wait(self) -> None:
        """Wait until it has ended. TransportError when the device was removed."""
        while not self._closed:
            await self._ended.wait()
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        """Stop. Sessions and device stay as they are."""
        self._stop()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _stop(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        self._ended.fire()

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.error = self.error or error
            self._stop()
            if not isinstance(error, FynxError):
                task.get_loop().call_exception_handler({"message": f"exception in {self!r}", "exception": error})

    # The two directions

    async def _outward(self, host: Host, network: AioNetwork) -> None:
        """From the device to the sessions, until their network is closed."""
        endpoint = host.endpoint
        while not network.closed:
            packets = self.tun.read(AT_ONCE)
            if not packets:
                await self._readable()
                continue
            network.guarded(host, "packets of a TUN device", endpoint.send_many, packets, network.now)
            if network.queued(len(packets)):
                with contextlib.suppress(LocalError):  # closed meanwhile
                    await network.room()
            else:
                await asyncio.sleep(0)
        self._stop()

    async def _readable(self) -> None:
        """Wait until the device has packets."""
        loop, descriptor = asyncio.get_running_loop(), self.tun.fileno()
        future: asyncio.Future[None] = loop.create_future()
        loop.add_reader(descriptor, _resolve, future)
        try:
            await future
        finally:
            loop.remove_reader(descriptor)

    async def _inward(self, session: IpsecSession) -> None:
        """From a session to the device, until the session has ended and all is read."""
        while True:
            try:
                packets = await session.recv_packets(TOGETHER)
            except FynxError:
                return
            refused = len(packets) - self.tun.write(packets)
            if refused:
                session.endpoint.counts.drop(DropReason.TUN_REFUSED, refused)


def _resolve(future: asyncio.Future[None]) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):  # it may be cancelled by now
        future.set_result(None)
