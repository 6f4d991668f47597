# SPDX-License-Identifier: GPL-2.0-or-later
"""The embedded world: the peer is an endpoint of ours on a network in memory, and time is virtual."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from scapy.packet import Packet

from fynx_scapy import __version__
from fynx_scapy.errors import LocalError
from fynx_scapy.harness.expect import fail
from fynx_scapy.harness.role import Role
from fynx_scapy.harness.setting import Setting
from fynx_scapy.harness.worlds.embedded_peer import CAPABILITIES, SHORT, EmbeddedProbe, configs, endpoint_fields, shown
from fynx_scapy.harness.worlds.peers import PeerConfig, PeerIkeSa
from fynx_scapy.harness.worlds.world import Driver, Probe, Site, World
from fynx_scapy.ike.config import ChildConfig, IkeChanges, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.create_child import CreateChild
from fynx_scapy.ike.exchanges.informational import Liveness
from fynx_scapy.ike.exchanges.rekey_child import RekeyChild
from fynx_scapy.ike.exchanges.rekey_ike import RekeyIke
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.net.echo import echo_request, first_host
from fynx_scapy.net.hosts import Hosts
from fynx_scapy.net.memory import Network
from fynx_scapy.session import Session
from fynx_scapy.session_setup import INITIATOR, RESPONDER

PEER_FIELDS = (
    "ppk", "ppk_required",
    "auth", "remote_auth", "trust", "signature_hashes",
    "local_id", "remote_id", "proposals", "children", "childless", "fragmentation", "fragment_size", "dpd",
    "auth_rounds", "auth_lifetime", "reauthenticate_after", "cp_reply", "cp_request", "keepalive", "retransmission",
)  # fmt: skip
"""What the peer's configuration says, in place of the mirror image of ours."""
Prepare = Callable[[Endpoint], object]
"""Called with each embedded peer before anything is sent."""


class EmbeddedDriver(Driver):
    """Makes an embedded peer act. ExpectationFailed when the peer does not have the SA that it is to act on."""

    who = "an embedded peer"

    name, version = "embedded", __version__

    def __init__(self, session: Session, config: PeerConfig | None = None, site: Site | None = None) -> None:
        self._session, self._peer, self._pings = session, session.peer, 0
        self._config, self._site = config or PeerConfig(), site

    def initiate(self, connection: str = "lab", child: str | None = None) -> None:
        """Have the peer connect to our endpoint, with the configuration of that connection.

        With ``child`` it sets up another Child SA, that one, if the IKE SA is there.
        """
        if child is not None:
            return self._start(lambda sa: CreateChild(sa, self._child_named(child)))
        number = [name for name, _ in self._config.connections()].index(connection)
        if len(self._peer.configs) <= number:
            raise LocalError("expected a configuration of the embedded peer to initiate with, found none")
        ours = self._session.client
        there = Address(ours.host, ours.config.port)
        config = self._peer.configs[number].replace(remote=there, remote_natt_port=ours.config.natt_port)
        later = config.children if self._config.childless == "force" else ()
        with self._session.network.acting() as now:
            sa = self._peer.connect(config.replace(children=()) if later else config, now)
            if later:
                self._create_later(sa, later[0], now)
        return None

    def _create_later(self, sa: IkeSa, child: ChildConfig, now: float) -> None:
        """Set up a Child SA as soon as an IKE SA without one is established (RFC 6023)."""

        def create(now: float) -> None:
            if sa.established:
                sa.start(CreateChild(sa, child))
            elif sa.connecting:
                self._create_later(sa, child, now)

        self._peer.timers.set(now + 0.1, create)

    def _child_named(self, name: str) -> ChildConfig:
        return next(child for child in self._peer.configs[0].children if child.name == name)

    def begun(self) -> None:
        """It begins as soon as it is asked."""

    def sas(self) -> list[PeerIkeSa]:
        """The IKE SAs of the peer that have not ended."""
        events = [event for who, event in self._session.events if who == self._session.other]
        return [shown(sa, events) for sa in self._peer.sas.values() if sa.state is not State.CLOSED]

    def kill(self) -> None:
        """Have the peer send nothing any more."""
        self._peer.taps.add("datagrams", lambda _message, _datagrams, _attempt: [])

    def probe(self, target: str, *, icmp: bool = True, source: str | None = None) -> Probe:
        """Echo requests from behind the peer."""
        site = self._site or World.theirs
        inner = site.inner6 if ":" in target else site.inner
        return EmbeddedProbe(self._session, self.send, source or inner, target, icmp=icmp)

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
    expendable = True

    capabilities = CAPABILITIES

    def __init__(self, prepare: Prepare | None = None) -> None:
        self._prepare = prepare
        self._config: PeerConfig | None = None

    def network(self, seed: str) -> Hosts:
        """A new network in memory."""
        return Network(seed=seed)

    def session(self, role: Role, given: Mapping[str, Any], network: Hosts, seed: str) -> Session:
        """A session with a peer of its own. Where we are the responder, the peer is called ``initiator`` in events."""
        ours = {"seed": seed, "name": INITIATOR if role.begins else RESPONDER}
        session = Session(**{**ours, **given, "network": network})
        if self._config is not None and given.get("config") is not None:
            session.peer.configs[1:] = configs(self._config)[1:]
        if self._prepare is not None:
            self._prepare(session.peer)
        return session

    def driver(self, session: Session) -> Driver:
        """What makes the embedded peer act."""
        return EmbeddedDriver(session, self._config, self.theirs)

    def peer_config(self, setting: Setting) -> PeerConfig:
        """The peer's configuration."""
        self.ipv6 = bool(setting.site.get("ipv6"))
        there, here = self.theirs.address(ipv6=self.ipv6), self.ours.address(ipv6=self.ipv6)
        self._config = PeerConfig(local=there, remote=here).changed(**setting.config)
        return self._config

    def our_config(self, setting: Setting, **changes: Unpack[IkeChanges]) -> IkeConfig:
        """Our configuration, the mirror image of the peer's with these changes, and with a short schedule."""
        return self.peer_config(setting).mirrored(**(IkeChanges(retransmission=SHORT) | changes))

    def meet(self, role: Role, config: IkeConfig, setting: Setting, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments of a session between the addresses of a lab."""
        peer = self.peer_config(setting)
        theirs = configs(peer)[0]
        fields = {name: getattr(theirs, name) for name in PEER_FIELDS} | endpoint_fields(peer)
        here, there = self.ours.address(ipv6=self.ipv6), self.theirs.address(ipv6=self.ipv6)
        return {"config": config, "peer": fields, "local": here, "remote": there, **given}
