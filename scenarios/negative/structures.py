# SPDX-License-Identifier: GPL-2.0-or-later
"""The structures of SA (RFC 7296 section 3.3): lengths and counts that do not agree, and wrong choices."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Case,
    answered,
    cases,
    chooses_nothing,
    deletes,
    gives_up,
    new_child_unused,
    no_child,
    no_sa,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    Mutation,
    add_attribute,
    add_to_field,
    add_transform,
    drop_transforms,
    no_proposals,
    proposal_numbers,
    proposal_protocol,
    set_field,
    set_transforms,
    two_proposals,
    without_key_length,
)

CBC = {"proposals": "aes128-sha256-prfsha256-x25519"}
NO_CHILD_OF_IT = deletes() | new_child_unused()
"""It ends the IKE SA, or does without the Child SA (RFC 7296 section 1.2)."""
ESP_CBC = {"esp_proposals": "aes128-sha256"}
REFUSED = (refused(protected=False) | silent()) & chooses_nothing()

FAULTS: dict[str, Mutation] = {
    "proposal_length_zero": set_field("SA.prop[0].length", 0),
    "proposal_length_seven": set_field("SA.prop[0].length", 7),
    "proposal_four_too_long": add_to_field("SA.prop[0].length", 4),
    "proposal_four_too_short": add_to_field("SA.prop[0].length", -4),
    "proposal_length_65535": set_field("SA.prop[0].length", 0xFFFF),
    "proposal_not_the_last": set_field("SA.prop[0].next_payload", 2),
    "proposal_link_unknown": set_field("SA.prop[0].next_payload", 77),
    "transform_length_zero": set_field("SA.prop[0].trans[0].length", 0),
    "transform_length_seven": set_field("SA.prop[0].trans[0].length", 7),
    "transform_four_too_long": add_to_field("SA.prop[0].trans[0].length", 4),
    "transform_four_too_short": add_to_field("SA.prop[0].trans[0].length", -4),
    "transform_length_65535": set_field("SA.prop[0].trans[-1].length", 0xFFFF),
    "transform_is_the_last_too_early": set_field("SA.prop[0].trans[0].next_payload", 0),
    "transform_not_the_last": set_field("SA.prop[0].trans[-1].next_payload", 3),
    "transform_link_unknown": set_field("SA.prop[0].trans[0].next_payload", 77),
    "transform_count_one_more": add_to_field("SA.prop[0].trans_nb", 1),
    "transform_count_one_less": add_to_field("SA.prop[0].trans_nb", -1),
    "transform_count_zero": set_field("SA.prop[0].trans_nb", 0),
    "transform_count_255": set_field("SA.prop[0].trans_nb", 255),
}  # fmt: skip
"""What makes SA inconsistent, whatever its transforms are."""
INSIDE = ("proposal_four_too_long", "proposal_not_the_last", "transform_length_zero", "transform_four_too_long",
          "transform_is_the_last_too_early", "transform_count_one_more")  # fmt: skip

STRUCTURES = [
    Case(
        f"{name}_in_init", base="init", do=do, then=REFUSED, ours=CBC, requirements=("7296-3.3-04",), severity="high",
    )
    for name, do in FAULTS.items()
] + [
    Case(
        f"{name}_in_auth", base="auth", do=FAULTS[name], ours=ESP_CBC, requirements=("7296-3.3-04",),
        then=answered("INVALID_SYNTAX", protected=True) & no_sa(), severity="high",
    )
    for name in INSIDE
] + [
    Case(
        f"{name}_in_create_child", base="create_child", do=FAULTS[name], ours=ESP_CBC, requirements=("7296-3.3-04",),
        then=answered("INVALID_SYNTAX", protected=True) & no_child(), severity="high",
    )
    for name in INSIDE
] + [
    Case(
        f"{name}_in_init_response", base="connect", at="IKE_SA_INIT response", do=FAULTS[name], then=gives_up(),
        ours=CBC, requirements=("7296-3.3-04",), severity="high",
    )
    for name in INSIDE
] + [
    Case(
        f"{name}_in_auth_response", base="connect", at="IKE_AUTH response", do=FAULTS[name], then=NO_CHILD_OF_IT,
        ours=ESP_CBC, requirements=("7296-3.3-04",), severity="high",
    )
    for name in INSIDE
]  # fmt: skip

WRONG: dict[str, Mutation] = {
    "another_cipher": set_transforms("ENCR", 13, 128),
    "another_key_length": set_transforms("ENCR", 12, 256),
    "no_key_length": without_key_length(),
    "two_ciphers": add_transform("ENCR", 12, 256),
    "one_cipher_twice": add_transform("ENCR", 12, 128),
    "no_cipher": drop_transforms("ENCR"),
    "no_integrity": drop_transforms("INTEG"),
    "another_integrity": set_transforms("INTEG", 14),
    "an_unknown_type": add_transform(200, 1),
    "an_unknown_attribute": add_attribute(99, 1),
    "two_proposals": two_proposals(),
    "no_proposal": no_proposals(),
    "another_number": proposal_numbers(2),
    "number_zero": proposal_numbers(0),
    "protocol_ah": proposal_protocol("AH"),
}  # fmt: skip
"""Answers that are no choice from the offer AES-128-CBC with HMAC-SHA-256."""

ANSWERS = [
    Case(
        f"answer_with_{name}", base="connect", at="IKE_SA_INIT response", do=do, then=gives_up(), ours=CBC,
        requirements=("7296-3.3.6-05", *more), severity="critical",
    )
    for name, do, more in (
        *((name, do, ("7296-3.3.1-03",) if "number" in name else ()) for name, do in WRONG.items()),
        ("another_prf", set_transforms("PRF", 7), ()), ("no_prf", drop_transforms("PRF"), ()),
        ("two_prfs", add_transform("PRF", 7), ("7296-2.7-04",)), ("another_group", set_transforms("KE", 19), ()),
        ("no_group", drop_transforms("KE"), ()),
    )
] + [
    Case(
        f"answer_with_{name}_in_auth", base="connect", at="IKE_AUTH response", do=do, then=NO_CHILD_OF_IT, ours=ESP_CBC,
        requirements=("7296-3.3.6-05",), severity="critical",
    )
    for name, do in WRONG.items()
]  # fmt: skip

cases(__name__, [*STRUCTURES, *ANSWERS])
