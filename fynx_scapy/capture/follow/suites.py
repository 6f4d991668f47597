# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites that the SA payloads of a capture negotiate: the algorithms for each SPI, and whether ESN is used.

RFC 7296 sections 1.2, 1.3 and 3.3: the response has the one chosen proposal, with the responder's SPI. The initiator's
SPI is in the request's proposal with the same number.
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
    """The transforms of a chosen proposal. None if it names no encryption algorithm, such as a proposal for AH."""
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
        # section 3.3.2: without this transform, ESN is not used
        bool(numbers and numbers.id == SequenceNumbers.ESN),
    )


def ciphers(suite: CipherSuite) -> tuple[Transform, Transform | None]:
    """The encryption and integrity transforms that protect IKE messages with a suite."""
    return suite.encr, suite.integ


@dataclass(slots=True)
class Suites:
    """The suites that a capture's SA payloads negotiated, oldest first."""

    ike: dict[SpiPair, list[CipherSuite]] = field(default_factory=lambda: defaultdict(list))
    esp: dict[int, list[CipherSuite]] = field(default_factory=lambda: defaultdict(list))

    def initial(self, pair: SpiPair, chosen: Packet) -> None:
        """Add the proposal that an IKE_SA_INIT response chose."""
        _add(self.ike[pair], suite_of(chosen))

    def agreed(self, chosen: Packet, offered: Sequence[Packet]) -> None:
        """Add the chosen proposal of a later response, and the proposals of its request."""
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
