# SPDX-License-Identifier: GPL-2.0-or-later
"""Proposals: parse, offer, choose and check them (RFC 7296 sections 2.7 and 3.3)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from scapy.packet import Packet

from fynx_scapy.checks import shown
from fynx_scapy.crypto.encr import Encryption, encryption
from fynx_scapy.crypto.integ import Integrity, integrity
from fynx_scapy.crypto.prf import PrfFunction, prf
from fynx_scapy.crypto.transforms import Transform, implemented, keyword, keyword_of, missing
from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import ProtocolId, TransformAttributeType, TransformType, name_of
from fynx_scapy.ike.terms.defaults import NAMED
from fynx_scapy.layers.ikev2 import IKEv2_Proposal, IKEv2_SA, IKEv2_Transform, IKEv2_TransformAttribute
from fynx_scapy.text import counted

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


def is_aead(transform: Transform, esp: bool = False) -> bool | None:
    """Whether a cipher includes integrity protection: a combined-mode cipher (RFC 5282, RFC 4543).

    None for a cipher that we do not have.
    """
    return encryption(transform.id, transform.key_length, esp=esp).aead if implemented(transform) else None


@dataclass(frozen=True, slots=True)
class Suite:
    """The negotiated transforms, one of each type. A type that was not negotiated, or is NONE, is None."""

    encr: Transform
    prf: Transform | None = None
    integ: Transform | None = None
    ke: Transform | None = None
    esn: bool = False

    @classmethod
    def of(cls, transforms: Iterable[Transform]) -> Self:
        """Build a suite from one transform of each type."""
        by_type = {t.type: t for t in transforms if t.type == SN or t.id or t.type == ENCR}
        sn = by_type.get(TransformType(SN))
        return cls(by_type[TransformType(ENCR)], by_type.get(TransformType(PRF)), by_type.get(TransformType(INTEG)),
                   by_type.get(TransformType(KE)), bool(sn and sn.id == 1))  # fmt: skip

    def encryption(self, esp: bool = False) -> Encryption:
        """The cipher."""
        return encryption(self.encr.id, self.encr.key_length, esp=esp)

    def integrity(self) -> Integrity | None:
        """The integrity algorithm; None with a combined-mode cipher, or when there is none."""
        return integrity(self.integ.id) if self.integ else None

    def prf_function(self) -> PrfFunction:
        """The pseudorandom function of an IKE SA; ConfigError when the suite has none."""
        if self.prf is None:
            raise ConfigError("expected a PRF in an IKE proposal, found none")
        return prf(self.prf.id)

    def __str__(self) -> str:
        words = [keyword_of(t) for t in (self.encr, self.integ, self.prf, self.ke) if t]
        return "-".join([*words, *(["esn"] if self.esn else [])])


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal of a policy: one or more transforms of each type, best first."""

    protocol: ProtocolId
    transforms: tuple[Transform, ...]

    @classmethod
    def parse(cls, text: str | Proposal, protocol: ProtocolId) -> Proposal:
        """Read ``aes128gcm16-prfsha256-x25519``; ConfigError names the word that is wrong."""
        if isinstance(text, Proposal):
            return text
        if not isinstance(text, str):
            raise ConfigError(f"expected a proposal as text, found {shown(text)}")
        transforms = [transform for word in text.lower().split("-") if word for transform in keyword(word)]
        if protocol == ProtocolId.IKE:
            transforms = [t for t in transforms if t.type != SN]
            # strongSwan's rule: if no PRF is given, use the hash of the integrity algorithm.
            if not any(t.type == PRF for t in transforms):
                # A truncated one, such as sha256_96, goes with the PRF of its hash.
                words = [keyword_of(t).partition("_")[0] for t in transforms if t.type == INTEG]
                transforms += [t for word in words for t in keyword("prf" + word)]
        else:
            transforms = [t for t in transforms if t.type != PRF]
            if not any(t.type == SN for t in transforms):
                transforms += keyword("noesn")
        proposal = cls(protocol, tuple(dict.fromkeys(transforms)))
        wrong = proposal.fault()
        if wrong:
            raise ConfigError(f"the {protocol.name} proposal {text!r} {wrong}")
        return proposal

    @classmethod
    def parse_all(cls, texts: str | Proposal | Sequence[str | Proposal], protocol: ProtocolId) -> tuple[Proposal, ...]:
        """Read one or more proposals; a text may hold several, separated by commas, or a word of NAMED."""
        given = [texts] if isinstance(texts, str | Proposal) else texts
        parts = [part for text in given for part in (text.split(",") if isinstance(text, str) else [text])]
        proposals = tuple(cls.parse(one, protocol) for part in parts for one in _expanded(part, protocol))
        if not 0 < len(proposals) < 256:
            raise ConfigError(f"expected 1 to 255 proposals, found {len(proposals)}")
        return proposals

    def of_type(self, number: int) -> list[Transform]:
        """The transforms of one type, in order."""
        return [t for t in self.transforms if t.type == number]

    def fault(self) -> str | None:
        """Why this proposal is not valid (RFC 7296 sections 3.3 and 3.3.3), or None."""
        for number in _MANDATORY[self.protocol]:
            if not self.of_type(number):
                return f"has no {name_of(TransformType, number)} transform"
        kinds = {is_aead(t, self.protocol == ProtocolId.ESP) for t in self.of_type(ENCR)} - {None}
        integ = self.of_type(INTEG)
        if kinds == {True, False}:
            return "mixes combined-mode and normal ciphers, which need separate proposals (RFC 7296 section 3.3)"
        if kinds == {True} and any(t.id for t in integ):
            return "combines a combined-mode cipher with an integrity algorithm other than NONE (RFC 5282 section 8)"
        if kinds == {False} and self.protocol == ProtocolId.IKE and not any(t.id for t in integ):
            return "has no INTEG transform for its cipher"
        return None

    def layer(self, number: int, spi: bytes = b"", *, without: Sequence[int] = ()) -> IKEv2_Proposal:
        """The proposal as a layer of an SA payload, without the types in ``without`` (KE in IKE_AUTH, section 1.2)."""
        return proposal_layer(number, self.protocol, [t for t in self.transforms if t.type not in without], spi)

    def __str__(self) -> str:
        return "-".join(keyword_of(t) for t in self.transforms)


def _expanded(part: str | Proposal, protocol: ProtocolId) -> Sequence[str | Proposal]:
    if not isinstance(part, str):
        return [part]
    return NAMED.get(part.strip().lower(), {}).get(protocol, [part.strip()])


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
    """A proposal in a message. ``fault`` says why no policy may accept it, or is None.

    ``left_out`` counts what it has beside ``transforms``: what nobody may choose, and what it has already.
    """

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]
    fault: str | None = None
    left_out: int = 0

    @classmethod
    def parse(cls, layer: Packet) -> Offer:
        """Read a proposal substructure.

        Transforms that no policy can choose are left out. An unknown type makes the proposal unacceptable (3.3.6).
        """
        protocol = layer.proto or 0
        spi = bytes(layer.SPI or b"")
        understood = _UNDERSTOOD.get(protocol, ())
        fault = None if protocol in _SPI_SIZE else f"is for the unknown protocol {protocol}"
        found: dict[Transform, None] = {}
        for item in layer.trans:
            if not isinstance(item, IKEv2_Transform):
                continue  # octets that a tap put in its place
            if item.transform_type not in understood:
                fault = fault or f"contains the transform type {item.transform_type}, unknown for its protocol"
                continue
            transform = _parse_transform(item, protocol == ProtocolId.ESP)
            if transform is not None:
                found[transform] = None
        if fault is None and len(spi) not in _SPI_SIZE[ProtocolId(protocol)]:
            fault = f"has an SPI of {len(spi)} octets"
        if fault is None and spi and not any(spi):
            # RFC 4303 section 2.1 and RFC 7296 section 2.6: zero means that there is no SPI.
            fault = "has an SPI of zero"
        return cls(layer.proposal, protocol, spi, tuple(found), fault, len(layer.trans) - len(found))

    def of_type(self, number: int) -> list[Transform]:
        """The transforms of one type, in order."""
        return [t for t in self.transforms if t.type == number]

    @property
    def mixed(self) -> bool:
        """Whether one proposal mixes combined-mode and normal ciphers (section 3.3 forbids it)."""
        kinds = {is_aead(t, self.protocol == ProtocolId.ESP) for t in self.transforms if t.type == ENCR}
        return kinds >= {True, False}


def _parse_transform(layer: Packet, esp: bool) -> Transform | None:
    """Read a transform; None if it must not be chosen: unknown attributes, or an impossible key length."""
    if len(layer.attributes) > 1 or any(_unusable(attribute) for attribute in layer.attributes):
        return None
    transform = Transform(TransformType(layer.transform_type), layer.transform_id, layer.key_length)
    if transform.type != ENCR:
        return transform if transform.key_length is None else None
    if not implemented(transform):
        return transform  # `choose` never takes it, but a test may have offered it
    try:
        # Section 3.3.5: a cipher of variable key length needs a Key Length, one of fixed key length must have none.
        # Ciphers for ESP only (RFC 4543, RFC 8750) are not valid for IKE.
        encryption(transform.id, transform.key_length, esp=esp)
    except ConfigError:
        return None
    return transform


def _unusable(attribute: Packet) -> bool:
    """Whether an attribute is anything but a Key Length in its only form, type and value (RFC 7296 section 3.3.5)."""
    if not isinstance(attribute, IKEv2_TransformAttribute):
        return True  # octets that a tap put in its place
    short = isinstance(attribute.value, int) and attribute.AF != 0
    return attribute.type != TransformAttributeType.Key_Length or not short


def offers(payload: IKEv2_SA) -> list[Offer]:
    """The proposals of an SA payload. Octets that a tap put in the place of one are none."""
    return [Offer.parse(layer) for layer in payload.prop if isinstance(layer, IKEv2_Proposal)]


@dataclass(frozen=True, slots=True)
class Choice:
    """The proposal that the responder chose: the number and the SPI of the offer, and one transform of each type.

    ``own_spi`` is the initiator's SPI in the offer.
    """

    number: int
    protocol: int
    spi: bytes
    transforms: tuple[Transform, ...]
    own_spi: bytes = b""

    @property
    def suite(self) -> Suite:
        """The chosen transforms as a suite."""
        return Suite.of(self.transforms)

    def layer(self, spi: bytes = b"") -> IKEv2_Proposal:
        """The layer for the SA payload of the answer, with our SPI. Attributes go back unmodified (section 3.3.6)."""
        return proposal_layer(self.number, self.protocol, self.transforms, spi)


def choose(
    offered: Sequence[Offer], policy: Sequence[Proposal], *, without: Sequence[int] = (), prefer_ke: int | None = None
) -> Choice | None:
    """Choose the first proposal of ``policy`` that matches an offer, or None (RFC 7296 section 2.7).

    ``without`` lists transform types to ignore (KE in IKE_AUTH). ``prefer_ke`` is the group of the KE payload that we
    have received. It wins among the groups that both allow, which saves a round trip.
    """
    acceptable = [offer for offer in offered if offer.fault is None and not offer.mixed]
    for own, offer in itertools.product(policy, acceptable):
        if offer.protocol == own.protocol:
            chosen = _meet(offer, own, without, prefer_ke)
            if chosen is not None and not _bare(own.protocol, chosen):
                return Choice(offer.number, offer.protocol, offer.spi, chosen)
    return None


def _meet(offer: Offer, own: Proposal, without: Sequence[int], prefer_ke: int | None) -> tuple[Transform, ...] | None:
    chosen: list[Transform] = []
    for number in _UNDERSTOOD[own.protocol]:
        if number in without:
            # Section 1.2: IKE_AUTH may contain this type as NONE only.
            if any(t.id for t in offer.transforms if t.type == number):
                return None
            continue
        theirs = [t for t in offer.transforms if t.type == number]
        ours = own.of_type(number)
        if number in (INTEG, KE) and not any(t.id for t in theirs) and not any(t.id for t in ours):
            # An omitted type and NONE are the same (section 3.3.3). If NONE was offered, return it.
            chosen += theirs[:1]
            continue
        both = [t for t in ours if t in theirs and implemented(t)]
        if not both and (ours or theirs):
            left_out_theirs = not theirs and any(t.id == 0 for t in ours)
            left_out_ours = not ours and any(t.id == 0 for t in theirs)
            if number not in (INTEG, KE) or not (left_out_theirs or left_out_ours):
                return None
            chosen += [t for t in theirs if t.id == 0][:1]
            continue
        if number == KE and prefer_ke is not None:
            both.sort(key=lambda t: t.id != prefer_ke)
        chosen += both[:1]
    return tuple(chosen)


def check_answer(answer: Sequence[Offer], sent: Sequence[Offer], *, without: Sequence[int] = ()) -> Choice:
    """Check the single proposal of an answer against the ``sent`` ones (RFC 7296 sections 2.7 and 3.3.6).

    ``without`` lists transform types to ignore. MalformedError unless the answer has the number and the protocol of a
    proposal that we sent, and one of its transforms of each type. ConfigError for one that we offered, but cannot use.
    """
    if len(answer) != 1:
        raise MalformedError(f"expected one proposal in the answer, found {len(answer)}")
    chosen = answer[0]
    if chosen.fault:
        raise MalformedError(f"the chosen proposal {chosen.fault}")
    if chosen.left_out:
        # Section 3.3.6: "the responder MUST choose a single one" of each type.
        many = counted(chosen.left_out, "transform")
        raise MalformedError(f"the chosen proposal has {many} more than it may: repeated or invalid ones")
    meant = [offer for offer in sent if offer.number == chosen.number]
    if not meant:
        numbers = ", ".join(str(offer.number) for offer in sent) or "none"
        raise MalformedError(f"expected the number of a proposal that was sent ({numbers}), found {chosen.number}")
    # A test may send one number twice: then the answer must match one of these.
    faults = []
    for offer in meant:
        meaningful, fault = _picked(chosen, offer, without)
        if fault is None:
            _check_usable(chosen.protocol, meaningful)
            return Choice(chosen.number, chosen.protocol, chosen.spi, meaningful, own_spi=offer.spi)
        faults.append(fault)
    raise MalformedError(faults[0])


def _bare(protocol: int, chosen: Sequence[Transform]) -> bool:
    """Whether it is ESP without integrity, which our replay window cannot do without (RFC 4303 section 3.4.3)."""
    if protocol != ProtocolId.ESP or any(t.type == INTEG and t.id for t in chosen):
        return False
    return any(t.type == ENCR and is_aead(t, True) is False for t in chosen)


def _check_usable(protocol: int, chosen: Sequence[Transform]) -> None:
    """ConfigError if there is a transform, or a suite, that can be offered only."""
    if _bare(protocol, chosen):
        raise ConfigError("the peer accepted ESP without integrity, and we cannot go on: a replay window needs it")
    for transform in chosen:
        if not implemented(transform):
            why = missing(transform.type, transform.id)
            raise ConfigError(f"the peer accepted {keyword_of(transform)}, and we cannot go on: {why}")


def _picked(chosen: Offer, offer: Offer, without: Sequence[int]) -> tuple[tuple[Transform, ...], str | None]:
    """The transforms of an answer without added NONEs, and why they are no valid choice from an offer (or None)."""
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
    """The key exchange methods of all proposals, in order, without duplicates and without NONE."""
    return list(dict.fromkeys(t.id for offer in offered for t in offer.of_type(KE) if t.id))
