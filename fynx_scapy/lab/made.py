# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of a lab that was made for one scenario, with its peer configured as the scenario says; and of a lab that
has such labs made beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Unpack

from fynx_scapy.errors import LabError, OutOfReach
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.setting import PLAIN, Setting
from fynx_scapy.harness.worlds.peers import PeerConfig
from fynx_scapy.harness.worlds.world import Driver, World
from fynx_scapy.ike.config import IkeChanges, IkeConfig
from fynx_scapy.lab.async_session import AsyncSession
from fynx_scapy.lab.guest import Guest
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.peer import Peer
from fynx_scapy.lab.world import LabDriver, LabWorld
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields


class MadeWorld(World):
    """A lab that was made for one scenario. All its sessions share its network."""

    name = "lab"
    expendable = True

    def __init__(self, lab: Lab) -> None:
        self.lab, self.slowness = lab, lab.slowness
        self.capabilities, self.ours, self.theirs, self.ipv6 = lab.peer.capabilities, lab.ours, lab.theirs, lab.ipv6

    def check(self, role: Role, given: Mapping[str, Any]) -> None:
        """OutOfReach for a role that the lab was not made for, and for the configuration of an embedded peer."""
        if role is not self.lab.role and role.asynchronous:
            raise OutOfReach(f"the lab was made for us as {self.lab.role.value}")
        if given.get("peer") is not None:
            raise OutOfReach("the scenario configures an embedded peer")

    def network(self, seed: str) -> Hosts:
        """The network of the lab."""
        return self.lab.network

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session with the peer. LabError for a network that is not the lab's."""
        if network is not self.lab.network:
            raise LabError("expected the network of the lab for a session with its peer, found another")
        more: dict[str, Any] = {name: value for name, value in given.items() if name != "config"}
        return self.lab.session(given.get("config"), **more, attended=False)  # what a scenario waits for, it reads

    def driver(self, session: Session) -> Driver:
        """What makes the peer act."""
        return LabDriver(self.lab, session)

    def peer_config(self, setting: Setting) -> PeerConfig:
        """The peer's configuration: the lab was made with it."""
        return self.lab.config

    def our_config(self, setting: Setting, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our configuration, the mirror image of the peer's with these changes, and with a short schedule."""
        return self.lab.config.mirrored(**(IkeChanges(retransmission=self.lab.retransmission) | changes))

    def join(self, config: IkeConfig, where: SessionFields) -> Session:
        """Another session with the peer."""
        return self.lab.session(config, **(where | SessionFields(attended=False)))

    def emit(self, session: Session, packet: bytes) -> None:
        """Send an inner packet; in an event loop in a task."""
        if isinstance(session, AsyncSession):
            session.emit(packet)
        else:
            super().emit(session, packet)

    def move_nat(self) -> None:
        """Have the router use other ports. OutOfReach for a lab without one."""
        router = self.lab.topology.router
        if router is None:
            raise OutOfReach("expected a lab with a NAT, found one without")
        router.move()

    def add_address(self, address: str) -> None:
        """Give our gateway another address."""
        self.lab.ours.namespace.ip(f"addr add {address}/24 dev wan")


class CatalogueWorld(LabWorld):
    """The peer of a lab for every scenario: one that says how both ends are configured gets a lab of its own."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.capabilities = lab.peer.capabilities

    def lacks(self, setting: Setting) -> str:
        """What a scenario needs that the peer cannot do."""
        return World.lacks(self, setting)

    @contextlib.contextmanager
    def around(self, setting: Setting, role: Role) -> Iterator[World]:
        """A lab of its own with the same peer, where the setting says anything that the peer can do."""
        if setting == PLAIN or self.lacks(setting):
            yield self
            return
        with made_for(setting, role, type(self.lab.peer)) as lab:
            yield MadeWorld(lab)


def made_for(setting: Setting, role: Role, peer: type[Peer], guest: Guest | None = None) -> Lab:
    """A lab with such a peer for a scenario with this setting. LabError as for any lab."""
    config = PeerConfig().changed(**{**peer.defaults, **setting.config})
    return Lab(config, peer=peer, guest=guest, role=role, **setting.site)
