# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface of worlds. A scenario says what is done and what must follow, its world says with whom."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Unpack

from scapy.packet import Packet

from fynx_scapy.errors import OutOfReach
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.setting import Setting
from fynx_scapy.harness.worlds.peers import PeerConfig, PeerIkeSa
from fynx_scapy.ike.config import ChildConfig, IkeChanges, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.session import Session
from fynx_scapy.session_setup import SessionFields

QUIRKS: Mapping[str, str] = {
    "keeps_refused": "as responder it keeps an IKE SA that we refuse with AUTHENTICATION_FAILED in INFORMATIONAL",
    "silent_refusal": "as initiator it ends an IKE SA that it refuses without a word (RFC 7296 section 2.21.2: MAY)",
    "silent_when_rekeyed": "as original initiator it answers nothing any more on an IKE SA that we have rekeyed",
}
"""How peers differ from what RFC 7296 says, or from what nearly all others do."""


class Unsupported(OutOfReach):
    """The peer, or the world, cannot do what the scenario needs: it is skipped."""

    code = "out-of-reach.unsupported"


class Conversation(Protocol):
    """A recorded conversation, whose requests take the place of those of a case's base conversation."""

    def begin(self, session: Session, timeout: float) -> Callable[[Callable[[], bool]], None]:
        """Have our requests be the recorded ones from now on, each given up after ``timeout`` seconds.

        Returns a function that plays them, one after the other, until what it is given returns True.
        """

    def knows(self, base: str) -> bool:
        """Whether it may have the requests of the base conversation of that name."""

    def fits(self, message: Outgoing, base: str) -> bool:
        """Whether a request of ours is one of those that the base conversation of that name is about."""


class Probe(Protocol):
    """Echo requests from behind the peer."""

    def send(self) -> None:
        """Send one more request."""

    @property
    def complete(self) -> bool:
        """Whether every request was answered."""


class Site(Protocol):
    """The addresses of one end: of a host behind it, and of the gateway."""

    @property
    def inner(self) -> str:
        """The IPv4 address of a host behind it."""

    @property
    def inner6(self) -> str:
        """The IPv6 address of a host behind it."""

    def address(self, *, ipv6: bool = False) -> str:
        """The gateway's address of either IP version."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """A `Site` that is nothing but addresses."""

    inner: str
    inner6: str
    outer: str
    outer6: str

    def address(self, *, ipv6: bool = False) -> str:
        """The gateway's address of either IP version."""
        return self.outer6 if ipv6 else self.outer


class Driver:
    """Makes the peer of one session act, and says what it has. Each act returns at once; its results show later.

    OutOfReach for what this peer cannot be asked: here, for everything.
    """

    who: ClassVar[str] = "a live peer"
    """What kind of peer it is, for errors."""
    patience: float = 30.0
    """How many seconds the peer may take for what it was asked to do."""
    name: str = ""
    """The name of the implementation."""
    version: str = ""
    """Its version."""
    logs_keys: bool = False
    """Whether its log has its keys."""
    quirks: frozenset[str] = frozenset()
    """What is known to be different about it, from `QUIRKS`: scenarios leave out what it cannot show."""

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA and a Child SA with us: its first one, or the one with the name ``child``."""
        raise self._unable("initiate an IKE SA")

    def begun(self) -> None:
        """Wait until it has begun what it was asked for. We do not receive meanwhile: its request waits for us."""
        raise self._unable("begin an exchange")

    def sas(self) -> list[PeerIkeSa]:
        """Its IKE SAs."""
        raise self._unable("show its SAs")

    def log(self) -> str:
        """Its log so far; empty for a peer without one."""
        return ""

    def kill(self) -> None:
        """Kill it, so that it sends no Delete."""
        raise self._unable("disappear")

    def probe(self, target: str, *, icmp: bool = True, source: str | None = None) -> Probe:
        """Echo requests from behind it to ``target``, by ICMP or UDP."""
        raise self._unable("send inner packets of our choice")

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
    live: bool = True
    """Whether the peer is live, so that time is real and its state cannot be looked into."""
    shows: ClassVar[bool] = True
    """Whether the peer's SAs can be seen, and packets sent from behind it."""
    conversation: Conversation | None = None
    """What is played in place of the base conversation of a case."""
    expendable: ClassVar[bool] = False
    """Whether nobody minds if the peer ends, because it was made for tests."""
    configurable: ClassVar[bool] = False
    """Whether a case may say how its live peer authenticates."""
    slowness: float = 1.0
    """How many times as long as usual the peer may take for anything."""
    alone: ClassVar[bool] = False
    """Whether only one session may be open at a time."""
    capabilities: frozenset[str] = frozenset()
    """What its peers can do, in the words of ``needs``."""
    ours: Site = Addresses("10.1.0.1", "fd01::1", "10.9.0.1", "fd09::1")
    """Our end."""
    theirs: Site = Addresses("10.2.0.1", "fd02::1", "10.9.0.2", "fd09::2")
    """The peer's end."""
    ipv6: bool = False
    """Whether the two gateways use IPv6."""

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

    # For scenarios that say how both ends are configured

    @contextlib.contextmanager
    def around(self, setting: Setting, role: Role) -> Iterator[World]:
        """The world for a scenario with this setting: this one, unless it makes another. LabError if it cannot."""
        yield self

    def lacks(self, setting: Setting) -> str:
        """What a scenario needs that this world does not have, in words; empty if there is nothing."""
        missing = sorted(setting.needs - self.capabilities)
        return f"the peer cannot do what the scenario needs: {', '.join(missing)}" if missing else ""

    def peer_config(self, setting: Setting) -> PeerConfig:
        """The peer's configuration. OutOfReach when it cannot be configured as the setting says."""
        raise OutOfReach("the scenario configures the peer: only that of a lab (--lab) can be asked for it")

    def our_config(self, setting: Setting, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our configuration, the mirror image of the peer's with these changes."""
        return self.peer_config(setting).mirrored(**changes)

    def meet(self, role: Role, config: IkeConfig, setting: Setting, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments of a session with that configuration of ours, and a peer as the setting says."""
        return {"config": config, **given}

    def join(self, config: IkeConfig, where: SessionFields) -> Session:
        """Another session with the same peer. ``where`` has its name, and its address or ports."""
        raise OutOfReach("the peer would have to serve two clients of ours at once")

    def emit(self, session: Session, packet: bytes) -> None:
        """Send an inner packet, also where time passes, as in a timer. Nothing waits for it or for an answer."""
        session.client.send(packet, session.network.now)

    def move_nat(self) -> None:
        """Have the NAT between the two ends use other ports from now on."""
        raise OutOfReach("there is no NAT of ours between us and the peer")

    def add_address(self, address: str) -> None:
        """Give our end another address."""
        raise OutOfReach("our addresses cannot be changed here")
