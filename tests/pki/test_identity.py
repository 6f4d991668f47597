# SPDX-License-Identifier: GPL-2.0-or-later
"""Which identities a certificate has (RFC 4945 section 3.1), and which it does not."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509

from fynx_scapy.errors import CertificateError
from fynx_scapy.iana import IdType
from fynx_scapy.pki.identity import identities, matches
from fynx_scapy.pki.making import Authority
from tests.pki.made import make

ROOT = Authority.root(seed=1)
NAMES = ["gw.example", "10.0.0.1", "2001:db8::1", "Admin@b.example"]
GATEWAY = ROOT.issue("C=CH, O=Fynx, CN=common.example", NAMES).der
WILD = ROOT.issue("CN=wild", ["*.b.example"]).der
NAMELESS = make("").certificate
SUBJECT = x509.load_der_x509_certificate(GATEWAY).subject
FQDN, MAIL, IP4, IP6, DN, GN, KEY_ID, NULL = (
    IdType.ID_FQDN, IdType.ID_RFC822_ADDR, IdType.ID_IPV4_ADDR, IdType.ID_IPV6_ADDR, IdType.ID_DER_ASN1_DN,
    IdType.ID_DER_ASN1_GN, IdType.ID_KEY_ID, IdType.ID_NULL,
)  # fmt: skip


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def spaced(value: str) -> str:
    return value if value == "CH" else f" {value.swapcase()}  "


def respelt(change) -> bytes:
    """The subject with its values changed, and written as PrintableString where it may be."""
    from cryptography.x509.name import _ASN1Type

    return x509.Name(
        [x509.NameAttribute(each.oid, change(each.value), _ASN1Type.PrintableString) for each in SUBJECT]
    ).public_bytes()


@pytest.mark.requirements("4945-3.1.1-02", "4945-3.1.2-05", "4945-3.1.3-05", "5280-4.2.1.6-08")
@pytest.mark.parametrize(
    ("id_type", "value", "how"),
    [
        (FQDN, b"gw.example", "dNSName gw.example"),
        (FQDN, b"GW.Example", "dNSName gw.example"),
        (MAIL, b"admin@B.example", "rfc822Name Admin@b.example"),
        (IP4, address("10.0.0.1"), "iPAddress 10.0.0.1"),
        (IP6, address("2001:db8::1"), "iPAddress 2001:db8::1"),
        (DN, SUBJECT.public_bytes(), "subject CN=common.example,O=Fynx,C=CH"),
        (DN, respelt(str.upper), "subject CN=common.example,O=Fynx,C=CH, in another encoding"),
        (DN, respelt(spaced), "subject CN=common.example,O=Fynx,C=CH, in another encoding"),
        (GN, b"\x82\x0agw.example", "dNSName gw.example"),
        (GN, b"\x87\x04\x0a\x00\x00\x01", "iPAddress 10.0.0.1"),
    ],
)  # fmt: skip
def test_has(id_type: int, value: bytes, how: str) -> None:
    assert matches(GATEWAY, id_type, value).how == how


@pytest.mark.requirements(
    "4945-3.1.1-03", "4945-3.1.1-04", "4945-3.1.1-06", "4945-3.1.1-08", "4945-3.1.2-06", "4945-3.1.3-06",
    "4945-3.1.5-04", "4945-3.1.9-03", negative=True,
)  # fmt: skip
@pytest.mark.parametrize(
    ("id_type", "value"),
    [
        (FQDN, b"common.example"),  # section 3.1.9: no host name in the subject
        (FQDN, b"w.example"),
        (FQDN, b"x.gw.example"),
        (FQDN, b"gw.example."),
        (FQDN, b"gw.example\x00"),
        (FQDN, b"gw.exampl\xff"),
        (FQDN, b"10.0.0.1"),
        (FQDN, b""),
        (MAIL, b"gw.example"),
        (MAIL, b"@b.example"),
        (IP4, address("10.0.0.2")),
        (IP4, b"10.0.0.1"),
        (IP4, address("2001:db8::1")),
        (IP6, address("::ffff:10.0.0.1")),
        (DN, b""),
        (DN, b"\x30\x00"),
        (DN, SUBJECT.public_bytes()[:-1]),
        (DN, x509.Name(list(SUBJECT)[:-1]).public_bytes()),
        (DN, x509.Name(list(SUBJECT)[::-1]).public_bytes()),
        (GN, b"\x82\x0agw.exampl"),
        (GN, b"\x82\x0agw.example\x00"),
        (GN, b"\x82\x0agw.example\x82\x00"),
        (GN, b"\x88\x01\x2a"),
        (GN, b""),
        (KEY_ID, b"gw.example"),
        (NULL, b""),
        (201, b"gw.example"),
    ],
)  # fmt: skip
def test_has_not(id_type: int, value: bytes) -> None:
    with pytest.raises(CertificateError) as refused:
        matches(GATEWAY, id_type, value)
    assert refused.value.code == "certificate.identity"
    assert len(str(refused.value)) < 700


@pytest.mark.requirements("4945-3.1.2-06", negative=True)
def test_a_wildcard_stands_for_one_label_and_only_when_it_is_allowed() -> None:
    with pytest.raises(CertificateError, match=r"found \*\.b\.example \(a wildcard stands for no name unless"):
        matches(WILD, FQDN, b"a.b.example")
    assert matches(WILD, FQDN, b"a.b.example", wildcards=True).how == "dNSName *.b.example"
    with pytest.raises(CertificateError, match=r"found \*\.b\.example \(a wildcard is no identity"):
        matches(WILD, FQDN, b"*.b.example", wildcards=True)
    for name in (b"b.example", b"x.a.b.example", b".b.example", b"*.b.example"):
        for wildcards in (False, True):
            with pytest.raises(CertificateError):
                matches(WILD, FQDN, name, wildcards=wildcards)


def test_a_key_id_counts_by_configuration_alone() -> None:
    assert matches(GATEWAY, KEY_ID, b"\x01", configured=True).how == "a key ID, by configuration"
    with pytest.raises(CertificateError, match="ID_KEY_ID, which no certificate has"):
        matches(GATEWAY, KEY_ID, b"\x01")


def test_the_error_says_what_is_there_instead() -> None:
    with pytest.raises(CertificateError, match=r"found gw\.example, .*commonName is the same, which does not count"):
        matches(GATEWAY, FQDN, b"common.example")
    with pytest.raises(CertificateError, match=r"expected ID_FQDN \\x1b\[31m in .* found no subjectAltName"):
        matches(make("x").certificate, FQDN, b"\x1b[31m")
    many = ROOT.issue("CN=many", [f"h{number}.example" for number in range(100)]).der
    with pytest.raises(CertificateError, match=r"h4\.example and 95 more$"):
        matches(many, FQDN, b"other")


def test_no_endless_identity_is_compared() -> None:
    with pytest.raises(CertificateError, match="expected an identity of at most 4096 octets"):
        matches(GATEWAY, FQDN, b"a" * 5000)


@pytest.mark.requirements("4945-3.1.5-06")
def test_an_empty_subject_is_no_identity() -> None:
    """Section 3.1.5: ID must not have the subject if that is empty."""
    assert identities(NAMELESS) == []
    with pytest.raises(CertificateError):
        matches(NAMELESS, DN, b"\x30\x00")


@pytest.mark.requirements("4945-3.1-09", "4945-3.1.1-05")
def test_identities_best_first() -> None:
    assert identities(GATEWAY) == [
        (FQDN, b"gw.example"),
        (MAIL, b"Admin@b.example"),
        (IP4, address("10.0.0.1")),
        (IP6, address("2001:db8::1")),
        (DN, SUBJECT.public_bytes()),
    ]
    assert [kind for kind, _ in identities(WILD)] == [DN]
    for kind, value in identities(GATEWAY):
        assert matches(GATEWAY, kind, value)
