# SPDX-License-Identifier: GPL-2.0-or-later
"""The certificates of the lab's captures, judged against the authority that issued them.

The captures do not have the authority's own certificate, as gateways do not send it. Its key is recovered from its
signatures: an ECDSA signature leaves two keys, and two RSA signatures leave the modulus (the greatest common divisor of
s^e - m; that took a minute). The CERTREQ payloads confirm both: they have the SHA-1 of the key. Ed25519 signatures do
not give their key away, so there each certificate is trusted itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fynx_scapy.capture.dissect import dissect
from fynx_scapy.errors import CertificateError
from fynx_scapy.iana import IdType
from fynx_scapy.pki.authorities import authority_hash
from fynx_scapy.pki.identity import identities, matches
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.trust import Trust
from tests.pki.made import DAY, key
from tests.shared import shared

RSA_MODULUS = int(
    "ea5eec770b80867703ce628de16d0a96627050898d4a452c3793938438a5b937ee1d671089b136aecdac485926a5fa42"
    "0dc8dcd07e002a62878e59a080ef9ae76cf46adfda1652272510917f4eb94e327349e220b7f5d145e612ae4bd04a1ced"
    "7525e6f277f95b26e5f1f5ce37d40909a47e5ff60b74562d3fef42d5a4dd9ab2d04c1f11ae92c47e8b85b7f5fb602ba8"
    "f8a4a9cd51e95307f90ab1db293b12c63c82df12348090a1d5a7f200563c8084ac0d728ee84b2d529d0c04b548f51108"
    "6782d9933ace0568a747272b2dc815eb799395e4bf62773276542b5f8490d7a1136f4a8d5aa147a36c394853da0c784e"
    "df6c076e2d946c5b69aad8c28c4020a9569e6631a3b243582503c70158142d7ffb4a1872e12fdc031d288682ad7f8e29"
    "b7cf8e25dfdb6aeed45f9fc81057efe4e9843d6281d17859f88ca825d72869eb4ed3e19a96c9245649e6e64631bc368c"
    "a679c1f985f0b4f844a1468479812219df66b2157c162bb26aaea5eddea9bbbed96fc82a189ffaed564f5472a8b361ef",
    16,
)
EC_POINT = (
    0xB4E3DCB84B73D1D85CC710CDE749BD94749508C1D801FE71A2B8DC1335327DB2,
    0x34EC6BCA0B37E899F8B23DC91B141ECCD76885456E3AB74AC8C08C15A21F8E41,
)
KEYS: dict[str, Any] = {
    "cert-rsa": rsa.RSAPublicNumbers(65537, RSA_MODULUS).public_key(),
    "cert-rsa-frag": rsa.RSAPublicNumbers(65537, RSA_MODULUS).public_key(),
    "cert-ecdsa": ec.EllipticCurvePublicNumbers(*EC_POINT, ec.SECP256R1()).public_key(),
}


def payloads(listed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for payload in listed:
        yield payload
        yield from payloads(payload.get("payloads") or [])


@cache
def seen(name: str) -> tuple[datetime, dict[str, list[bytes]]]:
    """When a capture was taken, and the data of its CERT, CERTREQ and ID payloads, in their order."""
    fields = {"CERT": "cert_data", "CERTREQ": "cert_authority", "IDi": "ID", "IDr": "ID"}
    found: dict[str, list[bytes]] = {each: [] for each in fields}
    records = [each for each in dissect(shared(f"captures/lab/{name}.pcap")) if each["kind"] == "ike"]
    for record in records:
        for payload in payloads(record["payloads"]):
            if payload["type"] in fields:
                found[payload["type"]].append(bytes.fromhex(payload[fields[payload["type"]]]))
    return datetime.fromtimestamp(records[0]["time"], UTC), found


def authority(name: str) -> x509.Certificate:
    """A certificate of the lab's authority. The signature on it is not the authority's: nobody looks at it."""
    leaf = x509.load_der_x509_certificate(seen(name)[1]["CERT"][0])
    return (
        x509.CertificateBuilder(
            leaf.issuer, leaf.issuer, KEYS[name], 1, leaf.not_valid_before_utc, leaf.not_valid_after_utc
        )
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .sign(key("p256"), hashes.SHA256())
    )


@pytest.mark.parametrize("name", KEYS)
def test_chains_of_the_lab(name: str) -> None:
    when, found = seen(name)
    root = authority(name)
    assert found["CERTREQ"] == [authority_hash(root)] * 2
    alice, bob = found["CERT"]
    for octets, notes in ((alice, 0), (bob, 1)):  # bob's extendedKeyUsage is serverAuth and ikeIntermediate
        chain = judge(octets, [], Trust(root, at=when))
        assert (len(chain.certificates), chain.verified_by, len(chain.notes)) == (2, "cryptography", notes)
    assert matches(alice, IdType.ID_FQDN, found["IDi"][0]).how == "dNSName alice.example"
    assert matches(bob, IdType.ID_FQDN, found["IDr"][0]).how == "dNSName bob.example"
    assert identities(bob)[1] == (IdType.ID_IPV4_ADDR, bytes([10, 9, 0, 2]))
    cases: list[tuple[str, dict[str, Any]]] = [
        ("expired", {"at": when + 4000 * DAY}),
        ("key-usage", {"at": when, "extended_key_usage": "rfc4945"}),
    ]
    for refused, policy in cases:
        with pytest.raises(CertificateError) as error:
            judge(bob, [], Trust(root, **policy))
        assert error.value.fault == refused


def test_certificates_with_ed25519_are_pinned() -> None:
    when, found = seen("cert-ed25519")
    alice, bob = found["CERT"]
    assert judge(alice, [], Trust([alice, bob], at=when)).verified_by == "walk"
    with pytest.raises(CertificateError) as error:
        judge(bob, [], Trust(alice, at=when))
    assert error.value.fault == "unknown-authority"
