# SPDX-License-Identifier: GPL-2.0-or-later
"""Many sessions of asyncio clients with one server, over a bad network: rekeys under traffic, kills and restarts.

>>> print(run(sessions=200))

The sockets are real, the loss and the time are not. Whatever the network has delivered must have been received, and
clients that were cancelled or killed must leave nothing at the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fynx_scapy import (
    ChildConfig,
    DeadPeerDetection,
    EndpointConfig,
    IkeConfig,
    IpsecClient,
    IpsecServer,
    IpsecSession,
    Retransmission,
)
from fynx_scapy.errors import FynxError
from fynx_scapy.ike.basics.states import State
from fynx_scapy.net import udp_packet
from tools.virtual_loop import VirtualLoop

HOST = "127.0.0.1"
PER_CLIENT = 10
PATIENT = Retransmission(timeout=0.5, base=1.5, tries=12)
"""One of five requests or answers is lost; twelve in a row are not."""
PORTS = EndpointConfig(port=0, natt_port=0, marker_always=True, source_limit=100_000, source_threshold=None)
LATE = 0.5
"""How many seconds a datagram is late at most."""
EVERY = 0.2
"""The seconds between two packets of a session in one direction."""


@dataclass(slots=True)
class Report:
    """What came of a run."""

    sessions: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = ", ".join(f"{number} {name}" for name, number in sorted(self.counts.items()))
        return f"{self.sessions} sessions: {told}; {len(self.faults)} faults"


class BadWire:
    """Loses datagrams, and delays some so that others overtake them."""

    def __init__(self, seed: int, loss: float, late: float) -> None:
        self._random = random.Random(f"wire {seed}")
        self._loss, self._late = loss, late
        self.counts: Counter[str] = Counter()

    def open_socket(self, family: int, kind: int, protocol: int) -> socket.socket:
        """Open a socket that sends through this wire."""
        return _Socket(self, family, kind, protocol)

    def send(self, out: _Socket, octets: bytes, arguments: tuple[Any, ...]) -> None:
        """Send a datagram, late or not at all."""
        what = "ESP" if len(octets) > 1 and octets[:4] != bytes(4) else "IKE"
        if self._random.random() < self._loss:
            self.counts[f"{what} lost"] += 1
        elif self._random.random() < self._late:
            asyncio.get_running_loop().call_later(self._random.uniform(0, LATE), self._deliver, what, out, arguments)
        else:
            self._deliver(what, out, arguments)

    def _deliver(self, what: str, out: _Socket, arguments: tuple[Any, ...]) -> None:
        with contextlib.suppress(OSError):  # its sender has closed it meanwhile
            socket.socket.sendmsg(out, *arguments)
            self.counts[f"{what} delivered"] += 1


class _Socket(socket.socket):
    def __init__(self, wire: BadWire, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self._wire = wire

    def sendmsg(self, buffers: Any, *arguments: Any) -> int:
        """Send one datagram through the wire."""
        octets = b"".join(buffers)
        self._wire.send(self, octets, ([octets], *arguments))
        return len(octets)


class Tunnels:
    """The server, its clients, and what they have sent and received."""

    def __init__(self, sessions: int, rekeys: int, seed: int, wire: BadWire) -> None:
        self.report = Report(sessions)
        self._rekeys, self._wire = rekeys, wire
        self._random = random.Random(f"tunnels {seed}")
        self._received: dict[tuple[int, str], set[int]] = {}
        self._server: IpsecServer
        self._theirs: dict[str, IpsecSession] = {}

    async def run(self) -> None:
        """All of it."""
        child = ChildConfig(local_ts="10.0.0.0/8", remote_ts="10.0.0.0/8")
        asks = DeadPeerDetection(interval=60.0, retransmission=PATIENT)
        config = IkeConfig(auth="secret", local_id="server", children=child, retransmission=PATIENT, dpd=asks)
        wire = {"open_socket": self._wire.open_socket, "native": False, "offload": False}
        async with IpsecServer(config, local=HOST, endpoint=PORTS, backlog=100_000, **wire) as self._server:  # type: ignore[arg-type]
            accepting = asyncio.create_task(self._accept())
            groups = range(0, self.report.sessions, PER_CLIENT)
            clients = [IpsecClient(local=HOST, **wire) for _ in groups]  # type: ignore[arg-type]
            numbers = [range(first, min(first + PER_CLIENT, self.report.sessions)) for first in groups]
            await asyncio.gather(*map(self._group, clients, numbers))
            await asyncio.sleep(5)  # what is late arrives
            self._check_packets()
            await self._end(clients)
            self._check_server()
            accepting.cancel()
            await asyncio.wait([accepting])

    async def _accept(self) -> None:
        async for session in self._server:
            self._theirs[str(session.remote_id)] = session

    def _config(self, number: int) -> IkeConfig:
        where = self._server.endpoint.config
        high, low = divmod(number, 250)
        child = ChildConfig(local_ts=f"10.1.{high}.{low}/32", remote_ts="10.2.0.1/32")
        return IkeConfig(
            auth="secret", local_id=f"client-{number}", remote=(HOST, where.port), remote_natt_port=where.natt_port,
            children=child, retransmission=PATIENT,
        )  # fmt: skip

    # A client with some sessions

    async def _group(self, client: IpsecClient, numbers: Sequence[int]) -> None:
        await asyncio.gather(*(self._session(client, number) for number in numbers))

    async def _session(self, client: IpsecClient, number: int) -> None:
        await asyncio.sleep(self._random.uniform(0, 5))
        if self._random.random() < 0.2:
            await self._give_up(client, number)
        ours = await client.connect(self._config(number))
        while (theirs := self._theirs.get(f"client-{number}")) is None or not theirs.open:
            await asyncio.sleep(0.1)
        self.report.counts["handshakes"] += 1
        high, low = divmod(number, 250)
        ends = f"10.1.{high}.{low}", "10.2.0.1"
        traffic = [
            asyncio.create_task(job)
            for job in (
                self._send(ours, number, ends), self._send(theirs, number, (ends[1], ends[0])),
                self._receive(ours, number, "client"), self._receive(theirs, number, "server"),
            )
        ]  # fmt: skip
        for _ in range(self._rekeys):
            await asyncio.sleep(self._random.uniform(0, 3))
            await self._rekey(self._random.choice((ours, theirs)))
        for sending in traffic[:2]:
            sending.cancel()
        await asyncio.sleep(5)  # what is late arrives
        for receiving in traffic[2:]:
            receiving.cancel()
        await asyncio.wait(traffic)

    async def _give_up(self, client: IpsecClient, number: int) -> None:
        """Begin to connect, and be cancelled anywhere in it."""
        connecting = asyncio.create_task(client.connect(self._config(number).replace(local_id=f"cancelled-{number}")))
        await asyncio.sleep(self._random.choice((0, 0.001, 0.1, 0.3, 1.0)))
        connecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await (await connecting).close()
        self.report.counts["cancelled"] += 1

    async def _rekey(self, session: IpsecSession) -> None:
        what = self._random.choice(("ike", "child"))
        try:
            await session.rekey(ike=what == "ike", child=what == "child")
        except FynxError as error:
            self.report.counts[f"rekeys refused: {error.code}"] += 1
            if not error.retryable:
                self.report.faults.append(f"a rekey failed: {error}")
        else:
            self.report.counts[f"{what} rekeys"] += 1

    async def _send(self, session: IpsecSession, number: int, ends: tuple[str, str]) -> None:
        for count in range(1 << 32):
            await session.send_packet(udp_packet(*ends, 7, 7, struct.pack("!II", number, count)))
            self.report.counts["packets sent"] += 1
            await asyncio.sleep(self._random.uniform(0, 2 * EVERY))

    async def _receive(self, session: IpsecSession, number: int, end: str) -> None:
        seen = self._received.setdefault((number, end), set())
        async for packet in session:
            tunnel, count = struct.unpack("!II", packet[-8:])
            if tunnel != number or count in seen:
                self.report.faults.append(f"session {number} received packet {count} of {tunnel} again, or by mistake")
            seen.add(count)

    # The end

    async def _end(self, clients: Sequence[IpsecClient]) -> None:
        """A third of the clients says goodbye, a third is killed, and a third is killed and restarted."""
        restarted: list[IpsecClient] = []
        for number, client in enumerate(clients):
            configs = [self._config(PER_CLIENT * number + at) for at, _ in enumerate(client.sessions)]
            if number % 3:
                client.network.close()
                self.report.counts["killed"] += len(configs)
            await client.shutdown(timeout=60)
            if number % 3 == 2:
                again = IpsecClient(local=HOST, open_socket=self._wire.open_socket, native=False, offload=False)
                restarted.append(again)
                await asyncio.gather(*map(again.connect, configs))
                self.report.counts["restarted"] += len(configs)
        await asyncio.sleep(300)  # the server asks those that are silent, and forgets what has ended
        here = sum(len(client.sessions) for client in restarted)
        if len(self._server.sessions) != here:
            self.report.faults.append(f"{len(self._server.sessions)} sessions at the server, {here} at its clients")
        await asyncio.gather(*(client.shutdown(timeout=60) for client in restarted))
        await asyncio.sleep(300)

    def _check_packets(self) -> None:
        counts = self.report.counts
        counts.update(self._wire.counts)
        counts["packets received"] = sum(map(len, self._received.values()))
        if counts["packets received"] != counts["ESP delivered"]:
            self.report.faults.append(
                f"{counts['ESP delivered']} packets were delivered, {counts['packets received']} received: "
                f"{dict(self._server.endpoint.counts.drops)} at the server"
            )

    def _check_server(self) -> None:
        endpoint = self._server.endpoint
        left = {
            "sessions": len(self._server.sessions),
            "IKE SAs": len([sa for sa in endpoint.sas.values() if sa.state is not State.CLOSED]),
            "IKE SAs that answer retransmissions": len(endpoint.sas),
            "Child SAs": len(endpoint.children),
            "half-open IKE SAs": endpoint.half_open,
            "internal errors": self._server.network.failures.total(),
        }
        self.report.faults += [f"{number} {name} at the server" for name, number in left.items() if number]


def run(sessions: int = 200, rekeys: int = 6, seed: int = 1, loss: float = 0.1, late: float = 0.1) -> Report:
    """Run sessions side by side, each with that many rekeys. ``loss`` and ``late`` are probabilities."""
    tunnels = Tunnels(sessions, rekeys, seed, BadWire(seed, loss, late))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(tunnels.run())
    return tunnels.report


if __name__ == "__main__":
    print(run())
