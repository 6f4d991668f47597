# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-AKA: attributes that do not fit, wrong proofs, questions that may not be asked (RFC 4187)."""

from __future__ import annotations

from typing import Any

from fynx_scapy.harness.cases import Case, cases, clients, eap_fails, eap_says, gateways, not_proven, silent, survives
from fynx_scapy.harness.verbs import (
    NOTHING,
    Mutation,
    aka_add,
    aka_attribute,
    aka_drop,
    aka_duplicate,
    eap_cut,
    eap_extend,
    eap_instead,
    eap_overwrite,
)
from fynx_scapy.scenarios.negative.eap import USER, as_client, as_gateway

AKA: dict[str, Any] = {"by": "eap-aka", "user": USER}
TYPE = 23
ASK, CHALLENGE = "AKA Identity", "AKA Challenge"
ERROR, REJECT = ("4187-6.3.1-i01",), ("4187-6.3.1-i02",)
SAID_ERROR = eap_says("AKA Client-Error")
SERVER = ("4187-6.3.2-01",)
AHEAD = 1 << 20
"""A sequence number that the home network has not reached yet."""
CRITICAL: dict[str, Any] = {"severity": "critical"}


def _gateway(name: str, at: str, do: Mutation, *requirements: str, **fields: Any) -> Case:
    """We are the gateway, and the client answers with Client-Error."""
    return as_gateway(name, at, do, *requirements, **{"auth": gateways(**AKA), "then": SAID_ERROR, **fields})


def _client(name: str, at: str, do: Mutation, *requirements: str, **fields: Any) -> Case:
    """We are the client, and the gateway answers with a Notification of failure."""
    given = {"auth": clients(**AKA), "then": eap_says("AKA Notification"), **fields}
    return as_client(name, at, do, *(requirements or SERVER), **given)


ATTRIBUTES: dict[str, Mutation] = {
    "of_no_words": aka_add(200, b"\0\0", length=0),
    "of_255_words": aka_add(200, b"\0\0", length=255),
    "of_two_words_with_one": aka_add(200, b"\0\0", length=2),
    "that_is_cut": eap_extend(b"\xc8"),
    "without_a_value": eap_extend(b"\xc8\x01"),
    "of_nobody": aka_add(100),
}
"""What stands at the end of the attributes, where there is no MAC over them. 200 may be skipped, 100 may not."""

cases(
    __name__,
    [
        # The identity
        *(
            row
            for name, do in ATTRIBUTES.items()
            for row in (
                _gateway(
                    f"aka_question_with_an_attribute_{name}", ASK, do, *ERROR,
                    *(("4187-8.1-01",) if name == "of_nobody" else ()),
                    source="CVE-2026-35330; RFC 4187 section 8.1", suites=("cve",),
                ),
                _client(
                    f"aka_identity_with_an_attribute_{name}", ASK, do, source="CVE-2026-35330; RFC 4187 section 8.1",
                    suites=("cve",),
                ),
            )
        ),
        _gateway(
            "aka_question_with_an_attribute_to_skip", ASK, aka_add(200), "4187-8.1-01", then=eap_says(ASK),
            severity="medium", what="An attribute that may be skipped: the client answers as if it was not there.",
        ),
        _gateway("aka_question_for_nothing", ASK, aka_drop("AT_PERMANENT_ID_REQ"), *ERROR),
        _gateway("aka_question_twice", ASK, aka_duplicate("AT_PERMANENT_ID_REQ"), *ERROR),
        _gateway("aka_question_for_two_identities", ASK, aka_add(13), *ERROR),
        _gateway("aka_question_of_an_attribute_of_no_words", ASK, aka_attribute("AT_PERMANENT_ID_REQ", length=0),
                 *ERROR),
        _gateway(
            "aka_question_for_any_identity_afterwards", CHALLENGE, eap_instead(TYPE, b"\x05\0\0\x0d\x01\0\0"),
            "4187-4.1.5-01",
        ),
        _gateway(
            "aka_question_for_the_same_identity_again", CHALLENGE, eap_instead(TYPE, b"\x05\0\0\x0a\x01\0\0"),
            "4187-4.1.5-01",
        ),
        _client("aka_identity_missing", ASK, aka_drop("AT_IDENTITY")),
        _client("aka_identity_twice", ASK, aka_duplicate("AT_IDENTITY")),
        _client("aka_identity_of_nobody", ASK, aka_attribute("AT_IDENTITY", value=b"0999999999999999@example"),
                **CRITICAL),
        _client("aka_identity_empty", ASK, aka_attribute("AT_IDENTITY", value=b""), **CRITICAL),
        _client("aka_identity_of_1000_octets", ASK, aka_attribute("AT_IDENTITY", value=b"0" * 1000), **CRITICAL),
        _client("aka_identity_longer_than_its_attribute", ASK, aka_attribute("AT_IDENTITY", actual=0xFFFF)),
        _client("aka_identity_with_a_reserved_length", ASK, aka_attribute("AT_IDENTITY", length=0)),
        # The challenge
        _gateway("aka_mac_of_zeros", CHALLENGE, aka_attribute("AT_MAC", value=bytes(16)), *ERROR, **CRITICAL),
        _gateway("aka_mac_missing", CHALLENGE, aka_drop("AT_MAC"), *ERROR, **CRITICAL),
        _gateway("aka_mac_twice", CHALLENGE, aka_duplicate("AT_MAC"), *ERROR),
        _gateway("aka_checkcode_changed", CHALLENGE, aka_attribute("AT_CHECKCODE", value=bytes(20)), *ERROR,
                 **CRITICAL),
        _gateway("aka_challenge_with_more_under_the_mac", CHALLENGE, aka_add(200), *ERROR, **CRITICAL),
        _gateway("aka_challenge_with_an_attribute_of_no_words", CHALLENGE, aka_add(200, length=0), *ERROR),
        _gateway("aka_rand_missing", CHALLENGE, aka_drop("AT_RAND"), *ERROR),
        _gateway("aka_rand_short", CHALLENGE, aka_attribute("AT_RAND", value=bytes(8)), *ERROR),
        _gateway("aka_autn_missing", CHALLENGE, aka_drop("AT_AUTN"), *ERROR),
        _gateway(
            "aka_autn_of_another_network", CHALLENGE, aka_attribute("AT_AUTN", value=bytes(16)), *REJECT,
            then=eap_says("AKA Authentication-Reject"), **CRITICAL,
        ),
        _gateway(
            "aka_rand_changed", CHALLENGE, aka_attribute("AT_RAND", value=bytes(16)), *REJECT,
            then=eap_says("AKA Authentication-Reject"), **CRITICAL,
        ),
        _gateway(
            "aka_sequence_number_used_before", CHALLENGE, NOTHING, *REJECT, auth=gateways(**AKA, sqn=AHEAD),
            then=eap_says("AKA Synchronization-Failure"), **CRITICAL,
            what="The USIM has seen a higher sequence number: it asks for another challenge.",
        ),
        # What is neither
        _gateway("aka_subtype_of_nobody", ASK, eap_overwrite(5, b"\x63"), *ERROR),
        _gateway("aka_subtype_of_a_client", ASK, eap_overwrite(5, b"\x0e"), *ERROR),
        _gateway("aka_question_cut_to_a_type", ASK, eap_cut(5), *ERROR),
        _gateway("aka_question_cut_to_a_subtype", ASK, eap_cut(6), *ERROR),
        _gateway(
            "aka_notification_of_success_without_a_mac", CHALLENGE, eap_instead(TYPE, b"\x0c\0\0\x0c\x01\x80\0"),
            *ERROR, **CRITICAL,
        ),
        _gateway(
            "aka_notification_of_success_before_the_challenge", CHALLENGE,
            eap_instead(TYPE, b"\x0c\0\0\x0c\x01\xc0\0"), *ERROR, **CRITICAL,
        ),
        _gateway(
            "aka_notification_of_failure", CHALLENGE, eap_instead(TYPE, b"\x0c\0\0\x0c\x01\x40\0"), "4187-6.3.4-01",
            then=eap_says("AKA Notification"), severity="medium",
        ),
        _gateway(
            "aka_reauthentication_of_nothing", CHALLENGE, eap_overwrite(5, b"\x0d"), *ERROR, then=not_proven(),
        ),
        # The response
        _client("aka_res_missing", CHALLENGE, aka_drop("AT_RES"), **CRITICAL),
        _client("aka_res_of_zeros", CHALLENGE, aka_attribute("AT_RES", value=bytes(8)), **CRITICAL),
        _client("aka_res_of_no_bits", CHALLENGE, aka_attribute("AT_RES", value=b"", actual=0), **CRITICAL),
        _client("aka_res_longer_than_its_attribute", CHALLENGE, aka_attribute("AT_RES", actual=0xFFFF)),
        _client("aka_mac_of_a_client_of_zeros", CHALLENGE, aka_attribute("AT_MAC", value=bytes(16)), **CRITICAL),
        _client("aka_mac_of_a_client_missing", CHALLENGE, aka_drop("AT_MAC"), **CRITICAL),
        _client("aka_response_with_more_under_the_mac", CHALLENGE, aka_add(200), **CRITICAL),
        _client("aka_response_with_an_attribute_of_no_words", CHALLENGE, aka_add(200, length=0)),
        _client("aka_response_of_a_reserved_subtype", CHALLENGE, eap_overwrite(5, b"\x63")),
        _client("aka_identity_instead_of_the_response", CHALLENGE,
                eap_instead(TYPE, b"\x05\0\0\x0e\x02\0\x03abc\0"), **CRITICAL),
        _client("aka_notification_instead_of_the_response", CHALLENGE, eap_instead(TYPE, b"\x0c\0\0"), **CRITICAL),
        _client("aka_synchronisation_with_a_wrong_auts", CHALLENGE,
                eap_instead(TYPE, b"\x04\0\0\x04\x04" + bytes(14)), **CRITICAL),
        _client("aka_client_error", CHALLENGE, eap_instead(TYPE, b"\x0e\0\0\x16\x01\0\0"), "3748-4.2-05",
                then=eap_fails() | silent()),
        _client("aka_authentication_reject", CHALLENGE, eap_instead(TYPE, b"\x02\0\0"), "4187-6.3.1-i02",
                then=eap_fails() | silent()),
        _client("aka_client_error_without_a_code", CHALLENGE, eap_instead(TYPE, b"\x0e\0\0"), then=survives()),
    ],
)  # fmt: skip
