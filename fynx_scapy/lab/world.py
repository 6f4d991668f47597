# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of a lab: a live peer that can be asked to act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scapy.packet import Packet

from fynx_scapy.errors import LabError, OutOfReach
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.target import Target
from fynx_scapy.harness.worlds.peers import PeerIkeSa
from fynx_scapy.harness.worlds.target import TargetWorld
from fynx_scapy.harness.worlds.world import Driver, Probe, Unsupported
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig, Retransmission
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.lab.given import ends, needed
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.peer import PeerConfig
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.udp import UdpNetwork
from fynx_scapy.session import Session

_BEGUN = 2.0
_PATIENCE = 10.0
QUICK = Retransmission(timeout=0.3, base=1.5, tries=2)
"""A peer of a lab answers at once, and the network loses nothing: a request is given up after a second."""


ESP = "aes128gcm16,aes128-sha256,chacha20poly1305,null-sha256,aes128-sha1"
"""What a peer for the whole catalogue accepts for ESP, so that cases may choose."""
IKE = ",".join(
    (
        *(f"{cipher}-prfsha256-x25519" for cipher in ("aes128gcm16", "aes128-sha256", "aes256gcm16", "aes256-sha256")),
        "aes128gcm16-prfsha256-modp2048",
        "aes128gcm16-prfsha256-ecp256",
        "aes256gcm16-prfsha512-x25519",
    )
)
"""The same for IKE."""


def tolerant() -> PeerConfig:
    """A peer for the catalogue: it accepts what cases choose, and many half-open IKE SAs."""
    return PeerConfig(half_open_limits=False).changed(ike=IKE, esp=ESP)


class LabDriver(Driver):
    """Makes the peer of a lab act. LabError when the peer refuses."""

    def __init__(self, lab: Lab, session: Session | None = None) -> None:
        self._lab, self._session = lab, session
        self.who = f"the lab's {lab.peer.name}"  # type: ignore[misc]
        self.name, self.version = lab.peer.name, lab.peer.version
        self.logs_keys = "keys" in lab.peer.capabilities
        self.quirks, self.patience = lab.peer.quirks, _PATIENCE * lab.slowness

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have it set up an IKE SA and a Child SA with us: its first one, or the one with the name ``child``."""
        self._lab.peer.initiate(connection, child)

    def begun(self) -> None:
        """Wait until its request is there, which is then read no earlier than our next step receives."""
        if self._session is not None and isinstance(self._session.network, UdpNetwork):
            self._session.network.waiting(_BEGUN * self._lab.slowness)

    def create_child(self, config: ChildConfig | None = None) -> None:
        """Have it set up the Child SA with that name, or its second one. OutOfReach when it has one alone."""
        children = self._lab.config.children
        if config is not None:
            return self._lab.peer.initiate(child=config.name)
        if len(children) < 2:
            raise self._unable("set up another Child SA, of which its configuration has one alone")
        return self._lab.peer.initiate(child=children[1].name)

    def rekey_child(self, child: ChildSa | None = None) -> None:
        """Have it rekey its first Child SA. OutOfReach for another one."""
        self._newest(child)
        self._lab.peer.rekey_child(self._lab.config.children[0].name)

    def rekey_ike(self) -> None:
        """Have it rekey the IKE SA."""
        self._lab.peer.rekey_ike()

    def delete_child(self, child: ChildSa | None = None) -> None:
        """Have it delete its first Child SA. OutOfReach for another one."""
        self._newest(child)
        self._lab.peer.delete_child(self._lab.config.children[0].name)

    def delete_ike(self) -> None:
        """Have it delete the IKE SA."""
        self._lab.peer.delete_ike()

    def send(self, packet: Packet | bytes | None = None) -> None:
        """Have a host behind it ping one behind us. OutOfReach for a packet of one's own choice."""
        if packet is not None:
            raise self._unable("send an inner packet of our choice")
        self._lab.inside.probe(self._lab.ours.inner, icmp=True).send()

    def sas(self) -> list[PeerIkeSa]:
        """Its IKE SAs."""
        return self._lab.peer.sas()

    def log(self) -> str:
        """Its log so far."""
        return self._lab.peer.log()

    def kill(self) -> None:
        """Kill it, so that it sends no Delete."""
        self._lab.peer.kill()

    def probe(self, target: str, *, icmp: bool = True, source: str | None = None) -> Probe:
        """Echo requests from a host behind it."""
        return self._lab.inside.probe(target, icmp=icmp, source=source)

    def has(self, sa: IkeSa) -> bool:
        """Whether it reports our IKE SA as established."""
        same = [theirs for theirs in self._lab.peer.sas() if (theirs.spi_i, theirs.spi_r) == (sa.spi_i, sa.spi_r)]
        return bool(same) and same[0].established

    def _newest(self, child: ChildSa | None) -> None:
        if child is not None and self._session is not None and child is not self._session.child:
            raise self._unable("act on a Child SA that is not the newest")


class LabWorld(TargetWorld):
    """The peer of a lab, for scenarios that take it as it is: our configuration mirrors its own."""

    name = "lab"
    expendable = True
    configurable = True

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab_target(lab))
        self.lab, self._base = lab, lab.config

    def check(self, role: Role, given: Mapping[str, Any]) -> None:
        """OutOfReach when the arguments contradict the configuration of the lab."""
        if role.asynchronous:
            raise OutOfReach(f"{role.driver} needs a lab of its own")
        self._ends(given)

    def config(self, given: Mapping[str, Any]) -> IkeConfig:
        """Our configuration for a session with these arguments. OutOfReach when they are not for this peer."""
        return self._ends(given)[1]

    def endpoint(self, given: Mapping[str, Any]) -> EndpointConfig | None:
        """Our endpoint's configuration, as the case has it."""
        endpoint: EndpointConfig | None = given.get("endpoint")
        return endpoint

    def _ends(self, given: Mapping[str, Any]) -> tuple[PeerConfig, IkeConfig]:
        """The peer's configuration and ours."""
        ours = self.target.config({name: value for name, value in given.items() if name not in ("endpoint", "peer")})
        theirs, ours = ends(self._base, given, ours)
        if missing := sorted(needed(theirs) - self.lab.peer.capabilities):
            raise Unsupported(f"the peer cannot do what the case needs: {', '.join(missing)}")
        return theirs, ours

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session with the peer, which is configured first, if the arguments say how. LabError as in `Lab`."""
        self.lab.configure(self._ends(given)[0])
        return super().session(role, given, network, seed)

    def clear(self) -> bool:
        """Have the peer end all its IKE SAs, if it can be told to. One that was configured is as before again."""
        if self.lab.config != self._base:
            self.lab.configure(self._base)
            return True
        try:
            self.lab.peer.forget()
            return not self.lab.peer.sas()
        except (LabError, OSError):  # it cannot, or it has ended
            return False

    def revive(self) -> bool:
        """Kill the peer, if it still runs, and start it again. LabError when it does not start."""
        self.lab.peer.kill()
        self.lab.peer.start()
        return True

    def driver(self, session: Session) -> Driver:
        """What makes the peer act."""
        return LabDriver(self.lab, session)


def lab_target(lab: Lab) -> Target:
    """The lab's peer as a target: its address, and our configuration that mirrors its own."""
    ours = lab.config.mirrored()
    child = ours.children[0]
    return Target(
        address=str(lab.target),
        psk=lab.config.psk,
        local_id=lab.config.remote_id,
        remote_id=lab.config.local_id,
        local_ts=child.local_ts,
        remote_ts=child.remote_ts,
        # The first of several: one that all cases may count on.
        proposals=lab.config.ike.partition(",")[0],
        esp_proposals=lab.config.children[0].esp.partition(",")[0],
        ping=lab.theirs.inner,
        local=lab.ours.address(ipv6=lab.ipv6),
        retransmission=QUICK,
        open_socket=lab.ours.namespace.socket,
    )
