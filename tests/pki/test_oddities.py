# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates and CRLs that are odd, but good, and a few that look good, but are not (RFC 5280, RFC 4945)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fynx_scapy.errors import CertificateError
from fynx_scapy.iana import IdType
from fynx_scapy.pki import der
from fynx_scapy.pki.identity import identities, matches
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.trust import Trust
from tests.pki.made import DAY, NOW, Made, make, san, usage

ROOT = make("root", ca=True)
LATER = datetime(2051, 6, 1, tzinfo=UTC)


def verdict(leaf: Made | bytes, *others: Made, root: Made = ROOT, **fields: Any) -> str:
    """``good``, or the code of the refusal."""
    trust = Trust(root.certificate, **{"at": NOW, **fields})
    try:
        judge(leaf if isinstance(leaf, bytes) else leaf.certificate, [each.certificate for each in others], trust)
    except CertificateError as error:
        return error.fault
    return "good"


def unknown(oid: str, octets: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), octets)


@pytest.mark.requirements("4945-5.1.2.1-01")
def test_a_subject_may_be_empty() -> None:
    leaf = make("", ROOT, number=1, extensions=[(san("gw.example"), True)])
    assert verdict(leaf) == "good"
    assert matches(leaf.certificate, IdType.ID_FQDN, b"gw.example").how == "dNSName gw.example"


@pytest.mark.requirements("4945-5.1.3.3-02", "4945-5.1.3.17-01", "4945-5.1.3.15-01")
def test_extensions_that_are_ignored() -> None:
    """privateKeyUsagePeriod (which ended in 2001), subjectInfoAccess, and one that nobody knows."""
    period = unknown("2.5.29.16", bytes.fromhex("3011810f") + b"20010101000000Z")
    access = x509.SubjectInformationAccess([
        x509.AccessDescription(
            x509.ObjectIdentifier("1.3.6.1.5.5.7.48.5"), x509.UniformResourceIdentifier("http://a.example/")
        )
    ])  # fmt: skip
    for extension in (period, access, unknown("1.2.3.4", b"\x05\x00")):
        assert verdict(make("leaf", ROOT, number=1, extensions=[(extension, False)])) == "good"


@pytest.mark.requirements("5280-4.1.2.2-04", "5280-4.1.2.4-08")
def test_long_serial_numbers_and_domain_components() -> None:
    subject = x509.Name([
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"), x509.NameAttribute(NameOID.DN_QUALIFIER, "1"),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, "7"), x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "ZH"),
    ])  # fmt: skip
    middle = make(subject, ROOT, ca=True, number=1, serial=(1 << 159) - 1)
    assert verdict(make(subject, middle, number=2, serial=1 << 158), middle) == "good"


@pytest.mark.requirements("5280-4.1.2.6-17")
@pytest.mark.parametrize("kind", ["T61String", "BMPString", "UniversalString"])
def test_subjects_in_old_encodings(kind: str) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway", _ASN1Type[kind])])
    leaf = make(subject, ROOT, number=1, extensions=[(san("gw.example"), False)])
    assert verdict(leaf) == "good"
    assert matches(leaf.certificate, IdType.ID_DER_ASN1_DN, subject.public_bytes())


@pytest.mark.requirements("5280-4.1.2.5-02", "5280-5.1.2.4-03")
def test_times_from_2050_on_are_generalized_times() -> None:
    root = make("root", ca=True, until=LATER + 30 * DAY)
    leaf = make("leaf", root, number=1, since=LATER - DAY, until=LATER + DAY)
    assert b"\x18\x0f2051" in leaf.certificate.public_bytes(Encoding.DER)
    assert verdict(leaf, root=root, at=LATER) == "good"
    assert verdict(leaf, root=root, at=LATER - 2 * DAY) == "not-yet-valid"
    assert verdict(leaf, root=root, at=LATER + 2 * DAY) == "expired"
    crls = [_crl(root, LATER)]
    assert b"\x18\x0f2051" in crls[0]
    assert verdict(leaf, root=root, at=LATER, crls=crls, revocation="required") == "good"
    assert verdict(leaf, root=root, at=LATER, crls=[_crl(root, LATER, leaf)], revocation="required") == "revoked"


def _crl(issuer: Made, at: datetime, *revoked: Made, number: int = 1) -> bytes:
    builder = x509.CertificateRevocationListBuilder(issuer.certificate.subject, at - DAY, at + DAY)
    builder = builder.add_extension(x509.CRLNumber(number), False)
    for each in revoked:
        one = x509.RevokedCertificateBuilder(each.certificate.serial_number, at - DAY).build()
        builder = builder.add_revoked_certificate(one)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.requirements("5280-5-05")
def test_crls_of_version_1() -> None:
    """They have no extensions. cryptography's builder makes none, so its CRL is taken apart and signed again."""
    leaf = make("leaf", ROOT, number=1)
    for revoked, expected in (((), "good"), ((leaf,), "revoked")):
        signed, algorithm, _ = der.parts(_crl(ROOT, NOW, *revoked))
        version, *fields, extensions = der.parts(signed)
        assert (version, extensions[0]) == (b"\x02\x01\x01", 0xA0)
        signed = der.sequence(fields)
        octets = der.sequence([signed, algorithm, der.bits(ROOT.key.sign(signed, ec.ECDSA(hashes.SHA256())))])
        assert verdict(leaf, crls=[octets], revocation="required") == expected


@pytest.mark.requirements("5280-4.1.2.2-06", negative=True)
@pytest.mark.parametrize(("serial", "expected"), [
    (b"\0", "good"), (b"\x80", "refused"), (b"\xff" * 20, "malformed"), (b"\x7f" * 30, "refused"),
    (b"", "malformed"),
])  # fmt: skip
def test_serial_numbers_that_no_authority_may_give(serial: bytes, expected: str) -> None:
    """Zero, negative, too long, and none."""
    signed, algorithm, _ = der.parts(make("leaf", ROOT, number=1).certificate.public_bytes(Encoding.DER))
    version, _, *fields = der.parts(signed)
    signed = der.sequence([version, der.element(0x02, serial), *fields])
    octets = der.sequence([signed, algorithm, der.bits(ROOT.key.sign(signed, ec.ECDSA(hashes.SHA256())))])
    assert verdict(octets) == expected


@pytest.mark.requirements("5280-5.2.3-07")
def test_long_crl_numbers() -> None:
    leaf, long = make("leaf", ROOT, number=1), (1 << 159) - 1
    assert verdict(leaf, crls=[_crl(ROOT, NOW, number=long)], revocation="required") == "good"
    assert verdict(leaf, crls=[_crl(ROOT, NOW, leaf, number=long)], revocation="required") == "revoked"


@pytest.mark.requirements("5280-4.2.1.12-07", "5280-4.2.1.12-08", negative=True)
def test_key_usage_and_extended_key_usage_are_judged_each_for_itself() -> None:
    ike = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.IPSEC_IKE])
    code = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    signs, encrypts = usage("digital_signature"), usage("key_encipherment")
    for extended, plain, expected in ((ike, signs, "good"), (ike, encrypts, "key-usage"), (code, signs, "key-usage")):
        assert verdict(make("leaf", ROOT, number=1, key_usage=plain, extensions=[(extended, False)])) == expected


@pytest.mark.requirements("4945-5.1.3.12-08")
@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize("purposes", [
    [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], [ExtendedKeyUsageOID.IPSEC_IKE],
    [ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.IPSEC_IKE],
])  # fmt: skip
def test_purposes_that_allow_ike(purposes: list[x509.ObjectIdentifier], critical: bool) -> None:
    leaf = make("leaf", ROOT, number=1, extensions=[(x509.ExtendedKeyUsage(purposes), critical)])
    assert verdict(leaf, extended_key_usage="rfc4945") == "good"


@pytest.mark.requirements("5280-4.2-08", "5280-4.2.1.4-04", "4945-5.1.3-01", "4945-5.1.3.4-02")
def test_every_extension_that_may_be_critical() -> None:
    policy = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
    limits = x509.NameConstraints([x509.DNSName("example")], None)
    above: list[tuple[x509.ExtensionType, bool]] = [
        (policy, True), (x509.InhibitAnyPolicy(0), True), (limits, True),
    ]  # fmt: skip
    middle = make("middle", ROOT, ca=True, number=1, extensions=above)
    own = [(policy, True), (san("gw.example"), True), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.IPSEC_IKE]), True)]
    leaf = make("leaf", middle, number=2, key_usage=usage("digital_signature"), extensions=own)
    assert verdict(leaf, middle) == "good"


@pytest.mark.requirements("5280-4.2.1.11-03", negative=True)
def test_constraints_of_policies_are_refused_where_they_are_critical() -> None:
    """ "applications that do not implement support for the inhibitPolicyMapping field MUST reject the certificate"."""
    for critical, expected in ((True, "critical-extension"), (False, "good")):
        middle = make("middle", ROOT, ca=True, number=1, extensions=[(x509.PolicyConstraints(None, 0), critical)])
        assert verdict(make("leaf", middle, number=2), middle) == expected


@pytest.mark.requirements("5280-4.2-02", negative=True)
def test_an_extension_that_is_known_counts_though_it_is_not_critical() -> None:
    limits = x509.NameConstraints([x509.DNSName("example")], None)
    middle = make("middle", ROOT, ca=True, number=1, extensions=[(limits, False)])
    for name, expected in (("gw.example", "good"), ("gw.other", "name-constraints")):
        assert verdict(make("leaf", middle, number=2, extensions=[(san(name), False)]), middle) == expected


@pytest.mark.requirements("5280-4.2.1.10-06", negative=True)
def test_constraints_of_a_kind_that_we_do_not_know() -> None:
    limits = x509.NameConstraints([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))], None)
    middle = make("middle", ROOT, ca=True, number=1, extensions=[(limits, True)])
    names = x509.SubjectAlternativeName([x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))])
    leaf = make("leaf", middle, number=2, extensions=[(names, False)])
    assert verdict(leaf, middle) in ("name-constraints", "critical-extension", "refused")


@pytest.mark.requirements("4945-3.1.6-01", "4945-3.1-01", "4945-3.1.8-01")
def test_no_general_name_is_offered_as_an_identity() -> None:
    both = x509.SubjectAlternativeName([x509.DirectoryName(ROOT.certificate.subject), x509.DNSName("gw.example")])
    leaf = make("leaf", ROOT, number=1, extensions=[(both, False)])
    assert [kind for kind, _ in identities(leaf.certificate)] == [IdType.ID_FQDN, IdType.ID_DER_ASN1_DN]
