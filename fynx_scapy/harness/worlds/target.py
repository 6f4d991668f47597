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
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeChanges, IkeConfig
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
        self._met: IkeConfig | None = None

    def check(self, role: Role, given: Mapping[str, Any]) -> None:
        """OutOfReach when the arguments contradict what the target says, or nobody is to wait for it to initiate."""
        super().check(role, given)
        self.config(given)
        if not role.begins:
            self.driver_of_any().initiate()

    def network(self, seed: str) -> Hosts:
        """A new network over UDP."""
        return UdpNetwork(open_socket=self.target.open_socket)

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session with the target."""
        if not isinstance(network, UdpNetwork):
            raise LocalError(f"expected a UdpNetwork for a live peer, found {type(network).__name__}")
        config = self._met if given.get("config") is self._met is not None else self.config(given)
        return self.target.session(config, network, self.endpoint(given))

    def endpoint(self, given: Mapping[str, Any]) -> EndpointConfig | None:
        """Our endpoint's configuration: None, because we need not have the ports that are its defaults."""
        return None

    def config(self, given: Mapping[str, Any]) -> IkeConfig:
        """Our configuration for a session with these arguments. OutOfReach when they are not for this peer."""
        return self.target.config(given)

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
            what = ", ".join(wanted)
            raise OutOfReach(
                f"the scenario configures the peer ({what}): only that of a lab (--lab) can be asked for it"
            )
        return self.target.config({}).replace(**changes)

    def meet(self, role: Role, config: IkeConfig, setting: Setting, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments of a session with that configuration, which is `our_config` with what the setting changes."""
        self._met = config
        return super().meet(role, config, setting, given)

    def child(self, ours: ChildConfig) -> ChildConfig:
        """Our configuration of a Child SA with the traffic selectors of the target."""
        return self.target.child(ours)
