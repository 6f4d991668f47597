# SPDX-License-Identifier: GPL-2.0-or-later
"""The addresses and ports of clients and servers, and NAT devices between them. Sockets are real, time is virtual."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest

from fynx_scapy import Address, IpsecClient
from fynx_scapy.net.udp import free_ports
from tests.aio import FREE, HERE, PING, PONG, alice, run, serving


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_free_ports_and_both_ip_versions(host: str) -> None:
    async def main() -> None:
        async with serving(local=host) as server, IpsecClient(alice(server), native=False) as client:
            ours = await client.connect()
            settings = client.endpoints[0].config
            assert 0 not in (settings.port, settings.natt_port)
            assert settings.port != settings.natt_port
            # Without protocol 50, we pretend that there is a NAT: the rest of the handshake is on the other port.
            assert (ours.local.port, ours.remote.port) == (settings.natt_port, server.endpoint.config.natt_port)
            assert ours.sa.nat
            await ours.send_packet(PING)
            assert await (await server.accept()).recv_packet() == PING

    run(main)


def test_several_local_addresses() -> None:
    async def main() -> None:
        hosts = ("127.0.0.1", "127.0.0.2", "::1")
        async with serving(local=hosts) as server:
            assert [address.host for address in server.addresses] == list(hosts)
            assert len({address.port for address in server.addresses}) == 1
            where = server.endpoint.config
            async with IpsecClient(local=("127.0.0.3", "::1"), native=False, endpoint=FREE) as client:
                for host in hosts:
                    remote = {"remote": (host, where.port), "remote_natt_port": where.natt_port}
                    session = await client.connect(alice(server, **remote))
                    assert session.local.host == ("::1" if ":" in host else "127.0.0.3")
                    assert (await server.accept()).local.host == host
                assert len(client.endpoints) == 1

    run(main)


def test_one_port_for_everything() -> None:
    """As a user writes it: ``remote="192.0.2.1:15500"`` has that port for ESP in UDP, too."""

    async def main() -> None:
        (port,) = free_ports(HERE, 1)
        async with serving(endpoint=FREE.replace(port=port, natt_port=port)) as server:
            config = alice(server).replace(remote=f"{HERE}:{port}", remote_natt_port=4500)
            async with IpsecClient(config, native=False) as client:
                session = await client.connect()
                assert session.remote.port == port
                await session.send_packet(PING)
                assert await (await server.accept()).recv_packet() == PING

    run(main)


class RelayingNat:
    """A NAT on loopback between the sockets of one client and a server that has one port for everything.

    Neither knows of it: the client sends to the server's address, and the server sees a port of the NAT.
    """

    def __init__(self, server: Address) -> None:
        self._server, self._client, self.keepalives = tuple(server), ("", 0), 0
        self._inside, self._outside = self._open(self._out), self._open(self._in)

    def open_socket(self, family: int, kind: int, protocol: int) -> socket.socket:
        """Open a socket behind the NAT."""
        address, server = self._inside.getsockname(), self._server

        class Behind(socket.socket):
            def sendmsg(self, buffers: Any, ancillary: Any, flags: int, _: Any) -> int:  # type: ignore[override]
                return super().sendmsg(buffers, ancillary, flags, address)

            def recvmsg(self, *arguments: Any) -> Any:
                data, ancillary, flags, _ = super().recvmsg(*arguments)
                return data, ancillary, flags, server

        return Behind(family, kind, protocol)

    def _open(self, ready: Callable[[], None]) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((HERE, 0))
        asyncio.get_running_loop().add_reader(made, ready)
        return made

    def _out(self) -> None:
        data, self._client = self._inside.recvfrom(65535)
        self.keepalives += data == b"\xff"
        self._outside.sendto(data, self._server)

    def _in(self) -> None:
        self._inside.sendto(self._outside.recv(65535), self._client)

    def rebind(self) -> None:
        """Forget the mapping: what the client sends next comes from another port."""
        self._close(self._outside)
        self._outside = self._open(self._in)

    def _close(self, ours: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(ours)
        ours.close()

    def close(self) -> None:
        """Close both sides."""
        self._close(self._inside)
        self._close(self._outside)


def test_a_nat_that_changes_its_mapping() -> None:
    async def main() -> None:
        (port,) = free_ports(HERE, 1)
        async with serving(endpoint=FREE.replace(port=port, natt_port=port)) as server:
            config = alice(server, keepalive=20.0)
            with contextlib.closing(RelayingNat(server.addresses[0])) as nat:
                async with IpsecClient(config, native=False, open_socket=nat.open_socket, offload=False) as client:
                    ours = await client.connect()
                    theirs = await server.accept()
                    assert (ours.sa.nat_before_us, theirs.sa.nat_before_us) == (True, False)
                    await asyncio.sleep(65)
                    assert nat.keepalives == 3
                    before = theirs.remote
                    nat.rebind()
                    # ESP in UDP from the new port  -->   the server follows   <--  ESP in UDP
                    await ours.send_packet(PING)
                    assert await theirs.recv_packet() == PING
                    assert theirs.remote.port != before.port
                    await theirs.send_packet(PONG)
                    assert await ours.recv_packet() == PONG
                    nat.rebind()
                    await ours.rekey()
                    await theirs.rekey()

    run(main)
