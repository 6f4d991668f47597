# SPDX-License-Identifier: GPL-2.0-or-later
"""Name constraints of each kind (RFC 5280 section 4.2.1.10), and what self-issued certificates are exempt from."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.names import normal
from fynx_scapy.pki.trust import Trust
from tests.pki.made import NOW, general, make, name, san

ROOT = make("root", ca=True)


def dn(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


C, O, CN, MAIL = NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME, NameOID.EMAIL_ADDRESS  # noqa: E741
FYNX = dn((C, "CH"), (O, "Fynx"))


def tree(text: str | x509.Name) -> x509.GeneralName:
    if isinstance(text, x509.Name):
        return x509.DirectoryName(text)
    kind, _, rest = text.partition(":")
    kinds: dict[str, Any] = {"email": x509.RFC822Name, "uri": x509.UniformResourceIdentifier, "dns": x509.DNSName}
    return kinds[kind](rest) if kind in kinds else general(text)


def verdict(leaf: str | x509.Name, names: tuple[str, ...] = (), permitted=(), excluded=(), anchor: bool = False) -> str:
    trees = [[tree(each) for each in side] or None for side in (permitted, excluded)]
    limits = [(x509.NameConstraints(*trees), True)]
    root = make("root", ca=True, extensions=limits) if anchor else ROOT
    issuer = root if anchor else make("middle", root, ca=True, number=1, extensions=limits)
    made = make(leaf, issuer, number=2, extensions=[(san(*names), False)] if names else ())
    try:
        return judge(made.certificate, [issuer.certificate], Trust(root.certificate, at=NOW)).verified_by
    except CertificateError as error:
        return error.fault


BAD = "name-constraints"


@pytest.mark.requirements(
    "5280-4.2.1.10-05", "5280-4.2.1.10-11", "5280-4.2.1.10-13", "5280-4.2.1.10-14", "5280-4.2.1.10-16",
    negative=True,
)  # fmt: skip
@pytest.mark.parametrize("anchor", [False, True], ids=["of the intermediate", "of the anchor"])
@pytest.mark.parametrize(
    ("leaf", "names", "limits", "expected"),
    [
        (dn((C, "CH"), (O, "Fynx"), (CN, "gw")), (), {"permitted": [FYNX]}, "walk"),
        (dn((C, "CH"), (O, "FYNX "), (CN, "gw")), (), {"permitted": [FYNX]}, "walk"),
        (dn((C, "CH"), (O, "Other"), (CN, "gw")), (), {"permitted": [FYNX]}, BAD),
        (dn((O, "Fynx"), (C, "CH"), (CN, "gw")), (), {"permitted": [FYNX]}, BAD),
        (dn((C, "CH"), (O, "Fynx"), (CN, "gw")), (), {"excluded": [FYNX]}, BAD),
        (dn((C, "CH"), (O, "Other"), (CN, "gw")), (), {"excluded": [FYNX]}, "walk"),
        ("leaf", ("gw.example",), {"permitted": ["dns:.example"]}, "walk"),
        ("leaf", ("example",), {"permitted": ["dns:.example"]}, BAD),
        ("leaf", ("gw.notexample",), {"permitted": ["dns:example"]}, BAD),
        ("leaf", ("GW.Example",), {"permitted": ["dns:eXample"]}, "cryptography"),
        ("leaf", ("gw.example",), {"excluded": ["dns:"]}, BAD),
        ("leaf", ("*.example",), {"excluded": ["dns:secret.example"]}, BAD),
        ("leaf", ("a@b.example",), {"permitted": ["email:a@b.example"]}, "cryptography"),
        ("leaf", ("A@b.example",), {"permitted": ["email:a@b.example"]}, BAD),
        ("leaf", ("a@x.b.example",), {"permitted": ["email:b.example"]}, BAD),
        ("leaf", ("a@x.b.example",), {"permitted": ["email:.b.example"]}, "cryptography"),
        (dn((C, "CH"), (MAIL, "a@evil.example")), (), {"permitted": ["email:b.example"]}, BAD),
        (dn((C, "CH"), (MAIL, "a@b.example")), (), {"permitted": ["email:b.example"]}, "cryptography"),
        ("leaf", ("https://gw.example/x",), {"permitted": ["uri:.example"]}, "walk"),
        ("leaf", ("https://gw.example/x",), {"permitted": ["uri:example"]}, BAD),
        ("leaf", ("https://10.0.0.1/x",), {"permitted": ["uri:.example"]}, BAD),
        ("leaf", ("urn://",), {"excluded": ["uri:.example"]}, BAD),
        ("leaf", ("10.1.1.1", "192.0.2.1"), {"permitted": ["10.0.0.0/8"]}, BAD),
    ],
)
def test_one_name(leaf, names, limits, expected: str, anchor: bool) -> None:
    assert verdict(leaf, names, anchor=anchor, **limits) == expected


def test_constraints_reach_intermediates_but_not_self_issued_ones() -> None:
    """Key rollover: the authority issued its new key a certificate, to itself."""
    limits = [(x509.NameConstraints([x509.DirectoryName(FYNX)], None), True)]
    root = make("root", ca=True, extensions=limits)
    inside = make(dn((C, "CH"), (O, "Fynx"), (CN, "leaf")), None)
    rolled = make("root", root, ca=True, number=1)
    leaf = make(inside.certificate.subject, rolled, number=2)
    assert judge(leaf.certificate, [rolled.certificate], Trust(root.certificate, at=NOW)).verified_by == "walk"
    other = make("other", root, ca=True, number=1)
    leaf = make(inside.certificate.subject, other, number=2)
    with pytest.raises(CertificateError, match=r"CN=other,C=CH breaks the name constraints of CN=root,C=CH, which"):
        judge(leaf.certificate, [other.certificate], Trust(root.certificate, at=NOW))


def test_self_issued_certificates_do_not_count_for_the_path_length() -> None:
    root = make("root", ca=True, path_length=0)
    rolled = make("root", root, ca=True, number=1)
    leaf = make("leaf", rolled, number=2)
    assert judge(leaf.certificate, [rolled.certificate], Trust(root.certificate, at=NOW)).verified_by == "walk"


def test_policies_that_ask_for_nothing_are_accepted() -> None:
    policy = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
    middle = make("middle", ROOT, ca=True, number=1, extensions=[(policy, True), (x509.InhibitAnyPolicy(0), True)])
    leaf = make("leaf", middle, number=2, extensions=[(policy, True)])
    assert judge(leaf.certificate, [middle.certificate], Trust(ROOT.certificate, at=NOW)).verified_by == "walk"


def test_many_names_and_constraints_end_soon() -> None:
    limits = [(x509.NameConstraints([tree(f"dns:h{number}.example") for number in range(2000)], None), True)]
    middle = make("middle", ROOT, ca=True, number=1, extensions=limits)
    leaf = make("leaf", middle, number=2, extensions=[(san(*(f"h{number}.example" for number in range(2000))), False)])
    began = time.thread_time()
    with pytest.raises(CertificateError) as refused:
        judge(leaf.certificate, [middle.certificate], Trust(ROOT.certificate, at=NOW))
    assert refused.value.fault == "too-complex"
    assert time.thread_time() - began < 2


@pytest.mark.requirements("5280-4.2.1.10-17", "5280-7.1-03")
def test_names_are_the_same_without_case_and_spaces() -> None:
    assert normal(dn((O, "Straße  AG")).public_bytes()) == normal(dn((O, " strasse ag")).public_bytes())
    assert normal(dn((O, "Fynx")).public_bytes()) != normal(dn((CN, "Fynx")).public_bytes())
    assert normal(name("x").public_bytes()) != normal(name("y").public_bytes())
