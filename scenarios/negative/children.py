# SPDX-License-Identifier: GPL-2.0-or-later
"""CREATE_CHILD_SA for another Child SA (RFC 7296 sections 1.3.1, 2.9, 2.21.3 and 2.22), and Child SAs of IKE_AUTH."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Case,
    Seen,
    accepted,
    alive,
    answered,
    carries,
    cases,
    deletes,
    dropped,
    judged,
    new_child_unused,
    no_child,
    no_complaint,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    add_to_message_id,
    add_transform,
    append_inside,
    critical,
    drop,
    drop_transforms,
    duplicate,
    empty_payload,
    extend,
    flip_icv,
    insert,
    insert_notify,
    insert_unknown,
    lose,
    many_proposals,
    many_selectors,
    many_transforms,
    no_proposals,
    nonce_size,
    notify_flood,
    offer,
    pad_length,
    proposal_protocol,
    reserved_everywhere,
    reverse,
    selector_field,
    selectors,
    send_again,
    set_length,
    set_transforms,
    spi_size,
    truncate_inside,
    truncate_payload,
    two_proposals,
    without_key_length,
)
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_Notify, IKEv2_SA

MALFORMED = answered("INVALID_SYNTAX", alone=True, protected=True) & no_child() & deletes()
"""INVALID_SYNTAX is fatal to the IKE SA (section 2.21.3)."""
KEPT = no_child() & alive() & carries()
"""The attempt fails, and costs neither the IKE SA nor the Child SA that there is (section 1.3.1)."""
NO_PROPOSAL = answered("NO_PROPOSAL_CHOSEN", protected=True) & KEPT
UNACCEPTABLE = answered("TS_UNACCEPTABLE", protected=True) & KEPT


def one_child(seen: Seen) -> str | None:
    """Whether a request made exactly one Child SA."""
    made = {bytes(layer.prop[0].SPI) for m in seen.answers for layer in m.payloads if isinstance(layer, IKEv2_SA)}
    return None if len(made) == 1 else f"{len(made)} Child SAs"


def no_ipcomp(seen: Seen) -> str | None:
    """Whether an answer agrees to compression."""
    agreed = [m for m in seen.answers for n in m.notifies if n.type == 16387]
    return f"compression agreed to: {seen}" if agreed else None


REJECTED = new_child_unused() & no_complaint()
ONE_CHILD = judged("one Child SA", one_child)
GCM = {"esp_proposals": "aes128gcm16"}
IPCOMP = IKEv2_Notify(type="IPCOMP_SUPPORTED", notify=b"\x12\x34\x02")

cases(
    __name__,
    [
        # Badly formatted
        Case(
            "child_without_nonce", base="create_child", do=drop("Ni"), then=MALFORMED, severity="high", suites=("cve",),
            requirements=("7296-2.21.3-i01", "7296-3.10.1-04"),
        ),
        Case(
            "child_without_sa", base="create_child", do=drop("SA"), then=refused(protected=True) & no_child(),
            requirements=("7296-2.21.3-01", "7296-3.10.1-04"),
        ),
        Case(
            "child_without_selectors", base="create_child", do=drop("TSi", "TSr"),
            then=refused(protected=True) & no_child(), requirements=("7296-2.21.3-01",),
        ),
        Case(
            "child_without_tsr", base="create_child", do=drop("TSr"), then=MALFORMED,
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "child_empty", base="create_child", do=drop("SA", "Ni", "TSi", "TSr"),
            then=answered("INVALID_SYNTAX", protected=True) & deletes(), requirements=("7296-2.21.3-01",),
        ),
        Case(
            "child_two_nonces", base="create_child", do=duplicate("Ni"), then=refused(protected=True) & no_child(),
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "child_two_sa_payloads", base="create_child", do=duplicate("SA"),
            then=refused(protected=True) & no_child(), requirements=("7296-3.10.1-04",),
        ),
        Case(
            "child_nonce_of_15", base="create_child", do=nonce_size(15), then=refused(protected=True) & no_child(),
            severity="high", requirements=("7296-3.9-01",),
        ),
        Case(
            "child_nonce_of_256", base="create_child", do=nonce_size(256), then=accepted() & alive() & carries(),
            requirements=("7296-3.9-01",),
        ),
        Case(
            "child_nonce_of_257", base="create_child", do=nonce_size(257), then=refused(protected=True) & no_child(),
            requirements=("7296-3.9-01",),
        ),
        Case(
            "child_payload_too_long", base="create_child", do=set_length("TSi", 5000), then=MALFORMED, severity="high",
            requirements=("7296-2.21.3-i01", "7296-3.10.1-04"),
        ),
        Case(
            "child_payload_without_length", base="create_child", do=set_length("SA", 0), then=MALFORMED,
            severity="high", requirements=("7296-2.21.3-i01",),
        ),
        Case(
            "child_sa_cut", base="create_child", do=truncate_payload("SA", 3),
            then=refused(protected=True) & no_child(), severity="high", requirements=("7296-3.3-04",),
        ),
        Case(
            "child_sa_empty", base="create_child", do=empty_payload("SA"), then=refused(protected=True) & no_child(),
            requirements=("7296-3.3-04",),
        ),
        Case(
            "child_pad_length", base="create_child", do=pad_length(255), then=(MALFORMED | silent()) & no_child(),
            severity="high", requirements=("7296-2.21.3-i01",),
        ),
        Case(
            "child_cut_inside", base="create_child", do=truncate_inside(20),
            then=(refused(protected=True) | silent()) & no_child(), severity="high", requirements=("7296-3.10.1-04",),
        ),
        Case(
            "child_octets_behind", base="create_child", do=append_inside(b"\1\2\3"),
            then=(refused(protected=True) | silent()) & no_child(), requirements=("7296-3.10.1-04",),
        ),
        # Unacceptable
        Case(
            "child_foreign_cipher", base="create_child", do=set_transforms("ENCR", 65_000), then=NO_PROPOSAL,
            requirements=("7296-1.3.1-04", "7296-2.21.3-01", "7296-2.7-03"),
        ),
        Case(
            "child_without_cipher", base="create_child", do=drop_transforms("ENCR"), then=NO_PROPOSAL,
            requirements=("7296-3.3.6-06",),
        ),
        Case(
            "child_key_length_missing", base="create_child", do=without_key_length(), ours=GCM, then=NO_PROPOSAL,
            severity="high", requirements=("7296-3.3.5-05",),
        ),
        Case(
            "child_no_proposals", base="create_child", do=no_proposals(), then=refused(protected=True) & no_child(),
            requirements=("7296-3.3-04",),
        ),
        Case(
            "child_offer_of_nothing", base="create_child", do=offer(), then=refused(protected=True) & no_child(),
            requirements=("7296-3.3-04",),
        ),
        Case(
            "child_proposal_for_ike", base="create_child", do=proposal_protocol("IKE"),
            then=refused(protected=True) & no_child(), severity="high", requirements=("7296-2.7-02",),
        ),
        Case(
            "child_proposal_for_ah", base="create_child", do=proposal_protocol("AH"),
            then=refused(protected=True) & KEPT, requirements=("7296-2.7-02",),
        ),
        Case(
            "child_spi_missing", base="create_child", do=spi_size(0), then=refused(protected=True) & no_child(),
            severity="high", requirements=("7296-3.3.1-04",),
        ),
        Case(
            "child_spi_of_three", base="create_child", do=spi_size(3), then=refused(protected=True) & no_child(),
            severity="high", requirements=("7296-3.3.1-04",),
        ),
        Case(
            "child_spi_of_eight", base="create_child", do=spi_size(8), then=refused(protected=True) & no_child(),
            severity="high", requirements=("7296-3.3.1-04",),
        ),
        Case(
            "child_spi_zero", base="create_child", do=proposal_protocol("ESP", bytes(4)),
            then=refused(protected=True) & no_child(), severity="high", requirements=("4303-2.1-06",),
        ),
        Case(
            "child_unknown_transform_type", base="create_child", do=add_transform(200, 1), ours=GCM, then=NO_PROPOSAL,
            requirements=("7296-3.3.6-06",),
        ),
        Case(
            "child_many_transforms", base="create_child", do=many_transforms(200),
            then=(accepted() & alive()) | ((refused() | silent()) & no_child()), severity="high",
            requirements=("7296-3.3-04",),
        ),
        Case(
            "child_many_proposals", base="create_child", do=many_proposals(40),
            then=(accepted() & alive()) | ((refused() | silent()) & no_child()), severity="high",
            requirements=("7296-3.3.6-02",),
        ),
        Case(
            "child_foreign_selectors", base="create_child", do=selectors("TSr", "192.0.2.0/24"), then=UNACCEPTABLE,
            requirements=("7296-2.9-i02", "7296-1.3.1-04"),
        ),
        Case(
            "child_selector_backwards", base="create_child",
            do=selector_field("TSr", "starting_address_v4", "10.2.0.9")
            + selector_field("TSr", "ending_address_v4", "10.2.0.1"),
            then=refused(protected=True) & no_child(), requirements=("7296-2.21.3-01",),
        ),
        Case(
            "child_selector_type_unknown", base="create_child", do=selector_field("TSr", "TS_type", 200),
            then=refused(protected=True) & no_child(), requirements=("7296-2.9-i01",),
        ),
        Case(
            "child_many_selectors", base="create_child", do=many_selectors("TSi", 255),
            then=(accepted() & alive()) | ((refused() | silent()) & no_child()), severity="high",
            requirements=("7296-3.13-i01",),
        ),
        Case(
            "child_selector_count_wrong", base="create_child", do=many_selectors("TSi", 256),
            then=refused(protected=True) & no_child(), severity="high", requirements=("7296-3.10.1-04",),
        ),
        Case(
            "child_ke_not_agreed_on", base="create_child", do=insert(IKEv2_KE(group=31, ke=bytes(range(32))), at=2),
            then=(accepted() & alive() & carries()) | (refused(protected=True) & no_child()),
            requirements=("7296-3.4-03",),
        ),
        Case(
            "child_ipcomp_asked", base="create_child", do=insert(IPCOMP, at=1),
            then=accepted() & judged("no compression", no_ipcomp) & carries(), requirements=("7296-2.22-04",),
        ),
        Case(
            "child_ipcomp_unasked_in_response", base="create_child", at="response", do=insert(IPCOMP, at=1),
            then=alive(), requirements=("7296-2.22-04",),
        ),
        Case(
            "child_ipcomp_twice_in_response", base="create_child", at="response",
            do=insert(IPCOMP, at=1) + insert(IPCOMP, at=1), then=alive(), requirements=("7296-2.22-i01",),
        ),
        # Forward compatible
        Case(
            "child_unknown_payload", base="create_child", do=insert_unknown(at=0),
            then=accepted() & alive() & carries(), requirements=("7296-2.5-07", "7296-2.5-09"),
        ),
        Case(
            "child_critical_unknown", base="create_child", do=insert_unknown(critical=True, at=0),
            then=answered("UNSUPPORTED_CRITICAL_PAYLOAD", b"\xc8", protected=True) & KEPT, severity="high",
            requirements=("7296-2.5-08",),
        ),
        Case(
            "child_all_critical", base="create_child", do=critical(), then=accepted() & alive() & carries(),
            requirements=("7296-3.2-03",),
        ),
        Case(
            "child_all_reserved", base="create_child", do=reserved_everywhere(), then=accepted() & alive() & carries(),
            requirements=("7296-2.5-06", "7296-3.2-06", "7296-3.3.1-01", "7296-3.3.2-01", "7296-3.13-01"),
        ),
        Case(
            "child_response_all_reserved", base="create_child", at="response", do=reserved_everywhere(),
            then=alive() & carries(), requirements=("7296-2.5-06",),
        ),
        Case(
            "child_in_another_order", base="create_child", do=reverse(), then=accepted() & alive() & carries(),
            requirements=("7296-2.5-11",),
        ),
        Case(
            "child_unknown_status", base="create_child", do=insert_notify(40_000, b"\1", at=0),
            then=accepted() & alive(), requirements=("7296-3.10.1-02",),
        ),
        Case(
            "child_unknown_error_in_request", base="create_child", do=insert_notify(9_000, at=0),
            then=accepted() & alive(), requirements=("7296-3.10.1-02",),
        ),
        Case(
            "child_unknown_error_in_response", base="create_child", at="response",
            do=drop("SA", "Nr", "TSi", "TSr") + insert_notify(8_190), then=alive(),
            requirements=("7296-3.10.1-01",),
        ),
        Case(
            "child_notify_flood", base="create_child", do=notify_flood(150),
            then=(accepted() & alive()) | ((refused() | silent()) & no_child()), severity="high",
            requirements=("7296-3.10.1-02",),
        ),
        # Responses that choose what was not offered
        Case(
            "child_response_unoffered", base="create_child", at="response", do=set_transforms("ENCR", 65_000),
            then=REJECTED, severity="critical", requirements=("7296-3.3.6-05",),
        ),
        Case(
            "child_response_two_choices", base="create_child", at="response", do=two_proposals(), then=REJECTED,
            severity="high", requirements=("7296-3.3.6-05",),
        ),
        Case(
            "child_response_other_protocol", base="create_child", at="response", do=proposal_protocol("AH"),
            then=REJECTED, severity="high", requirements=("7296-2.7-02", "7296-3.3.6-05"),
        ),
        Case(
            "child_response_malformed", base="create_child", at="response", do=set_length("TSi", 5000),
            then=REJECTED, severity="low", requirements=("7296-2.21-i02",),
        ),
        # Repeated, changed, late
        Case(
            "child_repeated", base="create_child", do=send_again(3), then=accepted() & ONE_CHILD & alive(),
            severity="high", requirements=("7296-2.1-02", "7296-2.1-05"),
        ),
        Case(
            "child_lost_once", base="create_child", do=lose(), then=dropped() & ONE_CHILD & alive(),
            requirements=("7296-2.1-02",),
        ),
        Case(
            "child_icv_wrong", base="create_child", do=flip_icv(), then=dropped() & ONE_CHILD & alive(),
            severity="critical", requirements=("7296-3.14-06", "7296-3.10.1-i01"),
        ),
        Case(
            "child_extended", base="create_child", do=extend(8), then=dropped() & alive(),
            requirements=("7296-3.1-i03",),
        ),
        Case(
            "child_outside_the_window", base="create_child", do=add_to_message_id(5), then=silent() & KEPT,
            severity="high", requirements=("7296-2.3-09",),
        ),
    ],
)  # fmt: skip
