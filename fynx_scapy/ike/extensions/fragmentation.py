# SPDX-License-Identifier: GPL-2.0-or-later
"""IKEV2_FRAGMENTATION_SUPPORTED: whether messages may come in fragments (RFC 7383 section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.message import Message, Outgoing, notify

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord


@extension
class Fragmentation(Extension):
    """Which peers have announced fragmentation. `reassembly` does the rest."""

    place = Place.NONCE

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.own = False
        """Whether we have announced it."""
        self.peer = False
        """Whether the peer has."""

    @property
    def agreed(self) -> bool:
        """Whether both peers have announced it."""
        return self.own and self.peer

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In IKE_SA_INIT. A responder announces it only if the initiator did."""
        if exchange.exchange_type != ExchangeType.IKE_SA_INIT or not self.sa.config.fragmentation:
            return ()
        return [notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)] if request is None or self.peer else ()

    def sent(self, message: Outgoing, exchange: Exchange) -> None:
        """Note whether the notify was really sent: a tap may have added or removed it."""
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT:
            self.own = message.has_notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)

    def note(self, message: Message, exchange: Exchange) -> None:
        """In IKE_SA_INIT."""
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT:
            self.peer = message.has_notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)

    def inherit(self, old: Fragmentation) -> None:
        """The successor uses what was negotiated."""
        self.own, self.peer = old.own, old.peer
