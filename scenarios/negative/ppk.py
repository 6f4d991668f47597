# SPDX-License-Identifier: GPL-2.0-or-later
"""Post-quantum pre-shared keys (RFC 8784): what an end without the right one gets, and what a downgrade looks like."""

from __future__ import annotations

from typing import Any

from fynx_scapy import IkeConfig, Ppk
from fynx_scapy.harness.cases import Case, accepted, alive, answered, carries, cases, deletes, no_sa
from fynx_scapy.harness.verbs import drop, duplicate, insert_notify, resize_field, set_field

KEY = Ppk("0x" + bytes(range(32)).hex(), "fynx-ppk")
OTHER = Ppk("0x" + bytes(32).hex(), "fynx-other-ppk")
WRONG = KEY.replace(secret=OTHER.secret)
PLAIN = IkeConfig(auth="fynx", local_id="alice", remote_id="bob")
FAILED = answered("AUTHENTICATION_FAILED", alone=True, protected=True) & no_sa()


def ends(ours: Ppk | None, theirs: Ppk | None, *, we: bool = False, they: bool = False) -> dict[str, Any]:
    """Both ends' PPKs, and who requires one."""
    mine = PLAIN.replace(ppk=ours, ppk_required=we)
    return {"ours": {"config": mine}, "peer": {"ppk": theirs, "ppk_required": they}}


cases(
    __name__,
    [
        Case(
            "ppk_wrong_key", base="auth", then=FAILED, **ends(WRONG, KEY), severity="critical",
            requirements=("8784-3-i08",),
            what="The PPK_ID is right and the PPK is not; NO_PPK_AUTH does not help an initiator whose PPK is wrong.",
        ),
        Case(
            "ppk_wrong_key_required", base="auth", then=FAILED, **ends(WRONG, KEY, we=True, they=True),
            severity="critical", requirements=("8784-3-i08",),
        ),
        Case(
            "ppk_required_and_not_announced", base="auth", then=FAILED, **ends(None, KEY, they=True),
            severity="critical", requirements=("8784-3-07",), source="RFC 8784 table 1",
        ),
        Case(
            "ppk_required_and_another_named", base="auth", then=FAILED, **ends(OTHER, KEY, they=True),
            severity="critical", requirements=("8784-3-07",),
            what="NO_PPK_AUTH with the right data does not do where the PPK is required.",
        ),
        Case(
            "ppk_another_named_without_no_ppk_auth", base="auth", then=FAILED, **ends(OTHER, KEY, we=True),
            severity="critical", requirements=("8784-3-07",),
        ),
        Case(
            "ppk_identity_missing", base="auth", do=drop("N(PPK_IDENTITY)"), then=FAILED, **ends(KEY, KEY),
            severity="critical", requirements=("8784-3-06",),
        ),
        Case(
            "ppk_identity_and_no_ppk_auth_missing", base="auth", do=drop("N(PPK_IDENTITY)", "N(NO_PPK_AUTH)"),
            then=FAILED, **ends(KEY, KEY, they=True), severity="critical", requirements=("8784-3-06",),
        ),
        Case(
            "ppk_identity_empty", base="auth", do=set_field("N(PPK_IDENTITY).notify", b""), then=FAILED,
            **ends(KEY, KEY, we=True), severity="high", requirements=("8784-3-07",),
        ),
        Case(
            "ppk_identity_type_alone", base="auth", do=set_field("N(PPK_IDENTITY).notify", b"\2"), then=FAILED,
            **ends(KEY, KEY, we=True), severity="high", requirements=("8784-3-07",),
        ),
        Case(
            "ppk_identity_of_another_type", base="auth", do=set_field("N(PPK_IDENTITY).notify", b"\1" + KEY.id),
            then=FAILED, **ends(KEY, KEY, we=True), severity="high", requirements=("8784-3-07",),
        ),
        Case(
            "ppk_identity_reserved_type", base="auth", do=set_field("N(PPK_IDENTITY).notify", b"\0" + KEY.id),
            then=FAILED, **ends(KEY, KEY, we=True), severity="high", requirements=("8784-3-07",),
        ),
        Case(
            "ppk_identity_long", base="auth", do=set_field("N(PPK_IDENTITY).notify", b"\2" + bytes(8000)),
            then=FAILED, **ends(KEY, KEY, we=True), severity="high", requirements=("8784-3-07",),
        ),
        Case(
            "no_ppk_auth_wrong", base="auth", do=set_field("N(NO_PPK_AUTH).notify", bytes(32)), then=FAILED,
            **ends(OTHER, KEY), severity="critical", requirements=("8784-3-i07",),
        ),
        Case(
            "no_ppk_auth_shorter", base="auth", do=resize_field("N(NO_PPK_AUTH).notify", 31), then=FAILED,
            **ends(OTHER, KEY), severity="critical", requirements=("8784-3-i07",),
        ),
        Case(
            "no_ppk_auth_empty", base="auth", do=set_field("N(NO_PPK_AUTH).notify", b""), then=FAILED,
            **ends(OTHER, KEY), severity="critical", requirements=("8784-3-i07",),
        ),
        Case(
            "no_ppk_auth_wrong_beside_a_ppk", base="auth", do=set_field("N(NO_PPK_AUTH).notify", bytes(32)),
            then=accepted("PPK_IDENTITY") & alive() & carries(), **ends(KEY, KEY), requirements=("8784-3-i08",),
            what="Where the responder has the PPK, AUTH counts, and not NO_PPK_AUTH.",
        ),
        Case(
            "no_ppk_auth_unannounced", base="auth", do=insert_notify("NO_PPK_AUTH", bytes(32)),
            then=accepted() & alive() & carries(), **ends(None, None), requirements=("8784-3-i03",),
        ),
        Case(
            "ppk_identity_unannounced", base="auth", do=insert_notify("PPK_IDENTITY", KEY.wire_id),
            then=accepted() & alive() & carries(), **ends(None, KEY), requirements=("8784-3-i05",),
            what="PPK_IDENTITY without USE_PPK of both ends means nothing.",
        ),
        Case(
            "use_ppk_twice", base="connect", at="IKE_SA_INIT request", do=duplicate("N(USE_PPK)"),
            then=accepted() & alive() & carries(), **ends(KEY, KEY), requirements=("8784-3-i04",),
        ),
        Case(
            "use_ppk_with_data", base="connect", at="IKE_SA_INIT request", do=set_field("N(USE_PPK).notify", b"x"),
            then=accepted() & alive() & carries(), **ends(KEY, KEY), requirements=("8784-3-i01",),
        ),
        Case(
            "ppk_confirmation_missing", base="auth", at="response", do=drop("N(PPK_IDENTITY)"), then=deletes(),
            **ends(KEY, KEY, they=True), severity="critical", requirements=("8784-3-10",),
        ),
        Case(
            "ppk_not_confirmed_by_one_that_used_it", base="auth", at="response", do=drop("N(PPK_IDENTITY)"),
            then=deletes(), **ends(KEY, KEY), severity="critical", requirements=("8784-3-10",),
            what="The initiator verifies AUTH without the PPK then, and it covers the PPK.",
        ),
        Case(
            "ppk_confirmed_with_data", base="auth", at="response",
            do=set_field("N(PPK_IDENTITY).notify", OTHER.wire_id),
            then=alive() & carries(), **ends(KEY, KEY, they=True), requirements=("8784-3-09",),
        ),
    ],
)  # fmt: skip
