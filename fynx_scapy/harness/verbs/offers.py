# SPDX-License-Identifier: GPL-2.0-or-later
"""Verbs for what two ends agree on: proposals, key exchange values, nonces, selectors, identities, AUTH."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fynx_scapy.crypto.ke.base import key_exchange
from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.harness.verbs.mutation import CHECKS, Scene, payload_verb
from fynx_scapy.iana import AuthMethod, ProtocolId, TransformType, lookup
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_IDi,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_Proposal,
    IKEv2_SA,
    IKEv2_Transform,
    IKEv2_TransformAttribute,
    IKEv2_TSi,
    IKEv2_TSr,
)

SIDES = {"TSi": IKEv2_TSi, "TSr": IKEv2_TSr}


def _proposals(message: Outgoing) -> list[Any]:
    return message.one(IKEv2_SA).prop  # type: ignore[no-any-return]


def _proposal(message: Outgoing, number: int) -> Any:
    proposals = _proposals(message)
    if not -len(proposals) <= number < len(proposals):
        raise LocalError(f"expected proposal {number} in SA, found {len(proposals)}")
    return proposals[number]


@payload_verb
def add_transform(
    _: Scene, message: Outgoing, kind: str | int, number: int, key_length: int | None = None, *, proposal: int = 0,
    first: bool = False,
) -> None:  # fmt: skip
    """Add a transform to a proposal, as the last one or as the first. ``kind`` is a transform type."""
    made = IKEv2_Transform(transform_type=lookup(TransformType, kind), transform_id=number, key_length=key_length)
    transforms = _proposal(message, proposal).trans
    transforms.insert(0 if first else len(transforms), made)


@payload_verb
def drop_transforms(_: Scene, message: Outgoing, kind: str | int) -> None:
    """Leave out all transforms of a type, in every proposal."""
    number = lookup(TransformType, kind)
    for proposal in _proposals(message):
        proposal.trans = [each for each in proposal.trans if int(each.transform_type) != number]


@payload_verb
def set_transforms(_: Scene, message: Outgoing, kind: str | int, number: int, key_length: int | None = None) -> None:
    """Replace every transform of a type by this one."""
    wanted = lookup(TransformType, kind)
    for proposal in _proposals(message):
        for transform in proposal.trans:
            if int(transform.transform_type) == wanted:
                transform.transform_id = number
                transform.key_length = key_length


@payload_verb
def add_attribute(
    _: Scene, message: Outgoing, attribute: int, value: int | bytes, kind: str | int = "ENCR", *, long: bool = False
) -> None:
    """Add an attribute to every transform of a type; ``long`` ones have a length and a value of octets."""
    wanted = lookup(TransformType, kind)
    fields: dict[str, Any] = {"type": attribute, "value": value}
    if long:
        fields["AF"] = 0
    for proposal in _proposals(message):
        for transform in proposal.trans:
            if int(transform.transform_type) == wanted:
                transform.attributes = [*transform.attributes, IKEv2_TransformAttribute(**fields)]


@payload_verb
def without_key_length(_: Scene, message: Outgoing) -> None:
    """Leave out the Key Length of every encryption transform."""
    for proposal in _proposals(message):
        for transform in proposal.trans:
            if int(transform.transform_type) == TransformType.ENCR:
                transform.key_length = None


@payload_verb
def many_transforms(_: Scene, message: Outgoing, count: int, kind: str | int = "ENCR") -> None:
    """Put so many unknown transforms of a type before those of the first proposal."""
    wanted = lookup(TransformType, kind)
    proposal = _proposal(message, 0)
    proposal.trans = [
        *(IKEv2_Transform(transform_type=wanted, transform_id=1024 + i % 60_000) for i in range(count)),
        *proposal.trans,
    ]
    proposal.trans_nb = len(proposal.trans) % 256


@payload_verb
def many_proposals(_: Scene, message: Outgoing, count: int) -> None:
    """Put so many copies of the first proposal, with an unknown cipher, before it. They are numbered from 1."""
    offer = message.one(IKEv2_SA)
    last = offer.prop[0]
    before = []
    for number in range(1, count + 1):
        copy = last.copy()
        copy.proposal = number % 256
        copy.trans = [_foreign(each) for each in copy.trans]
        before.append(copy)
    last.proposal = (count + 1) % 256
    offer.prop = [*before, *offer.prop]


def _foreign(transform: Any) -> Any:
    made = transform.copy()
    if int(made.transform_type) == TransformType.ENCR:
        made.transform_id = 65_000
    return made


@payload_verb
def foreign_proposal_first(_: Scene, message: Outgoing, kind: int = 200) -> None:
    """Put a proposal with a transform of an unknown type before the others, and number them anew."""
    offer = message.one(IKEv2_SA)
    copy = offer.prop[0].copy()
    copy.trans = [*copy.trans, IKEv2_Transform(transform_type=kind, transform_id=1)]
    offer.prop = [copy, *offer.prop]
    _renumber(offer)


@payload_verb
def two_proposals(_: Scene, message: Outgoing) -> None:
    """Repeat the last proposal under the next number: as a choice it is more than one."""
    offer = message.one(IKEv2_SA)
    copy = offer.prop[-1].copy()
    copy.proposal = int(copy.proposal) + 1
    offer.prop = [*offer.prop, copy]


@payload_verb
def no_proposals(_: Scene, message: Outgoing) -> None:
    """Send SA without a proposal."""
    message.one(IKEv2_SA).prop = []


@payload_verb
def proposal_numbers(_: Scene, message: Outgoing, *numbers: int) -> None:
    """Number the proposals so."""
    for proposal, number in zip(_proposals(message), numbers, strict=False):
        proposal.proposal = number


@payload_verb
def proposal_protocol(_: Scene, message: Outgoing, protocol: str | int, spi: bytes | None = None) -> None:
    """Let every proposal be for another protocol."""
    for proposal in _proposals(message):
        proposal.proto = lookup(ProtocolId, protocol)
        if spi is not None:
            proposal.SPI = spi


@payload_verb
def offer(_: Scene, message: Outgoing, *proposals: IKEv2_Proposal) -> None:
    """Send these proposals."""
    message.one(IKEv2_SA).prop = [each.copy() for each in proposals]


def _renumber(sa: Any) -> None:
    for number, proposal in enumerate(sa.prop, 1):
        proposal.proposal = number


# Key exchange and nonces


@payload_verb
def ke_value(scene: Scene, message: Outgoing, kind: str) -> None:
    """Replace the key exchange data of KE: `KE_VALUES` has the kinds.

    ``zero``, ``one`` and all others but ``random`` and the lengths have the right size for the group of the payload.
    """
    payload = message.one(IKEv2_KE)
    size = len(bytes(payload.ke))
    payload.ke = KE_VALUES[kind](int(payload.group), size, scene)


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size)


def _prime(group: int, size: int) -> int:
    """The prime of a MODP group; for a curve 2 ** (8 * size), so that p - 1 is all ones."""
    inner = getattr(key_exchange(group), "group", None)
    return (1 << 8 * size) if inner is None else int(inner.prime)


KE_VALUES: dict[str, Callable[[int, int, Scene], bytes]] = {
    "zero": lambda group, size, scene: bytes(size),
    "one": lambda group, size, scene: _number(1, size),
    "p-1": lambda group, size, scene: _number(_prime(group, size) - 1, size),
    "p": lambda group, size, scene: _number(min(_prime(group, size), (1 << 8 * size) - 1), size),
    "ones": lambda group, size, scene: b"\xff" * size,
    "random": lambda group, size, scene: scene.randomness.octets(size),
    "short": lambda group, size, scene: scene.randomness.octets(size - 1),
    "long": lambda group, size, scene: scene.randomness.octets(size + 1),
    "empty": lambda group, size, scene: b"",
    "double": lambda group, size, scene: scene.randomness.octets(2 * size),
}
"""Key exchange data by kind: a function of the group, the size in octets and the scene."""


@payload_verb
def nonce_size(scene: Scene, message: Outgoing, size: int) -> None:
    """Send a nonce of so many random octets."""
    message.one(IKEv2_Nonce).nonce = scene.randomness.octets(size)


@payload_verb
def nonce_value(_: Scene, message: Outgoing, value: bytes) -> None:
    """Send this nonce."""
    message.one(IKEv2_Nonce).nonce = value


# Selectors


@payload_verb
def selectors(_: Scene, message: Outgoing, side: str, *texts: str) -> None:
    """Send these traffic selectors in TSi or TSr, written as in ChildConfig: ``10.1.0.0/24[tcp/80]``."""
    message.one(SIDES[side]).traffic_selector = [Selector.of(text).layer() for text in texts]


@payload_verb
def selector_field(_: Scene, message: Outgoing, side: str, name: str, value: Any) -> None:
    """Set a field of the first traffic selector of TSi or TSr."""
    selector = message.one(SIDES[side]).traffic_selector[0]
    setattr(selector, name, value)


@payload_verb
def many_selectors(_: Scene, message: Outgoing, side: str, count: int) -> None:
    """Repeat the first traffic selector of TSi or TSr so often. The number in the payload has one octet."""
    payload = message.one(SIDES[side])
    payload.traffic_selector = [payload.traffic_selector[0].copy() for _ in range(count)]
    payload.number_of_TSs = count % 256


# Authentication


@payload_verb
def identity(_: Scene, message: Outgoing, text: str) -> None:
    """Send another identity in our ID payload; AUTH covers it unless the case says otherwise."""
    payload = message.get(IKEv2_IDi) or message.one(IKEv2_IDr)
    named = Identity.of(text)
    payload.IDtype, payload.ID = named.type, named.wire_value


@payload_verb
def spoil_auth(_: Scene, message: Outgoing, mask: int = 1) -> None:
    """Invert bits of the last octet of AUTH."""
    auth = message.one(IKEv2_AUTH)

    def spoilt(value: Callable[[Outgoing], bytes]) -> Callable[[Outgoing], bytes]:
        def wrong(outgoing: Outgoing) -> bytes:
            octets = value(outgoing)
            return octets[:-1] + bytes([octets[-1] ^ mask])

        return wrong

    message.computed = [
        (layer, name, spoilt(value) if layer is auth else value) for layer, name, value in message.computed
    ]


@payload_verb
def auth_method(_: Scene, message: Outgoing, method: str | int) -> None:
    """Let AUTH say another method; its data stays."""
    message.one(IKEv2_AUTH).auth_type = lookup(AuthMethod, method)


def _check_kind(kind: str) -> None:
    if kind not in KE_VALUES:
        raise ConfigError(f"expected one of the key exchange values {', '.join(KE_VALUES)}, found {kind!r}")


def _check_side(side: str, *_: object) -> None:
    if side not in SIDES:
        raise ConfigError(f"expected TSi or TSr, found {side!r}")


def _check_selectors(side: str, *texts: str) -> None:
    _check_side(side)
    for text in texts:
        Selector.of(text)


CHECKS["ke_value"] = _check_kind
CHECKS["selectors"] = _check_selectors
CHECKS["selector_field"] = CHECKS["many_selectors"] = _check_side
CHECKS["add_transform"] = lambda kind, *_, **__: lookup(TransformType, kind)
CHECKS["drop_transforms"] = CHECKS["set_transforms"] = CHECKS["add_transform"]
CHECKS["proposal_protocol"] = lambda protocol, *_: lookup(ProtocolId, protocol)
CHECKS["auth_method"] = lambda method: lookup(AuthMethod, method)
CHECKS["identity"] = Identity.of
