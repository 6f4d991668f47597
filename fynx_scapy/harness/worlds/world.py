# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface of worlds. A scenario says what is done and what must follow, its world says with whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from scapy.packet import Packet

from fynx_scapy.errors import OutOfReach
from fynx_scapy.harness.role import Role
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.session import Session


class Driver:
    """Makes the peer of one session act. Each call returns at once; its results show as time passes.

    OutOfReach for what this peer cannot be asked to do: here, for everything.
    """

    who: ClassVar[str] = "a live peer"
    """What kind of peer it is, for errors."""
    patience: float = 30.0
    """How many seconds the peer may take for what it was asked to do."""

    def initiate(self) -> None:
        """Have it set up an IKE SA and its first Child SA with us."""
        raise self._unable("initiate an IKE SA")

    def create_child(self, config: ChildConfig | None = None) -> None:
        """Have it set up another Child SA: the peer's one that matches ``config``, or its first one."""
        raise self._unable("set up another Child SA")

    def rekey_child(self, child: ChildSa | None = None) -> None:
        """Have it rekey its end of our Child SA ``child``, by default of the newest."""
        raise self._unable("rekey a Child SA")

    def rekey_ike(self) -> None:
        """Have it rekey the IKE SA."""
        raise self._unable("rekey the IKE SA")

    def delete_child(self, child: ChildSa | None = None) -> None:
        """Have it delete its end of our Child SA ``child``, by default of the newest."""
        raise self._unable("delete a Child SA")

    def delete_ike(self) -> None:
        """Have it delete the IKE SA."""
        raise self._unable("delete the IKE SA")

    def liveness(self) -> None:
        """Have it check that we are alive."""
        raise self._unable("check that we are alive")

    def send(self, packet: Packet | bytes | None = None) -> None:
        """Have it send an inner IP packet to us through a Child SA, by default a ping of a host behind us."""
        raise self._unable("send an inner packet of our choice")

    def has(self, sa: IkeSa) -> bool:
        """Whether the peer calls our IKE SA established. True for a peer whose state cannot be seen."""
        return sa.established

    def _unable(self, what: str) -> OutOfReach:
        return OutOfReach(f"the peer would have to {what}, which {self.who} cannot be asked to do")


class World(ABC):
    """With whom a scenario runs. It makes our sessions, in either role, and drives their peers."""

    name: ClassVar[str]
    """What it is called in reports."""
    live: ClassVar[bool] = True
    """Whether the peer is live, so that time is real and its state cannot be looked into."""

    def check(self, role: Role, given: Mapping[str, Any]) -> None:
        """Check that a session with these arguments is possible in this role; OutOfReach when it is not."""
        if role.asynchronous:
            raise OutOfReach(f"{role.driver} runs only with the peers of a lab")

    @abstractmethod
    def network(self, seed: str) -> Hosts:
        """The network of the next session."""

    @abstractmethod
    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session on that network. ``given`` are arguments of `Session`. ConfigError and TransportError as there."""

    @abstractmethod
    def driver(self, session: Session) -> Driver:
        """What makes the peer of a session act."""

    def clear(self) -> bool:
        """After a scenario, end what the peer has of it. Returns whether nothing is left for sure."""
        return False

    def revive(self) -> bool:
        """Start the peer again after it has ended. Returns whether it runs."""
        return False

    def child(self, ours: ChildConfig) -> ChildConfig:
        """Our configuration of a Child SA, as it has to be with this peer."""
        return ours
