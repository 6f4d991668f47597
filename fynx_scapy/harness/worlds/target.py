# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of a target: a live peer at an address, which we know only by what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from fynx_scapy.errors import LocalError, OutOfReach
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.setting import Setting
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.worlds.world import Driver, World
from fynx_scapy.ike.config import ChildConfig, IkeChanges, IkeConfig, Psk
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session


class TargetDriver(Driver):
    """A target cannot be asked for anything, but with ``wait`` somebody else may have it connect."""

    who = "a target"

    def __init__(self, wait: float | None) -> None:
        self._wait, self.patience = wait, wait or 0.0

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Wait for the target to connect, for `patience` seconds. OutOfReach when nobody is to wait."""
        if self._wait is None:
            raise super()._unable("initiate an IKE SA (--wait SECONDS waits for it)")


class TargetWorld(World):
    """A live peer. ``wait`` is how many seconds it may take to connect to us where we are the responder."""

    name = "target"
    alone = True
    shows = False

    def __init__(self, target: Target, *, wait: float | None = None) -> None:
        self.target, self.wait = target, wait

    def check(self, role: Role, given: Mapping[str, Any]) -> None:
        """OutOfReach when the arguments contradict what the target says, or nobody is to wait for it to initiate."""
        super().check(role, given)
        self.target.config(given)
        if not role.begins:
            self.driver_of_any().initiate()

    def network(self, seed: str) -> Hosts:
        """A new network over UDP."""
        return UdpNetwork(open_socket=self.target.open_socket)

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session with the target."""
        if not isinstance(network, UdpNetwork):
            raise LocalError(f"expected a UdpNetwork for a live peer, found {type(network).__name__}")
        return self.target.session(given, network)

    def driver(self, session: Session) -> Driver:
        """What waits for the target."""
        return self.driver_of_any()

    def driver_of_any(self) -> Driver:
        """The same for every session: nothing is asked."""
        return TargetDriver(self.wait)

    def lacks(self, setting: Setting) -> str:
        """Nothing is known: what the target cannot do shows as the scenario runs."""
        return ""

    def our_config(self, setting: Setting, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our configuration with these changes. OutOfReach when the setting configures the peer, or needs a site."""
        if wanted := [*setting.config, *setting.site]:
            raise OutOfReach(f"the scenario configures the peer: {', '.join(wanted)}")
        return IkeConfig(auth=Psk(self.target.psk)).replace(**changes)

    def child(self, ours: ChildConfig) -> ChildConfig:
        """Our configuration of a Child SA with the traffic selectors of the target."""
        return self.target.child(ours)
