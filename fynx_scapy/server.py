# SPDX-License-Identifier: GPL-2.0-or-later
"""An IPsec server for asyncio programs."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Sequence
from typing import Self

from fynx_scapy.checks import as_tuple, check_values, flag, kind, optional, several, whole
from fynx_scapy.errors import LocalError
from fynx_scapy.ike.config import EndpointConfig, IkeConfig
from fynx_scapy.ike.core.registry import Registry
from fynx_scapy.ike.endpoint import Endpoint
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ipsec_host import IpsecHost
from fynx_scapy.ipsec_session import CLOSING, IpsecSession
from fynx_scapy.net.aio import AioNetwork
from fynx_scapy.net.sockets import OpenSocket
from fynx_scapy.text import counted

BACKLOG = 128
"""How many sessions wait to be accepted by default."""

_CHECKS = {
    "configs": several(kind(IkeConfig), 1, 100_000),
    "endpoint": optional(kind(EndpointConfig)),
    "network": optional(kind(AioNetwork)),
    "registry": optional(kind(Registry)),
    "backlog": whole(1, 1_000_000, "sessions"),
    "unique": flag(),
}


class IpsecServer(IpsecHost):
    """Serves peers that connect.

    >>> async with IpsecServer(config, local="192.0.2.1") as server:
    ...     async for session in server:
    ...         tasks.create_task(serve(session))

    ``configs`` has one or several configurations; the first that fits a peer is used. ``local`` is our address, or
    several. ``backlog`` sessions wait for `accept`; when that many do, a further one is deleted at once and counted.
    ``unique`` makes a further IKE SA of a peer continue its session, as when the peer reauthenticates; otherwise it is
    a session of its own.
    """

    def __init__(
        self,
        configs: IkeConfig | Sequence[IkeConfig],
        *,
        local: str | Sequence[str],
        endpoint: EndpointConfig | None = None,
        network: AioNetwork | None = None,
        open_socket: OpenSocket = socket.socket,
        native: bool = True,
        offload: bool = True,
        registry: Registry | None = None,
        backlog: int = BACKLOG,
        unique: bool = False,
        name: str = "server",
    ) -> None:
        given = as_tuple(configs, IkeConfig)
        check_values(
            "IpsecServer", _CHECKS, configs=given, endpoint=endpoint, network=network, registry=registry,
            backlog=backlog, unique=unique,
        )  # fmt: skip
        super().__init__(name, network, open_socket, native=native, offload=offload)
        self.endpoint = Endpoint(local, given, config=endpoint, registry=registry)
        self._backlog, self._unique = backlog, unique
        self._waiting: deque[IpsecSession] = deque()
        self._of_peer: dict[tuple[Identity | None, Identity | None], IpsecSession] = {}
        self.refused = 0
        """How many sessions were deleted because ``backlog`` others waited already."""
        self._bound = self._closed = False
        self._encapsulates = False

    def __repr__(self) -> str:
        return f"<IpsecServer {', '.join(map(str, self.addresses))}, {counted(len(self.sessions), 'session')}>"

    async def __aenter__(self) -> Self:
        await self.bind()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def bind(self) -> None:
        """Open the ports, and serve peers from now on. TransportError when a port cannot be opened."""
        if self._closed:
            raise LocalError("expected an open server, found one that was closed")
        if not self._bound:
            self._encapsulates = not self._open(self.endpoint)
            self._bound = True
            self.reload(self.endpoint.configs)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses to connect to: the port for IKE on each local address."""
        return tuple(Address(host, self.endpoint.config.port) for host in self.endpoint.hosts)

    def reload(self, configs: IkeConfig | Sequence[IkeConfig]) -> None:
        """Use other configurations for peers that connect from now on. Sessions go on with theirs. ConfigError."""
        given = as_tuple(configs, IkeConfig)
        check_values("IpsecServer.reload()", _CHECKS, configs=given)
        if self._encapsulates:
            given = tuple(config.replace(force_encapsulation=True) for config in given)
        self.endpoint.configs = list(given)

    async def accept(self) -> IpsecSession:
        """The next session that a peer has set up, oldest first. LocalError when the server is closed."""
        if not self._bound:
            raise LocalError("expected a server that is bound: await bind() first")
        while not self._waiting:
            if self._closed:
                raise LocalError("expected an open server, found one that was closed")
            await self._changed.wait()
        return self._waiting.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> IpsecSession:
        """The next session; the iteration ends when the server is closed."""
        try:
            return await self.accept()
        except LocalError:
            raise StopAsyncIteration from None

    async def close(self, *, timeout: float = CLOSING) -> None:
        """Delete all SAs, waiting for the peers for at most ``timeout`` seconds, and close the sockets."""
        if not self._closed:
            self._closed = True
            self.endpoint.configs = []
            self._waiting.clear()
            self._changed.fire()
            await self._shut(timeout)

    # Called when a peer has set up an IKE SA

    def _answered(self, endpoint: Endpoint, sa: IkeSa) -> IpsecSession | None:
        session = None if sa.anonymous else self._of_peer.get((sa.local_id, sa.remote_id))
        if session is None or not session.open:
            session = IpsecSession(self, endpoint, sa)
            if self._unique and not sa.anonymous:
                self._of_peer[sa.local_id, sa.remote_id] = session
        return session

    def opened(self, session: IpsecSession) -> None:
        """A session can be used: have it wait for `accept`, or delete it if too many do."""
        if self._closed or len(self._waiting) >= self._backlog:
            self.refused += 1
            session.begin_close()
        else:
            self._waiting.append(session)
            self._changed.fire()

    def ended(self, session: IpsecSession) -> None:
        """Forget a session; if nobody has accepted it yet, nobody will."""
        super().ended(session)
        ids = session.local_id, session.remote_id
        if self._of_peer.get(ids) is session:
            del self._of_peer[ids]
        if session in self._waiting:
            self._waiting.remove(session)
