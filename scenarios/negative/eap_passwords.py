# SPDX-License-Identifier: GPL-2.0-or-later
"""EAP-MSCHAPv2 and EAP-MD5: lengths that do not fit, wrong proofs, operations that nobody expects (RFC 2759, 1994)."""

from __future__ import annotations

from typing import Any

from fynx_scapy.harness.cases import (
    cases,
    clients,
    eap_fails,
    eap_says,
    gateways,
    gives_up,
    goes_on,
    not_proven,
    silent,
    survives,
)
from fynx_scapy.harness.verbs import eap_cut, eap_extend, eap_field, eap_instead, eap_overwrite
from fynx_scapy.scenarios.negative.eap import as_client, as_gateway

TYPE, FAILURE, CHANGE = 26, 4, 7
CHALLENGE, RESPONSE, SUCCESS = "MSCHAPv2 Challenge", "MSCHAPv2 Response", "MSCHAPv2 Success"
FAILS = eap_fails("MSCHAPv2 Failure") | silent()
LENGTHS, PROOF = ("3748-4-02",), ("2759-5-01", "2759-5-02")
REFUSED, OTHER = ("3748-4.2-05",), ("3748-4.1-02",)
MD5: dict[str, Any] = {"by": "eap-md5"}
SHORT_FAILURES = (
    b"\x04\x01",
    b"\x04\x01\0",
    b"\x04\x01\0\0",
    b"\x04\x01\0\x03",
    b"\x04\x01\0\x04",
    b"\x04\x01\xff\xff",
)
"""Failure requests that end in their header, or say another length than they have."""
CRITICAL: dict[str, Any] = {"severity": "critical"}

cases(
    __name__,
    [
        # Lengths
        *(
            row
            for length in (0, 3, 4, 24, 0xFFFF)
            for row in (
                as_gateway(f"mschapv2_challenge_of_length_{length}", CHALLENGE, eap_field("ms_length", length),
                           *LENGTHS),
                as_client(f"mschapv2_response_of_length_{length}", RESPONSE, eap_field("ms_length", length), *LENGTHS,
                          then=FAILS),
                as_gateway(f"mschapv2_success_of_length_{length}", SUCCESS, eap_field("ms_length", length), *LENGTHS),
            )
        ),
        *(
            row
            for size in (0, 1, 15, 48, 50, 255)
            for row in (
                as_gateway(f"mschapv2_challenge_of_value_size_{size}", CHALLENGE, eap_field("value_size", size),
                           *LENGTHS),
                as_client(f"mschapv2_response_of_value_size_{size}", RESPONSE, eap_field("value_size", size), *LENGTHS,
                          then=FAILS),
            )
        ),
        *(
            row
            for size in (6, 7, 9, 10, 20)
            for row in (
                as_gateway(f"mschapv2_challenge_cut_to_{size}", CHALLENGE, eap_cut(size), *LENGTHS),
                as_client(f"mschapv2_response_cut_to_{size}", RESPONSE, eap_cut(size), *LENGTHS, then=FAILS),
            )
        ),
        *(
            as_gateway(
                f"mschapv2_failure_{octets.hex()}", SUCCESS, eap_instead(TYPE, octets), *LENGTHS, then=not_proven(),
                source="CVE-2025-62291; RFC 2759 section 6", suites=("cve",),
                what="A Failure request that ends in its header, or whose MS-Length is another one than it has.",
            )
            for octets in SHORT_FAILURES
        ),
        as_gateway("mschapv2_challenge_with_more_behind", CHALLENGE, eap_extend(bytes(200)), *LENGTHS),
        as_client("mschapv2_response_with_more_behind", RESPONSE, eap_extend(bytes(200)), *LENGTHS, then=FAILS),
        # What the server proves
        *(
            as_gateway(f"mschapv2_success_{name}", SUCCESS, eap_field("message", message), *PROOF, **CRITICAL)
            for name, message in (
                ("of_another", b"S=" + b"0123456789ABCDEF" * 2 + b"01234567"),
                ("of_zeros", b"S=" + b"0" * 40),
                ("without_a_proof", b"M=welcome"),
                ("with_half_a_proof", b"S=" + b"0" * 20),
                ("with_an_empty_proof", b"S="),
                ("with_no_digits", b"S=" + b"X" * 40),
            )
        ),
        as_gateway("mschapv2_success_at_once", CHALLENGE, eap_instead(TYPE, b"\x03\x01\0\x2eS=" + b"0" * 40), *PROOF,
                   **CRITICAL),
        as_gateway("mschapv2_challenge_again", SUCCESS, eap_instead(TYPE, b"\x01\x01\0\x19\x10" + bytes(16) + b"fynx"),
                   *PROOF, then=not_proven()),
        *(
            as_gateway(f"mschapv2_failure_{name}", SUCCESS, eap_instead(TYPE, _failure), "2759-5-02", then=not_proven())
            for name, _failure in (
                ("of_one_octet", b"\x04"),
                ("with_a_huge_code", b"\x04\x01\0\x2cE=99999999999999999999 R=1 C=00 V=3 M=fynx"),
                ("with_a_short_challenge", b"\x04\x01\0\x18E=691 R=1 C=00 V=3"),
                ("without_a_code", b"\x04\x01\0\x0aM=fynx"),
                ("for_a_new_password", b"\x04\x01\0\x35E=648 R=0 C=" + b"0" * 32 + b" V=3"),
            )
        ),
        # What the client proves
        as_client("mschapv2_response_of_zeros", RESPONSE, eap_field("value", bytes(49)), *REFUSED, then=FAILS,
                  **CRITICAL),
        as_client("mschapv2_response_changed", RESPONSE, eap_overwrite(40, b"\xa5\x5a"), *REFUSED, then=FAILS,
                  **CRITICAL),
        as_client("mschapv2_response_of_another_user", RESPONSE, eap_field("user", b"mallory"), *REFUSED, then=FAILS,
                  **CRITICAL),
        as_client("mschapv2_response_of_no_user", RESPONSE, eap_field("user", b""), *REFUSED, then=FAILS, **CRITICAL),
        as_client("mschapv2_response_of_a_user_with_zeros", RESPONSE, eap_field("user", b"carol\0"), *REFUSED,
                  then=FAILS, **CRITICAL),
        as_client("mschapv2_response_of_a_long_user", RESPONSE, eap_field("user", b"c" * 30_000), *REFUSED, then=FAILS),
        as_client("mschapv2_response_with_another_id", RESPONSE, eap_overwrite(6, b"\xee"), *OTHER,
                  then=FAILS | eap_says(SUCCESS), severity="low"),
        as_client("mschapv2_success_of_a_client", RESPONSE, eap_instead(TYPE, b"\x03"), *OTHER, then=FAILS,
                  source="CVE-2015-8023; RFC 3748 section 4.1", suites=("cve",), **CRITICAL),
        as_client("mschapv2_success_of_a_client_with_a_header", RESPONSE, eap_instead(TYPE, b"\x03\x01\0\x04"), *OTHER,
                  then=FAILS, source="CVE-2015-8023; RFC 3748 section 4.1", suites=("cve",), **CRITICAL),
        *(
            as_client(f"mschapv2_operation_{op}_of_a_client", RESPONSE, eap_overwrite(5, bytes([op])), *OTHER,
                      then=FAILS)
            for op in (0, 1, FAILURE, CHANGE, 255)
        ),
        *(
            as_gateway(f"mschapv2_operation_{op}_of_a_gateway", CHALLENGE, eap_overwrite(5, bytes([op])), *OTHER,
                       then=not_proven())
            for op in (0, 2, CHANGE, 255)
        ),
        as_client("mschapv2_failure_for_success", SUCCESS, eap_instead(TYPE, b"\x04"), *REFUSED, then=FAILS,
                  **CRITICAL),
        as_client("mschapv2_response_for_success", SUCCESS, eap_instead(TYPE, b"\x02"), *OTHER, then=FAILS),
        as_client("mschapv2_acknowledgement_with_a_header", SUCCESS, eap_instead(TYPE, b"\x03\x01\0\x04"), *OTHER,
                  then=survives(), severity="low"),
        # EAP-MD5 (RFC 3748 section 5.4)
        *(
            row
            for size in (0, 17, 255)
            for row in (
                as_gateway(f"md5_challenge_of_value_size_{size}", "MD5", eap_field("value_size", size),
                           "1994-4.1-i01", auth=gateways(**MD5)),
                as_client(f"md5_response_of_value_size_{size}", "MD5", eap_field("value_size", size), "1994-4.1-i01",
                          auth=clients(**MD5)),
            )
        ),
        as_gateway("md5_challenge_cut", "MD5", eap_cut(5), "1994-4.1-i01", auth=gateways(**MD5)),
        as_client("md5_response_cut", "MD5", eap_cut(5), "1994-4.1-i01", auth=clients(**MD5)),
        as_client("md5_response_short", "MD5", eap_field("value_size", 15), "1994-4.1-i01",
                  *REFUSED, auth=clients(**MD5)),
        as_client("md5_response_of_zeros", "MD5", eap_field("value", bytes(16)), "7296-2.16-08", *REFUSED,
                  auth=clients(**MD5), then=eap_says("failure"), **CRITICAL),
        as_client("md5_response_of_nothing", "MD5", eap_field("value", b""), *REFUSED, auth=clients(**MD5), **CRITICAL),
        as_gateway("md5_challenge_of_255_octets", "MD5", eap_field("value", bytes(255)), "1994-4.1-i01",
                   auth=gateways(**MD5), then=eap_says("MD5") | gives_up() | goes_on(), severity="low"),
    ],
)  # fmt: skip
