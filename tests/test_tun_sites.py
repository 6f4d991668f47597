# SPDX-License-Identifier: GPL-2.0-or-later
"""Two sites with a real TUN device each: kernels at both ends, and our tunnel between them.

The sites are network namespaces. Both gateways run in this process, with their sockets on loopback outside of them. The
receiving kernel drops what has a wrong checksum and counts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from fynx_scapy import IpsecSession, TunPump
from fynx_scapy.errors import LabError, NoDevice
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.lab.namespace import Namespace
from fynx_scapy.net.tun import Tun
from fynx_scapy.net.tun_config import TunConfig
from tests.aio import BOB, run, tunnel

pytestmark = pytest.mark.slow

TS = ("10.1.0.0/16", "fd01::/64"), ("10.2.0.0/16", "fd02::/64")
SOME = 3_000_001


@dataclass
class Site:
    """A network namespace, its TUN device, and the tunnel as its gateway sees it."""

    number: int
    namespace: Namespace
    device: Tun
    session: IpsecSession
    pump: TunPump

    def address(self, version: int = 4) -> str:
        return f"10.{self.number}.0.1" if version == 4 else f"fd0{self.number}::1"

    def socket(self, kind: socket.SocketKind, version: int = 4) -> socket.socket:
        """A socket of a program in this site, on a free port."""
        made = self.namespace.socket(socket.AF_INET if version == 4 else socket.AF_INET6, kind)
        made.setblocking(False)
        made.bind((self.address(version), 0))
        return made

    def damaged(self) -> int:
        """How many TCP segments with a wrong checksum this kernel has seen."""
        lines = self.namespace.run("cat", "/proc/net/snmp").splitlines()
        names, values = (line.split() for line in lines if line.startswith("Tcp:"))
        return int(dict(zip(names, values, strict=True))["InCsumErrors"])


@asynccontextmanager
async def sites(mtu: int = 1400, *, offload: bool = True) -> AsyncIterator[tuple[Site, Site]]:
    """Both sites, connected."""
    ours, theirs = TS
    children = [ChildConfig(local_ts=one, remote_ts=other) for one, other in ((ours, theirs), (theirs, ours))]
    async with contextlib.AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(tunnel(BOB.replace(children=children[1]), children=children[0]))
        made = []
        for number, session in enumerate(sessions, 1):
            try:
                namespace = Namespace()
            except LabError as error:
                pytest.skip(str(error))
            stack.callback(namespace.close)
            addresses = (f"10.{number}.0.1/16", f"fd0{number}::1/64")
            config = TunConfig(mtu=mtu, addresses=addresses, routes=TS[2 - number], offload=offload)
            with namespace.entered():
                device = stack.enter_context(Tun(config))
            pump = await stack.enter_async_context(TunPump(device))
            pump.add(session)
            made.append(Site(number, namespace, device, session, pump))
        yield made[0], made[1]


async def connected(here: Site, there: Site, version: int = 4) -> tuple[socket.socket, socket.socket]:
    """A TCP connection between two programs, as each of them holds it."""
    loop = asyncio.get_running_loop()
    with there.socket(socket.SOCK_STREAM, version) as listener:
        listener.listen()
        client = here.socket(socket.SOCK_STREAM, version)
        accepting = asyncio.ensure_future(loop.sock_accept(listener))
        await loop.sock_connect(client, listener.getsockname()[:2])
        return client, (await accepting)[0]


async def send(one: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(one, data)
    one.shutdown(socket.SHUT_WR)


async def end(task: asyncio.Future[None]) -> None:
    """Cancel a transfer."""
    task.cancel()
    await asyncio.wait([task])


async def receive(one: socket.socket) -> bytes:
    parts = []
    while part := await asyncio.get_running_loop().sock_recv(one, 1 << 18):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("offload", [True, False])
@pytest.mark.parametrize("version", [4, 6])
def test_tcp_both_ways(version: int, offload: bool, loop: str) -> None:
    """What one program writes the other reads, and no kernel has seen a wrong checksum."""

    async def main() -> None:
        async with sites(offload=offload) as (here, there):
            data = os.urandom(SOME), os.urandom(SOME)
            one, other = await connected(here, there, version)
            with one, other:
                sending = asyncio.gather(send(one, data[0]), send(other, data[1]))
                assert tuple(await asyncio.gather(receive(other), receive(one))) == data
                await sending
            for site in (here, there):
                assert site.damaged() == 0
                counts = site.device.counts
                assert counts.refused == 0
                assert counts.packets_written > SOME / 1400
                if offload:
                    assert counts.writes < counts.packets_written / 3
                else:
                    assert counts.writes == counts.packets_written

    run(main, loop, seconds=60)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("mtu", [1280, 1400, 9000])
def test_datagrams_up_to_the_mtu_and_beyond(mtu: int, version: int) -> None:
    """Larger ones go as fragments of the kernel's; those that must not be fragmented do not go at all."""
    head = 28 if version == 4 else 48

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with sites(mtu) as (here, there):
            with here.socket(socket.SOCK_DGRAM, version) as one, there.socket(socket.SOCK_DGRAM, version) as other:
                for size in (0, 1, mtu - head, mtu - head + 1, 3 * mtu):
                    data = os.urandom(size)
                    await loop.sock_sendto(one, data, other.getsockname())
                    assert await loop.sock_recv(other, 65535) == data
                assert here.device.counts.packets_read == 3 + 2 + 4
                level = socket.IPPROTO_IP if version == 4 else socket.IPPROTO_IPV6
                one.setsockopt(level, 10 if version == 4 else 23, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
                with pytest.raises(OSError, match="Message too long"):
                    one.sendto(bytes(mtu - head + 1), other.getsockname())

    run(main, "asyncio", seconds=60)


def test_a_host_behind_the_gateway() -> None:
    """The gateway's kernel forwards what was joined: it cuts it again, or hands it on as it is."""

    async def main() -> None:
        async with sites() as (here, there), contextlib.AsyncExitStack() as stack:
            host = Namespace()
            stack.callback(host.close)
            there.namespace.ip(
                f"link add lan mtu 1000 type veth peer name lan mtu 1000 netns {host.path}",
                "addr add 10.2.1.1/24 dev lan",
                "link set lan up",
            )
            there.namespace.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
            host.ip("addr add 10.2.1.2/24 dev lan", "link set lan up", "route add default via 10.2.1.1")
            behind = Site(2, host, there.device, there.session, there.pump)
            behind.address = lambda version=4: "10.2.1.2"  # type: ignore[method-assign]
            data = os.urandom(SOME)
            for ends in ((here, behind), (behind, here)):
                one, other = await connected(*ends)
                with one, other:
                    sending = asyncio.ensure_future(send(one, data))
                    assert await receive(other) == data
                    await sending
            assert (here.damaged(), behind.damaged()) == (0, 0)
            assert there.device.counts.writes < there.device.counts.packets_written

    run(main, "asyncio", seconds=60)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_end_while_traffic_flows(loop: str) -> None:
    """Pumps, sessions and devices are closed in the middle of a transfer. Nothing is left of them."""

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with sites() as (here, there):
                one, other = await connected(here, there)
                stack.enter_context(one)
                stack.enter_context(other)
                sending = asyncio.ensure_future(send(one, bytes(100_000_000)))
                while there.device.counts.packets_written < 500:
                    await asyncio.get_running_loop().sock_recv(other, 1 << 18)
            await end(sending)
            assert (here.session.closed, here.device.fileno()) == (True, -1)

    run(main, loop, seconds=60)


def test_the_device_is_removed_while_traffic_flows() -> None:
    async def main() -> None:
        async with sites() as (here, there):
            one, other = await connected(here, there)
            with one, other:
                sending = asyncio.ensure_future(send(one, bytes(100_000_000)))
                await asyncio.get_running_loop().sock_recv(other, 1 << 18)
                there.namespace.ip(f"link del {there.device.name}")
                with pytest.raises(NoDevice, match="was removed"):
                    await there.pump.wait()
                await end(sending)
                assert there.session.open

    run(main, "asyncio", seconds=60)


def test_a_device_that_is_down_for_a_while() -> None:
    """What comes meanwhile is dropped and counted, and TCP sends it again."""

    async def main() -> None:
        async with sites() as (here, there):
            one, other = await connected(here, there)
            with one, other:
                data = os.urandom(SOME)
                sending = asyncio.ensure_future(send(one, data))
                there.namespace.ip(f"link set {there.device.name} down")
                while not there.session.endpoint.counts.drops["tun-refused"]:
                    await asyncio.sleep(0.01)
                # With the link its routes and its IPv6 addresses went away.
                there.namespace.ip(f"link set {there.device.name} up", f"route add 10.1.0.0/16 dev {there.device.name}")
                assert await receive(other) == data
                await sending

    run(main, "asyncio", seconds=60)
