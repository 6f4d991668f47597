# SPDX-License-Identifier: GPL-2.0-or-later
"""The peer's side of an EAP conversation: who it is, which method it takes, and when success may be believed.

RFC 3748 sections 2 to 5. Over IKEv2 each request is answered by one response, so what EAP would discard silently ends
the conversation here, with an error that says what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence

from scapy.layers.eap import EAP

from fynx_scapy.eap import packets
from fynx_scapy.eap.method import Octets, Outcome, PeerMethod, PeerSteps, Run, Told, shown
from fynx_scapy.errors import AuthenticationError
from fynx_scapy.text import printable

MOST_NOTIFICATIONS = 16
"""How many Notification requests are answered."""
LONGEST_NOTIFICATION = 1000
"""A text is cut after so many characters. What keeps to EAP's least MTU of 1020 octets (section 3.1) is hardly longer,
and what is told of it once it has been cut, in events and logs, fits into their own limit."""


class EapPeer:
    """One conversation of a peer. ``told`` is called with the text of a Notification."""

    def __init__(
        self,
        identity: bytes,
        methods: Sequence[PeerMethod],
        octets: Octets,
        told: Told = lambda text: None,
    ) -> None:
        self.identity, self.methods = identity, tuple(methods)
        self.outcome: Outcome | None = None
        """What the method has yielded, once EAP-Success has arrived."""
        self.method: PeerMethod | None = None
        """The method in use."""
        self._octets, self._told = octets, told
        self._run = Run(identity, octets, (method.type for method in self.methods), told)
        self._steps: PeerSteps | None = None
        self._last: tuple[bytes, EAP] | None = None
        self._notifications = 0

    @property
    def ready(self) -> Outcome | None:
        """What the method has yielded so far: success may follow. None before that."""
        return self._run.outcome

    def receive(self, data: bytes | EAP) -> EAP | None:
        """The response to a packet of the server; None after EAP-Success, which sets `outcome`.

        AuthenticationError for EAP-Failure, for a success before the method has ended, and for what is no EAP packet
        that may come now. Either of them ends the method, and what it holds.
        """
        try:
            response = self._take(packets.read(data))
        except AuthenticationError:
            self.close()
            raise
        if response is None:
            self.close()
        return response

    def close(self) -> None:
        """End the method, and what it holds."""
        if self._steps is not None:
            self._steps.close()

    def _take(self, packet: EAP) -> EAP | None:
        code = packets.code_of(packet)
        if code == EAP.SUCCESS:
            self._succeed()
            return None
        if code == EAP.FAILURE:
            raise self._run.error or AuthenticationError(f"expected EAP to go on, found a failure{self._after()}")
        if code != EAP.REQUEST:
            raise AuthenticationError(f"expected an EAP request, success or failure, found {shown(packet)}")
        octets = bytes(packet)
        if self._last is not None and self._last[0] == octets:
            return self._last[1]  # section 4.1: a duplicate request is answered by the same response
        response = self._answer(packet)
        response.id = octets[1]
        self._last = octets, response
        return response

    def _answer(self, request: EAP) -> EAP:
        kind = packets.type_of(request)
        if kind == packets.NOTIFICATION:
            return self._notified(request)
        if kind == packets.IDENTITY and self._steps is None:
            return packets.identity_response(self.identity)
        if self._steps is not None:
            assert self.method is not None
            if kind != self.method.type:
                # Section 2.1: "an authenticator MUST NOT send a Request of a different Type".
                raise AuthenticationError(f"expected EAP-{self.method.name} to go on, found {shown(request)}")
            return self._next(request)
        chosen = next((method for method in self.methods if method.type == kind), None)
        if chosen is None:
            return packets.nak(request, (method.type for method in self.methods))
        self.method = chosen
        self._steps = chosen.respond(self._run, request)
        try:
            return next(self._steps)
        except StopIteration:
            raise self._over(request) from None

    def _next(self, request: EAP) -> EAP:
        assert self._steps is not None
        try:
            return self._steps.send(request)
        except StopIteration:
            raise self._over(request) from None

    def _over(self, request: EAP) -> AuthenticationError:
        assert self.method is not None
        return AuthenticationError(f"expected an EAP success after EAP-{self.method.name}, found {shown(request)}")

    def _notified(self, request: EAP) -> EAP:
        """Section 5.2: the peer MUST respond with a Notification, which has no data."""
        self._notifications += 1
        if self._notifications > MOST_NOTIFICATIONS:
            raise AuthenticationError(f"expected at most {MOST_NOTIFICATIONS} EAP notifications, found more")
        self._told(printable(packets.data_of(request), LONGEST_NOTIFICATION))
        return EAP(code=EAP.RESPONSE, type=packets.NOTIFICATION)

    def _succeed(self) -> None:
        if self._run.error is not None:
            raise self._run.error
        if self._run.outcome is None:
            # Section 4.2: "the peer MUST silently discard" a success before the method has finished.
            raise AuthenticationError(f"expected EAP to go on, found a success too early{self._after()}")
        self.outcome = self._run.outcome

    def _after(self) -> str:
        if self.method is not None:
            return f" in EAP-{self.method.name}"
        return "" if self._last is None else f" after {shown(self._last[1])}"
