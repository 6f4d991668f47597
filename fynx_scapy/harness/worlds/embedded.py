# SPDX-License-Identifier: GPL-2.0-or-later
"""The embedded world: the peer is an endpoint of ours on a network in memory, and time is virtual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scapy.packet import Packet

from fynx_scapy.errors import LocalError
from fynx_scapy.harness.expect import fail
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.worlds.world import Driver, World
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.informational import Liveness
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.net.echo import echo_request, first_host
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.session import Session
from fynx_scapy.session_setup import INITIATOR, RESPONDER

Prepare = Callable[[Endpoint], object]
"""Called with each embedded peer before anything is sent."""


class EmbeddedDriver(Driver):
    """Makes an embedded peer act. ExpectationFailed when the peer does not have the SA that it is to act on."""

    who = "an embedded peer"

    def __init__(self, session: Session) -> None:
        self._session, self._peer, self._pings = session, session.peer, 0

    def initiate(self) -> None:
        """Have the peer connect to our endpoint, with the first of its configurations."""
        if not self._peer.configs:
            raise LocalError("expected a configuration of the embedded peer to initiate with, found none")
        ours = self._session.client
        there = Address(ours.host, ours.config.port)
        config = self._peer.configs[0].replace(remote=there, remote_natt_port=ours.config.natt_port)
        with self._session.network.acting() as now:
            self._peer.connect(config, now)

    def create_child(self, config: ChildConfig | None = None) -> None:
        """Have the peer set up another Child SA; ``config`` is ours, which it mirrors."""
        if config is not None:
            config = config.replace(local_ts=config.remote_ts, remote_ts=config.local_ts)
        self._start(lambda sa: CreateChild(sa, config))

    def rekey_child(self, child: ChildSa | None = None) -> None:
        """Have the peer rekey its end of our Child SA."""
        self._start(lambda sa: RekeyChild(sa, self._same(sa, child)))

    def rekey_ike(self) -> None:
        """Have the peer rekey the IKE SA."""
        self._start(RekeyIke)

    def delete_child(self, child: ChildSa | None = None) -> None:
        """Have the peer delete its end of our Child SA."""
        with self._session.network.acting():
            sa = self._sa()
            sa.delete_child(self._same(sa, child))

    def delete_ike(self) -> None:
        """Have the peer delete the IKE SA."""
        with self._session.network.acting():
            self._sa().delete_ike()

    def liveness(self) -> None:
        """Have the peer check that we are alive."""
        self._start(Liveness)

    def send(self, packet: Packet | bytes | None = None) -> None:
        """Have the peer send an inner IP packet. LocalError when none of its Child SAs takes it."""
        if packet is None:
            child = self._session.child
            there, here = first_host(child.remote_ts), first_host(child.local_ts)
            self._pings += 1
            packet = echo_request(there, here, bytes(56), identifier=0xF3, sequence=self._pings)
        with self._session.network.acting() as now:
            taken = self._peer.send(bytes(packet), now)
        if not taken:
            raise LocalError("expected a packet that a Child SA of the peer takes, found one outside their selectors")

    def has(self, sa: IkeSa) -> bool:
        """Whether the peer has our IKE SA, established."""
        return any(theirs.established for theirs in self._ends_of(sa))

    def _start(self, made: Callable[[IkeSa], Exchange]) -> None:
        with self._session.network.acting():
            sa = self._sa()
            sa.start(made(sa))

    def _ends_of(self, sa: IkeSa) -> list[IkeSa]:
        return [theirs for theirs in self._peer.sas.values() if (theirs.spi_i, theirs.spi_r) == (sa.spi_i, sa.spi_r)]

    def _sa(self) -> IkeSa:
        """The peer's end of our IKE SA."""
        ours = self._session.sa
        same = self._ends_of(ours)
        if not same:
            fail(f"the peer to have the IKE SA {ours.spi_i.hex()}_i {ours.spi_r.hex()}_r", "no such IKE SA")
        return same[0]

    def _same(self, sa: IkeSa, child: ChildSa | None) -> ChildSa:
        """The peer's end of a Child SA of ours."""
        ours = child or self._session.child
        same = [each for each in sa.children.values() if each.inbound.spi == ours.outbound.spi]
        if not same:
            fail(f"the peer to have the Child SA with its inbound SPI {ours.outbound.spi:08x}", "no such Child SA")
        return same[0]


class EmbeddedWorld(World):
    """An embedded peer for each session. ``prepare`` is called with each peer before anything is sent."""

    name = "embedded"
    live = False

    def __init__(self, prepare: Prepare | None = None) -> None:
        self._prepare = prepare

    def network(self, seed: str) -> Hosts:
        """A new network in memory."""
        return Network(seed=seed)

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session with a peer of its own. Where we are the responder, the peer is called ``initiator`` in events."""
        ours = {"seed": seed, "name": INITIATOR if role.begins else RESPONDER}
        session = Session(**{**ours, **given, "network": network})
        if self._prepare is not None:
            self._prepare(session.peer)
        return session

    def driver(self, session: Session) -> Driver:
        """What makes the embedded peer act."""
        return EmbeddedDriver(session)
