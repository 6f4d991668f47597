# SPDX-License-Identifier: GPL-2.0-or-later
"""Further faults, chosen later: proposals and KE payloads that an endpoint sends, or chooses, wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fynx_scapy.iana import Encr, ExchangeType, Integ, KeMethod, ProtocolId, TransformType
from fynx_scapy.ike.terms import proposals
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Proposal, IKEv2_SA, IKEv2_Transform, IKEv2_TransformAttribute
from tests.faults.fault import Faulty, later

_RESPONSE = 0x20
_AEAD = {Encr.ENCR_AES_GCM_16, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_8, Encr.ENCR_CHACHA20_POLY1305}


def _is_response(message: Any) -> bool:
    return bool(int(message.header.flags) & _RESPONSE)


def _in_offers(bad: Faulty, change: Callable[[Any], object], of: int | None = None) -> None:
    """Change every proposal of its requests, or those of one protocol."""

    def tap(message):
        for payload in [] if _is_response(message) else message.all(IKEv2_SA):
            for one in payload.prop:
                if of in (None, one.proto):
                    change(one)

    bad.tap(tap)


def _in_proposals(bad: Faulty, change: Callable[[Any], object]) -> None:
    """Change every proposal that it sends."""

    def tap(message):
        for payload in message.all(IKEv2_SA):
            for one in payload.prop:
                change(one)

    bad.tap(tap)


def _of(one: Any, kind: int) -> list[Any]:
    return [each for each in one.trans if each.transform_type == kind]


# Proposals


@later("sa-negotiation", "7296-3.3-06")
def counts_proposals_from_two(bad: Faulty) -> None:
    """Numbers its proposals from 2."""
    _in_offers(bad, lambda one: setattr(one, "proposal", one.proposal + 1))


@later("sa-negotiation", "7296-3.3-05")
def skips_numbers_of_proposals(bad: Faulty) -> None:
    """Numbers its proposals 1, 3, 5 and so on."""
    _in_offers(bad, lambda one: setattr(one, "proposal", 2 * one.proposal - 1))


@later("sa-negotiation", "7296-3.3-i01", "7296-3.3-07")
def mixes_aead_with_others(bad: Faulty) -> None:
    """Offers AES-CBC and HMAC beside a combined-mode cipher, in one proposal."""

    def change(one):
        if {each.transform_id for each in _of(one, TransformType.ENCR)} & _AEAD:
            one.trans.append(IKEv2_Transform(transform_type=1, transform_id=Encr.ENCR_AES_CBC, key_length=128))
            one.trans.append(IKEv2_Transform(transform_type=3, transform_id=Integ.AUTH_HMAC_SHA2_256_128))

    _in_offers(bad, change)


@later("sa-negotiation", "7296-3.3-10", "7296-3.3-09", connects=False)
def offers_two_key_lengths_in_one_transform(bad: Faulty) -> None:
    """Offers two key lengths as two attributes of one transform."""

    def change(one):
        for each in _of(one, TransformType.ENCR):
            if each.key_length is not None:
                each.attributes = [IKEv2_TransformAttribute(type=14, value=bits) for bits in (each.key_length, 256)]

    _in_offers(bad, change)


@later("sa-negotiation", "7296-3.3.1-01", "7296-3.3.2-01")
def sends_reserved_octets_in_proposals(bad: Faulty) -> None:
    """Sends ones in the reserved octets of proposals and transforms."""

    def change(one):
        one.flags = 0xFF
        for each in one.trans:
            each.flags = each.res2 = 0xFF

    _in_proposals(bad, change)


@later("sa-negotiation", "7296-3.3.1-i01", connects=False)
def sends_an_spi_of_size_zero(bad: Faulty) -> None:
    """Sends an SPI in the proposals of IKE_SA_INIT, and says that its size is zero."""

    def change(one):
        if one.proto == ProtocolId.IKE and not one.SPI:
            one.SPI, one.SPIsize = b"\1" * 8, 0

    _in_proposals(bad, change)


@later("sa-negotiation", "7296-3.3.1-04")
def sends_an_spi_in_ike_sa_init(bad: Faulty) -> None:
    """Sends an SPI of eight octets in the proposals of IKE_SA_INIT."""

    def change(one):
        if one.proto == ProtocolId.IKE and not one.SPI:
            one.SPI = b"\1" * 8

    _in_proposals(bad, change)


@later("sa-negotiation", "7296-3.3.5-01", connects=False)
def sends_long_key_lengths(bad: Faulty) -> None:
    """Sends Key Length in the form with a length of its own."""

    def change(one):
        for each in _of(one, TransformType.ENCR):
            if each.key_length is not None:
                each.attributes = [IKEv2_TransformAttribute(AF=0, type=14, value=each.key_length.to_bytes(2))]

    _in_proposals(bad, change)


@later("sa-negotiation", "7296-5-02")
def offers_null_for_the_ike_sa(bad: Faulty) -> None:
    """Offers ENCR_NULL for the IKE SA, beside good ciphers."""

    def change(one):
        if not {each.transform_id for each in _of(one, TransformType.ENCR)} & _AEAD:
            one.trans.append(IKEv2_Transform(transform_type=1, transform_id=Encr.ENCR_NULL))

    _in_offers(bad, change, ProtocolId.IKE)


@later("sa-negotiation", "7296-5-02")
def takes_null_for_the_ike_sa(bad: Faulty) -> None:
    """Does not refuse ciphers that protect nothing: it chooses the first offer for an IKE SA, whatever it is."""

    def choose(original, offered, policy, **named):
        found = original(offered, policy, **named)
        if found is None and offered and offered[0].protocol == ProtocolId.IKE:
            first = offered[0]
            kept = {each.type: each for each in reversed(first.transforms)}
            found = proposals.Choice(first.number, first.protocol, first.spi, tuple(kept.values()))
        return found

    bad.swap_function(proposals.choose, choose)


@later("sa-negotiation", "4303-3.2-02", connects=False)
def offers_esp_without_protection(bad: Faulty) -> None:
    """Offers ENCR_NULL without an integrity algorithm for ESP, and nothing else."""

    def change(one):
        kept = [each for each in one.trans if each.transform_type not in (TransformType.ENCR, TransformType.INTEG)]
        one.trans = [IKEv2_Transform(transform_type=1, transform_id=Encr.ENCR_NULL), *kept]

    _in_offers(bad, change, ProtocolId.ESP)


@later("sa-negotiation", "7296-3.3-04")
def takes_sa_payloads_with_wrong_counts(bad: Faulty) -> None:
    """Does not look at the numbers of transforms, nor at the marks of the last one."""
    bad.swap(IKEv2_Proposal, "faults", lambda original, layer: [])


@later("sa-negotiation", "7296-2.7-05", "7296-2.7-04", "7296-3.3.6-03", connects=False)
def chooses_a_transform_twice(bad: Faulty) -> None:
    """Answers with each chosen encryption transform twice."""

    def tap(message):
        for payload in message.all(IKEv2_SA) if _is_response(message) else ():
            for one in payload.prop:
                one.trans += [each.copy() for each in _of(one, TransformType.ENCR)]

    bad.tap(tap)


@later("sa-negotiation", "7296-3.3.3-01")
def knows_no_integrity_for_esp(bad: Faulty) -> None:
    """Does not understand integrity algorithms in a proposal for ESP, although it supports ciphers that need them."""

    def choose(original, offered, policy, **named):
        known = [
            one
            for one in offered
            if one.protocol != ProtocolId.ESP or not any(each.type == TransformType.INTEG for each in one.transforms)
        ]
        return original(known, policy, **named)

    bad.swap_function(proposals.choose, choose)


@later("esp-sequence/replay", "4303-2.2.1-01")
def refuses_extended_sequence_numbers(bad: Faulty) -> None:
    """Refuses an offer of ESP whose sequence numbers are extended."""

    def choose(original, offered, policy, **named):
        plain = [one for one in offered if not any(each.type == 5 and each.id == 1 for each in one.transforms)]
        return original(plain, policy, **named)

    bad.swap_function(proposals.choose, choose)


# Key exchange


@later("ke", "7296-3.4-03")
def sends_ke_without_a_group(bad: Faulty) -> None:
    """Adds a KE payload to a CREATE_CHILD_SA request that offers no group."""

    def tap(message):
        asked = message.header.exch_type == ExchangeType.CREATE_CHILD_SA and not _is_response(message)
        if asked and message.get(IKEv2_KE) is None:
            message.payloads.insert(-2, IKEv2_KE(group=KeMethod.CURVE25519, ke=b"\x09" + bytes(31)))

    bad.tap(tap)


@later("ke", "7296-3.3.6-11")
def answers_ke_where_none_was_chosen(bad: Faulty) -> None:
    """Adds a KE payload to a CREATE_CHILD_SA response, although no group was chosen."""

    def tap(message):
        answer = message.header.exch_type == ExchangeType.CREATE_CHILD_SA and _is_response(message)
        if answer and message.get(IKEv2_SA) is not None and message.get(IKEv2_KE) is None:
            message.payloads.insert(2, IKEv2_KE(group=KeMethod.CURVE25519, ke=b"\x09" + bytes(31)))

    bad.tap(tap)
