# SPDX-License-Identifier: GPL-2.0-or-later
"""SUPPORTED_AUTH_METHODS: the authentication methods that we accept (RFC 9593). `Wishes` reads the peer's.

We never send an empty one, which would put the list off to IKE_INTERMEDIATE (section 3.1), and ignore that of a peer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.auth.authenticator import kind_for
from fynx_scapy.ike.auth.signing import SIGNATURES, announcements
from fynx_scapy.ike.auth.wishes import Announcement
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.credentials.rounds import rounds_of
from fynx_scapy.ike.message import Message, Outgoing, notify
from fynx_scapy.layers.ikev2 import IKEv2_IDi

if TYPE_CHECKING:
    from fynx_scapy.ike.config import IkeConfig
    from fynx_scapy.ike.core.exchange import Exchange


@extension
class SupportedAuthMethods(Extension):
    """It stands where CERTREQ does: in the answer to IKE_SA_INIT, and in the first IKE_AUTH request.

    It is sent where the peer has a choice: if it may prove itself by a signature.
    """

    place = Place.NONCE

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """The methods of all configurations that the peer may be for."""
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT and request is not None:
            configs = self.sa.candidates
        elif exchange.exchange_type == ExchangeType.IKE_AUTH and message.get(IKEv2_IDi) is not None:
            configs = [self.sa.config] if self.sa.initiator and exchange.first else []
        else:
            return ()
        found = list(dict.fromkeys(each for config in configs for each in _accepted(config)))
        if not any(each.method in SIGNATURES for each in found):
            return ()
        return [notify(NotifyType.SUPPORTED_AUTH_METHODS, b"".join(each.octets() for each in found))]


def _accepted(config: IkeConfig) -> list[Announcement]:
    """What a configuration accepts; nothing of one that shall not say it."""
    if not config.supported_auth_methods:
        return []
    found: list[Announcement] = []
    for credential in rounds_of(config.peer_auth):
        accepted = kind_for(credential).accepts
        signed = accepted & SIGNATURES
        found += (
            announcements(config, credential) if signed else [Announcement(int(m)) for m in accepted if m in (2, 13)]
        )
    return found
