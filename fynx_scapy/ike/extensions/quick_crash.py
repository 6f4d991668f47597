# SPDX-License-Identifier: GPL-2.0-or-later
"""Quick crash detection: a token proves, in an unprotected message, that its maker has lost the IKE SA (RFC 6290).

The token maker sends a token inside SK first. It computes it from the SPIs and a secret that survives a crash. The
token taker keeps the tokens with the IKE SA.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.errors import Closing
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType, ProtocolId
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.events import CrashDetected
from fynx_scapy.ike.message import Datagram, Header, Message, Outgoing, notify
from fynx_scapy.layers.ikev2 import IKEv2_AUTH, IKEv2_Notify

if TYPE_CHECKING:
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.exchange import Exchange
    from fynx_scapy.ike.core.record import SaRecord

MOST = 4
"""Tokens in one message, and generations of a secret (section 4.5)."""
_SIZES = range(16, 129)


def token(secret: bytes, spi_i: bytes, spi_r: bytes) -> bytes:
    """The token of an IKE SA: 32 octets. It uses HMAC-SHA-256 instead of the hash in section 5.1."""
    return hmac.digest(secret, spi_i + spi_r, "sha256")


@extension
class QuickCrashDetection(Extension):
    """The peer's tokens of one IKE SA; we are the token taker."""

    place = Place.AUTH

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.tokens: list[bytes] = []
        """The peer's tokens, the last four."""

    def _protected(self) -> list[Packet]:
        """The token to send to the peer inside SK, if we are a token maker."""
        return _payloads(self.sa.endpoint.config.crash_secrets[:1], self.sa.spi_i, self.sa.spi_r)

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """After AUTH (section 4.2), and in the answer that creates a new IKE SA (section 4.3)."""
        made = request is not None and self.sa is not exchange.sa
        return self._protected() if made or message.get(IKEv2_AUTH) is not None else ()

    def ended(self, exchange: Exchange) -> None:
        """The initiator of a rekey sends its token in an exchange of the new IKE SA (section 4.3)."""
        token = self._protected() if self.sa is not exchange.sa else []
        if token and self.sa.established:
            # HDR, SK {N(QCD_TOKEN)}  -->
            self.sa.inform(*token)

    def note(self, message: Message, exchange: Exchange) -> None:
        """Keep the tokens of IKE_AUTH, of the answer that creates a new IKE SA, and of an INFORMATIONAL request.

        Sections 4.2 to 4.4.
        """
        number, response = exchange.exchange_type, message.header_fields.response
        informs = number == ExchangeType.INFORMATIONAL and not response
        if number == ExchangeType.IKE_AUTH or informs or (exchange.replaces_ike and response):
            self.tokens.extend(data for data in _data(message.notifies()) if data not in self.tokens)
            del self.tokens[:-MOST]

    def hint(self, notifies: Iterable[IKEv2_Notify], datagram: Datagram) -> bool:
        """Close the IKE SA if an unprotected message has one of the peer's tokens (section 4.5); whether it had."""
        sa, data = self.sa, _data(notifies)[:MOST]
        if not data or not self.tokens or not sa.limits.allow("token", sa.now, 1.0, burst=10):
            return False
        if not any(hmac.compare_digest(given, kept) for given in data for kept in self.tokens):
            return False
        sa.emit(CrashDetected(*sa.stamp))
        reason = "the peer sent its QCD token: it has lost the IKE SA"
        sa.closed(reason, Closing.PEER_RESTARTED, by_peer=True)
        return True

    @classmethod
    def beside_invalid_spi(cls, endpoint: EndpointRecord, header: Header) -> Sequence[Packet]:
        """The tokens, one for each generation of the secret.

        Section 9.2: "A token maker MUST NOT send a valid QCD token in an unprotected message for an existing IKE SA".
        So there is no token if either SPI is one of ours, whatever else is wrong with the message.
        """
        ours = header.spi_i in endpoint.sas or header.spi_r in endpoint.sas
        if ours or header.next_payload not in (PayloadType.SK, PayloadType.SKF):
            return ()
        return _payloads(endpoint.config.crash_secrets, header.spi_i, header.spi_r)


def _payloads(secrets: Sequence[bytes], spi_i: bytes, spi_r: bytes) -> list[Packet]:
    return [
        notify(NotifyType.QUICK_CRASH_DETECTION, token(secret, spi_i, spi_r), protocol=ProtocolId.IKE)
        for secret in secrets[:MOST]
    ]


def _data(notifies: Iterable[IKEv2_Notify]) -> list[bytes]:
    data = [bytes(n.notify or b"") for n in notifies if n.type == NotifyType.QUICK_CRASH_DETECTION]
    return [token for token in data if len(token) in _SIZES]
