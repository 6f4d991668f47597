# SPDX-License-Identifier: GPL-2.0-or-later
"""Our end of a trial when `IpsecClient` or `IpsecServer` drives it: `Session`, with an event loop below."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from scapy.packet import Packet

from fynx_scapy.client import IpsecClient
from fynx_scapy.errors import FynxError, LocalError
from fynx_scapy.harness.role import Role
from fynx_scapy.ike.config import ChildConfig, EndpointConfig, IkeConfig
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.events import MessageReceived
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ipsec_session import IpsecSession
from fynx_scapy.lab.loop_network import LoopNetwork
from fynx_scapy.layers.ikeheader import FLAG_RESPONSE
from fynx_scapy.layers.ikev2 import IKEv2, chain
from fynx_scapy.net.echo import echo_reply
from fynx_scapy.server import IpsecServer
from fynx_scapy.session import Session
from fynx_scapy.session_setup import INITIATOR, SessionSetup
from fynx_scapy.session_state import SessionState

T = TypeVar("T")


class _Client(IpsecClient):
    """A client whose ports are open before it connects, because a trial may use its endpoint before."""

    async def open(self) -> Endpoint:
        endpoint, _ = self._prepared(self.configs[0])
        return endpoint


class AsyncSession(Session):
    """A session whose steps are those of an `IpsecSession`; what is sent and received passes through it too.

    ``host`` is the client or server, ``session`` the `IpsecSession`, once there is one. The steps return the newest
    answer of the peer. Like the host of a `Session`, it answers echo requests. A step that `IpsecSession` does not have
    acts on the endpoint below it.
    """

    network: LoopNetwork

    def __init__(
        self,
        network: LoopNetwork,
        config: IkeConfig,
        role: Role,
        local: str,
        endpoint: EndpointConfig,
        name: str = INITIATOR,
    ) -> None:
        self.session: IpsecSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.host: IpsecClient | IpsecServer
        if role.begins:
            self.host = client = _Client(config, local=local, endpoint=endpoint, network=network, name=name)
            ours = network.wait(client.open())
        else:
            self.host = server = IpsecServer(config, local=local, endpoint=endpoint, network=network, name=name)
            network.wait(server.bind())
            ours = server.endpoint
        SessionState.__init__(self, SessionSetup(network, ours, None, config), name)

    # Steps

    def connect(self, *, timeout: float | None = None) -> IKEv2:
        """Set up a session as a client."""
        if not isinstance(self.host, IpsecClient):
            raise LocalError("expected a client to connect, found a server")
        self._use(self.network.wait(self.host.connect(self.config), limit=timeout))
        return self._newest_answer()

    def accept(self, *, timeout: float | None = 30.0) -> IkeSa:
        """Wait for the next session that a peer has set up with us as its server."""
        if not isinstance(self.host, IpsecServer):
            raise LocalError("expected a server to accept a session, found a client")
        self._use(session := self.network.wait(self.host.accept(), limit=timeout))
        self._accepted.append(session.sa)
        return session.sa

    def liveness(self, *, timeout: float | None = None) -> IKEv2:
        """Ask the peer for a sign of life."""
        return self._step(self._used.check(), timeout)

    def create_child(
        self, config: ChildConfig | None = None, packet: Packet | bytes | None = None, *, timeout: float | None = None
    ) -> IKEv2:
        """Set up a further Child SA. LocalError without a configuration and for a packet, which a session has no use
        for."""
        if config is None or packet is not None:
            raise LocalError("expected a configuration alone: an IpsecSession sets up a Child SA without a packet")
        return self._step(self._used.create_child(config), timeout)

    def rekey_child(self, child: ChildSa | None = None, *, timeout: float | None = None) -> IKEv2:
        """Rekey a Child SA, by default the newest."""
        return self._step(self._used.rekey(child=child or self.child), timeout)

    def rekey_ike(self, *, timeout: float | None = None) -> IKEv2:
        """Rekey the IKE SA."""
        return self._step(self._used.rekey(ike=True), timeout)

    def delete(self, child: ChildSa | None = None, *, timeout: float | None = None) -> IKEv2:
        """Delete a Child SA, or close the session."""
        return self._step(self._used.close() if child is None else self._used.delete_child(child), timeout)

    def emit(self, packet: bytes) -> None:
        """Send an inner packet in a task of the event loop."""
        self._start(self._used.send_packet(packet))

    # State

    @property
    def sa(self) -> IkeSa:
        """The newest IKE SA of the session."""
        return super().sa if self.session is None else self.session.sa

    @property
    def _used(self) -> IpsecSession:
        if self.session is None:
            raise LocalError("expected a session; call connect() or accept() first")
        return self.session

    def _use(self, session: IpsecSession) -> None:
        self.session = session
        self._start(self._read(session))

    async def _read(self, session: IpsecSession) -> None:
        """Keep what the session receives, and answer echo requests, until it ends."""
        received = self.network.hosts[self.name].inbox
        async for packet in session:
            received.append(packet)
            reply = echo_reply(packet)
            if reply is not None:
                with contextlib.suppress(FynxError):  # the Child SA may be gone by now
                    await session.send_packet(reply)

    def _start(self, what: Coroutine[Any, Any, None]) -> None:
        task = self.network.loop.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _step(self, what: Coroutine[Any, Any, object], timeout: float | None) -> IKEv2:
        self.network.wait(what, limit=timeout)
        return self._newest_answer()

    def _newest_answer(self) -> IKEv2:
        for _, event in reversed(list(self.events)):
            if isinstance(event, MessageReceived) and int(event.header.flags or 0) & FLAG_RESPONSE:
                return chain(event.header, list(event.payloads))
        raise LocalError("expected an answer of the peer, found none")

    def _give(self, packet: bytes) -> None:
        self.network.wait(self._used.send_packet(packet))
