# SPDX-License-Identifier: GPL-2.0-or-later
"""Key exchange (RFC 7296 sections 1.2, 1.3 and 3.4, RFC 6989, RFC 8031): values, groups, INVALID_KE_PAYLOAD."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.harness.cases import (
    Case,
    Heard,
    Seen,
    accepted,
    alive,
    answered,
    carries,
    cases,
    chooses,
    chooses_nothing,
    gives_up,
    goes_on,
    judged,
    no_child,
    refused,
    retries,
    sends,
    silent,
    taken,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    add_transform,
    drop,
    flip_bits,
    insert,
    ke_value,
    only_notify,
    set_field,
    set_header,
)
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_SA, IKEv2_VendorID

MODP = {"proposals": "aes128gcm16-prfsha256-modp2048"}
X25519 = {"proposals": "aes128gcm16-prfsha256-x25519"}
ECP256 = {"proposals": "aes128gcm16-prfsha256-ecp256"}
PFS = {"esp_proposals": "aes128gcm16-x25519"}
BOTH = {"proposals": "aes128gcm16-prfsha256-x25519-ecp256"}
REFUSED = (refused(protected=False) | silent()) & chooses_nothing()
REFUSED_INSIDE = refused(protected=True) & no_child()

RANGE = ("zero", "one", "p-1", "p", "ones")
"""Public values of a MODP group that are not between 1 and p - 1 (RFC 6989 section 2.1)."""
SIZES = ("short", "long", "empty", "double")


def _named(kind: str) -> str:
    return kind.replace("-", "_minus_")


VALUES = [
    Case(
        f"ke_modp_{_named(kind)}", base="init", do=ke_value(kind), then=REFUSED, ours=MODP, severity="critical",
        source="RFC 6989 section 2.1",
    )
    for kind in RANGE
] + [
    Case(
        f"ke_{name}_{kind}", base="init", do=ke_value(kind), then=REFUSED, ours=group, severity="high",
        requirements=("7296-3.4-01",) if name == "modp" else (),
        source="" if name == "modp" else "RFC 7296 section 3.4",
    )
    for name, group in (("modp", MODP), ("x25519", X25519), ("ecp256", ECP256)) for kind in SIZES
] + [
    Case(
        "ke_x25519_zero", base="init", do=ke_value("zero"), then=REFUSED, ours=X25519, severity="critical",
        source="RFC 8031 section 3.2",
    ),
    Case(
        "ke_x25519_one", base="init", do=set_field("KE.ke", b"\1" + bytes(31)), then=REFUSED, ours=X25519,
        severity="critical", source="RFC 8031 section 3.2",
    ),
    Case(
        "ke_x25519_of_order_eight", base="init", then=REFUSED, ours=X25519, severity="critical",
        do=set_field("KE.ke", bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")),
        source="RFC 8031 section 3.2",
    ),
] + [
    Case(
        f"ke_ecp256_{kind}", base="init", do=ke_value(kind), then=REFUSED, ours=ECP256, severity="critical",
        source="RFC 6989 section 2.3",
    )
    for kind in ("zero", "ones", "random")
] + [
    Case(
        "ke_ecp256_off_the_curve", base="init", do=flip_bits("KE.ke"), then=REFUSED, ours=ECP256, severity="critical",
        source="RFC 6989 section 2.3",
    ),
    Case(
        "ke_ecp256_of_x_only", base="init", do=set_field("KE.ke", bytes(31) + b"\5"), then=REFUSED, ours=ECP256,
        source="RFC 5903 section 7",
    ),
] + [
    Case(
        f"ke_{name}_{_named(kind)}_in_response", base="connect", at="IKE_SA_INIT response", do=ke_value(kind),
        then=gives_up(), ours=group, severity="critical",
        requirements=("7296-3.4-01",) if kind in SIZES else (), source="" if kind in SIZES else "RFC 6989 section 2",
    )
    for name, group, kinds in (
        ("modp", MODP, ("zero", "one", "p-1", "short", "long")), ("x25519", X25519, ("zero", "short", "empty")),
        ("ecp256", ECP256, ("zero", "random", "long")),
    )
    for kind in kinds
] + [
    Case(
        f"ke_{kind}_in_{base}", base=base, do=ke_value(kind), then=REFUSED_INSIDE, ours=PFS, severity="critical",
        source="RFC 8031 section 3.2",
    )
    for base in ("create_child", "rekey_child", "rekey_ike") for kind in ("zero", "short", "long")
]  # fmt: skip

GROUPS = [
    Case(
        "ke_of_a_group_not_offered", base="init", do=set_field("KE.group", 14), ours=X25519,
        then=answered("INVALID_KE_PAYLOAD", b"\0\x1f", alone=True, protected=False),
        requirements=("7296-3.4-02", "7296-3.4-04", "7296-1.3-i01"), at="IKE_SA_INIT request round 1",
    ),
    Case(
        "ke_of_group_none", base="init", do=set_field("KE.group", 0), ours=X25519, at="IKE_SA_INIT request round 1",
        then=refused(protected=False) | silent(), requirements=("7296-3.4-04",),
    ),
    Case(
        "ke_of_an_unknown_group", base="init", do=set_field("KE.group", 65535), ours=X25519,
        then=refused(protected=False) | silent(), requirements=("7296-3.4-04",), at="IKE_SA_INIT request round 1",
    ),
    Case(
        "ke_of_another_group", base="init", ours=BOTH, peer=ECP256, at="IKE_SA_INIT request round 1", do=NOTHING,
        then=answered("INVALID_KE_PAYLOAD", b"\0\x13", alone=True, protected=False),
        requirements=("7296-1.2-i02", "7296-3.4-04", "7296-1.3-i01"),
        what="A responder that wants another of the offered groups says which, in two octets.",
    ),
    Case(
        "ke_of_another_group_in_create_child", base="create_child", at="request round 1", do=NOTHING, severity="high",
        ours={"esp_proposals": "aes128gcm16-x25519-ecp256"}, peer={"esp_proposals": "aes128gcm16-ecp256"},
        then=answered("INVALID_KE_PAYLOAD", b"\0\x13", alone=True, protected=True) & alive(),
        requirements=("7296-1.3-06", "7296-3.4-04", "7296-1.3-i01"),
        what="CREATE_CHILD_SA with a KE payload of another group than the responder chooses is refused.",
    ),
    Case(
        "ke_of_a_group_not_offered_in_create_child", base="create_child", do=set_field("KE.group", 14), ours=PFS,
        then=answered("INVALID_KE_PAYLOAD", b"\0\x1f", alone=True, protected=True) & alive(), at="request round 1",
        requirements=("7296-1.3-06", "7296-3.4-04"), severity="high",
    ),
    Case(
        "ke_of_a_group_not_offered_in_rekey_ike", base="rekey_ike", do=set_field("KE.group", 14), severity="high",
        ours=X25519, then=answered("INVALID_KE_PAYLOAD", b"\0\x1f", alone=True, protected=True), at="request round 1",
        requirements=("7296-1.3-06", "7296-3.4-04"),
    ),
    Case(
        "ke_left_out_of_create_child", base="create_child", do=drop("KE"), ours=PFS, at="request round 1",
        then=refused(protected=True) & alive(), requirements=("7296-1.3-04",), severity="critical",
    ),
    Case(
        "ke_left_out_of_rekey_ike", base="rekey_ike", do=drop("KE"), ours=X25519, then=REFUSED_INSIDE,
        requirements=("7296-1.3-04",), severity="critical",
    ),
    Case(
        "ke_without_a_group_in_sa", base="create_child", do=insert(IKEv2_KE(group=31, ke=b"\x09" + bytes(31)), at=2),
        then=(accepted() & carries()) | REFUSED_INSIDE, requirements=("7296-3.4-03",),
    ),
    Case(
        "ke_beside_group_none", base="create_child", do=add_transform("KE", 0), ours=PFS,
        peer={"esp_proposals": "aes128gcm16"}, requirements=("7296-3.3.6-11",),
        then=accepted() & carries() & (chooses(1, ke=0) | chooses(1, ke=None))
        & sends("it sends no KE", lambda message: "KE" if message.has(IKEv2_KE) else None),
    ),
]  # fmt: skip


def _init_requests(seen: Seen) -> list[Heard]:
    return [message for message in (*seen.earlier, *seen.heard) if message.exchange == 34 and not message.response]


def _full_offer(seen: Seen) -> str | None:
    first, *others = _init_requests(seen)
    if not others:
        return f"no second request: {seen}"
    offers = [_offer(message) for message in (first, *others)]
    return None if set(offers) == {offers[0]} else "another offer in the second request"


def _offer(message: Heard) -> frozenset[frozenset[bytes]]:
    """The transforms of each proposal in a request. Their order is a preference, which may change for the retry."""
    sa = next(payload for payload in message.payloads if isinstance(payload, IKEv2_SA))
    # Without its first four octets, which say whether another one follows.
    return frozenset(frozenset(bytes(transform)[4:] for transform in each.trans) for each in sa.prop)


def _group(wanted: int) -> Callable[[Seen], str | None]:
    def judge(seen: Seen) -> str | None:
        last = _init_requests(seen)[-1]
        group = next((int(p.group) for p in last.payloads if isinstance(p, IKEv2_KE)), None)
        return None if group == wanted else f"a KE payload of group {group}"

    return judge


SAME_OFFER = judged("it offers the same proposals again", _full_offer)
GROUP_19 = judged("its last KE payload is of group 19", _group(19))
GROUP_31 = judged("its last KE payload is of group 31", _group(31))


def _followed(name: str, data: bytes) -> Case:
    """An INVALID_KE_PAYLOAD that an initiator must not follow."""
    return Case(
        f"invalid_ke_{name}",
        base="connect",
        at="IKE_SA_INIT response",
        severity="high",
        peer=BOTH,
        ours=BOTH,
        do=only_notify("INVALID_KE_PAYLOAD", data) + set_header(resp_SPI=bytes(8)),
        then=gives_up() & GROUP_31,
        requirements=("7296-1.3-i01",),
    )


RETRIES = [
    Case(
        "invalid_ke_is_followed", base="connect", at="IKE_SA_INIT response round 1", do=NOTHING, ours=ECP256, peer=BOTH,
        then=retries() & taken() & goes_on() & SAME_OFFER & GROUP_19,
        requirements=("7296-1.2-04", "7296-1.2-05", "7296-3.3.6-09", "7296-3.3.6-10"), severity="high",
        what="An initiator follows INVALID_KE_PAYLOAD to the group, and offers all its proposals again.",
    ),
    Case(
        "invalid_ke_beside_a_vendor_id", base="connect", at="IKE_SA_INIT response round 1",
        do=insert(IKEv2_VendorID(vendorID=b"fynx"), at=0), ours=ECP256, peer=BOTH, requirements=("7296-1.2-04",),
        then=retries() & taken() & goes_on() & SAME_OFFER & GROUP_19,
    ),
    _followed("of_a_group_not_offered", b"\0\x0e"),
    _followed("of_the_same_group", b"\0\x1f"),
    _followed("of_group_none", b"\0\0"),
    _followed("without_group", b""),
    _followed("of_one_octet", b"\x13"),
    _followed("of_three_octets", b"\0\x13\0"),
    Case(
        "invalid_ke_again_and_again", base="connect", at="IKE_SA_INIT response", peer=BOTH, ours=ECP256,
        do=only_notify("INVALID_KE_PAYLOAD", b"\0\x13") + set_header(resp_SPI=bytes(8)),
        then=gives_up() & judged(
            "it sends at most ten different requests",
            lambda seen: None if len(_init_requests(seen)) <= 10 else f"{len(_init_requests(seen))} requests",
        ),
        requirements=("7296-3.3.6-09",),
    ),
]  # fmt: skip

cases(__name__, [*VALUES, *GROUPS, *RETRIES])
