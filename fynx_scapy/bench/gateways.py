# SPDX-License-Identifier: GPL-2.0-or-later
"""Two sites in network namespaces, with a gateway each, and a tunnel between their TUN devices: ours, or strongSwan's.

Behind each gateway is the kernel of its namespace, in which programs run as on any host.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from fynx_scapy.client import IpsecClient
from fynx_scapy.errors import FynxError, LabError
from fynx_scapy.ike.config import ChildConfig, IkeConfig
from fynx_scapy.ike.message import Address
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.lab.peer import PeerChild, PeerConfig
from fynx_scapy.lab.strongswan import StrongSwan
from fynx_scapy.lab.topology import Site, Topology
from fynx_scapy.net.tun import Tun
from fynx_scapy.net.tun_config import TunConfig
from fynx_scapy.server import IpsecServer
from fynx_scapy.tun_pump import TunPump

MTU = 1400
"""The MTU of the TUN devices in octets, as strongSwan sets it."""
ESP = "aes128gcm16"
PATIENCE = 10.0
"""How many seconds a gateway has to start, and the tunnel to be set up."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Gateways(ABC):
    """The gateways of both sites, connected. LabError when they cannot be."""

    suite = ""
    """What was negotiated for ESP, as the gateways themselves name it."""

    @property
    @abstractmethod
    def pids(self) -> tuple[int, int]:
        """Their process IDs, the initiator's first."""

    def processor(self) -> tuple[float, float]:
        """The processor time of each so far, in seconds."""
        one, other = map(_processor_time, self.pids)
        return one, other

    @abstractmethod
    def close(self) -> None:
        """End them."""


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.contextmanager
def sites() -> Iterator[Topology]:
    """Two sites with a link between them, and an inner address for each on its loopback device."""
    topology = Topology()
    try:
        ours = topology.ours
        ours.namespace.ip(f"addr add {ours.inner}/24 dev lo")
        yield topology
    finally:
        topology.close()


class StrongSwans(Gateways):
    """Two charons, which do ESP in user space (kernel-libipsec)."""

    def __init__(self, topology: Topology) -> None:
        self._undo = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            both = [(topology.ours, topology.theirs), (topology.theirs, topology.ours)]
            self._peers = [self._started(undo, site, other) for site, other in both]
            self._peers[0].initiate()
            self.suite = self._connected()
            self._undo = undo.pop_all()

    @staticmethod
    def _started(undo: contextlib.ExitStack, site: Site, other: Site) -> StrongSwan:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="fynx-bench-")))
        child = PeerChild(esp=ESP, local_ts=(site.network,), remote_ts=(other.network,))
        config = PeerConfig(
            local=site.outer, remote=other.outer, local_id=_name(site), remote_id=_name(other), children=(child,)
        )
        peer = StrongSwan(site.namespace, folder, config)
        undo.callback(peer.kill)
        peer.start()
        return peer

    def _connected(self) -> str:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for sa in self._peers[0].sas():
                for child in sa.children:
                    return child.esp
            time.sleep(0.02)
        raise LabError(f"strongSwan's gateways did not set up a tunnel within {PATIENCE:g} s")

    @property
    def pids(self) -> tuple[int, int]:
        """The process IDs of the charons."""
        one, other = (peer.pid for peer in self._peers)
        return one, other

    def close(self) -> None:
        """Kill them, and remove their files."""
        self._undo.close()


class Ours(Gateways):
    """An `IpsecClient` and an `IpsecServer`, a process each. ``offload`` is that of their sockets and devices."""

    def __init__(self, topology: Topology, *, offload: bool = True) -> None:
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        try:
            for site, other in ((topology.theirs, topology.ours), (topology.ours, topology.theirs)):
                self._start(site, other, offload)
            self.suite = ESP
        except LabError:
            self.close()
            raise

    def _start(self, site: Site, other: Site, offload: bool) -> None:
        context = multiprocessing.get_context("spawn")
        pipe, theirs = context.Pipe()
        with site.namespace.entered():
            process = context.Process(
                target=_gateway,
                args=(theirs, _Place.of(site), _Place.of(other), offload),
                daemon=True,
            )
            process.start()
        theirs.close()
        self._processes.append(process)
        self._pipes.append(pipe)
        try:
            said = pipe.recv() if pipe.poll(PATIENCE) else f"it has said nothing for {PATIENCE:g} s"
        except EOFError:
            said = "its process ended"
        if said:
            raise LabError(f"our gateway at {site.outer} did not start: {said}")

    @property
    def pids(self) -> tuple[int, int]:
        """The process IDs, the client's first."""
        server, client = (process.pid or 0 for process in self._processes)
        return client, server

    def close(self) -> None:
        """Close the sessions and end the processes."""
        for pipe in reversed(self._pipes):
            pipe.close()
        for process in reversed(self._processes):
            process.join(PATIENCE)
            process.kill()
            process.join()
            process.close()


def _name(site: Site | _Place) -> str:
    return f"gateway{site.number}"


class _Place(NamedTuple):
    """A site, as a process that is started there gets it."""

    number: int
    outer: str
    inner: str
    network: str

    @classmethod
    def of(cls, site: Site) -> _Place:
        return cls(site.number, site.outer, site.inner, site.network)


def _gateway(pipe: Connection, here: _Place, there: _Place, offload: bool) -> None:
    """The process of a gateway, until the other end of the pipe is closed. That of the first site is the client."""
    os.setsid()  # like strongSwan's, which the lab starts so: Linux shares the processors out among sessions
    asyncio.run(_run(pipe, here, there, offload))


async def _run(pipe: Connection, here: _Place, there: _Place, offload: bool) -> None:
    child = ChildConfig(proposals=ESP, local_ts=here.network, remote_ts=there.network)
    config = IkeConfig(
        auth="secret", local_id=_name(here), remote_id=_name(there), children=child, force_encapsulation=True
    )
    done = asyncio.Event()
    try:
        async with contextlib.AsyncExitStack() as stack:
            device = stack.enter_context(
                Tun(TunConfig(mtu=MTU, addresses=f"{here.inner}/32", routes=there.network, offload=offload))
            )
            pump = await stack.enter_async_context(TunPump(device))
            if here.number == 1:
                config = config.replace(remote=Address(there.outer, 500))
                client = IpsecClient(config, local=here.outer, native=False, offload=offload)
                pump.add(await (await stack.enter_async_context(client)).connect())
            else:
                server = IpsecServer(config, local=here.outer, native=False, offload=offload)
                await stack.enter_async_context(server)
                accepting = asyncio.ensure_future(_accept(server, pump))
                stack.callback(accepting.cancel)
            asyncio.get_running_loop().add_reader(pipe.fileno(), done.set)
            pipe.send("")
            await done.wait()
            asyncio.get_running_loop().remove_reader(pipe.fileno())
    except FynxError as error:
        with contextlib.suppress(OSError):
            pipe.send(str(error))


async def _accept(server: IpsecServer, pump: TunPump) -> None:
    session: IpsecSession
    async for session in server:
        pump.add(session)
