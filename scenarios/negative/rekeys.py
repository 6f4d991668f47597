# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeying Child SAs and IKE SAs (RFC 7296 sections 1.3.2, 1.3.3, 2.8, 2.9.2 and 2.18)."""

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
    new_sa_unused,
    no_child,
    no_complaint,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    NOTHING,
    critical,
    drop,
    drop_transforms,
    duplicate,
    flip_icv,
    insert_unknown,
    ke_value,
    nonce_size,
    nonce_value,
    offer,
    proposal_protocol,
    reverse,
    selectors,
    send_again,
    set_body,
    set_field,
    set_transforms,
    spi_size,
    stuff,
    two_proposals,
)
from fynx_scapy.layers.ikev2 import IKEv2_KE, IKEv2_SA

UNKNOWN = b"\xde\xad\xbe\xef"
NOT_FOUND = answered("CHILD_SA_NOT_FOUND", protected=True) & no_child() & alive()
REFUSED = refused(protected=True) & no_child()


def new_ike_sa(seen: Seen) -> str | None:
    """Whether an answer set up another IKE SA: it has SA and KE."""
    made = [message for message in seen.to_it if message.encrypted and message.has(IKEv2_SA, IKEv2_KE)]
    return f"another IKE SA: {seen}" if made else None


NO_NEW_IKE_SA = judged("no new IKE SA", new_ike_sa)

cases(
    __name__,
    [
        # CREATE_CHILD_SA with REKEY_SA: which Child SA?
        Case(
            "rekey_unknown_spi", base="rekey_child", at="request round 1", do=set_field("N(REKEY_SA).SPI", UNKNOWN),
            then=answered("CHILD_SA_NOT_FOUND", protected=True) & no_child() & alive() & carries(), severity="high",
            requirements=("7296-2.25-05", "7296-2.21.3-01"),
        ),
        Case(
            "rekey_spi_of_zeros", base="rekey_child", at="request round 1",
            do=set_field("N(REKEY_SA).SPI", bytes(4)), then=NOT_FOUND, requirements=("7296-2.25-05",),
        ),
        Case(
            "rekey_protocol_none", base="rekey_child", at="request round 1", do=set_field("N(REKEY_SA).proto", 0),
            then=(answered("INVALID_SYNTAX") | answered("CHILD_SA_NOT_FOUND")) & no_child(), suites=("cve",),
            severity="high", requirements=("7296-1.3.3-i01",), source="CVE-2023-38710; RFC 7296 section 1.3.3",
        ),
        Case(
            "rekey_protocol_ike", base="rekey_child", at="request round 1", do=set_field("N(REKEY_SA).proto", 1),
            then=(answered("INVALID_SYNTAX") | answered("CHILD_SA_NOT_FOUND")) & no_child(), suites=("cve",),
            severity="high", requirements=("7296-1.3.3-i01",), source="CVE-2023-38710; RFC 7296 section 1.3.3",
        ),
        Case(
            "rekey_protocol_ah", base="rekey_child", at="request round 1", do=set_field("N(REKEY_SA).proto", 2),
            then=(answered("INVALID_SYNTAX") | answered("CHILD_SA_NOT_FOUND")) & no_child(), suites=("cve",),
            severity="high", requirements=("7296-1.3.3-i01",), source="CVE-2023-38710; RFC 7296 section 1.3.3",
        ),
        Case(
            "rekey_without_spi", base="rekey_child", at="request round 1", do=set_field("N(REKEY_SA).SPI", b""),
            then=(answered("INVALID_SYNTAX") | answered("CHILD_SA_NOT_FOUND")) & no_child(),
            requirements=("7296-2.25-05",),
        ),
        Case(
            "rekey_with_spi_of_eight", base="rekey_child", at="request round 1",
            do=set_field("N(REKEY_SA).SPI", bytes(8)),
            then=(answered("INVALID_SYNTAX") | answered("CHILD_SA_NOT_FOUND")) & no_child(),
            requirements=("7296-2.25-05",),
        ),
        Case(
            "rekey_names_two", base="rekey_child", do=duplicate("N(REKEY_SA)"),
            then=accepted() | REFUSED, requirements=("7296-1.3.3-01",), severity="low",
        ),
        Case(
            "rekey_narrower_selectors", base="rekey_child", do=selectors("TSr", "10.2.0.0/30"),
            then=(accepted() | REFUSED) & alive() & carries(), requirements=("7296-2.9.2-03",), severity="low",
        ),
        Case(
            "rekey_wider_selectors", base="rekey_child", do=selectors("TSr", "10.0.0.0/8"),
            then=accepted() & alive() & carries(), requirements=("7296-2.9.2-03", "7296-2.9.2-01"),
        ),
        Case(
            "rekey_foreign_selectors", base="rekey_child", do=selectors("TSr", "192.0.2.0/24"),
            then=answered("TS_UNACCEPTABLE", protected=True) & no_child() & alive() & carries(), severity="high",
            requirements=("7296-1.3.1-04", "7296-2.21.3-01"),
        ),
        Case(
            "rekey_foreign_cipher", base="rekey_child", do=set_transforms("ENCR", 65_000),
            then=answered("NO_PROPOSAL_CHOSEN", protected=True) & no_child() & alive() & carries(),
            requirements=("7296-1.3.1-04", "7296-2.21.3-01"),
        ),
        Case(
            "rekey_response_foreign_spi", base="rekey_child", at="response", do=set_transforms("ENCR", 65_000),
            then=alive(), severity="high", requirements=("7296-3.3.6-05",),
        ),
        Case(
            "rekey_response_narrower", base="rekey_child", at="response", do=selectors("TSi", "10.9.0.0/30"),
            then=alive(), severity="high", requirements=("7296-2.9.2-01",),
        ),
        Case(
            "rekey_repeated", base="rekey_child", do=send_again(2), then=accepted() & alive() & carries(),
            severity="high", requirements=("7296-2.1-02",),
        ),
        Case(
            "rekey_icv_wrong", base="rekey_child", do=flip_icv(), then=dropped() & alive() & carries(),
            severity="critical", requirements=("7296-3.14-06",),
        ),
        Case(
            "rekey_critical_unknown", base="rekey_child", do=insert_unknown(critical=True, at=0),
            then=answered("UNSUPPORTED_CRITICAL_PAYLOAD", b"\xc8") & no_child() & alive() & carries(),
            requirements=("7296-2.5-08",),
        ),
        Case(
            "rekey_unknown_payload", base="rekey_child", do=insert_unknown(at=0),
            then=accepted() & alive() & carries(), requirements=("7296-2.5-07", "7296-2.5-09"),
        ),
        Case(
            "rekey_in_another_order", base="rekey_child", do=reverse(), then=accepted() & alive() & carries(),
            requirements=("7296-2.5-11",),
        ),
        Case(
            "rekey_response_in_another_order", base="rekey_child", at="response", do=reverse(),
            then=alive() & carries(), requirements=("7296-2.5-11",),
        ),
        Case(
            "rekey_all_critical", base="rekey_child", do=critical(), then=accepted() & alive() & carries(),
            requirements=("7296-3.2-03",),
        ),
        Case(
            "rekey_nonce_too_short", base="rekey_child", do=nonce_size(15), then=REFUSED, severity="high",
            requirements=("7296-3.9-01",),
        ),
        Case(
            "rekey_nonce_too_long", base="rekey_child", do=nonce_size(257), then=REFUSED,
            requirements=("7296-3.9-01",),
        ),
        Case(
            "rekey_response_nonce_too_short", base="rekey_child", at="response", do=nonce_size(8),
            then=new_child_unused() & no_complaint(), severity="low", requirements=("7296-3.9-01",),
        ),
        # The IKE SA
        Case(
            "ike_rekey_without_ke", base="rekey_ike", do=drop("KE"),
            then=(answered("INVALID_SYNTAX") | answered("NO_PROPOSAL_CHOSEN") | answered("INVALID_KE_PAYLOAD"))
            & NO_NEW_IKE_SA,
            severity="high", requirements=("7296-1.3.2-01", "7296-2.18-01"),
        ),
        Case(
            "ike_rekey_group_none", base="rekey_ike", do=set_transforms("KE", 0) + drop("KE"),
            then=refused(protected=True) & NO_NEW_IKE_SA, severity="critical", requirements=("7296-2.18-02",),
        ),
        Case(
            "ike_rekey_group_none_with_ke", base="rekey_ike", do=set_transforms("KE", 0),
            then=refused(protected=True) & NO_NEW_IKE_SA, severity="critical", requirements=("7296-2.18-02",),
        ),
        Case(
            "ike_rekey_without_group", base="rekey_ike", do=drop_transforms("KE"),
            then=refused(protected=True) & NO_NEW_IKE_SA, severity="critical", requirements=("7296-2.18-02",),
        ),
        Case(
            "ike_rekey_ke_of_zero", base="rekey_ike", do=ke_value("zero"),
            then=(refused(protected=True) | silent()) & NO_NEW_IKE_SA, severity="critical",
            requirements=("7296-2.18-01",),
        ),
        Case(
            "ike_rekey_ke_too_short", base="rekey_ike", do=ke_value("short"),
            then=(refused(protected=True) | silent()) & NO_NEW_IKE_SA, severity="high",
            requirements=("7296-3.4-01",),
        ),
        Case(
            "ike_rekey_wrong_group", base="rekey_ike", do=set_field("KE.group", 14),
            then=refused(protected=True) & NO_NEW_IKE_SA & alive(), requirements=("7296-3.4-04",),
        ),
        Case(
            "ike_rekey_foreign_cipher", base="rekey_ike", do=set_transforms("ENCR", 65_000),
            then=answered("NO_PROPOSAL_CHOSEN", protected=True) & alive() & carries(), severity="high",
            requirements=("7296-2.21.3-01", "7296-2.7-03"),
        ),
        Case(
            "ike_rekey_spi_of_four", base="rekey_ike", do=spi_size(4),
            then=(refused(protected=True) | silent()) & NO_NEW_IKE_SA, requirements=("7296-3.3.1-04",),
        ),
        Case(
            "ike_rekey_without_spi", base="rekey_ike", do=spi_size(0),
            then=(refused(protected=True) | silent()) & NO_NEW_IKE_SA, requirements=("7296-3.3.1-04",),
        ),
        Case(
            "ike_rekey_spi_of_zeros", base="rekey_ike", do=proposal_protocol("IKE", bytes(8)),
            then=(refused(protected=True) | silent()) & NO_NEW_IKE_SA, severity="high", requirements=("7296-3.1-02",),
        ),
        Case(
            "ike_rekey_for_esp", base="rekey_ike", do=proposal_protocol("ESP", b"\0\0\1\1"),
            then=refused(protected=True) & NO_NEW_IKE_SA, requirements=("7296-2.7-02",),
        ),
        Case(
            "ike_rekey_without_nonce", base="rekey_ike", do=drop("Ni"), then=answered("INVALID_SYNTAX") & deletes(),
            requirements=("7296-3.10.1-04", "7296-2.21.3-i01"),
        ),
        Case(
            "ike_rekey_nonce_too_short", base="rekey_ike", do=nonce_size(15),
            then=refused(protected=True) & NO_NEW_IKE_SA, severity="high", requirements=("7296-3.9-01",),
        ),
        Case(
            "ike_rekey_no_proposal", base="rekey_ike", do=offer(), then=refused(protected=True) & NO_NEW_IKE_SA,
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "ike_rekey_sa_empty", base="rekey_ike", do=set_body("SA", b""),
            then=refused(protected=True) & NO_NEW_IKE_SA, requirements=("7296-3.10.1-04",),
        ),
        Case(
            "ike_rekey_repeated", base="rekey_ike", do=send_again(2), then=accepted() & alive(), severity="high",
            requirements=("7296-2.1-02",),
        ),
        Case(
            "ike_rekey_in_another_order", base="rekey_ike", do=reverse(), then=accepted(),
            requirements=("7296-2.5-11",),
        ),
        Case(
            "ike_rekey_response_two_choices", base="rekey_ike", at="response", do=two_proposals(),
            then=new_sa_unused() & no_complaint(),
            severity="high", requirements=("7296-3.3.6-05",),
        ),
        Case(
            "ike_rekey_response_unoffered", base="rekey_ike", at="response", do=set_transforms("ENCR", 65_000),
            then=alive(), severity="high", requirements=("7296-3.3.6-05",),
        ),
        Case(
            "ike_rekey_response_ke_of_zero", base="rekey_ike", at="response", do=ke_value("zero"),
            then=new_sa_unused() & no_complaint(),
            severity="critical", requirements=("7296-2.18-01",),
        ),
        Case(
            "ike_rekey_response_without_ke", base="rekey_ike", at="response", do=drop("KE"),
            then=new_sa_unused() & no_complaint(),
            severity="low", requirements=("7296-2.18-01",),
        ),
        Case(
            "ike_rekey_stuffed", base="rekey_ike", do=stuff(9000), then=accepted() | refused() | silent(),
            requirements=("7296-2-01",), severity="low",
        ),
        Case(
            "ike_rekey_same_nonce_bits", base="rekey_ike", do=nonce_value(bytes(32)), then=accepted(), severity="low",
            requirements=("7296-2.18-03",),
        ),
        Case(
            "ike_rekey_honest", base="rekey_ike", do=NOTHING, then=accepted() & alive(),
            requirements=("7296-2.18-03", "7296-2.18-01"),
        ),
    ],
)  # fmt: skip
