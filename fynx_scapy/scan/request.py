# SPDX-License-Identifier: GPL-2.0-or-later
"""The requests of a scan: IKE_SA_INIT with any proposals (RFC 7296 section 1.2), and wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scapy.packet import Packet

from fynx_scapy.crypto.ke import key_exchange
from fynx_scapy.crypto.transforms import Transform, implemented
from fynx_scapy.iana import ExchangeType, HashAlgorithm, NotifyType, ProtocolId, TransformType
from fynx_scapy.ike.basics.randomness import Randomness
from fynx_scapy.ike.message import Address, notify
from fynx_scapy.ike.path.nat import detection_hash
from fynx_scapy.ike.terms.proposals import proposal_layer
from fynx_scapy.layers.ikeheader import FLAG_INITIATOR, NO_SPI
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_KE, IKEv2_Nonce, IKEv2_PS, IKEv2_SA, build_message
from fynx_scapy.scan.catalogue import KE, NOBODYS, Box

NONCE_SIZE = 32
_ODD_SIZE = 64
"""Octets of KE data of a method that we cannot do."""
DECOYS = (NOBODYS, 1)
"""Key exchange methods that no responder should accept: one for private use, and the 768-bit MODP group."""
_DECOY_SIZES = {NOBODYS: 64, 1: 96}


@dataclass(slots=True)
class Request:
    """A request: ``payloads`` behind a header with these ``fields``; ``change`` is done to its octets last.

    ``may_open``: whether it may leave a half-open IKE SA at the responder. ``suspect``: whether it may even if no
    answer comes, as a wrong request may.
    """

    payloads: list[Packet]
    spi: bytes
    fields: dict[str, Any] = field(default_factory=dict)
    change: Callable[[bytes], bytes] | None = None
    may_open: bool = False
    suspect: bool = False

    def octets(self, cookie: bytes = b"", solution: bytes = b"") -> bytes:
        """Its octets, with a cookie in front (RFC 7296 section 2.6), and the solution of a puzzle (RFC 8019)."""
        front: list[Packet] = [notify(NotifyType.COOKIE, cookie)] if cookie else []
        front += [IKEv2_PS(load=solution)] if solution else []
        header: dict[str, Any] = {
            "init_SPI": self.spi,
            "exch_type": int(ExchangeType.IKE_SA_INIT),
            "flags": FLAG_INITIATOR,
        }
        built: bytes = build_message(IKEv2(**(header | self.fields)), [*front, *self.payloads])
        return self.change(built) if self.change is not None else built


def sa_payload(offer: Sequence[Box], protocol: int = ProtocolId.IKE, spi: bytes = b"") -> IKEv2_SA:
    """An SA payload with these proposals, numbered from 1."""
    return IKEv2_SA(
        prop=[
            proposal_layer(number, protocol, [transform for values in box for transform in values], spi)
            for number, box in enumerate(offer, 1)
        ]
    )


def with_decoy(offer: Sequence[Box], decoy: int) -> list[Box]:
    """The same proposals, each with ``decoy`` as one more key exchange method."""
    more = (Transform(KE, decoy),)
    return [tuple(values + more if values[0].type == KE else values for values in box) for box in offer]


def decoy_payload(decoy: int, randomness: Randomness) -> IKEv2_KE:
    """The KE payload of a decoy: no responder reads its octets."""
    return IKEv2_KE(group=decoy, ke=b"\1" + randomness.octets(_DECOY_SIZES[decoy] - 1))


def ke_payload(group: int, randomness: Randomness) -> IKEv2_KE:
    """A KE payload with a valid public value; random octets for a method that we cannot do."""
    if not implemented(Transform(KE, group)):
        return IKEv2_KE(group=group, ke=randomness.octets(_ODD_SIZE))
    return IKEv2_KE(group=group, ke=key_exchange(group).generate(randomness.octets).public)


def groups_of(offer: Sequence[Box]) -> list[int]:
    """The key exchange methods of these proposals, in order, those first that we can do."""
    seen = dict.fromkeys(value.id for box in offer for values in box for value in values if value.type == KE)
    return sorted(seen, key=lambda group: not implemented(Transform(KE, group)))


def nonce_payload(randomness: Randomness) -> IKEv2_Nonce:
    """A nonce that every PRF allows (RFC 7296 section 2.10)."""
    return IKEv2_Nonce(nonce=randomness.octets(NONCE_SIZE))


def announcements(spi: bytes, local: Address, remote: Address) -> list[Packet]:
    """Everything that an initiator may announce in IKE_SA_INIT: what is not announced is not answered.

    RFC 7296 section 2.23, RFC 5685, RFC 7383, RFC 7427, RFC 8784, RFC 9242, RFC 9867.
    """
    hashes = b"".join(int(each).to_bytes(2) for each in HashAlgorithm)
    return [
        notify(NotifyType.NAT_DETECTION_SOURCE_IP, detection_hash(spi, NO_SPI, local)),
        notify(NotifyType.NAT_DETECTION_DESTINATION_IP, detection_hash(spi, NO_SPI, remote)),
        notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED),
        notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, hashes),
        notify(NotifyType.REDIRECT_SUPPORTED),
        notify(NotifyType.USE_PPK),
        notify(NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED),
        notify(NotifyType.USE_PPK_INT),
    ]


def additional_rounds(offer: Sequence[Box]) -> bool:
    """Whether a proposal has additional key exchanges (RFC 9370), for which IKE_INTERMEDIATE must be announced."""
    return any(value.type >= TransformType.ADDKE1 for box in offer for values in box for value in values[:1])
