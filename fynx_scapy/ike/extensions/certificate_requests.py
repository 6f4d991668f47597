# SPDX-License-Identifier: GPL-2.0-or-later
"""CERTREQ in the answer to IKE_SA_INIT (RFC 7296 section 1.2); that of IKE_AUTH stands beside CERT.

"Certificate Request payload … can appear in the IKE_INIT_SA response and/or the IKE_AUTH request" (section 3.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.auth.requests import certificate_requests
from fynx_scapy.ike.auth.wishes import Wishes
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.message import Message, Outgoing

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange


@extension
class CertificateRequests(Extension):
    """The responder asks for certificates of authorities that any configuration for this peer trusts."""

    place = Place.NONCE

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In the answer to IKE_SA_INIT."""
        if request is None or exchange.exchange_type != ExchangeType.IKE_SA_INIT:
            return ()
        return certificate_requests(self.sa.candidates)

    def note(self, message: Message, exchange: Exchange) -> None:
        """In IKE_SA_INIT: CERTREQ, and what stands beside it (RFC 9593). Of IKE_AUTH the authenticator reads it."""
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT and self.sa.initiator:
            self.sa.of(Wishes).read(message)
