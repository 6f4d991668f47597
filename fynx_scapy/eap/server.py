# SPDX-License-Identifier: GPL-2.0-or-later
"""The server's side of an EAP conversation: asks who the peer is, agrees on a method, and says how it ended.

RFC 3748 sections 2 to 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.layers.eap import EAP

from fynx_scapy.eap import packets
from fynx_scapy.eap.method import Octets, Outcome, Run, ServerMethod, ServerSteps, shown
from fynx_scapy.errors import AuthenticationError

if TYPE_CHECKING:
    from fynx_scapy.eap.tunnel import Room


class EapServer:
    """One conversation of a server. ``identity`` is that of the peer if it is known; else the server asks for it.

    ``room``: who gives way to it where TLS connections are many; without it, nobody does.
    """

    def __init__(
        self, methods: Sequence[ServerMethod], octets: Octets, identity: bytes | None = None, room: Room | None = None
    ) -> None:
        self.methods = list(methods)
        self.outcome: Outcome | None = None
        """What the method has yielded, once it has succeeded."""
        self.error: AuthenticationError | None = None
        """Why the peer is refused."""
        self.method: ServerMethod | None = None
        """The method in use."""
        self.identity = identity
        """What the peer has said of itself. It proves nothing."""
        self._octets, self._room = octets, room
        self._identifier = octets(1)[0]
        self._type: int | None = None
        self._run: Run | None = None
        self._steps: ServerSteps | None = None
        self._answered = False

    def begin(self) -> EAP:
        """The first request."""
        if self.identity is None:
            return self._ask(packets.identity_request())
        return self._propose(self.methods)

    def receive(self, data: bytes | EAP) -> EAP:
        """The next request, or EAP-Success with `outcome` set, or EAP-Failure with `error` set."""
        try:
            return self._take(packets.read(data))
        except AuthenticationError as error:
            self.error = error
            self.close()
            return packets.failure(self._identifier)

    def close(self) -> None:
        """End the method, and what it holds."""
        if self._steps is not None:
            self._steps.close()

    def _take(self, response: EAP) -> EAP:
        if self.outcome is not None or self.error is not None:
            raise AuthenticationError(f"expected nothing after the end of EAP, found {shown(response)}")
        if packets.code_of(response) != EAP.RESPONSE:
            raise AuthenticationError(f"expected an EAP response, found {shown(response)}")
        if (found := packets.identifier_of(response)) != self._identifier:
            raise AuthenticationError(f"expected an EAP response with identifier {self._identifier}, found {found}")
        kind = packets.type_of(response)
        if self._type == packets.IDENTITY:
            if kind != packets.IDENTITY:
                raise AuthenticationError(f"expected an EAP response Identity, found {shown(response)}")
            self.identity = packets.data_of(response)
            return self._propose(self.methods)
        wanted = packets.wanted_by(response)
        if wanted is not None and not self._answered:
            tried = self.methods.index(self.method) if self.method is not None else -1
            return self._propose([each for each in self.methods[tried + 1 :] if each.type in wanted], response)
        if kind != self._type:
            raise AuthenticationError(f"expected EAP-{self._name()} to go on, found {shown(response)}")
        self._answered = True
        return self._next(response)

    def _propose(self, methods: Sequence[ServerMethod], refused: EAP | None = None) -> EAP:
        """Begin the first of these methods."""
        if not methods:
            found = f", found {shown(refused)}" if refused is not None else ""
            names = ", ".join(each.name for each in self.methods) or "no method"
            raise AuthenticationError(f"expected the peer to take one of our EAP methods ({names}){found}")
        self.method = methods[0]
        self._run = Run(self.identity or b"", self._octets, (method.type for method in self.methods))
        self._run.room = self._room
        self._run.identifier = self._following
        self._steps = self.method.challenge(self._run)
        return self._ask(next(self._steps))

    def _next(self, response: EAP) -> EAP:
        assert self._steps is not None and self._run is not None  # noqa: PT018 -- a method has begun
        self._run.identifier = self._following
        try:
            return self._ask(self._steps.send(response))
        except StopIteration as end:
            self.outcome = end.value
            return packets.success(self._identifier)

    def _ask(self, request: EAP) -> EAP:
        self._identifier = self._following
        request.id = self._identifier
        self._type = packets.type_of(request)
        return request

    @property
    def _following(self) -> int:
        return self._identifier + 1 & 0xFF

    def _name(self) -> str:
        return self.method.name if self.method is not None else "Identity"
