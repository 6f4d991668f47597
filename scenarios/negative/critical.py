# SPDX-License-Identifier: GPL-2.0-or-later
"""The critical bit (RFC 7296 sections 2.5 and 3.2): of payloads that a peer knows, and of those that it does not."""

from __future__ import annotations

from fynx_scapy.harness.cases import (
    Case,
    Heard,
    accepted,
    alive,
    answered,
    carries,
    cases,
    chooses_nothing,
    deletes,
    gives_up,
    goes_on,
    never,
    no_child,
    no_sa,
    refused,
    sends,
    taken,
)
from fynx_scapy.harness.verbs import (
    add_transform,
    critical,
    insert,
    insert_notify,
    insert_unknown,
)
from fynx_scapy.layers.ikev2 import (
    IKEv2_AUTH,
    IKEv2_CERT,
    IKEv2_CERTREQ,
    IKEv2_CP,
    IKEv2_EAP,
    IKEv2_IDi,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_TSi,
    IKEv2_TSr,
    IKEv2_VendorID,
)

UNSUPPORTED = "UNSUPPORTED_CRITICAL_PAYLOAD"


def _no_flags(message: Heard) -> str | None:
    """Of the payloads of RFC 7296: neither the critical bit nor a reserved one."""
    for payload in message.payloads:
        if 33 <= int(payload.payload_type or 0) <= 48 and int(payload.flags or 0):
            return f"flags {int(payload.flags):#04x} of {payload.name}"
    return None


PLAIN = sends("its payloads have no flags", _no_flags)

CRITICAL = [
    Case(
        "critical_unknown_in_init", base="init", do=insert_unknown(200, critical=True), severity="high",
        then=answered(UNSUPPORTED, b"\xc8", alone=True, protected=False) & chooses_nothing(),
        requirements=("7296-2.5-08", "7296-2.5-i01"),
    ),
    Case(
        "critical_unknown_in_auth", base="auth", do=insert_unknown(201, critical=True, at=0), severity="high",
        then=answered(UNSUPPORTED, b"\xc9", alone=True, protected=True) & no_sa(),
        requirements=("7296-2.5-08", "7296-2.5-i01"),
    ),
    Case(
        "critical_unknown_in_liveness", base="liveness", do=insert_unknown(200, critical=True, at=0),
        then=answered(UNSUPPORTED, b"\xc8", alone=True, protected=True) & alive(),
        requirements=("7296-2.5-08", "7296-2.5-i01"),
    ),
    Case(
        "critical_unknown_in_create_child", base="create_child", do=insert_unknown(49, critical=True),
        then=answered(UNSUPPORTED, b"\x31", alone=True, protected=True) & no_child() & alive() & carries(),
        requirements=("7296-2.5-08", "7296-2.5-i01"),
    ),
    Case(
        "critical_unknown_in_rekey_child", base="rekey_child", do=insert_unknown(200, critical=True),
        then=answered(UNSUPPORTED, b"\xc8", alone=True, protected=True) & no_child() & carries(),
        requirements=("7296-2.5-08", "7296-2.5-i01"),
    ),
    Case(
        "critical_unknown_in_rekey_ike", base="rekey_ike", do=insert_unknown(200, critical=True), severity="high",
        then=answered(UNSUPPORTED, b"\xc8", alone=True, protected=True) & no_child() & alive(),
        requirements=("7296-2.5-08", "7296-2.5-i01"),
    ),
    Case(
        "critical_unknown_in_delete_child", base="delete_child", do=insert_unknown(200, critical=True),
        then=answered(UNSUPPORTED, b"\xc8", alone=True, protected=True) & alive(),
        requirements=("7296-2.5-08", "7296-2.5-i01"),
    ),
    Case(
        "critical_unknown_in_delete_ike", base="delete_ike", do=insert_unknown(200, critical=True), severity="high",
        then=answered(UNSUPPORTED, b"\xc8", alone=True, protected=True), requirements=("7296-2.5-08", "7296-2.5-i01"),
    ),
    Case(
        "critical_unknown_in_init_response", base="connect", at="IKE_SA_INIT response",
        do=insert_unknown(200, critical=True), then=gives_up(), requirements=("7296-2.5-08",), severity="high",
    ),
    Case(
        "critical_unknown_in_auth_response", base="connect", at="IKE_AUTH response",
        do=insert_unknown(200, critical=True), then=deletes(), source="RFC 7296 section 2.5", severity="high",
    ),
    Case(
        "critical_known_in_init", base="connect", at="IKE_SA_INIT request", do=critical(),
        then=accepted() & alive() & PLAIN, requirements=("7296-3.2-03", "7296-3.2-05", "7296-3.2-04"),
    ),
    Case(
        "critical_known_in_auth", base="auth", do=critical(), then=accepted() & alive() & PLAIN,
        requirements=("7296-3.2-03", "7296-3.2-05", "7296-2.5-10"),
    ),
    Case(
        "critical_known_in_create_child", base="create_child", do=critical(), then=accepted() & alive() & PLAIN,
        requirements=("7296-3.2-03", "7296-3.2-05", "7296-2.5-10"),
    ),
    Case(
        "critical_known_in_rekey_child", base="rekey_child", do=critical(), then=accepted() & carries() & PLAIN,
        requirements=("7296-3.2-03", "7296-3.2-05", "7296-2.5-10"),
    ),
    Case(
        "critical_known_in_rekey_ike", base="rekey_ike", do=critical(), then=accepted() & PLAIN,
        requirements=("7296-3.2-03", "7296-3.2-05", "7296-2.5-10"),
    ),
    Case(
        "critical_known_in_delete", base="delete_child", do=critical(), then=accepted() & alive() & PLAIN,
        requirements=("7296-3.2-03", "7296-3.2-05", "7296-2.5-10"),
    ),
    Case(
        "critical_known_in_init_response", base="connect", at="IKE_SA_INIT response", do=critical(), then=goes_on(),
        requirements=("7296-3.2-03", "7296-3.2-05"),
    ),
    Case(
        "critical_known_in_auth_response", base="connect", at="IKE_AUTH response", do=critical(),
        then=taken() & alive() & carries(), requirements=("7296-3.2-03", "7296-3.2-05"),
    ),
    Case(
        "critical_known_in_create_child_response", base="create_child", at="response", do=critical(),
        then=taken() & alive() & carries(), requirements=("7296-3.2-03", "7296-3.2-05"),
    ),
    Case(
        "critical_bit_of_an_unknown_notify", base="liveness", do=insert_notify(40960) + critical("N"),
        then=accepted() & alive(), requirements=("7296-2.5-i02", "7296-3.10.1-03"),
    ),
    Case(
        "critical_bit_of_an_unknown_transform", base="init", do=add_transform("ENCR", 1024) + critical("SA"),
        then=accepted() & never(UNSUPPORTED), requirements=("7296-2.5-i02",),
    ),
    Case(
        "critical_bit_of_a_vendor_id", base="init", do=insert(IKEv2_VendorID(vendorID=b"fynx", flags=0x80)),
        then=accepted() & never(UNSUPPORTED), requirements=("7296-3.2-05", "7296-3.12-04"),
    ),
]  # fmt: skip

_EXTRA = {
    "KE": IKEv2_KE(group=31, ke=bytes(32)), "IDi": IKEv2_IDi(ID="mallory"), "IDr": IKEv2_IDr(ID="mallory"),
    "CERT": IKEv2_CERT(cert_encoding=4, cert_data=b"\x30\x00"),
    "CERTREQ": IKEv2_CERTREQ(cert_encoding=4, cert_authority=bytes(20)),
    "AUTH": IKEv2_AUTH(auth_type=2, load=bytes(32)), "Nonce": IKEv2_Nonce(nonce=bytes(32)),
    "V": IKEv2_VendorID(vendorID=b"fynx"), "TSi": IKEv2_TSi(traffic_selector=[]),
    "TSr": IKEv2_TSr(traffic_selector=[]), "CP": IKEv2_CP(CFGType=1), "EAP": IKEv2_EAP(eap=b"\x03\x01\x00\x04"),
}  # fmt: skip
"""Payloads of RFC 7296 that have no business in an INFORMATIONAL request."""

KNOWN_EXTRA = [
    Case(
        f"critical_extra_{word.lower()}", base="liveness", do=insert(payload, at=0) + critical(),
        then=never(UNSUPPORTED) & (accepted() | refused(protected=True)), requirements=("7296-3.2-05",),
        what=f"A critical {word} payload in INFORMATIONAL is of a known type: never UNSUPPORTED_CRITICAL_PAYLOAD.",
    )
    for word, payload in _EXTRA.items()
]  # fmt: skip

cases(__name__, [*CRITICAL, *KNOWN_EXTRA])
