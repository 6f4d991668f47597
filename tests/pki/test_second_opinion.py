# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenSSL's verdict on chains that cryptography's verifier does not know, so that our walk alone decides about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.trust import Trust
from tests.pki import openssl
from tests.pki.made import DAY, NOW, Made, general, key, make, name, san, usage

KINDS = ("ed25519", "ed448", "brainpool", "rsa1024")


def limits(permitted: str | x509.Name = "", excluded: str | x509.Name = "") -> dict[str, Any]:
    """Arguments of an authority that has name constraints."""
    trees = [
        [x509.DirectoryName(each) if isinstance(each, x509.Name) else general(each)] if each else None
        for each in (permitted, excluded)
    ]
    return {"extensions": [(x509.NameConstraints(*trees), True)]}


def names(*given: str) -> dict[str, Any]:
    return {"extensions": [(san(*given), False)]}


def identifier(octets: bytes) -> tuple[x509.ExtensionType, bool]:
    return x509.SubjectKeyIdentifier(octets), False


def authority(octets: bytes) -> tuple[x509.ExtensionType, bool]:
    return x509.AuthorityKeyIdentifier(octets, None, None), False


COUNTRY = x509.Name(list(name("x"))[:1])
BERN = x509.Name([*list(name("x"))[:1], x509.NameAttribute(x509.NameOID.LOCALITY_NAME, "Bern")])
UNKNOWN = {"extensions": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]}
POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
# What the anchor, the intermediate and the leaf have that is not usual, and our verdict.
CHAINS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "good": ({}, {}, {}, ""),
    "leaf expired": ({}, {}, {"until": NOW - DAY}, "expired"),
    "intermediate too early": ({}, {"since": NOW + DAY}, {}, "not-yet-valid"),
    "anchor expired": ({"until": NOW - DAY}, {}, {}, "expired"),
    "leaf signed by a stranger": ({}, {}, {"signed_by": 98}, "signature"),
    "intermediate signed by a stranger": ({}, {"signed_by": 98}, {}, "signature"),
    "no basicConstraints": ({}, {"constraints": False}, {}, "not-a-ca"),
    "no keyCertSign": ({}, {"key_usage": usage("crl_sign")}, {}, "not-a-ca"),
    "path length 0 at the anchor": ({"path_length": 0}, {}, {}, "path-length"),
    "path length 0 at the intermediate": ({}, {"path_length": 0}, {}, ""),
    # OpenSSL tells the two certificates of this name apart by their key identifiers alone
    "path length 0, self-issued": (
        {"path_length": 0, "extensions": [identifier(b"root")]},
        {"subject": "root", "extensions": [identifier(b"middle"), authority(b"root")]},
        {"extensions": [authority(b"middle")]},
        "",
    ),
    "critical extension": ({}, UNKNOWN, {}, "critical-extension"),
    "critical extension of the leaf": ({}, {}, UNKNOWN, "critical-extension"),
    "critical policies": ({}, {"extensions": [(POLICY, True)]}, {"extensions": [(POLICY, True)]}, ""),
    "the country is permitted": ({}, limits(COUNTRY), {}, ""),
    "another place is permitted": ({}, limits(BERN), {}, "name-constraints"),
    "the country is excluded": ({}, limits(excluded=COUNTRY), {}, "name-constraints"),
    "host permitted": ({}, limits("example"), names("gw.example"), ""),
    "host not permitted": ({}, limits("example"), names("gw.other"), "name-constraints"),
    "subdomains permitted": ({}, limits(".example"), names("gw.example"), ""),
    "address excluded": ({}, limits(excluded="10.0.0.0/8"), names("10.1.1.1"), "name-constraints"),
    "address of the other version": ({}, limits("10.0.0.0/8"), names("2001:db8::1"), "name-constraints"),
}


def chain(which: str, kind: str) -> tuple[Made, Made, Made]:
    top, middle, end, _ = CHAINS[which]
    stranger = key(kind, 98)

    def made(subject: str, issuer: Made | None, number: int, ca: bool, given: dict[str, Any]) -> Made:
        words = {"subject": subject, "ca": ca, **given}
        if "signed_by" in words:
            words["signed_by"] = stranger
        return make(words.pop("subject"), issuer, key_kind=kind, number=number, **words)

    root = made("root", None, 0, True, top)
    between = made("middle", root, 1, True, middle)
    return root, between, made("leaf", between, 2, False, end)


@pytest.mark.parametrize("which", CHAINS)
def test_openssl_agrees(which: str, tmp_path: Path) -> None:
    kind = KINDS[list(CHAINS).index(which) % len(KINDS)]
    root, between, leaf = chain(which, kind)
    root_der, between_der, leaf_der = (each.certificate.public_bytes(Encoding.DER) for each in (root, between, leaf))
    try:
        found = judge(leaf_der, [between_der], Trust(root_der, at=NOW, minimum_rsa_bits=1024)).verified_by
    except CertificateError as error:
        found = error.fault
    words = ("-attime", str(int(NOW.timestamp())), "-auth_level", "0")
    said = openssl.verify(tmp_path, leaf_der, root_der, (between_der,), words=words)
    assert (found, said.rstrip().endswith(": OK")) == (CHAINS[which][3] or "walk", not CHAINS[which][3]), said
