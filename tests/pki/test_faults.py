# SPDX-License-Identifier: GPL-2.0-or-later
"""Every certificate that has to be refused is refused, and for the reason for which it was made."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
from cryptography import x509

from fynx_scapy.errors import CertificateError
from fynx_scapy.iana import IdType
from fynx_scapy.pki.identity import matches
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.making import KINDS, Authority, Changes
from fynx_scapy.pki.making.changes import PURPOSES, USAGES
from fynx_scapy.pki.making.faults import FAULTS, Bad, Entity, Fault, made
from fynx_scapy.pki.making.statuses import CrlChanges, OcspChanges
from fynx_scapy.pki.trust import Trust
from fynx_scapy.reasons import CERTIFICATES
from tests.pki.openssl import verify

ROOT = Authority.root(seed="faults")
MIDDLE = ROOT.intermediate()
NAME = "gw.example"
TRUST = Trust(ROOT.cert)


def bad(fault: Fault) -> Bad:
    return fault.make(MIDDLE, Entity("C=CH, O=Lab, CN=gateway", (NAME,), "ecdsa-p256", fault.name))


def judged(one: Bad, trust: Trust) -> None:
    judge(one.issued.der, one.issued.issuers, trust, crls=one.crls, ocsp=one.ocsp)
    matches(one.issued.der, IdType.ID_FQDN, NAME.encode())


@pytest.mark.requirements("4945-5.1-01", "5280-4.1.1.2-03", "5280-4.2-03", negative=True)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(fault: Fault) -> None:
    trust = TRUST.replace(revocation="required") if fault.code == "revocation-unknown" else TRUST
    with pytest.raises(CertificateError) as caught:
        judged(bad(fault), trust)
    assert caught.value.code == f"certificate.{fault.code}"


def test_a_certificate_without_a_fault_is_accepted() -> None:
    judged(Bad(MIDDLE.issue("CN=gateway", NAME)), TRUST)
    judged(Bad(MIDDLE.issue("CN=gateway", NAME), crls=(MIDDLE.crl(), ROOT.crl())), TRUST.replace(revocation="required"))


SAID = {
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "signature": "certificate signature failure",
    "critical-extension": "unhandled critical extension",
    "unknown-authority": "unable to get local issuer certificate",
    "not-a-ca": "invalid CA certificate",
    "path-length": "path length constraint exceeded",
    "name-constraints": "permitted subtree violation",
}
LENIENT = {"algorithm-mismatch", "version-1-authority"}
"""What this release of OpenSSL sees in another way."""


@pytest.mark.requirements("5280-6-01", negative=True)
@pytest.mark.parametrize(
    "fault", [each for each in FAULTS if each.code in SAID and each.name not in LENIENT], ids=lambda fault: fault.name
)
def test_openssl_finds_the_same(fault: Fault, tmp_path: Path) -> None:
    issued = bad(fault).issued
    assert SAID[fault.code] in verify(tmp_path, issued.der, ROOT.der, issued.issuers, words=("-x509_strict",))


def test_each_fault_is_one_of_the_codes_and_has_a_name_of_its_own() -> None:
    assert {f"certificate.{fault.code}" for fault in FAULTS} <= CERTIFICATES.keys()
    assert Counter(fault.name for fault in FAULTS).most_common(1)[0][1] == 1


def test_no_two_certificates_have_the_same_serial_number() -> None:
    """Or a CRL that revokes one would revoke others."""
    serials = [
        one.issued.cert.serial_number
        for fault, one in made(MIDDLE, "CN=gateway", [NAME])
        if fault.code != "malformed" and one.issued.cert.issuer == MIDDLE.cert.subject
    ]
    assert len(set(serials)) == len(serials) > 10


def test_without_a_seed_no_key_can_be_made_again() -> None:
    first, again = (
        {one.issued.key_pem() for _, one in made(Authority.root().intermediate(), "CN=gateway", [NAME])}
        for _ in range(2)
    )
    assert not first & again


def test_the_chain_does_not_have_the_root() -> None:
    below = MIDDLE.intermediate("CN=third").issue("CN=gateway", NAME)
    assert [x509.load_der_x509_certificate(each).subject for each in below.issuers][1:] == [MIDDLE.cert.subject]


def test_the_page_lists_every_fault_and_every_change() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "pki.md").read_text()
    rows = {f"| `{fault.name}` | {fault.text} | `certificate.{fault.code}` |" for fault in FAULTS}
    assert rows <= set(page.splitlines())
    for kind in (Changes, CrlChanges, OcspChanges):
        assert {field.name for field in fields(kind)} <= set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert all(f"`{name}`" in page for name in (*KINDS, *USAGES, *PURPOSES))
