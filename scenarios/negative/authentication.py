# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_AUTH and AUTH (RFC 7296 sections 1.2, 2.15 and 2.21.2): who may pass, and what is refused."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Case,
    accepted,
    alive,
    answered,
    carries,
    cases,
    deletes,
    dropped,
    no_sa,
    refused,
    silent,
)
from fynx_scapy.harness.verbs import (
    append_inside,
    auth_method,
    critical,
    drop,
    duplicate,
    empty_payload,
    extend_payload,
    flip_icv,
    identity,
    insert,
    insert_notify,
    insert_unknown,
    move_last,
    notify_flood,
    pad_length,
    resize_field,
    retype,
    reverse,
    set_field,
    set_length,
    spoil_auth,
    stuff,
    swap,
    truncate_payload,
)
from fynx_scapy.layers.ikev2 import IKEv2_CERTREQ, IKEv2_IDi, IKEv2_KE, IKEv2_Nonce

FAILED = answered("AUTHENTICATION_FAILED", alone=True, protected=True) & no_sa()
MALFORMED = answered("INVALID_SYNTAX", alone=True, protected=True) & no_sa()

cases(
    __name__,
    [
        Case(
            "auth_spoilt", base="auth", do=spoil_auth(), then=FAILED, severity="critical",
            requirements=("7296-1.2-02", "7296-2.21.2-01", "7296-2.21.2-i01"),
        ),
        Case(
            "auth_spoilt_in_response", base="auth", at="response", do=spoil_auth(), then=deletes(), severity="critical",
            requirements=("7296-1.2-02",),
        ),
        Case(
            "auth_shorter", base="auth", do=resize_field("AUTH.load", 31), then=FAILED, severity="critical",
            requirements=("7296-1.2-02",),
        ),
        Case(
            "auth_longer", base="auth", do=set_field("AUTH.load", bytes(64)), then=FAILED, severity="critical",
            requirements=("7296-1.2-02",),
        ),
        Case(
            "auth_without_data", base="auth", do=set_field("AUTH.load", b""),
            then=(refused() | silent()) & no_sa(), severity="critical", requirements=("7296-1.2-02",),
        ),
        Case(
            "auth_of_zeros", base="auth", do=set_field("AUTH.load", bytes(32)), then=FAILED, severity="critical",
            requirements=("7296-1.2-02",),
        ),
        Case(
            "auth_of_zeros_in_response", base="auth", at="response", do=set_field("AUTH.load", bytes(32)),
            then=deletes(), severity="critical", requirements=("7296-1.2-02",),
        ),
        Case(
            "auth_method_not_ours", base="auth", do=auth_method("Digital_Signature"), then=FAILED | MALFORMED,
            severity="critical", requirements=("7296-2.21.2-01",),
        ),
        Case(
            "auth_method_null", base="auth", do=auth_method(13), then=FAILED, severity="critical",
            requirements=("7296-2.21.2-01",),
        ),
        Case(
            "auth_method_unknown", base="auth", do=auth_method(200), then=FAILED, severity="critical",
            requirements=("7296-2.21.2-01",),
        ),
        Case(
            "auth_method_null_in_response", base="auth", at="response", do=auth_method(13), then=deletes(),
            severity="critical", requirements=("7296-1.2-02",),
        ),
        Case(
            "no_auth_payload", base="auth", do=drop("AUTH"), then=(refused(protected=True) | silent()) & no_sa(),
            severity="critical", requirements=("7296-1.2-02",),
            what="Without AUTH the initiator asks for EAP (section 2.16); a responder without it authenticates nobody.",
        ),
        Case(
            "no_auth_payload_in_response", base="auth", at="response", do=drop("AUTH"), then=deletes(),
            severity="critical", requirements=("7296-1.2-02",),
        ),
        Case(
            "no_idr_in_response", base="auth", at="response", do=drop("IDr"), sign="before", then=deletes(),
            severity="critical", requirements=("7296-1.2-02",),
        ),
        Case(
            "two_auth_payloads", base="auth", do=duplicate("AUTH"), then=(refused() | silent()) & no_sa(),
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "name_of_another", base="auth", do=identity("mallory@example.org"), then=FAILED, severity="critical",
            requirements=("7296-1.2-03", "7296-2.21.2-01"),
            what="The key is alice's, and AUTH covers the name, but the name is not the one that the key belongs to.",
        ),
        Case(
            "name_of_another_in_response", base="auth", at="response", do=identity("mallory@example.org"),
            then=deletes(), severity="critical", requirements=("7296-1.2-03",),
        ),
        Case(
            "name_changed_behind_auth", base="auth", do=identity("alicf"),
            then=FAILED, sign="before", severity="critical", requirements=("7296-1.2-02", "7296-2.15-i01"),
        ),
        Case(
            "id_reserved_covered", base="auth", do=set_field("IDi.res2", 0xFFFFFF),
            then=accepted() & alive(), requirements=("7296-2.15-i01", "7296-3.5-01"),
        ),
        Case(
            "id_reserved_not_covered", base="auth", do=set_field("IDi.res2", 0xFFFFFF), then=FAILED,
            sign="before", severity="critical", requirements=("7296-2.15-i01",),
        ),
        Case(
            "auth_reserved", base="auth", do=set_field("AUTH.res2", 0xFFFFFF), then=accepted() & alive(),
            requirements=("7296-3.8-02",),
        ),
        Case(
            "id_with_nul", base="auth", do=set_field("IDi.ID", b"alice\0"), then=FAILED, severity="high",
            requirements=("7296-3.5-02",),
        ),
        Case(
            "id_mail_with_nul", base="auth", do=set_field("IDi.IDtype", 3) + set_field("IDi.ID", b"a@b.example\0"),
            then=FAILED, severity="high", requirements=("7296-3.5-03",),
        ),
        Case(
            "id_empty", base="auth", do=set_field("IDi.ID", b""), then=(refused() | silent()) & no_sa(),
            requirements=("7296-1.2-03",),
        ),
        Case(
            "id_address_too_short", base="auth", do=set_field("IDi.IDtype", 1) + set_field("IDi.ID", b"\x0a\1"),
            then=(refused() | silent()) & no_sa(), requirements=("7296-3.10.1-04",),
        ),
        Case(
            "id_type_unknown", base="auth", do=set_field("IDi.IDtype", 250), then=(refused() | silent()) & no_sa(),
            requirements=("7296-1.2-03",),
        ),
        Case(
            "id_of_thousands", base="auth", do=set_field("IDi.ID", b"a" * 4000), then=FAILED, severity="high",
            requirements=("7296-1.2-03",), suites=("cve",), source="CVE-2025-9242; RFC 7296 section 3.5",
        ),
        Case(
            "init_changed_on_the_path", base="connect", at="IKE_SA_INIT request", do=insert_notify(40000),
            sign="before", then=FAILED, severity="critical", requirements=("7296-2.15-i02",),
        ),
        Case(
            "init_with_unknown_payload_signed", base="connect", at="IKE_SA_INIT request", do=insert_unknown(at=4),
            then=accepted() & alive(), requirements=("7296-2.15-i02",),
        ),
        Case(
            "init_response_changed_on_the_path", base="connect", at="IKE_SA_INIT response", do=insert_notify(40000),
            sign="before", then=deletes(), severity="critical", requirements=("7296-2.15-i02",),
        ),
        Case(
            "auth_with_ke_and_nonce", base="auth",
            do=insert(IKEv2_KE(group=31, ke=bytes(32)), at=2) + insert(IKEv2_Nonce(nonce=bytes(32)), at=2),
            then=(accepted() & alive()) | ((refused() | silent()) & no_sa()), requirements=("7296-1.2-i05",),
        ),
        Case(
            "auth_certreq_for_unknown_ca", base="auth",
            do=insert(IKEv2_CERTREQ(cert_encoding=4, cert_authority=bytes(20)), at=1),
            then=accepted() & alive(), requirements=("7296-3.7-i01",),
        ),
        Case(
            "auth_critical_unknown", base="auth", do=insert_unknown(critical=True),
            then=answered("UNSUPPORTED_CRITICAL_PAYLOAD", b"\xc8", alone=True, protected=True) & no_sa(),
            severity="high", requirements=("7296-2.21.2-03", "7296-2.5-08"),
        ),
        Case(
            "auth_critical_unknown_in_response", base="auth", at="response", do=insert_unknown(critical=True),
            then=deletes(), requirements=("7296-2.21.2-i03",),
        ),
        Case(
            "auth_second_idi", base="auth", do=insert(IKEv2_IDi(IDtype=2, ID=b"mallory"), at=0),
            then=(refused() | silent()) & no_sa(), severity="critical", requirements=("7296-1.2-03",),
        ),
        Case(
            "auth_idi_missing", base="auth", do=drop("IDi"), then=MALFORMED,
            requirements=("7296-2.21.2-03", "7296-3.10.1-04"),
        ),
        Case(
            "auth_sa_missing", base="auth", do=drop("SA"),
            # "the IKE SA is still created as usual" where only the Child SA fails (RFC 7296 section 1.2)
            then=(refused() | silent()) & (no_sa() | answered("NO_PROPOSAL_CHOSEN")),
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "auth_ts_missing", base="auth", do=drop("TSr"),
            then=(refused() | silent()) & (no_sa() | answered("TS_UNACCEPTABLE")),
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "auth_payload_too_long", base="auth", do=set_length("TSr", 4000), then=MALFORMED, severity="high",
            requirements=("7296-2.21.2-03",),
        ),
        Case(
            "auth_payload_too_short", base="auth", do=set_length("IDi", 3), then=MALFORMED, severity="high",
            requirements=("7296-2.21.2-03",),
        ),
        Case(
            "auth_malformed_response", base="auth", at="response", do=set_length("TSr", 4000), then=deletes(),
            requirements=("7296-2.21.2-i03",),
        ),
        Case(
            "auth_padding_too_long", base="auth", do=pad_length(255), then=(MALFORMED | silent()) & no_sa(),
            severity="high", requirements=("7296-2.21.2-03",),
        ),
        Case(
            "auth_octets_behind", base="auth", do=append_inside(b"\0\0"), then=(MALFORMED | silent()) & no_sa(),
            requirements=("7296-2.21.2-03",),
        ),
        Case(
            "auth_icv_wrong", base="auth", do=flip_icv(), then=dropped() & alive(),
            requirements=("7296-1.2-02",), severity="critical",
        ),
        Case(
            "auth_empty_auth", base="auth", do=empty_payload("AUTH"), then=(refused() | silent()) & no_sa(),
            severity="critical", requirements=("7296-2.21.2-03",),
        ),
        Case(
            "auth_idi_as_certificate", base="auth", do=retype("IDi", 37), then=(refused() | silent()) & no_sa(),
            requirements=("7296-3.10.1-04",),
        ),
        Case(
            "auth_in_another_order", base="auth", do=reverse(), then=accepted() & alive() & carries(),
            requirements=("7296-2.5-11",),
        ),
        Case(
            "auth_tsr_before_tsi", base="auth", do=swap("TSi", "TSr"), then=accepted() & alive() & carries(),
            requirements=("7296-2.5-11",),
        ),
        Case(
            "auth_sa_last", base="auth", do=move_last("SA"), then=accepted() & alive() & carries(),
            requirements=("7296-2.5-11",),
        ),
        Case(
            "auth_response_in_another_order", base="auth", at="response", do=reverse(), then=alive() & carries(),
            requirements=("7296-2.5-11",),
        ),
        Case(
            "auth_all_critical", base="auth", do=critical(), then=accepted() & alive() & carries(),
            requirements=("7296-3.2-03", "7296-3.2-05"),
        ),
        Case(
            "auth_response_all_critical", base="auth", at="response", do=critical(), then=alive() & carries(),
            requirements=("7296-3.2-03", "7296-3.2-05"),
        ),
        Case(
            "auth_notify_flood", base="auth", do=notify_flood(150), then=(accepted() & alive()) | refused() | silent(),
            severity="high", requirements=("7296-3.10.1-02",),
        ),
        Case(
            "auth_oversize", base="auth", do=stuff(12_000), then=(accepted() & alive()) | refused() | silent(),
            severity="high", requirements=("7296-2-01",),
        ),
        Case(
            "auth_tsi_cut", base="auth", do=truncate_payload("TSi", 5), then=(refused() | silent()) & no_sa(),
            requirements=("7296-3.10.1-04",), suites=("cve",), severity="high",
            source="CVE-2023-23009; RFC 7296 section 3.13",
        ),
        Case(
            "auth_tsi_extended", base="auth", do=extend_payload("TSi", 5), then=(refused() | silent()) & no_sa(),
            requirements=("7296-3.10.1-04",),
        ),
    ],
)  # fmt: skip
