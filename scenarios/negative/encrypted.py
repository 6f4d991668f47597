# SPDX-License-Identifier: GPL-2.0-or-later
"""The Encrypted payload (RFC 7296 section 3.14): ICV, IV, padding, keys, and what is in SK and around it."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Base,
    Case,
    Outcome,
    Seen,
    accepted,
    alive,
    answered,
    asks_again,
    carries,
    cases,
    deletes,
    dropped,
    judged,
    no_child,
    no_sa,
    refused,
    silent,
    taken,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    append_for_good,
    cut_to,
    flip,
    flip_icv,
    flip_inside,
    in_the_clear,
    in_the_wrong_direction,
    insert,
    insert_notify,
    iv,
    only,
    overwrite,
    pad_length,
    padding,
    set_field,
    stuff,
    truncate_for_good,
)
from fynx_scapy.iana import ExchangeType
from fynx_scapy.layers.ikev2 import IKEv2_Payload

GCM = {"proposals": "aes128gcm16-prfsha256-x25519"}
CBC = {"proposals": "aes128-sha256-prfsha256-x25519"}
CHACHA = {"proposals": "chacha20poly1305-prfsha256-x25519"}
SUITES = (("gcm", GCM), ("cbc", CBC))
MALFORMED = answered("INVALID_SYNTAX", protected=True)
REFUSED = refused(protected=True) | silent()

PLACES = {
    "exchange_type": (18, 1), "flags": (19, 0x80), "message_id": (23, 1), "next_payload_of_sk": (28, 1),
    "flags_of_sk": (29, 0x80), "iv": (32, 1), "ciphertext": (-17, 1), "icv_begin": (-16, 1), "icv_end": (-1, 1),
}  # fmt: skip
"""Which octet, and which of its bits: all of them are covered by the ICV."""

INTEGRITY = [
    Case(
        f"icv_{suite}_{name}_flipped", base="liveness", do=flip(at, mask), then=dropped() & alive(), ours=ours,
        requirements=("7296-3.14-06",), severity="critical",
    )
    for suite, ours in SUITES for name, (at, mask) in PLACES.items()
] + [
    Case(
        f"icv_flipped_in_{base}", base=base, do=flip_icv(), then=dropped() & then, severity="critical",
        requirements=("7296-3.14-06",),
    )
    for base, then in (
        ("auth", alive()), ("create_child", carries()), ("rekey_child", carries()), ("rekey_ike", alive()),
    )
] + [
    Case(
        "icv_flipped_in_delete_ike", base="delete_ike", do=flip_icv(), then=dropped(), severity="critical",
        requirements=("7296-3.14-06",),
    ),
    Case(
        "icv_flipped_in_auth_with_chacha20", base="auth", do=flip_icv(0x80), then=dropped() & alive(), ours=CHACHA,
        requirements=("7296-3.14-06",), severity="critical",
    ),
    Case(
        "icv_flipped_in_response", base="liveness", at="response", do=flip_icv(), then=asks_again() & alive(),
        requirements=("7296-3.14-06",), severity="critical",
    ),
    Case(
        "ciphertext_flipped_in_response", base="create_child", at="response", do=flip(-20), ours=CBC,
        then=asks_again() & carries(), requirements=("7296-3.14-06",), severity="critical",
    ),
    Case(
        "icv_flipped_in_auth_response", base="connect", at="IKE_AUTH response", do=flip_icv(),
        then=asks_again() & alive() & carries(), requirements=("7296-3.14-06",), severity="critical",
    ),
    Case(
        "icv_of_zeros", base="liveness", do=overwrite(41, bytes(16)), then=dropped() & alive(), ours=GCM,
        requirements=("7296-3.14-06",), severity="critical",
    ),
    Case(
        "icv_cut_by_one_octet", base="liveness", do=truncate_for_good(1, honest=True) , then=silent() & alive(),
        requirements=("7296-3.14-06",), severity="critical",
    ),
    Case(
        "icv_cut_off", base="liveness", do=truncate_for_good(16, honest=True), then=silent() & alive(), ours=CBC,
        requirements=("7296-3.14-06",), severity="critical",
    ),
    Case(
        "sk_without_content", base="liveness", do=cut_to(32), then=dropped() & alive(), severity="high",
        requirements=("7296-3.14-06",),
    ),
    Case(
        "keys_of_the_wrong_direction", base="liveness", do=in_the_wrong_direction(), then=dropped() & alive(),
        requirements=("7296-2.14-i02", "7296-1.2-i01"), severity="critical",
    ),
    Case(
        "keys_of_the_wrong_direction_in_auth", base="auth", do=in_the_wrong_direction(), then=dropped() & alive(),
        requirements=("7296-2.14-i02", "7296-1.2-i01"), severity="critical",
    ),
    Case(
        "keys_of_the_wrong_direction_in_response", base="liveness", at="response", do=in_the_wrong_direction(),
        then=asks_again() & alive(), requirements=("7296-2.14-i02", "7296-1.2-i01"), severity="critical",
    ),
]  # fmt: skip

PADDING = [
    Case(
        f"padding_of_{size}_octets_with_{suite}", base="liveness", do=padding(bytes(size)),
        then=accepted() & alive(), ours=ours, requirements=("7296-3.14-05",),
    )
    for suite, ours in SUITES for size in (31, 239, 255)
] + [
    Case(
        f"padding_of_other_octets_with_{suite}", base="liveness", do=padding(b"\xa5" * 15),
        then=accepted() & alive(), ours=ours, requirements=("7296-3.14-04",),
    )
    for suite, ours in SUITES
] + [
    Case(
        "padding_long_in_auth", base="auth", do=padding(b"\x5a" * 40), then=accepted() & alive(), ours=GCM,
        requirements=("7296-3.14-04", "7296-3.14-05"),
    ),
    Case(
        "padding_long_in_response", base="liveness", at="response", do=padding(b"\xff" * 47), then=taken() & alive(),
        ours=CBC, requirements=("7296-3.14-04", "7296-3.14-05"),
    ),
    Case(
        "pad_length_beyond_the_content", base="liveness", do=pad_length(200), then=MALFORMED | silent(), ours=CBC,
        requirements=("7296-3.14-05",), severity="high",
    ),
    Case(
        "pad_length_beyond_the_content_with_gcm", base="liveness", do=pad_length(1), then=MALFORMED | silent(),
        ours=GCM, requirements=("7296-3.14-05",), severity="high",
    ),
    Case(
        "pad_length_beyond_the_content_in_auth", base="auth", do=pad_length(255), ours=CBC,
        then=refused(protected=True) & no_sa(), requirements=("7296-3.14-05",), severity="high",
    ),
    Case(
        "pad_length_takes_a_payload", base="create_child", do=pad_length(100), then=REFUSED & no_child(), ours=CBC,
        requirements=("7296-3.14-05",), severity="high",
    ),
    Case(
        "plaintext_flipped_inside", base="create_child", do=flip_inside(2, 0x7F), then=REFUSED & no_child(), ours=CBC,
        requirements=("7296-3.2-i02",), severity="high",
    ),
]  # fmt: skip


def _new_ivs(seen: Seen) -> str | None:
    """Whether the IVs of the peer's messages differ. A retransmission is the same message."""
    wires = {data for _, data in seen.datagrams if data[16] == 46}
    ivs = [data[32:40] for data in wires]
    if len(ivs) < 2:
        return f"{len(ivs)} protected messages"
    return None if len(set(ivs)) == len(ivs) else "an IV that was used before"


NEW_IVS: Outcome = judged("each of its messages has an IV of its own", _new_ivs)


THRICE = Base(
    name="liveness_thrice", exchange=ExchangeType.INFORMATIONAL,
    start=lambda s, t: [s.liveness(timeout=t) for _ in range(3)],
    provoke=lambda peer: [peer.liveness() for _ in range(3)],
)  # fmt: skip
"""Three requests one after the other."""

IVS = [
    Case(
        "iv_of_zeros_with_cbc", base="liveness", do=iv(bytes(16)), then=accepted() & alive(), ours=CBC,
        requirements=("7296-3.14-03",),
    ),
    Case(
        "iv_of_ones_with_gcm", base="liveness", do=iv(b"\xff" * 8), then=accepted() & alive(), ours=GCM,
        requirements=("7296-3.14-03",),
    ),
    Case(
        "iv_of_zeros_in_auth", base="auth", do=iv(bytes(16)), then=accepted() & alive(), ours=CBC,
        requirements=("7296-3.14-03",),
    ),
    Case(
        "iv_used_again_with_cbc", base=THRICE, do=iv(b"\x5a" * 16), then=accepted() & alive(), ours=CBC,
        requirements=("7296-3.14-03",),
    ),
    Case(
        "iv_of_zeros_in_response", base="liveness", at="response", do=iv(bytes(16)), then=taken() & alive(), ours=CBC,
        requirements=("7296-3.14-03",),
    ),
    Case(
        "iv_of_the_peer_with_cbc", base=THRICE, do=NOTHING, then=accepted() & NEW_IVS, ours=CBC, severity="high",
        requirements=("7296-3.14-03",), what="A peer uses a new IV for every message.",
    ),
    Case(
        "iv_of_the_peer_with_gcm", base=THRICE, do=NOTHING, then=accepted() & NEW_IVS, ours=GCM, severity="critical",
        what="A peer uses a new IV for every message: with GCM, a second use gives the key away.",
        requirements=("7296-3.14-03",),
    ),
    Case(
        "iv_of_the_peers_requests", base=THRICE, at="response round 1", do=insert_notify(40960),
        then=taken() & NEW_IVS, ours=GCM, severity="critical", requirements=("7296-3.14-03",),
    ),
]  # fmt: skip

AROUND = [
    Case(
        "payload_behind_sk", base="liveness", do=append_for_good(b"\0\0\0\x08fynx", honest=True),
        then=silent() & alive(), requirements=("7296-3.1-01",), severity="high",
    ),
    Case(
        "payload_behind_sk_in_response", base="liveness", at="response", then=asks_again(), severity="high",
        do=append_for_good(b"\0\0\0\x08fynx", honest=True), requirements=("7296-3.1-01",),
    ),
    Case(
        "sk_inside_sk", base="liveness", do=insert(IKEv2_Payload(payload_type=46, load=bytes(48)), at=0),
        then=REFUSED, requirements=("7296-3.1-01",), severity="high",
    ),
    Case(
        "sk_inside_sk_in_auth", base="auth", do=insert(IKEv2_Payload(payload_type=46, load=bytes(48)), at=0),
        then=REFUSED & no_sa(), requirements=("7296-3.1-01",), severity="high",
    ),
    Case(
        "skf_inside_sk", base="liveness", do=insert(IKEv2_Payload(payload_type=53, load=b"\0\1\0\1" + bytes(40)), at=0),
        then=REFUSED | (accepted() & alive()), requirements=("7296-3.1-01",), severity="low",
    ),
    Case(
        "sk_announces_nothing", base="create_child", do=set_field("SK.next_payload", 0), then=REFUSED & no_child(),
        requirements=("7296-3.2-i01",), severity="high",
    ),
    Case(
        "sk_announces_a_payload_that_is_not_there", base="liveness", do=set_field("SK.next_payload", 40),
        then=MALFORMED | silent(), requirements=("7296-3.2-i01",),
    ),
    Case(
        "sk_announces_another_payload", base="auth", do=set_field("SK.next_payload", 33), then=REFUSED & no_sa(),
        requirements=("7296-3.2-i01",), severity="high",
    ),
] + [
    Case(
        f"sk_length_{length}", base="liveness", do=set_field("SK.length", length), then=silent() & alive(),
        requirements=("7296-3.2-i02",), severity="high",
    )
    for length in (0, 3, 4, 65535)
] + [
    Case(
        "auth_without_payloads", base="auth", do=only(), then=REFUSED & no_sa(), source="RFC 7296 section 1.2",
        severity="high",
    ),
    Case(
        "create_child_without_payloads", base="create_child", do=only(), then=REFUSED & no_child(),
        source="RFC 7296 section 1.3",
    ),
    Case(
        "auth_of_30000_octets", base="auth", do=stuff(30_000), then=(accepted() & alive()) | REFUSED | deletes(),
        source="RFC 7296 section 2", severity="high",
    ),
    Case(
        "liveness_in_the_clear", base="liveness", do=in_the_clear(), then=silent() & alive(), severity="critical",
        requirements=("7296-1.4-01",),
    ),
    Case(
        "auth_in_the_clear", base="auth", do=in_the_clear(), then=(refused() | silent()) & no_sa(), severity="critical",
        source="RFC 7296 section 1.2",
    ),
    Case(
        "create_child_in_the_clear", base="create_child", do=in_the_clear(), then=silent() & no_child() & alive(),
        source="RFC 7296 section 1.3", severity="critical",
    ),
    Case(
        "delete_ike_in_the_clear", base="delete_ike", do=in_the_clear(), then=silent(), severity="critical",
        requirements=("7296-1.4-01",),
    ),
    Case(
        "response_in_the_clear", base="liveness", at="response", do=in_the_clear(), then=asks_again(),
        source="RFC 7296 section 1.4", severity="critical",
    ),
    Case(
        "auth_response_in_the_clear", base="connect", at="IKE_AUTH response", do=in_the_clear(),
        then=asks_again(), source="RFC 7296 section 1.2", severity="critical",
    ),
]  # fmt: skip

cases(__name__, [*INTEGRITY, *PADDING, *IVS, *AROUND])
