# SPDX-License-Identifier: GPL-2.0-or-later
"""A scan of libreswan finds exactly what its configuration offers: IKE_SA_INIT needs no ESP, and so no guest."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import LabError
from fynx_scapy.lab.lab import Lab
from fynx_scapy.lab.libreswan import LibreswanIke
from fynx_scapy.lab.peer import PeerConfig
from tests.interop.test_scan import scan
from tests.scan.test_scanner import found, offered

IKE = {
    "combined": "aes128gcm16-prfsha256-x25519",
    "normal": "aes256-aes128-sha256-sha1-prfsha256-prfsha1-modp2048-ecp256",
    "several": (
        "aes192ctr-3des-camellia256-sha1-prfsha1-modp1536-ecp521,"
        "aes128-aesxcbc-prfaesxcbc-modp8192-modp6144-modp4096-modp3072,"
        "aes128gcm12-aes256gcm8-aes192gcm16-prfsha384-prfsha1-ecp384,chacha20poly1305-prfaesxcbc-x25519"
    ),
}


@pytest.fixture(scope="module")
def libreswan() -> str:
    """Its version."""
    try:
        with Lab(peer=LibreswanIke) as lab:
            return lab.peer.version
    except LabError as error:
        pytest.skip(f"no live peer: {error}")


@pytest.mark.parametrize("name", IKE)
def test_exactly_what_its_configuration_offers(libreswan: str, name: str) -> None:
    with Lab(PeerConfig(ike=IKE[name]), peer=LibreswanIke) as lab:
        result = scan(lab)
    assert found(result) == offered(IKE[name])
    assert (result.complete, result.counts["half_open_left"], result.notes) == (True, 1, [])


def test_what_it_says_of_itself_over_ipv6(libreswan: str) -> None:
    with Lab(peer=LibreswanIke, ipv6=True) as lab:
        result = scan(lab)
    told = result.as_dict()
    assert found(result) == offered(IKE["combined"])
    assert told["responder"]["extensions"] == [
        "fragmentation (RFC 7383)",
        "post-quantum pre-shared keys (RFC 8784)",
        "NAT traversal (RFC 7296 section 2.23)",
        "childless IKE SAs (RFC 6023)",
    ]
    assert told["responder"]["nat"] == {"before_us": False, "before_responder": False}
    assert (told["natt_port"], told["ikev1"]["text"]) == (True, "no answer to Main Mode")
