# SPDX-License-Identifier: GPL-2.0-or-later
"""Proposals: written, offered, chosen and checked (RFC 7296 sections 2.7 and 3.3)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from scapy.packet import Packet

from fynx_scapy.checks import shown
from fynx_scapy.crypto.encr import Encryption, encryption
from fynx_scapy.crypto.integ import Integrity, integrity
from fynx_scapy.crypto.prf import PrfFunction, prf
from fynx_scapy.crypto.transforms import Transform, keyword, keyword_of
from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import ProtocolId, TransformAttributeType, TransformType, name_of
from fynx_scapy.layers.ikev2 import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform

ENCR, PRF, INTEG, KE, SN = 1, 2, 3, 4, 5

# RFC 7296 section 3.3.3, the table; whether INTEG is wanted depends on the cipher.
_MANDATORY: Mapping[int, Sequence[int]] = {
    ProtocolId.IKE: (ENCR, PRF, KE),
    ProtocolId.ESP: (ENCR, SN),
    ProtocolId.AH: (INTEG, SN),
}
_UNDERSTOOD: Mapping[int, Sequence[int]] = {
    ProtocolId.IKE: (ENCR, PRF, INTEG, KE),
    ProtocolId.ESP: (ENCR, INTEG, KE, SN),
    ProtocolId.AH: (INTEG, KE, SN),
}
_SPI_SIZE: Mapping[int, Sequence[int]] = {ProtocolId.IKE: (0, 8), ProtocolId.ESP: (4,), ProtocolId.AH: (4,)}


def is_aead(transform: Transform, esp: bool = False) -> bool:
    """Whether a cipher brings its own integrity (RFC 5282, RFC 4543)."""
    return encryption(transform.id, transform.key_length, esp=esp).aead


@dataclass(frozen=True, slots=True)
class Suite:
    """One transform of each type: what two ends agreed on. A type that was not agreed upon, or is NONE, is None."""

    encr: Transform
    prf: Transform | None = None
    integ: Transform | None = None
    ke: Transform | None = None
    esn: bool = False

    @classmethod
    def of(cls, transforms: Iterable[Transform]) -> Self:
        """From a single transform of each type."""
        by_type = {t.type: t for t in transforms if t.type == SN or t.id or t.type == ENCR}
        sn = by_type.get(TransformType(SN))
        return cls(by_type[TransformType(ENCR)], by_type.get(TransformType(PRF)), by_type.get(TransformType(INTEG)),
                   by_type.get(TransformType(KE)), bool(sn and sn.id == 1))  # fmt: skip

    def encryption(self, esp: bool = False) -> Encryption:
        """The cipher."""
        return encryption(self.encr.id, self.encr.key_length, esp=esp)

    def integrity(self) -> Integrity | None:
        """The integrity algorithm, or None when the cipher brings its own (or there is none)."""
        return integrity(self.integ.id) if self.integ else None

    def prf_function(self) -> PrfFunction:
        """The pseudorandom function of an IKE SA."""
        if self.prf is None:
            raise ConfigError("expected a PRF in an IKE proposal, found none")
        return prf(self.prf.id)

    def __str__(self) -> str:
        words = [keyword_of(t) for t in (self.encr, self.integ, self.prf, self.ke) if t]
        return "-".join([*words, *(["esn"] if self.esn else [])])


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as a policy holds it: of each transform type one or more, best first."""

    protocol: ProtocolId
    transforms: tuple[Transform, ...]

    @classmethod
    def parse(cls, text: str | Proposal, protocol: ProtocolId) -> Proposal:
        """Read ``aes128gcm16-prfsha256-x25519``; ConfigError names the word that does not fit."""
        if isinstance(text, Proposal):
            return text
        if not isinstance(text, str):
            raise ConfigError(f"expected a proposal as text, found {shown(text)}")
        found = [transform for word in text.lower().split("-") if word for transform in keyword(word)]
        if protocol == ProtocolId.IKE:
            found = [t for t in found if t.type != SN]
            # strongSwan's rule: without a PRF of its own, the integrity algorithm's hash is the PRF's too.
            if not any(t.type == PRF for t in found):
                words = [keyword_of(t) for t in found if t.type == INTEG]
                found += [t for word in words for t in keyword("prf" + word)]
        else:
            found = [t for t in found if t.type != PRF]
            if not any(t.type == SN for t in found):
                found += keyword("noesn")
        proposal = cls(protocol, tuple(dict.fromkeys(found)))
        wrong = proposal.fault()
        if wrong:
            raise ConfigError(f"the {protocol.name} proposal {text!r} {wrong}")
        return proposal

    @classmethod
    def parse_all(cls, texts: str | Proposal | Sequence[str | Proposal], protocol: ProtocolId) -> tuple[Proposal, ...]:
        """Read one or several, also separated by commas."""
        if isinstance(texts, str):
            texts = [part.strip() for part in texts.split(",")]
        proposals = tuple(cls.parse(text, protocol) for text in ([texts] if isinstance(texts, Proposal) else texts))
        if not 0 < len(proposals) < 256:
            raise ConfigError(f"expected 1 to 255 proposals, found {len(proposals)}")
        return proposals

    def of_type(self, number: int) -> list[Transform]:
        """The transforms of one type, in order."""
        return [t for t in self.transforms if t.type == number]

    def fault(self) -> str | None:
        """Why this proposal cannot be (RFC 7296 sections 3.3 and 3.3.3), or None."""
        for number in _MANDATORY[self.protocol]:
            if not self.of_type(number):
                return f"has no {name_of(TransformType, number)} transform"
        kinds = {is_aead(t, self.protocol == ProtocolId.ESP) for t in self.of_type(ENCR)}
        integ = self.of_type(INTEG)
        if kinds == {True, False}:
            return "mixes combined-mode and normal ciphers, which need a proposal each (RFC 7296 section 3.3)"
        if kinds == {True} and any(t.id for t in integ):
            return "joins a combined-mode cipher with an integrity algorithm other than NONE (RFC 5282 section 8)"
        if kinds == {False} and self.protocol == ProtocolId.IKE and not any(t.id for t in integ):
            return "has no INTEG transform for its cipher"
        return None

    def layer(self, number: int, spi: bytes = b"", *, without: Sequence[int] = ()) -> IKEv2_Proposal:
        """As it stands in an SA payload; ``without`` leaves transform types out (KE in IKE_AUTH, section 1.2)."""
        return proposal_layer(number, self.protocol, [t for t in self.transforms if t.type not in without], spi)

    def __str__(self) -> str:
        return "-".join(keyword_of(t) for t in self.transforms)


def proposal_layer(number: int, protocol: int, transforms: Iterable[Transform], spi: bytes = b"") -> IKEv2_Proposal:
    """A proposal substructure (RFC 7296 section 3.3.1)."""
    return IKEv2_Proposal(
        proposal=number, proto=int(protocol), SPI=spi, trans=[_transform_layer(t) for t in transforms]
    )


def _transform_layer(transform: Transform) -> IKEv2_Transform:
    fields: dict[str, Any] = {"transform_type": int(transform.type), "transform_id": int(transform.id)}
    if transform.key_length is not None:
        fields["key_length"] = transform.key_length
    return IKEv2_Transform(**fields)


@dataclass(frozen=True, slots=True)
class Offer:
    """A proposal as it stands in a message. ``fault`` says why the whole of it is unacceptable, whatever the policy.

    ``layers`` are its transforms as they were written.
    """

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]
    fault: str | None = None
    layers: Mapping[Transform, Packet] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, layer: Packet) -> Offer:
        """Read a proposal substructure.

        Transforms that cannot be chosen are left out; an unknown type spoils all (section 3.3.6).
        """
        protocol = layer.proto or 0
        spi = bytes(layer.SPI or b"")
        understood = _UNDERSTOOD.get(protocol, ())
        fault = None if protocol in _SPI_SIZE else f"is for the unknown protocol {protocol}"
        layers: dict[Transform, Packet] = {}
        for item in layer.trans:
            if item.transform_type not in understood:
                fault = fault or f"contains the transform type {item.transform_type}, unknown for its protocol"
                continue
            transform = _parse_transform(item, protocol == ProtocolId.ESP)
            if transform is not None:
                layers.setdefault(transform, item)
        if fault is None and len(spi) not in _SPI_SIZE[ProtocolId(protocol)]:
            fault = f"has an SPI of {len(spi)} octets"
        if fault is None and spi and not any(spi):
            # RFC 4303 section 2.1 and RFC 7296 section 2.6: zero stands for no SPI.
            fault = "has an SPI of zero"
        return cls(layer.proposal, protocol, spi, tuple(layers), fault, layers)

    def of_type(self, number: int) -> list[Transform]:
        """The transforms of one type, in order."""
        return [t for t in self.transforms if t.type == number]

    @property
    def mixed(self) -> bool:
        """Whether combined-mode and normal ciphers stand in one proposal (section 3.3 forbids it)."""
        return len({is_aead(t, self.protocol == ProtocolId.ESP) for t in self.transforms if t.type == ENCR}) > 1


def _parse_transform(layer: Packet, esp: bool) -> Transform | None:
    """A transform, or None for one that must not be chosen: unknown attributes, a key length that does not fit."""
    if len(layer.attributes) > 1 or any(_unusable(attribute) for attribute in layer.attributes):
        return None
    transform = Transform(TransformType(layer.transform_type), layer.transform_id, layer.key_length)
    if transform.type != ENCR:
        return transform if transform.key_length is None else None
    try:
        # Section 3.3.5: a cipher of variable key length without Key Length, or a fixed one with it, is no cipher.
        # Ciphers for ESP alone (RFC 4543, RFC 8750) are none for IKE.
        encryption(transform.id, transform.key_length, esp=esp)
    except ConfigError:
        return None
    return transform


def _unusable(attribute: Packet) -> bool:
    """Whether it is anything but a Key Length of two octets (RFC 7296 section 3.3.5)."""
    value = attribute.value
    return attribute.type != TransformAttributeType.Key_Length or not (isinstance(value, int) or len(value or b"") == 2)


def offers(payload: IKEv2_SA) -> list[Offer]:
    """The proposals of an SA payload."""
    return [Offer.parse(layer) for layer in payload.prop]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a responder picked: the offer's number and SPI, and one transform of each type.

    ``layers`` are the transforms as they were offered, ``own_spi`` is the initiator's own SPI in the offer.
    """

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]
    layers: Mapping[Transform, Packet] = field(default_factory=dict, repr=False, compare=False)
    own_spi: bytes = b""

    @property
    def suite(self) -> Suite:
        """The transforms by name."""
        return Suite.of(self.transforms)

    def layer(self, spi: bytes = b"") -> IKEv2_Proposal:
        """As it stands in the answer's SA payload, with our SPI.

        "Any attributes of a selected transform MUST be returned unmodified" (RFC 7296 section 3.3.6): also how they
        were encoded.
        """
        proposal = proposal_layer(self.number, self.protocol, self.transforms, spi)
        for transform, layer in zip(self.transforms, proposal.trans, strict=True):
            offered = self.layers[transform].attributes if transform in self.layers else []
            if any(not attribute.AF for attribute in offered):
                layer.attributes = [attribute.copy() for attribute in offered]
        return proposal


def choose(
    offered: Sequence[Offer], policy: Sequence[Proposal], *, without: Sequence[int] = (), prefer_ke: int | None = None
) -> Choice | None:
    """The first proposal of ``policy`` that an offer meets, or None (RFC 7296 section 2.7).

    ``without`` names types that do not count here (KE in IKE_AUTH). Among the groups that both allow, ``prefer_ke`` —
    the one of the KE payload at hand — wins, which saves a round trip.
    """
    acceptable = [offer for offer in offered if offer.fault is None and not offer.mixed]
    for own, offer in itertools.product(policy, acceptable):
        if offer.protocol == own.protocol:
            found = _meet(offer, own, without, prefer_ke)
            if found is not None:
                return Choice(offer.number, offer.protocol, offer.spi, found, offer.layers)
    return None


def _meet(offer: Offer, own: Proposal, without: Sequence[int], prefer_ke: int | None) -> tuple[Transform, ...] | None:
    found: list[Transform] = []
    for number in _UNDERSTOOD[own.protocol]:
        if number in without:
            # Section 1.2: NONE may be written out in IKE_AUTH, anything else may not.
            if any(t.id for t in offer.transforms if t.type == number):
                return None
            continue
        theirs = [t for t in offer.transforms if t.type == number]
        ours = own.of_type(number)
        if number in (INTEG, KE) and not any(t.id for t in theirs) and not any(t.id for t in ours):
            # Left out and NONE are the same (section 3.3.3); what is written out is answered.
            found += theirs[:1]
            continue
        both = [t for t in ours if t in theirs]
        if not both and (ours or theirs):
            left_out_theirs = not theirs and any(t.id == 0 for t in ours)
            left_out_ours = not ours and any(t.id == 0 for t in theirs)
            if number not in (INTEG, KE) or not (left_out_theirs or left_out_ours):
                return None
            found += [t for t in theirs if t.id == 0][:1]
            continue
        if number == KE and prefer_ke is not None:
            both.sort(key=lambda t: t.id != prefer_ke)
        found += both[:1]
    return tuple(found)


def check_answer(answer: Sequence[Offer], sent: Sequence[Offer], *, without: Sequence[int] = ()) -> Choice:
    """The answer's single proposal, held against the ``sent`` ones (RFC 7296 sections 2.7 and 3.3.6).

    ``without`` names types that do not count here. MalformedError unless it has the number and the protocol of one that
    was sent, and one of its transforms of each type.
    """
    if len(answer) != 1:
        raise MalformedError(f"expected one proposal in the answer, found {len(answer)}")
    chosen = answer[0]
    if chosen.fault:
        raise MalformedError(f"the chosen proposal {chosen.fault}")
    meant = [offer for offer in sent if offer.number == chosen.number]
    if not meant:
        numbers = ", ".join(str(offer.number) for offer in sent) or "none"
        raise MalformedError(f"expected the number of a proposal that was sent ({numbers}), found {chosen.number}")
    # A tester may send one number twice: then one of these must fit.
    faults = []
    for offer in meant:
        meaningful, fault = _picked(chosen, offer, without)
        if fault is None:
            return Choice(chosen.number, chosen.protocol, chosen.spi, meaningful, own_spi=offer.spi)
        faults.append(fault)
    raise MalformedError(faults[0])


def _picked(chosen: Offer, offer: Offer, without: Sequence[int]) -> tuple[tuple[Transform, ...], str | None]:
    """The transforms of an answer that mean something, and why they are no choice from an offer (None: they are)."""
    offered = [t for t in offer.transforms if t.type not in without]
    kinds = {t.type for t in offered}
    meaningful = tuple(
        t for t in chosen.transforms if not (t.type in (INTEG, KE) and t.id == 0 and t.type not in kinds)
    )
    if chosen.protocol != offer.protocol or any(t not in offered for t in meaningful):
        return meaningful, "the chosen proposal has a transform that was not offered"
    for number in kinds:
        count = sum(t.type == number for t in meaningful)
        may_be_left_out = number in (INTEG, KE) and any(t.id == 0 for t in offer.of_type(number))
        if count != 1 and not (count == 0 and may_be_left_out):
            name = name_of(TransformType, number)
            return meaningful, f"expected one {name} transform in the chosen proposal, found {count}"
    return meaningful, None


def groups(offered: Sequence[Offer]) -> list[int]:
    """The key exchange methods of all proposals, in order and without repetition; NONE is left out."""
    return list(dict.fromkeys(t.id for offer in offered for t in offer.of_type(KE) if t.id))
