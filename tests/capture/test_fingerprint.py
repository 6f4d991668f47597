# SPDX-License-Identifier: GPL-2.0-or-later
"""Fingerprints: forms and hashes written by hand, what they do not depend on, and whom they tell apart."""

from __future__ import annotations

import hashlib

import pytest

from fynx_scapy.capture import Capture, Fingerprint, KeyLog, fingerprints
from tests.shared import shared

# docs/fingerprint.md, version 1, applied by hand to the messages' octets
INITIATOR = (
    "1 I 20 08 33(1.1:1.20/128,2.5,4.31) 34(31) 40(32) 41(16388) 41(16389) 41(16430) 41(16431:2,3,4,5) 41(16406)"
)
RESPONDER = (
    "1 R 20 20 33(1.1:1.20/128,2.5,4.31) 34(31) 40(32) 41(16388) 41(16389) 41(16430) 41(16431:2,3,4,5) 41(16418) "
    "41(16404)"
)
INITIATOR_AUTH = "1 I 20 08 35(2) 41(16384) 36(2) 39(2) 33(1.3:1.20/128,5.0) 44(7) 45(7) 41(16404) 41(16417) 41(16420)"
EXPECTED = {
    "psk-gcm128-x25519": (INITIATOR, RESPONDER, "e0eb32192cfb4d03", "77a49e4e6adf3851"),
    "cross-libreswan-gcm": (
        INITIATOR,
        "1 R 20 20 33(1.1:1.20/128,2.5,4.31) 34(31) 40(32) 41(16430) 41(16388) 41(16389) 41(16418)",
        "e0eb32192cfb4d03",
        "19cc78318b8547f8",
    ),
    "6.0-6-mlkem768-multike": (
        "1 I 20 08 33(1.1:1.20/256,2.6,4.31,6.36) 34(31) 40(32) 41(16388) 41(16389) 41(16430) 41(16431:2,3,4,5) "
        "41(16406) 41(16438)",
        "1 R 20 20 33(1.1:1.20/256,2.6,4.31,6.36) 34(31) 40(32) 41(16388) 41(16389) 41(16430) 41(16431:2,3,4,5) "
        "41(16418) 41(16438) 41(16404)",
        "a229ba60fb32219b",
        "715c4ef00e4bcd66",
    ),
    "psk-no-proposal": (INITIATOR, "1 R 20 20 41(14)", "e0eb32192cfb4d03", "c9ffdba3bf865792"),
}


def of(name: str, keys: KeyLog | None = None) -> list[Fingerprint]:
    with Capture(shared(f"captures/lab/{name}.pcap"), keys) as capture:
        return fingerprints(capture)


@pytest.mark.parametrize("name", EXPECTED)
def test_forms_and_hashes(name: str) -> None:
    initiator, responder = of(name)
    assert (initiator.role, responder.role) == ("initiator", "responder")
    assert (initiator.init, responder.init, initiator.hash, responder.hash) == EXPECTED[name]
    assert initiator.hash == hashlib.sha256(initiator.init.encode()).hexdigest()[:16]


def test_ike_auth_is_a_part_of_its_own() -> None:
    initiator, responder = of("psk-gcm128-x25519")
    assert initiator.auth == INITIATOR_AUTH
    assert responder.auth == "1 R 20 20 36(2) 39(2) 33(1.3:1.20/128,5.0) 44(7) 45(7)"
    assert (initiator.numbers, responder.numbers) == ((1, 3), (2, 4))
    closed = of("psk-gcm128-x25519", KeyLog())
    assert [each.auth for each in closed] == ["", ""]
    assert [each.hash for each in closed] == [initiator.hash, responder.hash]


SAME = (
    "k-gcm128-esn", "k-gmac", "k-ipcomp", "k-tfc", "k-transport-gcm", "psk-auth-failed", "psk-childless",
    "psk-dpd-loss", "psk-frag-intermediate", "psk-ipv6", "psk-mobike", "psk-null-esp", "psk-reauth",
    "psk-rekey-by-responder", "psk-rekey-collision", "psk-ts-narrowing", "psk-ts-unacceptable",
)  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_same_implementation_and_ike_configuration_same_fingerprint(name: str) -> None:
    """strongSwan 5.9.8 with aes128gcm16-prfsha256-curve25519: other networks, ESP, addresses, losses do not matter."""
    assert {each.hash for each in of(name)} == {"e0eb32192cfb4d03", "77a49e4e6adf3851"}


def test_implementations_and_versions_differ() -> None:
    """strongSwan 5.9.8, strongSwan 6.0.6 (as configured, with ML-KEM) and libreswan, as responders."""
    hashes = {of(name)[1].hash for name in ("psk-gcm128-x25519", "6.0-6-mlkem768-multike", "cross-libreswan-gcm")}
    assert len(hashes) == 3


def test_what_sends_the_same_messages_cannot_be_told_apart() -> None:
    """6.0.6 without ML-KEM sends what 5.9.8 sends, byte for byte but for random values: the documentation says so."""
    assert [each.hash for each in of("6.0-6-rawesp")] == ["e0eb32192cfb4d03", "77a49e4e6adf3851"]


def test_retries_do_not_change_the_initiator() -> None:
    # HDR(A,0), SAi1, KEi, Ni -->   <-- HDR, N(COOKIE)   HDR(A,0), N(COOKIE), SAi1, KEi, Ni -->
    cookie = [each for each in of("psk-cookie") if each.conversation == 4]
    assert [each.hash for each in cookie] == ["e0eb32192cfb4d03", "77a49e4e6adf3851"]
    # the group of the first try, of a retransmitted request
    initiator, _ = of("psk-invalid-ke")
    assert "34(31)" in initiator.init


def test_names_for_people() -> None:
    text = of("psk-gcm128-x25519")[0].text.splitlines()[0]
    assert text == (
        "request, version 2.0, flags 0x08: SA(IKE ENCR_AES_GCM_16-128/PRF_HMAC_SHA2_256/CURVE25519) KE(CURVE25519) "
        "Nonce(32) N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(SIGNATURE_HASH_ALGORITHMS 2,3,4,5) N(REDIRECT_SUPPORTED)"
    )
