# SPDX-License-Identifier: GPL-2.0-or-later
"""An IPsec client for asyncio programs."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from typing import Self

from fynx_scapy.checks import as_tuple, check_values, kind, optional, several
from fynx_scapy.errors import FynxError, LocalError, Unreachable
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.core.registry import Registry
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import Event, IcmpReceived
from fynx_scapy.ike.path.nat import IKE_PORT, NATT_PORT
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.timeouts import Reconnect
from fynx_scapy.ipsec_host import IpsecHost
from fynx_scapy.ipsec_reconnect import Reconnector
from fynx_scapy.ipsec_session import CLOSING, IpsecSession, check_packets
from fynx_scapy.net import silence
from fynx_scapy.net.aio import AioNetwork
from fynx_scapy.net.sockets import OpenSocket
from fynx_scapy.net.udp import source_for
from fynx_scapy.text import counted

_CHECKS = {
    "config": optional(kind(IkeConfig)),
    "configs": several(kind(IkeConfig), high=100_000),
    "endpoint": optional(kind(EndpointConfig)),
    "network": optional(kind(AioNetwork)),
    "reconnect": optional(kind(Reconnect)),
    "registry": optional(kind(Registry)),
}


class IpsecClient(IpsecHost):
    """Sets up sessions with peers.

    >>> async with IpsecClient(config) as client:
    ...     session = await client.connect()
    ...     await session.send_packet(packet)
    ...     answer = await session.recv_packet()

    ``configs`` has one or several configurations, each with its ``remote``. ``local`` is our address, or several; by
    default the one from which the system sends to the peer. ``endpoint`` has our ports, by default free ones. Where the
    system allows no raw socket, or with ``native=False``, ESP goes in UDP. With ``reconnect``, or with a dead peer
    detection whose action is not ``clear``, a session whose peer was lost is set up again; its user's packets wait.
    """

    def __init__(
        self,
        configs: IkeConfig | Sequence[IkeConfig] = (),
        *,
        local: str | Sequence[str] | None = None,
        endpoint: EndpointConfig | None = None,
        network: AioNetwork | None = None,
        open_socket: OpenSocket = socket.socket,
        native: bool = True,
        offload: bool = True,
        reconnect: Reconnect | None = None,
        registry: Registry | None = None,
        name: str = "client",
    ) -> None:
        given = as_tuple(configs, IkeConfig)
        check_values(
            "IpsecClient", _CHECKS, configs=given, endpoint=endpoint, network=network, reconnect=reconnect,
            registry=registry,
        )  # fmt: skip
        super().__init__(name, network, open_socket, native=native, offload=offload)
        self.configs: tuple[IkeConfig, ...] = given
        self._local = None if local is None else (local,) if isinstance(local, str) else tuple(local)
        self._settings, self._registry = endpoint, registry
        self._by_source: dict[tuple[tuple[str, ...], bool], tuple[Endpoint, bool]] = {}
        self._reconnect = reconnect
        self._connected: dict[IpsecSession, IkeConfig] = {}
        self._refusals: Counter[IkeSa] = Counter()
        """How often ICMP said of a peer that has not answered yet that nothing listens there."""
        self._reconnectors: dict[IpsecSession, Reconnector] = {}
        self._ready: dict[IpsecSession, None] | None = None
        """The sessions with packets to read, once somebody reads those of all sessions."""
        self._closed = False

    def __repr__(self) -> str:
        remotes = ", ".join(str(config.remote) for config in self.configs)
        return f"<IpsecClient {remotes or 'without configuration'}, {counted(len(self.sessions), 'session')}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    async def connect(self, config: IkeConfig | None = None) -> IpsecSession:
        """Set up a session: an IKE SA with the first Child SA of its configuration; by default the client's first one.

        It raises why that failed: `Timeout`, or soon `Unreachable` where ICMP says repeatedly that nothing listens;
        `AuthenticationError`, `PeerError` for what the peer refused with a Notify, `TransportError` for what the system
        refused. If it is cancelled nothing of it stays here, and the peer
        is told to delete what it may have set up.
        """
        if self._closed:
            raise LocalError("expected an open client, found one that was shut down")
        check_values("IpsecClient.connect()", _CHECKS, config=config)
        if config is None and not self.configs:
            raise LocalError("expected a configuration to connect with, found none")
        chosen = config or self.configs[0]
        endpoint, adapted = self._prepared(chosen)
        with self.network.acting() as now:
            session = IpsecSession(self, endpoint, endpoint.connect(adapted, now))
            self._connected[session] = chosen
        try:
            await session.opened()
        except asyncio.CancelledError:
            session.begin_close()
            raise
        return session

    def _prepared(self, config: IkeConfig) -> tuple[Endpoint, IkeConfig]:
        """The endpoint that connects to a peer, and the configuration for it."""
        adapted = _adapted(config)
        endpoint, native = self._endpoint_towards(adapted)
        return endpoint, adapted if native else adapted.replace(force_encapsulation=True)

    def _endpoint_towards(self, config: IkeConfig) -> tuple[Endpoint, bool]:
        """The endpoint that connects to a peer, and whether it can send ESP without UDP."""
        remote = config.remote
        if remote is None:
            raise LocalError("expected IkeConfig.remote to be the address to connect to, found none")
        hosts = self._local or (source_for(remote, self.network.open_socket),)
        # On ports other than 500 and 4500, only the non-ESP marker tells IKE from ESP.
        marker = self._settings is None and remote.port not in (IKE_PORT, NATT_PORT)
        known = self._by_source.get((hosts, marker))
        if known is None:
            settings = self._settings or EndpointConfig(port=0, natt_port=0, marker_always=marker)
            endpoint = Endpoint(hosts, config=settings, registry=self._registry)
            known = self._by_source[hosts, marker] = (endpoint, self._open(endpoint))
        return known

    # Over all sessions

    async def send_packet(self, packet: bytes) -> None:
        """Send an inner IP packet through the session whose selectors take it; LocalError when there is none."""
        now = self.network.turn()
        try:
            taken = any(endpoint.send(packet, now) for endpoint in self.endpoints)
        except TypeError:
            check_packets((packet,))
            raise
        if not taken:
            raise LocalError(f"expected a packet within the traffic selectors of a session of {self!r}")
        if self.network.queued():
            await self.network.room()

    async def recv_packet(self) -> bytes:
        """The next inner packet of any session, in turns. LocalError when no session is left."""
        if self._ready is None:
            self._ready = dict.fromkeys(self._sessions)
        while True:
            while self._ready:
                session = next(iter(self._ready))
                del self._ready[session]
                if (packet := session.take()) is not None:
                    self._ready[session] = None  # behind the others
                    return packet
            if not self._sessions:
                raise LocalError("expected an open session to receive packets from, found none")
            await self._changed.wait()

    async def rekey(self) -> None:
        """Rekey all SAs of all sessions. It raises the first error, once all have ended."""
        results = await asyncio.gather(*(session.rekey() for session in self.sessions), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def shutdown(self, *, timeout: float = CLOSING) -> None:
        """Close all sessions, waiting for the peers for at most ``timeout`` seconds, and the sockets."""
        if not self._closed:
            self.network.check_loop()
            self._closed = True
            reconnecting = [each.task for each in self._reconnectors.values()]
            await self._shut(timeout)
            await asyncio.gather(*reconnecting, return_exceptions=True)

    # When there is no peer, or that of a session is lost

    def _happened(self, name: str, event: Event) -> None:
        super()._happened(name, event)
        if isinstance(event, IcmpReceived) and silence.refuses(event):
            for session in self.sessions:
                sa = session.sa
                if sa.connecting and not sa.envelope.has_keys and sa.remote == event.remote:
                    self._refused(sa)

    def _refused(self, sa: IkeSa) -> None:
        """ICMP says that nothing listens where we connect to. One such error is a hint only (RFC 7296 section 2.4)."""
        self._refusals[sa] += 1
        if self._refusals[sa] >= silence.REFUSALS:
            with self.network.acting():
                sa.fail(Unreachable(f"nothing listens at {sa.remote}"))

    def released(self, sa: IkeSa) -> None:
        """Forget an IKE SA."""
        super().released(sa)
        self._refusals.pop(sa, None)

    def lost(self, session: IpsecSession, why: FynxError) -> bool:
        """Set the session up again if it was up, and the policy or its dead peer detection says so."""
        reconnector = self._reconnectors.get(session)
        if reconnector is not None and not reconnector.task.done():
            return True  # this was an attempt, and there may be more
        config = self._connected[session]
        policy = self._reconnect or (Reconnect() if config.dpd.action != "clear" else None)
        if policy is None or not session.open or not why.retryable:
            return False

        def begin() -> IkeSa:
            # Each time anew: there may be no route for a while, and then one from another address of ours.
            session.endpoint, adapted = self._prepared(config)
            return session.endpoint.connect(adapted, self.network.now)

        self._reconnectors[session] = Reconnector(session, policy, why, begin)
        return True

    def ended(self, session: IpsecSession) -> None:
        """Forget a session, and do not set it up again."""
        super().ended(session)
        self._connected.pop(session, None)
        reconnector = self._reconnectors.pop(session, None)
        if reconnector is not None:
            reconnector.task.cancel()

    def arrived(self, session: IpsecSession) -> None:
        """Packets have arrived: wake those who wait for any session's."""
        if self._ready is not None:
            self._ready[session] = None
            self._changed.fire()


def _adapted(config: IkeConfig) -> IkeConfig:
    """The configuration as its endpoint gets it.

    A peer on another port than 500 and 4500 has that port for everything. A dead peer is the client's business.
    """
    remote = config.remote
    if config.dpd.action != "clear":
        config = config.replace(dpd=config.dpd.replace(action="clear"))
    if remote is not None and remote.port not in (IKE_PORT, NATT_PORT) and config.remote_natt_port == NATT_PORT:
        return config.replace(remote_natt_port=remote.port)
    return config
