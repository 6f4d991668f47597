# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekey a Child SA: make its successor, then delete it (RFC 7296 sections 1.3.3 and 2.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.errors import Closing, FynxError, KeyExchangeError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.child.setup import ChildRequest, answer_child
from fynx_scapy.ike.core.child import ChildSa, Rekeyed
from fynx_scapy.ike.core.exchange import Steps
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.events import ChildSaFailed, ChildSaRekeyed
from fynx_scapy.ike.exchanges.create_child import ChildExchange, CreateChild
from fynx_scapy.ike.life import collisions, succession
from fynx_scapy.ike.life.reauthentication import replace_refused
from fynx_scapy.ike.message import Message, notify

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


def is_rekey(request: Message) -> bool:
    """Whether a CREATE_CHILD_SA request replaces a Child SA."""
    return request.has_notify(NotifyType.REKEY_SA)


@exchange(ExchangeType.CREATE_CHILD_SA, when=is_rekey)
class RekeyChild(ChildExchange):
    """Rekey the Child SA ``old``."""

    def __init__(self, sa: SaRecord, old: ChildSa | None = None) -> None:
        super().__init__(sa)
        self.old = old

    @property
    def subjects(self) -> frozenset[int]:
        """The inbound SPI of the Child SA that it replaces."""
        return frozenset((self.old.inbound.spi,)) if self.old else frozenset()

    def initiate(self) -> Steps:
        """Request the new Child SA. After the peer's own rekey, if any, decide who deletes which one."""
        old = self.old
        if old is None or not collisions.still_wanted(self.sa, old):
            return
        old.rekeying = self
        # HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->
        rekey = notify(NotifyType.REKEY_SA, protocol=ProtocolId.ESP, spi=old.inbound.spi.to_bytes(4))
        # <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
        self.child, nonces = yield from self._offer(ChildRequest.rekey(self.sa, old), rekey)
        old.rekeying = None
        old.rekeyed = Rekeyed(self.child, nonces)
        before, after, took = old.inbound.spi, self.child.inbound.spi, self.sa.now - self.begun_at
        self.sa.emit(ChildSaRekeyed(*self.sa.stamp, old_spi=before, new_spi=after, by_peer=False, seconds=took))
        collisions.settle_child(self.sa, old)

    def respond(self, request: Message) -> Steps:
        """Make the successor, and go on sending on the old one until the peer is known to be ready (section 2.8)."""
        sa = self.sa
        # HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->
        old = collisions.rekeyed_child(sa, request)
        plan = answer_child(sa, request, [old.config], without=())
        # <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}
        self.child, nonces = yield from self._answer(plan, request, replaces=old)
        old.peer_rekeyed = Rekeyed(self.child, nonces)
        sa.emit(ChildSaRekeyed(*sa.stamp, old_spi=old.inbound.spi, new_spi=self.child.inbound.spi, by_peer=True))
        if old.rekeyed is not None:
            collisions.settle_child(sa, old)

    def failed(self, error: FynxError) -> None:
        """Handle a refused rekey, depending on the state of the old Child SA (section 2.25)."""
        sa, old = self.sa, self.old
        if old is None:
            return
        old.rekeying = None
        kind = error.notify_type if isinstance(error, PeerError) else None
        wanted = collisions.still_wanted(sa, old) and old.peer_rekeyed is None
        if not wanted:
            return
        if kind == NotifyType.TEMPORARY_FAILURE:
            succession.try_again(sa, lambda now: RekeyChild(now, old))
        elif kind == NotifyType.CHILD_SA_NOT_FOUND:
            # "SHOULD silently delete the Child SA (if it still exists) and send a request to create a new Child SA
            # from scratch"
            sa.remove_children(
                [old.inbound.spi], by_peer=True, reason="unknown to the peer", code=Closing.PEER_RESTARTED
            )
            sa.start(CreateChild(sa, old.config))
        else:
            sa.emit(ChildSaFailed(*sa.stamp, name=old.name, notify_type=kind, reason=str(error)))
            if kind == NotifyType.NO_ADDITIONAL_SAS:
                replace_refused(sa)
            elif isinstance(error, KeyExchangeError):
                # RFC 6989 section 2.5: the IKE SA is deleted; so draft-ietf-ipsecme-ikev2-mlkem, Recipient Tests.
                sa.delete_ike(Closing.REJECTED)
