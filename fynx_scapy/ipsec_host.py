# SPDX-License-Identifier: GPL-2.0-or-later
"""What clients and servers share: endpoints on an asyncio network, and the sessions that their events belong to."""

from __future__ import annotations

import asyncio

from fynx_scapy.errors import FynxError
from fynx_scapy.ike.basics.inbox import Inbox
from fynx_scapy.ike.core.endpoint import EndpointRecord
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import EspReceived, EspSent, Event, IkeSaEstablished
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ipsec_life import SessionOwner
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.net.aio import AioNetwork
from fynx_scapy.net.signals import Signal
from fynx_scapy.net.sockets import OpenSocket

_OF_PACKETS = (EspSent, EspReceived)
"""The events of each packet. Sessions take no note of them: they happen only while somebody else wants them."""


class IpsecHost(SessionOwner[IpsecSession]):
    """The base class of `IpsecClient` and `IpsecServer`.

    ``network`` is the network to use, which several of them may share; by default each has its own, which it closes.
    """

    def __init__(
        self, name: str, network: AioNetwork | None, open_socket: OpenSocket, *, native: bool, offload: bool
    ) -> None:
        self.network = network or AioNetwork(open_socket=open_socket, offload=offload)
        self.name = name
        self._own_network = network is None
        self._native = native
        self._endpoints: dict[str, Endpoint] = {}
        self._sessions: dict[IpsecSession, None] = {}
        self._by_spi: dict[tuple[EndpointRecord, bytes], tuple[IkeSa, IpsecSession]] = {}
        self._by_inbox: dict[Inbox | None, IpsecSession] = {}
        self._changed = Signal()
        self._unsubscribe = self.network.subscribe(self._happened, esp=False)

    @property
    def sessions(self) -> tuple[IpsecSession, ...]:
        """The sessions that have not ended, oldest first."""
        return tuple(self._sessions)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints under it, with the ports that they have."""
        return tuple(self._endpoints.values())

    def _open(self, endpoint: Endpoint) -> bool:
        """Add an endpoint to the network; returns whether it can send ESP without UDP (IP protocol 50)."""
        name = self.name if not self._endpoints else f"{self.name} {len(self._endpoints) + 1}"
        self.network.add(endpoint, name, native=self._native)
        self._endpoints[name] = endpoint
        return self.network.native(name)

    async def _shut(self, timeout: float) -> None:
        """Close all sessions within ``timeout`` seconds, then the sockets."""
        try:
            await asyncio.gather(*(session.close(timeout=timeout) for session in self.sessions))
        finally:
            for session in self.sessions:
                session.forget()
            self._unsubscribe()
            if self._own_network:
                self.network.flush()
                self.network.close()
            else:
                for name in self._endpoints:
                    self.network.flush()
                    self.network.remove(name)
            self._endpoints.clear()
            self._changed.fire()

    # Which session an event belongs to

    def _happened(self, name: str, event: Event) -> None:
        endpoint = self._endpoints.get(name)
        if endpoint is None or type(event) in _OF_PACKETS:
            return
        session = self._session_of(endpoint, event)
        if type(event) is IkeSaEstablished:
            sa = endpoint.sas.get(event.spi_i if event.initiator else event.spi_r)
            if sa is not None:
                # One that replaces another, by reauthentication, has inherited its inbox.
                session = session or self._by_inbox.get(sa.inbox) or self._answered(endpoint, sa)
                if session is not None:
                    session.established(sa)
        if session is not None:
            session.happened(event)

    def _session_of(self, endpoint: Endpoint, event: Event) -> IpsecSession | None:
        """The session of an IKE SA. The peer chooses its SPI, and may choose one of ours, or of another endpoint of
        ours: it counts as ours only at its endpoint, and where ours stands."""
        for spi, ours in ((event.spi_i, True), (event.spi_r, False)):
            known = self._by_spi.get((endpoint, spi))
            if known is not None and known[0].initiator is ours:
                return known[1]
        return None

    def _answered(self, endpoint: Endpoint, sa: IkeSa) -> IpsecSession | None:
        """A new session for an IKE SA that a peer has set up, or None."""
        return None

    def adopted(self, session: IpsecSession, sa: IkeSa) -> None:
        """Tell the session the events of this IKE SA from now on."""
        self._sessions[session] = None
        self._by_spi[sa.endpoint, sa.own_spi] = (sa, session)
        self._by_inbox[sa.inbox] = session

    def released(self, sa: IkeSa) -> None:
        """Forget an IKE SA."""
        self._by_spi.pop((sa.endpoint, sa.own_spi), None)

    def opened(self, session: IpsecSession) -> None:
        """Nothing to do: who sets a session up waits for it."""

    def arrived(self, session: IpsecSession) -> None:
        """Nothing to do: the session wakes its readers itself."""

    def report(self, session: IpsecSession, event: Event) -> None:
        """Report an event of a session under the name of its endpoint."""
        for name, endpoint in self._endpoints.items():
            if endpoint is session.endpoint:
                self.network.announce(name, event)

    def lost(self, session: IpsecSession, why: FynxError) -> bool:
        """Let it end."""
        return False

    def ended(self, session: IpsecSession) -> None:
        """Forget a session."""
        self._sessions.pop(session, None)
        self._by_inbox.pop(session.inbox, None)
        self._changed.fire()
