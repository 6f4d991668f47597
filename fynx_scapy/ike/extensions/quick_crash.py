# SPDX-License-Identifier: GPL-2.0-or-later
"""Quick crash detection: a token given inside SK shows, sent in the clear, that its maker lost the IKE SA (RFC 6290).

The maker computes its tokens from the SPIs and a secret that outlives a crash, the taker keeps them with the IKE SA.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.iana import NotifyType, PayloadType, ProtocolId
from fynx_scapy.ike.events import CrashDetected
from fynx_scapy.ike.message import Datagram, Header, Message, notify
from fynx_scapy.layers.ikev2 import IKEv2_Notify

if TYPE_CHECKING:
    from fynx_scapy.ike.core.endpoint import EndpointRecord
    from fynx_scapy.ike.core.record import SaRecord

MOST = 4
"""Tokens in one message, and generations of a secret (section 4.5)."""
_SIZES = range(16, 129)


def token(secret: bytes, spi_i: bytes, spi_r: bytes) -> bytes:
    """The token of an IKE SA: 32 octets, HMAC-SHA-256 in the place of section 5.1's hash."""
    return hmac.digest(secret, spi_i + spi_r, "sha256")


def _payloads(secrets: Sequence[bytes], spi_i: bytes, spi_r: bytes) -> list[Packet]:
    return [
        notify(NotifyType.QUICK_CRASH_DETECTION, token(secret, spi_i, spi_r), protocol=ProtocolId.IKE)
        for secret in secrets[:MOST]
    ]


def protected(sa: SaRecord) -> list[Packet]:
    """The token that goes to the peer inside SK, if we are a maker."""
    return _payloads(sa.endpoint.config.crash_secrets[:1], sa.spi_i, sa.spi_r)


def unprotected(endpoint: EndpointRecord, header: Header) -> list[Packet]:
    """The tokens beside an INVALID_IKE_SPI in the clear, one for each generation of the secret.

    Section 9.2: "A token maker MUST NOT send a valid QCD token in an unprotected message for an existing IKE SA", so
    that none is shown when either SPI is one of ours, whatever else of the message is wrong.
    """
    ours = header.spi_i in endpoint.sas or header.spi_r in endpoint.sas
    if ours or header.next_payload not in (PayloadType.SK, PayloadType.SKF):
        return []
    return _payloads(endpoint.config.crash_secrets, header.spi_i, header.spi_r)


def note(sa: SaRecord, message: Message) -> None:
    """Keep the tokens of a protected message, the last four (sections 4.2 to 4.4)."""
    if message.encrypted:
        sa.tokens.extend(data for data in _data(message.notifies()) if data not in sa.tokens)
        del sa.tokens[:-MOST]


def shown(sa: SaRecord, notifies: Iterable[IKEv2_Notify], datagram: Datagram) -> bool:
    """Whether a message in the clear shows one of our peer's tokens; then the IKE SA is gone (section 4.5)."""
    data = _data(notifies)[:MOST]
    if not data or not sa.tokens or not sa.limits.allow("token", sa.now, 1.0, burst=10):
        return False
    if not any(hmac.compare_digest(given, kept) for given in data for kept in sa.tokens):
        return False
    sa.emit(CrashDetected(*sa.stamp))
    sa.closed("the peer has lost it, and shows its token", by_peer=True)
    return True


def _data(notifies: Iterable[IKEv2_Notify]) -> list[bytes]:
    data = [bytes(n.notify or b"") for n in notifies if n.type == NotifyType.QUICK_CRASH_DETECTION]
    return [token for token in data if len(token) in _SIZES]
