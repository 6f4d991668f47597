# SPDX-License-Identifier: GPL-2.0-or-later
"""INITIAL_CONTACT: this IKE SA is the only one between its two identities (RFC 7296 section 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.errors import Closing
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.message import Message, Outgoing, notify
from fynx_scapy.layers.ikev2 import IKEv2_IDi

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange


@extension
class InitialContact(Extension):
    """An initiator sends it, and both peers act on it. `limits` admits such a peer, since its old IKE SAs go."""

    place = Place.IDENTITY

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In the first IKE_AUTH request, if configured and if there is no other IKE SA with the peer."""
        config = self.sa.config
        if request is not None or not exchange.first or message.get(IKEv2_IDi) is None or not config.initial_contact:
            return ()
        others = self.sa.endpoint.directory.of(config.remote_id)
        if any(sa.established and sa.local_id == config.local_id for sa in others):
            return ()
        return [notify(NotifyType.INITIAL_CONTACT)]

    def note(self, message: Message, exchange: Exchange) -> None:
        """Close our other IKE SAs with the peer, which is authenticated and says that it has no other.

        No Delete is sent, since the peer has lost those IKE SAs. RFC 7619 section 2.3 forbids to believe a peer that
        proved nothing; such IKE SAs are not filed under the identity that the peer claims.
        """
        if self.sa.anonymous:
            return
        if exchange.exchange_type != ExchangeType.IKE_AUTH or not message.has_notify(NotifyType.INITIAL_CONTACT):
            return
        for other in self.sa.endpoint.directory.of(self.sa.remote_id):
            if other is not self.sa and other.local_id == self.sa.local_id:
                other.closed("the peer sent INITIAL_CONTACT", Closing.PEER_RESTARTED, by_peer=True)
