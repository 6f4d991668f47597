# SPDX-License-Identifier: GPL-2.0-or-later
"""CREATE_CHILD_SA for a new Child SA, and the base class that its rekey shares (RFC 7296 section 1.3.1)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.errors import Closing, FynxError, KeyExchangeError, MalformedError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, name_of
from fynx_scapy.ike.child.setup import ChildPlan, ChildRequest, answer_child, child_answer_payloads, install, no_room
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.core.child import ChildSa
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.core.keyshare import (
    KeyShare,
    answered_secret,
    check_nonce,
    own_nonce,
    prf_of,
    retried_share,
    sent_nonce,
)
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.events import ChildSaFailed
from fynx_scapy.ike.life import collisions, succession
from fynx_scapy.ike.message import Message, Outgoing
from fynx_scapy.ike.terms.selectors import Flow
from fynx_scapy.ike.wire.rules import MANY, MAYBE, ONE, P, Round, Rule
from fynx_scapy.layers.ikev2 import IKEv2_Nonce

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


class ChildExchange(Exchange):
    """The base class of the exchanges that create a Child SA."""

    child: ChildSa | None = None
    touches_children = makes_child = True
    rules = (
        Round(
            # HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr}  -->
            Rule({P.SA: ONE, P.KE: MAYBE, P.Nonce: ONE, P.N: MANY, P.V: MANY, P.TSi: ONE, P.TSr: ONE}),
            # <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
            Rule({P.SA: ONE, P.KE: MAYBE, P.Nonce: ONE, P.N: MANY, P.V: MANY, P.TSi: ONE, P.TSr: ONE}),
        ),
    )

    def _offer(
        self, request: ChildRequest, *before: Packet
    ) -> Generator[Outgoing, Message, tuple[ChildSa, tuple[bytes, bytes]]]:
        """Send the request, follow INVALID_KE_PAYLOAD, and install the Child SA.

        Returns the new Child SA and both nonces; PeerError when the peer refuses.
        """
        sa, random = self.sa, self.sa.endpoint.randomness.octets
        groups = request.groups
        request.share = KeyShare.generate(groups[0], random) if groups else None
        drawn = own_nonce(sa, prf_of(sa.suite))
        nonce = IKEv2_Nonce(nonce=drawn)
        offer, *selectors = request.payloads(without=())
        for _ in range(1 + len(groups)):
            # HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr}  -->
            share = [request.share.payload()] if request.share else []
            message = self.request(*before, offer, nonce, *share, *selectors)
            answer = yield message
            # <--  HDR, SK {N(INVALID_KE_PAYLOAD)}
            other = retried_share(sa, message, answer)
            if other is None:
                break
            request.share = other
        # <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
        if error := answer.error():
            kind = error.type
            raise PeerError(kind, bytes(error.notify), f"CREATE_CHILD_SA was refused with {name_of(NotifyType, kind)}")
        theirs = answer.one(IKEv2_Nonce).nonce
        check_nonce(theirs, sa.suite)
        nonces = (sent_nonce(message, drawn), theirs)
        child = request.accept(sa, message.sent, answer, nonces, without=())
        collisions.remove_deleted_early(sa, child)
        return child, nonces

    def _answer(
        self, plan: ChildPlan, request: Message, replaces: ChildSa | None = None
    ) -> Generator[Outgoing, Message, tuple[ChildSa, tuple[bytes, bytes]]]:
        """Install the Child SA, and send the answer. Returns the new Child SA and both nonces."""
        sa, random = self.sa, self.sa.endpoint.randomness.octets
        theirs = request.one(IKEv2_Nonce).nonce
        check_nonce(theirs, sa.suite)
        ke, shared = answered_secret(plan.choice, request, random)
        nonces = (theirs, own_nonce(sa, prf_of(sa.suite)))
        spi = sa.endpoint.new_child_spi()
        self.child = child = install(sa, plan, spi, nonces, initiator=False, shared=shared, replaces=replaces)
        agreed, *selectors = child_answer_payloads(plan, spi)
        # <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
        message = self.response(agreed, IKEv2_Nonce(nonce=nonces[1]), *ke, *selectors)
        yield message
        if (sent := sent_nonce(message, nonces[1])) != nonces[1]:
            # A tap changed the nonce, and the peer uses the one that it received.
            if child.life is not None:
                child.life.stop()
            nonces = (theirs, sent)
            child = install(sa, plan, spi, nonces, initiator=False, shared=shared, replaces=replaces)
        return child, nonces

    def refused(self, error: FynxError) -> None:
        """No Child SA, where its answer was refused once it was made."""
        if self.child is not None and not self.rounds:
            spi = self.child.inbound.spi
            self.sa.remove_children([spi], by_peer=False, reason=f"refused: {error}", code=Closing.REJECTED)


@exchange(ExchangeType.CREATE_CHILD_SA)
class CreateChild(ChildExchange):
    """Set up a further Child SA. ``packet`` is the inner packet that triggers it, if any."""

    def __init__(self, sa: SaRecord, config: ChildConfig | None = None, packet: bytes | None = None) -> None:
        super().__init__(sa)
        self.config = config or (sa.config.children[0] if sa.config.children else ChildConfig())
        self.packet = packet

    def initiate(self) -> Steps:
        """Request the Child SA."""
        # HDR, SK {SA, Ni, [KEi,] TSi, TSr}  -->   <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
        self.child, _ = yield from self._offer(ChildRequest.make(self.sa, self.config, self.packet))

    def respond(self, request: Message) -> Steps:
        """Accept the Child SA, unless policy or an exchange in flight forbids it."""
        # HDR, SK {SA, Ni, [KEi,] TSi, TSr}  -->
        collisions.object_to_child(self.sa)
        if (full := no_room(self.sa)) is not None:
            raise PeerError(NotifyType.NO_ADDITIONAL_SAS, reason=full)
        plan = answer_child(self.sa, request, hooks.allowed(self.sa), without=())
        # <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
        self.child, _ = yield from self._answer(plan, request)

    def failed(self, error: FynxError) -> None:
        """Report the failure; the IKE SA stays (section 1.3.1). After TEMPORARY_FAILURE, try again."""
        sa = self.sa
        kind = error.notify_type if isinstance(error, PeerError) else None
        if kind == NotifyType.TEMPORARY_FAILURE:
            succession.try_again(sa, lambda now: CreateChild(now, self.config, self.packet))
        elif kind == NotifyType.SINGLE_PAIR_REQUIRED and ask_for_pair(sa, self.config, self.packet):
            return
        else:
            sa.emit(ChildSaFailed(*sa.stamp, name=self.config.name, notify_type=kind, reason=str(error)))
            if isinstance(error, MalformedError | KeyExchangeError):
                # Section 2.21: the peer has a Child SA that we do not have; clean up.
                sa.delete_ike(Closing.REJECTED)


def ask_for_pair(sa: SaRecord, config: ChildConfig, packet: bytes | None) -> bool:
    """After SINGLE_PAIR_REQUIRED, request a Child SA for the pair of addresses of a packet (section 2.9).

    False when there is no packet, or when we have requested just this pair already.
    """
    pair = Flow.parse(packet).pair() if packet is not None else None
    if pair is None or (config.local_ts, config.remote_ts) == ((pair[0],), (pair[1],)):
        return False
    sa.start(CreateChild(sa, config.replace(local_ts=(pair[0],), remote_ts=(pair[1],)), packet))
    return True
