# SPDX-License-Identifier: GPL-2.0-or-later
"""Transforms that must not be chosen (RFC 7296 sections 3.3.5, 3.3.6 and 5): key lengths, and no protection."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Case,
    accepted,
    alive,
    answered,
    cases,
    chooses,
    no_child,
)
from fynx_scapy.harness.verbs import (
    add_attribute,
    add_transform,
    drop_transforms,
    offer,
    set_transforms,
    without_key_length,
)
from fynx_scapy.layers.ikev2 import IKEv2_TransformAttribute
from fynx_scapy.scenarios.negative.negotiation import (
    AEAD,
    BOTH_LENGTHS,
    CBC,
    CBC128,
    ESP_CBC,
    GCM128,
    GCM256,
    NO_CHILD,
    NONE_CHOSEN,
    PRF,
    SHA256,
    X25519,
    proposal,
    transform,
)

LONG = transform(1, 20, None, IKEv2_TransformAttribute(AF=0, type=14, value=b"\0\x80"))
TWICE = transform(1, 20, 128, IKEv2_TransformAttribute(type=14, value=128))

KEY_LENGTHS = [
    Case(
        "key_length_missing_aead", base="init", do=without_key_length(), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3.5-05", "7296-2.13-01"), severity="high",
    ),
    Case(
        "key_length_missing_cbc", base="init", do=without_key_length(), then=NONE_CHOSEN, ours=CBC,
        requirements=("7296-3.3.5-05", "7296-2.13-01"), severity="high",
    ),
    Case(
        "key_length_missing_esp", base="auth", do=without_key_length(), then=NO_CHILD, ours=ESP_CBC,
        requirements=("7296-3.3.5-05", "7296-2.13-01"), severity="high",
    ),
    Case(
        "key_length_missing_beside_a_good_one", base="init", do=add_transform("ENCR", 20, first=True), ours=AEAD,
        then=accepted() & chooses(encr=(20, 128)), requirements=("7296-3.3.5-05",),
    ),
    Case(
        "key_length_missing_in_the_first_proposal", base="init", then=accepted() & chooses(2, encr=(20, 128)),
        do=offer(proposal(1, transform(1, 20), PRF, X25519), proposal(2, GCM128, PRF, X25519)), ours=AEAD,
        requirements=("7296-3.3.5-05",),
    ),
    Case(
        "key_length_twice", base="init", do=add_attribute(14, 128), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3-09",),
    ),
    Case(
        "key_length_twice_and_different", base="init", do=add_attribute(14, 256), then=NONE_CHOSEN, ours=BOTH_LENGTHS,
        requirements=("7296-3.3-09",),
    ),
    Case(
        "key_length_twice_beside_a_good_one", base="init", ours=BOTH_LENGTHS, then=chooses(1, encr=(20, 256)),
        do=offer(proposal(1, TWICE, GCM256, PRF, X25519)), requirements=("7296-3.3-09",),
    ),
    Case(
        "key_length_as_octets", base="init", ours=AEAD, severity="low", requirements=("7296-3.3.5-01",),
        do=without_key_length() + add_attribute(14, b"\0\0\0\x80", long=True), then=NONE_CHOSEN,
    ),
    Case(
        "key_length_as_two_octets", base="init", ours=AEAD, severity="low", requirements=("7296-3.3.5-01",),
        do=without_key_length() + add_attribute(14, b"\0\x80", long=True), then=NONE_CHOSEN,
    ),
    Case(
        "key_length_as_two_octets_beside_a_good_one", base="init", severity="low", then=chooses(1, encr=(20, 256)),
        do=offer(proposal(1, LONG, GCM256, PRF, X25519)), ours=BOTH_LENGTHS, requirements=("7296-3.3.5-01",),
    ),
    Case(
        "key_length_of_prf", base="init", do=add_attribute(14, 256, "PRF"), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3.5-04",),
    ),
    Case(
        "key_length_of_integ", base="init", do=add_attribute(14, 256, "INTEG"), then=NONE_CHOSEN, ours=CBC,
        requirements=("7296-3.3.5-04",),
    ),
    Case(
        "key_length_of_ke", base="init", do=add_attribute(14, 256, "KE"), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3.5-04",),
    ),
    Case(
        "key_length_of_chacha20", base="init", do=set_transforms("ENCR", 28, 256), then=NONE_CHOSEN,
        ours={"proposals": "chacha20poly1305-prfsha256-x25519"}, requirements=("7296-3.3.5-04",),
    ),
    Case(
        "key_length_of_3des", base="init", do=set_transforms("ENCR", 3, 192), then=NONE_CHOSEN,
        ours={"proposals": "3des-sha256-prfsha256-x25519"}, requirements=("7296-3.3.5-04",),
    ),
    Case(
        "key_length_of_3des_in_auth", base="auth", do=set_transforms("ENCR", 3, 192), then=NO_CHILD,
        ours={"esp_proposals": "3des-sha256"}, requirements=("7296-3.3.5-04",),
    ),
] + [
    Case(
        f"key_length_of_{bits}_bits", base="init", do=set_transforms("ENCR", 20, bits), then=NONE_CHOSEN, ours=AEAD,
        requirements=("7296-3.3.6-07",), severity="high",
    )
    for bits in (0, 16, 127, 129, 512, 65535)
]  # fmt: skip

WEAK = [
    Case(
        "combined_mode_with_hmac", base="init", do=add_transform("INTEG", 12), ours=AEAD,
        then=NONE_CHOSEN | chooses(1, integ=None), requirements=("7296-3.3-07",),
    ),
    Case(
        "combined_mode_with_hmac_in_auth", base="auth", do=add_transform("INTEG", 12),
        ours={"esp_proposals": "aes128gcm16"}, then=NO_CHILD | chooses(1, integ=None), requirements=("7296-3.3-07",),
    ),
    Case(
        "combined_mode_with_integ_none", base="init", do=add_transform("INTEG", 0), ours=AEAD,
        then=accepted() & (chooses(1, integ=None) | chooses(1, integ=0)), requirements=("7296-3.3-07",),
    ),
    Case(
        "combined_and_normal_in_one_proposal", base="init", then=NONE_CHOSEN | chooses(), severity="low",
        do=offer(proposal(1, GCM128, CBC128, PRF, SHA256, X25519)), ours=CBC, requirements=("7296-3.3-i01",),
    ),
    Case(
        "ike_without_encryption", base="init", do=set_transforms("ENCR", 11), then=NONE_CHOSEN, ours=CBC,
        requirements=("7296-5-02",), severity="critical",
    ),
    Case(
        "ike_with_integ_none", base="init", do=set_transforms("INTEG", 0), then=NONE_CHOSEN, ours=CBC,
        requirements=("7296-5-02",), severity="critical",
    ),
    Case(
        "ike_rekeyed_without_encryption", base="rekey_ike", do=set_transforms("ENCR", 11), ours=CBC,
        then=answered("NO_PROPOSAL_CHOSEN", protected=True) & no_child() & alive(), requirements=("7296-5-02",),
        severity="critical",
    ),
    Case(
        "ike_rekeyed_with_integ_none", base="rekey_ike", do=set_transforms("INTEG", 0), ours=CBC,
        then=answered("NO_PROPOSAL_CHOSEN", protected=True) & no_child() & alive(), requirements=("7296-5-02",),
        severity="critical",
    ),
    Case(
        "esp_without_any_protection", base="auth", do=set_transforms("ENCR", 11) + set_transforms("INTEG", 0),
        then=NO_CHILD, ours=ESP_CBC, requirements=("4303-3.2-02",), severity="critical",
    ),
    Case(
        "esp_null_without_integrity", base="create_child", do=set_transforms("ENCR", 11) + drop_transforms("INTEG"),
        then=NO_CHILD, ours=ESP_CBC, requirements=("4303-3.2-02",), severity="critical",
    ),
    Case(
        "esp_with_integ_none", base="auth", do=set_transforms("INTEG", 0), then=NO_CHILD, ours=ESP_CBC,
        requirements=("7296-3.3.4-06",), severity="critical",
    ),
    Case(
        "auth_with_key_exchange", base="auth", do=add_transform("KE", 31), severity="low", ours=ESP_CBC,
        then=NO_CHILD | (accepted() & chooses(1, ke=None)), requirements=("7296-1.2-i06",),
    ),
    Case(
        "auth_with_key_exchange_none", base="auth", do=add_transform("KE", 0),
        then=accepted() & (chooses(1, ke=None) | chooses(1, ke=0)) & alive(), requirements=("7296-1.2-i06",),
    ),
]  # fmt: skip


cases(__name__, [*KEY_LENGTHS, *WEAK])
