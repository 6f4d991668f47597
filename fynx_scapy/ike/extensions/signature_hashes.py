# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGNATURE_HASH_ALGORITHMS: the hash algorithms that a peer accepts in signatures (RFC 7427 section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scapy.packet import Packet

from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.auth.wishes import Wishes
from fynx_scapy.ike.core.extension import Extension, Place
from fynx_scapy.ike.core.registry import extension
from fynx_scapy.ike.message import Message, Outgoing, notify

if TYPE_CHECKING:
    from fynx_scapy.ike.core.exchange import Exchange


@extension
class SignatureHashes(Extension):
    """Both ends announce the hash algorithms that they accept, so that AUTH is a signature of method 14 (section 3)."""

    place = Place.NONCE

    @property
    def peer(self) -> tuple[int, ...]:
        """The peer's hash algorithms by their numbers, in its order."""
        return self.sa.of(Wishes).hashes

    def offer(self, message: Outgoing, exchange: Exchange, request: Message | None) -> Sequence[Packet]:
        """In IKE_SA_INIT. A responder announces those of all configurations that the peer may be for."""
        config = self.sa.config
        if exchange.exchange_type != ExchangeType.IKE_SA_INIT or not config.signature_hashes:
            return ()
        configs = [config] if request is None else self.sa.candidates
        hashes = dict.fromkeys(number for each in configs for number in each.announced_hashes)
        self.sa.of(Wishes).told = True
        return [notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, b"".join(number.to_bytes(2) for number in hashes))]

    def note(self, message: Message, exchange: Exchange) -> None:
        """In IKE_SA_INIT."""
        hashes = message.notify(NotifyType.SIGNATURE_HASH_ALGORITHMS)
        if exchange.exchange_type == ExchangeType.IKE_SA_INIT and hashes is not None:
            self.sa.of(Wishes).read_hashes(bytes(hashes.notify or b""))

    def inherit(self, old: SignatureHashes) -> None:
        """The successor uses the same ones."""
        self.sa.of(Wishes).hashes = old.peer
