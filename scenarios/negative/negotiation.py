# SPDX-License-Identifier: GPL-2.0-or-later
"""SA negotiation (RFC 7296 sections 2.7 and 3.3): which offer a responder accepts."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Case,
    accepted,
    alive,
    answered,
    cases,
    chooses,
    chooses_nothing,
    no_child,
    no_sa,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    add_attribute,
    add_transform,
    drop_transforms,
    foreign_proposal_first,
    many_proposals,
    many_transforms,
    no_proposals,
    offer,
    proposal_numbers,
    proposal_protocol,
    set_field,
    set_transforms,
    spi_size,
)
from fynx_scapy.layers.ikev2 import IKEv2_Proposal, IKEv2_Transform, IKEv2_TransformAttribute

AEAD = {"proposals": "aes128gcm16-prfsha256-x25519"}
BOTH_LENGTHS = {"proposals": "aes128gcm16-aes256gcm16-prfsha256-x25519"}
CBC = {"proposals": "aes128-sha256-prfsha256-x25519"}
ESP_CBC = {"esp_proposals": "aes128-sha256"}

REFUSED = (refused(protected=False) | silent()) & chooses_nothing()
NONE_CHOSEN = answered("NO_PROPOSAL_CHOSEN", protected=False) & chooses_nothing()
NO_CHILD = answered("NO_PROPOSAL_CHOSEN", protected=True) & no_child() & alive()
REFUSED_CHILD = refused(protected=True) & no_child()


def transform(kind: int, number: int, bits: int | None = None, *more: IKEv2_TransformAttribute) -> IKEv2_Transform:
    """A transform with a Key Length, and further attributes."""
    made = IKEv2_Transform(transform_type=kind, transform_id=number, key_length=bits)
    made.attributes = [*made.attributes, *more]
    return made


def proposal(number: int, *transforms: IKEv2_Transform) -> IKEv2_Proposal:
    """A proposal for the IKE SA."""
    return IKEv2_Proposal(proposal=number, proto=1, trans=list(transforms))


GCM128, GCM192, GCM256 = (transform(1, 20, bits) for bits in (128, 192, 256))
CBC128 = transform(1, 12, 128)
PRF, SHA256, X25519 = transform(2, 5), transform(3, 12), transform(4, 31)
UNKNOWN_ATTRIBUTE = transform(1, 20, 128, IKEv2_TransformAttribute(type=99, value=1))

CHOICES = [
    Case(
        "offer_of_three_proposals", base="init", then=accepted() & chooses(), do=NOTHING,
        requirements=("7296-2.7-01", "7296-2.7-02", "7296-3.3.6-01", "7296-3.3.6-02", "7296-3.3.1-03"),
        what="Of several proposals a responder chooses one, under its number.",
    ),
    Case(
        "offer_of_several_transforms", base="init", do=NOTHING, then=accepted() & chooses(1),
        ours={"proposals": "aes128gcm16-aes256gcm16-prfsha256-prfsha384-x25519-ecp256"},
        requirements=("7296-2.7-04", "7296-3.3.6-03", "7296-3.3.6-04", "7296-3.3-10"),
        what="Of several transforms of each type a responder chooses one, with its attributes unchanged.",
    ),
    Case(
        "offer_of_the_rfcs_example", base="auth", do=NOTHING, then=accepted() & chooses() & alive(),
        ours={"esp_proposals": "3des-aes128-aes256-md5-sha1"}, requirements=("7296-2.7-05", "7296-3.3.3-01"),
        what="3DES, AES-128 and AES-256 with MD5 and SHA-1: one cipher and one integrity algorithm are chosen.",
    ),
    Case(
        "offer_of_all_types", base="init", do=NOTHING, then=accepted() & chooses(1, encr=(12, 128), integ=12),
        ours=CBC, requirements=("7296-3.3.3-01", "7296-2.7-04"),
        what="An offer with every transform type that IKE knows is processed.",
    ),
    Case(
        "offer_of_types_for_esp", base="create_child", then=accepted() & chooses(1, encr=(12, 128), integ=12, sn=0),
        do=NOTHING, ours=ESP_CBC, requirements=("7296-3.3.3-01", "7296-2.7-02"),
        what="An offer with cipher, integrity and sequence numbers is processed.",
    ),
    Case(
        "offer_of_two_kinds_of_ciphers", base="init", then=accepted() & chooses(2, encr=(12, 128), integ=12),
        do=offer(proposal(1, GCM128, PRF, X25519), proposal(2, CBC128, PRF, SHA256, X25519)), ours=CBC, peer=CBC,
        requirements=("7296-3.3-i01", "7296-3.3.4-05"), what="A peer with a normal cipher chooses the second proposal.",
    ),
    Case(
        "offer_just_outside_policy_first", base="init", ours=BOTH_LENGTHS, then=chooses(2, encr=(20, 128)),
        do=offer(proposal(1, GCM192, PRF, X25519), proposal(2, GCM128, PRF, X25519)), requirements=("7296-3.3.4-05",),
    ),
    Case(
        "offer_just_outside_policy", base="init", do=set_transforms("ENCR", 20, 192), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3.4-05", "7296-3.3.4-06", "7296-2.7-03"), severity="high",
    ),
    Case(
        "offer_of_weak_ciphers_only", base="init", severity="high", then=NONE_CHOSEN, ours=CBC,
        do=set_transforms("ENCR", 2) + set_transforms("INTEG", 1) + set_transforms("PRF", 1),
        requirements=("7296-3.3.4-06", "7296-2.7-03"),
    ),
    Case(
        "offer_of_a_longer_key", base="init", ours=AEAD, do=set_transforms("ENCR", 20, 256), severity="low",
        then=(accepted() & chooses(encr=(20, 256))) | NONE_CHOSEN, requirements=("7296-3.3.6-04",),
    ),
    Case(
        "offer_of_a_longer_key_first", base="init", ours=BOTH_LENGTHS, then=accepted() & chooses(1),
        do=offer(proposal(1, GCM256, GCM128, PRF, X25519)), requirements=("7296-3.3-10", "7296-3.3.6-04"),
    ),
]  # fmt: skip

UNKNOWN = [
    Case(
        f"unknown_{kind.lower()}_alone_in_init", base="init", do=set_transforms(kind, 60000), then=NONE_CHOSEN,
        ours=CBC, requirements=("7296-3.3.6-07", "7296-3.3.4-06"),
    )
    for kind in ("ENCR", "PRF", "INTEG", "KE")
] + [
    Case(
        f"unknown_{kind.lower()}_beside_a_good_one", base="init", do=add_transform(kind, 60000, first=True),
        then=accepted() & chooses(1, encr=(12, 128), prf=5, integ=12, ke=31), ours=CBC,
        requirements=("7296-3.3.6-07",),
    )
    for kind in ("ENCR", "PRF", "INTEG", "KE")
] + [
    Case(
        f"unknown_{kind.lower()}_alone_in_{base}", base=base, do=set_transforms(kind, 60000), then=NO_CHILD,
        ours=ESP_CBC, requirements=("7296-3.3.6-07",),
    )
    for base in ("auth", "create_child", "rekey_child") for kind in ("ENCR", "INTEG", "SN")
] + [
    Case(
        f"unknown_{kind.lower()}_alone_in_rekey_ike", base="rekey_ike", do=set_transforms(kind, 60000),
        then=answered("NO_PROPOSAL_CHOSEN", protected=True) & no_child() & alive(), ours=CBC, severity="high",
        requirements=("7296-3.3.6-07",),
    )
    for kind in ("ENCR", "PRF", "INTEG", "KE")
] + [
    Case(
        "unknown_encr_beside_a_good_one_in_auth", base="auth", do=add_transform("ENCR", 60000, first=True),
        then=accepted() & chooses(1, encr=(12, 128)) & alive(), ours=ESP_CBC, requirements=("7296-3.3.6-07",),
    ),
    Case(
        "unknown_type_alone", base="init", do=add_transform(200, 1), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3.6-06",),
    ),
    Case(
        "unknown_type_in_the_first_proposal", base="init", do=foreign_proposal_first(),
        then=accepted() & chooses(2), ours=AEAD, requirements=("7296-3.3.6-06",),
    ),
    Case(
        "unknown_type_in_auth", base="auth", do=add_transform(200, 1), then=NO_CHILD, ours=ESP_CBC,
        requirements=("7296-3.3.6-06",),
    ),
    Case(
        "unknown_type_in_the_first_proposal_of_create_child", base="create_child", do=foreign_proposal_first(),
        then=accepted() & chooses(2), ours=ESP_CBC, requirements=("7296-3.3.6-06",),
    ),
    Case(
        "unknown_attribute_alone", base="init", do=add_attribute(99, 1), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3.6-07",),
    ),
    Case(
        "unknown_attribute_of_octets_alone", base="init", do=add_attribute(99, b"\1\2\3\4", long=True),
        then=NONE_CHOSEN, ours=AEAD, requirements=("7296-3.3.6-07",),
    ),
    Case(
        "unknown_attribute_beside_a_good_one", base="init", ours=BOTH_LENGTHS, then=chooses(1, encr=(20, 256)),
        do=offer(proposal(1, UNKNOWN_ATTRIBUTE, GCM256, PRF, X25519)), requirements=("7296-3.3.6-07",),
    ),
    Case(
        "unknown_attribute_of_prf", base="init", do=add_attribute(99, 1, "PRF"), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3.6-07",),
    ),
    Case(
        "unknown_attribute_in_auth", base="auth", do=add_attribute(99, 1), then=NO_CHILD, ours=ESP_CBC,
        requirements=("7296-3.3.6-07",),
    ),
] + [
    Case(
        f"missing_{kind.lower()}_in_init", base="init", do=drop_transforms(kind), then=NONE_CHOSEN, ours=CBC,
        requirements=("7296-3.3.6-06",), severity="high",
    )
    for kind in ("ENCR", "PRF", "INTEG", "KE")
] + [
    Case(
        f"missing_{kind.lower()}_in_auth", base="auth", do=drop_transforms(kind), then=NO_CHILD, ours=ESP_CBC,
        requirements=("7296-3.3.6-06",), severity="high",
    )
    for kind in ("ENCR", "SN")
] + [
    Case(
        f"missing_{kind.lower()}_in_the_first_proposal", base="init", ours=CBC, then=accepted() & chooses(2),
        do=offer(
            proposal(1, *(each for each in (CBC128, PRF, SHA256, X25519) if each is not left_out)),
            proposal(2, CBC128, PRF, SHA256, X25519),
        ),
        requirements=("7296-3.3.6-06",),
    )
    for kind, left_out in (("ENCR", CBC128), ("PRF", PRF), ("KE", X25519))
]  # fmt: skip

NUMBERS = [
    Case(
        f"proposal_numbers_{'_'.join(map(str, numbers))}", base="init", do=proposal_numbers(*numbers), severity="low",
        ours={"proposals": ["aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-x25519"][: len(numbers)]},
        then=REFUSED | (accepted() & chooses(numbers[0])) | (accepted() & chooses(numbers[-1])),
        requirements=("7296-3.3-06",) if numbers[0] != 1 else ("7296-3.3-05",),
    )
    for numbers in ((0,), (2,), (255,), (1, 3), (1, 1), (2, 1), (2, 3))
] + [
    Case(
        "protocol_esp_in_init", base="init", do=proposal_protocol("ESP", b"\1\2\3\4"), then=REFUSED,
        requirements=("7296-2.7-02",),
    ),
    Case(
        "protocol_unknown_in_init", base="init", do=proposal_protocol(200), then=REFUSED, requirements=("7296-2.7-02",),
    ),
    Case(
        "protocol_ah_in_auth", base="auth", do=proposal_protocol("AH"), then=REFUSED_CHILD,
        requirements=("7296-2.7-02",),
    ),
    Case(
        "protocol_ike_in_create_child", base="create_child", do=proposal_protocol("IKE", bytes(range(8))),
        then=REFUSED_CHILD, requirements=("7296-2.7-02",), severity="high",
    ),
    Case(
        "protocol_unknown_in_auth", base="auth", do=proposal_protocol(200), then=REFUSED_CHILD,
        requirements=("7296-2.7-02",),
    ),
    Case("no_proposals_in_init", base="init", do=no_proposals(), then=REFUSED, requirements=("7296-2.7-03",)),
    Case("no_proposals_in_auth", base="auth", do=no_proposals(), then=REFUSED_CHILD, requirements=("7296-2.7-03",)),
    Case(
        "no_proposals_in_rekey_ike", base="rekey_ike", do=no_proposals(), then=REFUSED_CHILD,
        requirements=("7296-2.7-03",),
    ),
    Case(
        "no_transforms", base="init", do=offer(proposal(1)), then=REFUSED, severity="high",
        requirements=("7296-3.3.6-06",),
    ),
    Case(
        "proposals_254", base="init", do=many_proposals(253), then=REFUSED | (accepted() & chooses(254)), ours=AEAD,
        source="RFC 7296 section 3.3", severity="high",
    ),
    Case(
        "transforms_254", base="init", do=many_transforms(251), then=REFUSED | (accepted() & chooses(1)), ours=AEAD,
        source="RFC 7296 section 3.3", severity="high",
    ),
    Case(
        "transforms_three_thousand", base="init", do=many_transforms(3000), then=REFUSED, ours=AEAD,
        source="RFC 7296 section 3.3", severity="high",
    ),
    Case(
        "proposals_254_in_auth", base="auth", do=many_proposals(253), severity="high", source="RFC 7296 section 3.3",
        then=REFUSED_CHILD | (accepted() & chooses(254)), ours=ESP_CBC,
    ),
    Case(
        "transforms_254_in_create_child", base="create_child", do=many_transforms(250), severity="high",
        then=REFUSED_CHILD | (accepted() & chooses(1)), ours=ESP_CBC, source="RFC 7296 section 3.3",
    ),
]  # fmt: skip

SPIS = [
    Case(
        "spi_of_eight_octets_in_init", base="init", do=spi_size(8), then=REFUSED | (accepted() & chooses(1)),
        requirements=("7296-3.3.1-04",), severity="low", ours=AEAD,
    ),
    Case(
        "spi_size_zero_with_spi_there", base="auth", do=set_field("SA.prop[0].SPIsize", 0), then=refused() & no_sa(),
        requirements=("7296-3.3.1-i01",), ours=ESP_CBC, severity="high",
    ),
    Case(
        "spi_size_beyond_the_proposal", base="init", do=set_field("SA.prop[0].SPIsize", 255), then=REFUSED,
        requirements=("7296-3.3-04",), severity="high",
    ),
] + [
    Case(
        f"spi_of_{size}_octets_in_{base}", base=base, do=spi_size(size), then=REFUSED_CHILD, ours=ESP_CBC,
        requirements=("7296-3.3.1-04",), severity="high",
    )
    for base in ("auth", "create_child", "rekey_child") for size in (0, 3, 8)
] + [
    Case(
        f"spi_of_{size}_octets_in_rekey_ike", base="rekey_ike", do=spi_size(size),
        then=REFUSED_CHILD & (alive() | answered("INVALID_SYNTAX")),
        requirements=("7296-3.3.1-04",), severity="high",
    )
    for size in (0, 4, 16)
] + [
    Case(
        "spi_of_zeros_in_auth", base="auth", do=proposal_protocol("ESP", bytes(4)), then=REFUSED_CHILD, ours=ESP_CBC,
        source="RFC 4303 section 2.1", severity="high",
    ),
    Case(
        "spi_of_zeros_in_rekey_ike", base="rekey_ike", do=proposal_protocol("IKE", bytes(8)), severity="high",
        then=REFUSED_CHILD & alive(), source="RFC 7296 section 3.3.1",
    ),
]  # fmt: skip

cases(__name__, [*CHOICES, *UNKNOWN, *NUMBERS, *SPIS])
