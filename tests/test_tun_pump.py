# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets between a device and sessions. The kernel's end of the device is a socket in these tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fynx_scapy import IpsecSession, TunPump
from fynx_scapy.errors import LocalError, NoDevice
from fynx_scapy.net import echo_request
from fynx_scapy.net.tun import TunDevice
from tests.aio import LOOPS, PING, PONG, run, tunnel

OUTSIDE = PING[:16] + bytes([192, 0, 2, 1]) + PING[20:]


class Kernel:
    """The other end of a device."""

    def __init__(self) -> None:
        ours, self.socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.device = TunDevice(ours.detach(), "pair", vnet=False)
        self.socket.setblocking(False)

    async def receive(self) -> bytes:
        """The next packet that it gets from us."""
        return await asyncio.get_running_loop().sock_recv(self.socket, 65535)

    def close(self) -> None:
        self.device.close()
        self.socket.close()


@asynccontextmanager
async def kernels(*sessions: IpsecSession) -> AsyncIterator[list[tuple[Kernel, TunPump]]]:
    """A kernel for each session."""
    made = [(kernel, TunPump(kernel.device)) for kernel in (Kernel() for _ in sessions)]
    try:
        for (_, pump), session in zip(made, sessions, strict=True):
            pump.add(session)
        yield made
    finally:
        for kernel, pump in made:
            await pump.close()
            kernel.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_both_directions(loop: str) -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs), kernels(ours, theirs) as ((here, _), (there, _)):
            # kernel --> device --> ESP --> device --> kernel, in the same order
            pings = [echo_request("10.1.0.1", "10.2.0.1", bytes([number])) for number in range(100)]
            for ping in pings:
                here.socket.send(ping)
            assert [await there.receive() for _ in pings] == pings
            there.socket.send(PONG)
            assert await here.receive() == PONG
            assert (here.device.counts.packets_read, here.device.counts.packets_written) == (100, 1)
            assert (there.device.counts.bytes_read, there.device.counts.bytes_written) == (
                len(PONG),
                100 * len(pings[0]),
            )

    run(main, loop)


def test_what_no_session_takes_is_counted() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs), kernels(ours, theirs) as ((here, _), (there, _)):
            for packet in (OUTSIDE, b"nothing", PING):
                here.socket.send(packet)
            assert await there.receive() == PING
            assert ours.endpoint.counts.drops == {"no-policy": 1, "inner-malformed": 1}

    run(main)


def test_what_the_device_does_not_take_is_counted() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs), kernels(theirs) as ((there, _),):
            there.socket.close()
            await ours.send_packets([PING, PING])
            while theirs.endpoint.counts.drops["tun-refused"] < 2:
                await asyncio.sleep(0)
            assert there.device.counts.refused == 2

    run(main)


def test_the_end_of_a_session_is_not_the_end_of_the_pump() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs), kernels(theirs) as ((there, pump),):
            waiting = asyncio.ensure_future(pump.wait())
            await ours.send_packet(PING)
            await ours.close()
            assert await there.receive() == PING  # what was received before is still handed over
            await theirs.wait_closed()
            assert not waiting.done()
            await pump.close()
            await waiting
            with pytest.raises(LocalError, match="expected a pump that runs"):
                pump.add(theirs)

    run(main)


def test_a_device_that_was_removed() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs), kernels(theirs) as ((there, pump),):
            there.device.close()
            await ours.send_packet(PING)
            with pytest.raises(NoDevice, match="the TUN device pair was removed"):
                await pump.wait()

    run(main)


def test_the_client_is_shut_down() -> None:
    async def main() -> None:
        async with tunnel() as (ours, _), kernels(ours) as ((here, pump),):
            ours.network.close()
            with pytest.raises(LocalError, match="expected a session of an open client or server"):
                TunPump(here.device).add(ours)
            here.socket.send(PING)
            await pump.wait()
            assert pump.error is None

    run(main)


def test_a_pump_carries_one_endpoint() -> None:
    async def main() -> None:
        async with tunnel() as (ours, theirs), kernels(ours) as ((_, pump),):
            with pytest.raises(LocalError, match="expected a session of <Endpoint"):
                pump.add(theirs)

    run(main)
