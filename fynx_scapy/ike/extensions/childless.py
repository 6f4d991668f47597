# SPDX-License-Identifier: GPL-2.0-or-later
"""CHILDLESS_IKEV2_SUPPORTED: IKE_AUTH without a Child SA (RFC 6023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.errors import LocalError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, ProtocolId
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.message import Message, Outgoing, Payloads, notify
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_IDi, IKEv2_SA

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord


@extension
class Childless(Extension):
    """The responder announces that it accepts an IKE_AUTH request without a Child SA."""

    place = Place.NONCE

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.peer = False
        """Whether the peer has announced it."""

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In the answer to IKE_SA_INIT.

        LocalError for an IKE_AUTH request that section 3 forbids: "The initiator MUST NOT send the modified IKE_AUTH
        request if the notification was not present."
        """
        if request is None:
            if exchange.first and _asks_for_none(message) and not self.peer:
                raise LocalError(
                    "expected a Child SA in the configuration: the peer did not announce CHILDLESS_IKEV2_SUPPORTED"
                )
        elif exchange.exchange_type == ExchangeType.IKE_SA_INIT and self.sa.config.childless:
            return [notify(NotifyType.CHILDLESS_IKEV2_SUPPORTED, protocol=ProtocolId.IKE)]
        return ()

    def check(self, message: Message, exchange: Exchange) -> None:
        """Refuse a request without a Child SA if we did not announce support. One without AUTH asks for EAP."""
        asks = exchange.first and _asks_for_none(message) and message.get(IKEv2_AUTH) is not None
        if asks and not self.sa.config.childless:
            raise PeerError(NotifyType.INVALID_SYNTAX, reason="expected SA, TSi and TSr in IKE_AUTH, found none")

    def note(self, message: Message, exchange: Exchange) -> None:
        """In IKE_SA_INIT."""
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT:
            self.peer = message.has_notify(NotifyType.CHILDLESS_IKEV2_SUPPORTED)


def _asks_for_none(message: Payloads) -> bool:
    """Whether this is the first IKE_AUTH request (only that one has IDi), and it asks for no Child SA."""
    return message.get(IKEv2_IDi) is not None and message.get(IKEv2_SA) is None
