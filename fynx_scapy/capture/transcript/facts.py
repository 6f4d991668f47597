# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts about the SAs of a conversation: plain values with the numbers of the packets that show them.

Nothing here holds a key. Times are seconds since the epoch, None if the capture has no times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fynx_scapy.iana import (
    Encr,
    IanaRegistry,
    Integ,
    KeMethod,
    Prf,
    ProtocolId,
    SequenceNumbers,
    TransformType,
    name_of,
)

REGISTRIES: dict[int, type[IanaRegistry]] = {
    TransformType.ENCR: Encr,
    TransformType.PRF: Prf,
    TransformType.INTEG: Integ,
    TransformType.KE: KeMethod,
    TransformType.SN: SequenceNumbers,
    **dict.fromkeys(range(TransformType.ADDKE1, TransformType.ADDKE7 + 1), KeMethod),
}
"""Transform type -> registry of its transform IDs, for the types that are judged."""


@dataclass(frozen=True, slots=True, order=True)
class SeenTransform:
    """One transform of a proposal: its type, its ID, and its key length in bits, if given."""

    kind: int
    id: int
    key_length: int | None = None

    @property
    def name(self) -> str:
        """IANA's name, followed by the key length."""
        registry = REGISTRIES.get(self.kind)
        name = f"{name_of(TransformType, self.kind)}-{self.id}" if registry is None else name_of(registry, self.id)
        return name if self.key_length is None else f"{name}-{self.key_length}"


@dataclass(frozen=True, slots=True)
class SeenProposal:
    """A proposal of an SA payload (RFC 7296 section 3.3.1). Its transforms are in the order on the wire."""

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[SeenTransform, ...]

    def of(self, kind: int) -> list[SeenTransform]:
        """The transforms of one type, in order."""
        return [transform for transform in self.transforms if transform.kind == kind]

    @property
    def text(self) -> str:
        """Protocol and transforms by IANA's names."""
        names = ", ".join(transform.name for transform in self.transforms)
        return f"{name_of(ProtocolId, self.protocol)}: {names}"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an SA ended: ``rekeyed`` or ``deleted``, by ``initiator`` or ``responder``, with packet number and time."""

    how: str
    by: str
    number: int
    time: float | None


@dataclass(frozen=True, slots=True)
class IkeSaFacts:
    """One IKE SA. ``chosen`` is None if the responder chose nothing, or if its choice could not be read.

    ``numbers`` are the packets of the request that offers and the response that chooses; ``made`` is the response's
    time. ``nonces`` are pairs (packet, length in octets). ``rekeys`` is the SPI of the IKE SA that this one replaces.
    """

    spi_i: bytes
    spi_r: bytes
    offered: tuple[SeenProposal, ...]
    chosen: SeenProposal | None
    numbers: tuple[int, ...]
    made: float | None
    nonces: tuple[tuple[int, int], ...] = ()
    rekeys: bytes | None = None
    ended: Ending | None = None

    @property
    def label(self) -> str:
        """Its name in a finding."""
        return f"IKE SA {self.spi_i.hex()}"


@dataclass(frozen=True, slots=True)
class ChildSaFacts:
    """One Child SA. ``pfs`` says whether its exchange had a KE payload; None for the Child SA of IKE_AUTH.

    ``narrowed`` says that the responder's traffic selectors differ from those requested.
    """

    ike_spi: bytes
    spi_i: int
    spi_r: int
    offered: tuple[SeenProposal, ...]
    chosen: SeenProposal | None
    numbers: tuple[int, ...]
    made: float | None
    pfs: bool | None
    mode: str = "tunnel"
    ipcomp: int | None = None
    narrowed: bool = False
    rekeys: int | None = None
    ended: Ending | None = None

    @property
    def label(self) -> str:
        """Its name in a finding."""
        return f"Child SA {self.spi_i:08x}/{self.spi_r:08x}" if self.chosen is not None else "Child SA refused"


@lru_cache(4096)
def _seen(kind: int, number: int, key_length: int | None) -> SeenTransform:
    """A transform; the same one for the same numbers, as an SA payload may have thousands."""
    return SeenTransform(kind, number, key_length)


def proposals_of(layer: Any) -> tuple[SeenProposal, ...]:
    """The readable proposals of an SA payload."""
    from fynx_scapy.layers.ikev2.sa import IKEv2_Proposal, IKEv2_Transform

    found = []
    for proposal in layer.prop:
        if not isinstance(proposal, IKEv2_Proposal):
            continue  # unreadable: the message's errors say so
        # Not as attributes: Scapy looks for these in many places, and there are thousands.
        values = proposal.fields
        transforms = tuple(
            _seen(int(each.fields["transform_type"]), int(each.fields["transform_id"]), each.key_length)
            for each in values["trans"]
            if isinstance(each, IKEv2_Transform)
        )
        found.append(SeenProposal(int(values["proposal"]), int(values["proto"]), bytes(values["SPI"]), transforms))
    return tuple(found)
