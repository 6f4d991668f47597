# SPDX-License-Identifier: GPL-2.0-or-later
"""What the SA payloads of a capture say about its SAs: which algorithms belong to which SPI, and whether ESN is used.

RFC 7296 sections 1.2, 1.3 and 3.3: the response holds the one proposal that was chosen, with the responder's SPI; the
initiator's SPI stands in the proposal of the same number in the request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.iana import ProtocolId, SequenceNumbers, TransformType
from fynx_scapy.keynames import CipherSuite

if TYPE_CHECKING:
    from scapy.packet import Packet

SpiPair = tuple[bytes, bytes]


def suite_of(proposal: Packet) -> CipherSuite | None:
    """The transforms of a chosen proposal, or None where it names no encryption algorithm, as one for AH."""
    chosen: dict[int, Transform] = {}
    for layer in proposal.trans:
        kind = int(layer.transform_type)
        chosen.setdefault(kind, Transform(kind, int(layer.transform_id), layer.key_length or None))  # type: ignore[arg-type]
    encr = chosen.get(TransformType.ENCR)
    if encr is None:
        return None
    integ, numbers = chosen.get(TransformType.INTEG), chosen.get(TransformType.SN)
    return CipherSuite(
        Transform(TransformType.ENCR, encr.id, encr.key_length),
        Transform(TransformType.INTEG, integ.id) if integ and integ.id else None,
        Transform(TransformType.PRF, chosen[TransformType.PRF].id) if TransformType.PRF in chosen else None,
        # section 3.3.2: without the transform, ESN is not used
        bool(numbers and numbers.id == SequenceNumbers.ESN),
    )


def ciphers(suite: CipherSuite) -> tuple[Transform, Transform | None]:
    """What protects IKE messages under a suite."""
    return suite.encr, suite.integ


@dataclass(slots=True)
class Suites:
    """What the SA payloads of a capture agreed on, oldest first."""

    ike: dict[SpiPair, list[CipherSuite]] = field(default_factory=lambda: defaultdict(list))
    esp: dict[int, list[CipherSuite]] = field(default_factory=lambda: defaultdict(list))

    def initial(self, pair: SpiPair, chosen: Packet) -> None:
        """Take in the proposal that an IKE_SA_INIT response chose."""
        _add(self.ike[pair], suite_of(chosen))

    def agreed(self, chosen: Packet, offered: Sequence[Packet]) -> None:
        """Take in the proposal of any later response, and those of its request."""
        suite = suite_of(chosen)
        mine = next((offer.SPI for offer in offered if offer.proposal == chosen.proposal), b"")
        if chosen.proto == ProtocolId.IKE:
            if len(mine) == len(chosen.SPI) == 8:
                _add(self.ike[mine, chosen.SPI], suite)
            return
        for spi in (mine, chosen.SPI):
            if len(spi) == 4:
                _add(self.esp[int.from_bytes(spi, "big")], suite)


def _add(known: list[CipherSuite], suite: CipherSuite | None) -> None:
    if suite is not None and suite not in known:
        known.append(suite)
