# SPDX-License-Identifier: GPL-2.0-or-later
"""The peer's exchanges that wait for their next request (RFC 9242 section 3.2, RFC 9370 section 2.2.4).

Several may wait on one IKE SA. Each says which request it waits for; other requests may come in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fynx_scapy.errors import FynxError, LocalError, PeerError, Timeout
from fynx_scapy.iana import ExchangeType, NotifyType, name_of
from fynx_scapy.ike.basics.timers import Timer
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.events import ExchangeDropped
from fynx_scapy.ike.message import Message, Next

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord

FATAL = (NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, NotifyType.INVALID_SYNTAX, NotifyType.AUTHENTICATION_FAILED)
"""In IKE_AUTH, and right after it, these end an IKE SA without a Delete payload (RFC 7296 section 2.21.2)."""


@dataclass(slots=True, eq=False)
class Chain:
    """An exchange between two of its rounds: its generator, and the request that must follow."""

    exchange: Exchange
    steps: Steps
    exchange_type: int
    then: Next
    timer: Timer | None = None

    def claims(self, request: Message) -> bool:
        """Whether this is the request that the exchange waits for."""
        right_type = request.header_fields.exchange == self.exchange_type
        return right_type and (self.then.refers is None or self.then.refers(request))


class Chains:
    """The exchanges that wait on one IKE SA, oldest first. `IkeConfig` limits their number and their time."""

    def __init__(self, sa: SaRecord) -> None:
        self._sa = sa
        self._waiting: list[Chain] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def exchanges(self) -> list[Exchange]:
        """The waiting exchanges, oldest first."""
        return [chain.exchange for chain in self._waiting]

    def wait(self, exchange: Exchange, steps: Steps, then: Next, answered: int) -> None:
        """Let an exchange wait for its next request. ``answered`` is the type of the request that it has answered."""
        sa, config = self._sa, self._sa.config
        kind = answered if then.exchange_type is None else then.exchange_type
        chain = Chain(exchange, steps, kind, then)
        self._waiting.append(chain)
        if not sa.listening:
            return self._drop(chain, LocalError("the IKE SA ended"))
        if not sa.connecting:
            late = Timeout(f"expected {name_of(ExchangeType, kind)} within {config.chain_lifetime:g} s")
            chain.timer = sa.endpoint.timers.set(sa.now + config.chain_lifetime, lambda now: self._drop(chain, late))
        if len(self._waiting) > config.chain_limit:
            self._drop(self._waiting[0], LocalError(f"expected at most {config.chain_limit} waiting exchanges"))
        return None

    def claim(self, request: Message) -> Chain | None:
        """Remove and return the exchange that waits for this request; None when there is none.

        Before both peers are authenticated the window is one, and no other request may come in between (RFC 9242
        section 3.2): PeerError, unless the initiator gives up.
        """
        for chain in self._waiting:
            if chain.claims(request):
                self._remove(chain)
                return chain
        if self._waiting and self._sa.connecting and not self.given_up(request):
            wanted = name_of(ExchangeType, self._waiting[0].exchange_type)
            reason = f"expected {wanted} as the next request, found {request.header_fields.exchange_name}"
            raise PeerError(NotifyType.INVALID_SYNTAX, reason=reason)
        return None

    def given_up(self, request: Message) -> bool:
        """Whether the initiator ends the IKE SA instead of going on, because of an error in our last answer.

        RFC 7296 section 2.21.2: it may say so in the INFORMATIONAL exchange that follows immediately.
        """
        informational = request.header_fields.exchange == ExchangeType.INFORMATIONAL
        waits = informational and self._sa.connecting and bool(self._waiting)
        return waits and any(each.type in FATAL for each in request.notifies())

    def stop(self, reason: str) -> None:
        """Give up all waiting exchanges."""
        while self._waiting:
            self._drop(self._waiting[0], LocalError(reason))

    def _remove(self, chain: Chain) -> None:
        self._waiting.remove(chain)
        if chain.timer is not None:
            chain.timer.cancel()

    def _drop(self, chain: Chain, error: FynxError) -> None:
        """Give up a waiting exchange, and report it."""
        sa, exchange = self._sa, chain.exchange
        self._remove(chain)
        chain.steps.close()
        sa.emit(ExchangeDropped(*sa.stamp, exchange=int(exchange.exchange_type), reason=str(error)))
        exchange.refused(error)
