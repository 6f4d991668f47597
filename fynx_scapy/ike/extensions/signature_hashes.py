# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGNATURE_HASH_ALGORITHMS: the hash algorithms that a peer accepts in signatures (RFC 7427 section 4)."""

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

_MOST = 64
"""How many of the peer's hash algorithms are kept; IANA's registry has seven."""


@extension
class SignatureHashes(Extension):
    """The hash algorithms that the peer has announced, in its order."""

    place = Place.NONCE

    def __init__(self, sa: SaRecord) -> None:
        super().__init__(sa)
        self.peer: tuple[int, ...] = ()
        """The peer's hash algorithms, by their numbers."""

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In IKE_SA_INIT."""
        hashes = self.sa.config.signature_hashes
        if exchange.exchange_type != ExchangeType.IKE_SA_INIT or not hashes:
            return ()
        return [notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, b"".join(number.to_bytes(2) for number in hashes))]

    def note(self, message: Message, exchange: Exchange) -> None:
        """In IKE_SA_INIT."""
        hashes = message.notify(NotifyType.SIGNATURE_HASH_ALGORITHMS)
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT and hashes is not None:
            data = bytes(hashes.notify or b"")[: 2 * _MOST]
            self.peer = tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data) - 1, 2))

    def inherit(self, old: SignatureHashes) -> None:
        """The successor uses the same ones."""
        self.peer = old.peer
