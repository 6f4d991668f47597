# SPDX-License-Identifier: GPL-2.0-or-later
"""AUTH_LIFETIME: for how long an authentication counts (RFC 4478).

Whoever answered the first exchange of a line of IKE SAs says it, and deletes the IKE SA after that time. Whoever began
that exchange authenticates again before. Rekeys of the IKE SA change neither the roles nor the time (section 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

from scapy.packet import Packet

from fynx_scapy.errors import Closing, LocalError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.extension import Extension
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.events import AuthenticationLimited, LifetimeReached
from fynx_scapy.ike.message import Message, Outgoing, Payloads, notify

if TYPE_CHECKING:
    from fynx_scapy.ike.basics.timers import Timer
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord

LONGEST = 0xFFFF_FFFF
"""Seconds that an AUTH_LIFETIME can say (section 3)."""
GRACE = 10.0
"""Seconds from the end of the lifetime to our Delete: "soon after the end" (section 2)."""
GRACE_AT_ONCE = 60.0
"""The same after a lifetime of 0: "allow a reasonable time for the repeated authentication to occur"."""
EARLY = (0.1, 0.2)
"""The part of the lifetime that is left when we authenticate again: at least, and at most."""
SHORTEST = 1.0
"""Seconds between two authentications of ours: a peer cannot keep us authenticating without end (section 5)."""


@extension
class AuthLifetime(Extension):
    """The limit of one IKE SA, said by us or by the peer. `announce` says one at any time."""

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.began = sa.initiator
        """Whether we began the first IKE SA, so that the peer sets the limit and we authenticate again."""
        self.ends_at: float | None = None
        """When we authenticate again, or delete the IKE SA; None without a limit."""
        self._first_at = 0.0
        self._timer: Timer | None = None

    def announce(self, seconds: int) -> Exchange:
        """Tell the peer in an INFORMATIONAL exchange that it has so many seconds, 0 for at once.

        LocalError unless we answered the first exchange.
        """
        if self.began:
            raise LocalError(f"expected an IKE SA that the peer began to send AUTH_LIFETIME on, found {self.sa!r}")
        if not 0 <= seconds <= LONGEST:
            raise LocalError(f"expected a lifetime of 0 to {LONGEST} seconds for AUTH_LIFETIME, found {seconds}")
        # <--  HDR, SK {N(AUTH_LIFETIME)}     HDR, SK {}  -->
        return self.sa.inform(_payload(seconds))

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In the last answer of IKE_AUTH."""
        seconds, last = self.sa.config.auth_lifetime, request is not None and self.sa.established
        if seconds is None or not last or exchange.exchange_type != ExchangeType.IKE_AUTH:
            return ()
        return [_payload(seconds)]

    def sent(self, message: Outgoing, exchange: Exchange) -> None:
        """What the peer has been told counts; a tap may have changed it."""
        if not self.began and self.sa.established and (seconds := _lifetime(message.sent)) is not None:
            self._delete_after(seconds)
            self.sa.emit(AuthenticationLimited(*self.sa.stamp, seconds=seconds, by_peer=False))

    def established(self) -> None:
        """Our own limit holds even where a tap keeps the peer from learning it."""
        self._first_at = self.sa.now
        if not self.began and self.sa.config.auth_lifetime is not None:
            self._delete_after(self.sa.config.auth_lifetime)

    def note(self, message: Message, exchange: Exchange) -> None:
        """The peer's limit, in the last answer of IKE_AUTH or in a request of INFORMATIONAL; the last one counts.

        Nobody but who answered the first exchange may say one. One that is malformed is ignored.
        """
        response = message.header_fields.response
        place = ExchangeType.IKE_AUTH if response else ExchangeType.INFORMATIONAL
        if not self.began or not message.encrypted or exchange.exchange_type != place:
            return
        if (seconds := _lifetime(message)) is None:
            return
        left = 1 - self.sa.endpoint.randomness.uniform(*EARLY)
        self._act(max(self.sa.now + seconds * left, self._first_at + SHORTEST), self._authenticate_again)
        self.sa.emit(AuthenticationLimited(*self.sa.stamp, seconds=seconds, by_peer=True))

    # The life of the IKE SA

    def inherit(self, old: Self) -> None:
        """Section 2: "If the IKE SA is rekeyed, then the time limit applies to the new SA"."""
        self.began, self.ends_at, self._first_at = old.began, old.ends_at, old._first_at

    def took_over(self) -> None:
        """The time goes on."""
        if self.ends_at is not None:
            self._act(self.ends_at, self._authenticate_again if self.began else self._delete)

    def closed(self) -> None:
        """There is nothing left to limit."""
        if self._timer is not None:
            self._timer.cancel()

    def _delete_after(self, seconds: int) -> None:
        self._act(self.sa.now + seconds + (GRACE if seconds else GRACE_AT_ONCE), self._delete)

    def _act(self, at: float, action: Callable[[float], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.ends_at, self._timer = at, self.sa.endpoint.timers.set(at, action)

    def _delete(self, now: float) -> None:
        """Section 2: the original responder "SHOULD send a DELETE notification soon after the end"."""
        sa = self.sa
        if sa.established:
            sa.emit(LifetimeReached(*sa.stamp, limit="authentication", hard=True))
            sa.delete_ike(Closing.LIFETIME)

    def _authenticate_again(self, now: float) -> None:
        """Unless our own policy has done so already (section 5)."""
        sa = self.sa
        if sa.established and sa.replacement is None:
            sa.emit(LifetimeReached(*sa.stamp, limit="authentication", hard=False))
            sa.reauthenticate()


def _payload(seconds: int) -> Packet:
    return notify(NotifyType.AUTH_LIFETIME, seconds.to_bytes(4))


def _lifetime(message: Payloads) -> int | None:
    """The seconds in a message; None where there is no AUTH_LIFETIME, or not one of four octets (section 3)."""
    found = message.notify(NotifyType.AUTH_LIFETIME)
    data = bytes(found.notify or b"") if found is not None else b""
    return int.from_bytes(data) if len(data) == 4 else None
