# SPDX-License-Identifier: GPL-2.0-or-later
"""Chains that are accepted, and chains that are refused with a code that says why (RFC 5280 section 6.1)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from fynx_scapy.errors import CertificateError, ConfigError
from fynx_scapy.pki import own, verifier
from fynx_scapy.pki.judge import judge
from fynx_scapy.pki.making import Authority
from fynx_scapy.pki.trust import Trust
from tests.pki.made import DAY, NOW, Made, make, san, usage

ROOT = make("root", ca=True)
MIDDLE = make("middle", ROOT, ca=True, number=1)
LEAF = make("gateway", MIDDLE, number=2, extensions=[(san("gw.example"), False)])


def trust(*anchors: Made, **policy) -> Trust:
    return Trust([each.certificate for each in anchors or (ROOT,)], **{"at": NOW, **policy})


def verdict(leaf: Made, *others: Made, of: Trust | None = None) -> str:
    """How a chain was verified, or the code with which it was refused."""
    try:
        return judge(leaf.certificate, [each.certificate for each in others], of or trust()).verified_by
    except CertificateError as error:
        return error.code


@pytest.mark.requirements("5280-4.1.2.1-05")
def test_a_chain_of_three_is_accepted_from_octets() -> None:
    octets = [each.certificate.public_bytes(Encoding.DER) for each in (LEAF, MIDDLE)]
    chain = judge(octets[0], octets[1:], trust())
    assert chain.certificates == (LEAF.certificate, MIDDLE.certificate, ROOT.certificate)
    assert (chain.leaf, chain.anchor) == (LEAF.certificate, ROOT.certificate)
    assert chain.subjects == ("CN=gateway,C=CH", "CN=middle,C=CH", "CN=root,C=CH")
    assert (chain.verified_by, chain.notes) == ("cryptography", ())


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("p384", "cryptography"), ("p521", "cryptography"), ("mldsa44", "cryptography"), ("mldsa87", "cryptography"),
        ("brainpool", "walk"), ("ed25519", "walk"), ("ed448", "walk"), ("rsa1024", "walk"),
    ],
)  # fmt: skip
def test_every_kind_of_key_in_each_place(kind: str, how: str) -> None:
    root = make("root", ca=True, key_kind=kind)
    middle = make("middle", root, ca=True, key_kind=kind, number=1)
    allow = trust(root, minimum_rsa_bits=1024)
    assert verdict(make("leaf", middle), middle, of=allow) == how
    assert verdict(make("leaf", ROOT, key_kind=kind, number=2), of=trust(minimum_rsa_bits=1024)) == how
    broken = make("leaf", middle, signed_by=root.key)
    assert verdict(broken, middle, of=allow) == "certificate.signature"


@pytest.mark.requirements("4945-5.3-02")
def test_rsa_with_both_paddings_and_too_short() -> None:
    root = make("root", ca=True, key_kind="rsa2048")
    assert verdict(make("leaf", root), of=trust(root)) == "cryptography"
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert verdict(make("leaf", root, padding=pss), of=trust(root)) == "cryptography"
    assert verdict(make("leaf", ROOT, key_kind="rsa1024")) == "certificate.weak-key"


def test_a_curve_that_is_too_short() -> None:
    root = make("root", ca=True, key_kind="p384")
    strict = trust(root, minimum_ec_bits=384)
    assert verdict(make("leaf", root, key_kind="p384"), of=strict) == "cryptography"
    assert verdict(make("leaf", root, key_kind="p256"), of=strict) == "certificate.weak-key"


# One fault each: what is wrong, and the code.
def refused() -> dict[str, tuple[str, list[Made], Trust]]:
    late: dict[str, Any] = {"until": NOW - DAY}
    early: dict[str, Any] = {"since": NOW + DAY}
    unknown = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
    explicit = [(x509.PolicyConstraints(0, None), True)]
    short = make("middle", ROOT, ca=True, number=1, path_length=0)
    below = make("below", short, ca=True, number=3)
    only = make("middle", ROOT, ca=True, number=1, key_usage=usage("crl_sign"))
    bare = make("middle", ROOT, ca=True, number=1, constraints=False)
    end = [(x509.BasicConstraints(False, None), True)]
    none = make("middle", ROOT, number=1, key_usage=usage("key_cert_sign"), extensions=end)
    late_policy = [(x509.PolicyConstraints(0, None), False)]
    deep = [ROOT]
    for at in range(10):
        deep.append(make(f"ca {at}", deep[-1], ca=True, number=at))
    web = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]
    code = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)]
    return {
        "leaf expired": ("expired", [make("leaf", ROOT, **late)], trust()),
        "leaf early": ("not-yet-valid", [make("leaf", ROOT, **early)], trust()),
        "intermediate expired": ("expired", [LEAF, make("middle", ROOT, ca=True, number=1, **late)], trust()),
        "anchor expired": ("expired", [LEAF, MIDDLE], trust(make("root", ca=True, **late))),
        "no intermediate": ("unknown-authority", [LEAF], trust()),
        "another root": ("unknown-authority", [LEAF, MIDDLE], trust(make("other", ca=True))),
        "a root of the same name": ("signature", [LEAF, MIDDLE], trust(make("root", ca=True, number=9))),
        "self-signed": ("unknown-authority", [make("leaf")], trust()),
        "no basicConstraints": ("not-a-ca", [LEAF, bare], trust()),
        "cA false": ("not-a-ca", [make("leaf", LEAF), LEAF, MIDDLE], trust()),
        "an authority that is none": ("not-a-ca", [LEAF, none], trust()),
        "no keyCertSign": ("not-a-ca", [LEAF, only], trust()),
        "path length": ("path-length", [make("leaf", below), below, short], trust()),
        "path length of the anchor": ("path-length", [LEAF, MIDDLE], trust(make("root", ca=True, path_length=0))),
        "critical in the leaf": ("critical-extension", [make("leaf", ROOT, extensions=unknown)], trust()),
        "critical in a CA": (
            "critical-extension", [LEAF, make("middle", ROOT, ca=True, number=1, extensions=unknown)], trust()
        ),
        "explicit policy": (
            "critical-extension", [LEAF, make("middle", ROOT, ca=True, number=1, extensions=explicit)], trust()
        ),
        "explicit policy, not critical": (
            "critical-extension", [LEAF, make("middle", ROOT, ca=True, number=1, extensions=late_policy)], trust()
        ),
        "too deep": ("too-complex", [make("leaf", deep[-1]), *deep[1:]], trust()),
        "key usage": ("key-usage", [make("leaf", ROOT, key_usage=usage("key_encipherment"))], trust()),
        "code signing": ("key-usage", [make("leaf", ROOT, extensions=code)], trust()),
        "web only": ("key-usage", [make("leaf", ROOT, extensions=web)], trust(extended_key_usage="rfc4945")),
    }  # fmt: skip


REFUSED = refused()


@pytest.mark.requirements(
    "5280-6.1.3-01", "5280-4.1.2.4-09", "5280-4.2-01", "5280-4.2.1.3-04", "5280-4.2.1.9-02", "5280-4.2.1.12-03",
    "4945-5.1.3-03", "4945-5.1.3.2-01", "4945-5.1.3.9-01", "4945-5.1.3.9-02", "4945-5.1.3.12-08", negative=True,
)  # fmt: skip
@pytest.mark.parametrize("fault", REFUSED)
def test_refused(fault: str) -> None:
    code, (leaf, *others), of = REFUSED[fault]
    assert verdict(leaf, *others, of=of) == f"certificate.{code}"


@pytest.mark.requirements("4945-5.1.3.12-08")
def test_what_users_may_allow() -> None:
    web = make("leaf", ROOT, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)])
    chain = judge(web.certificate, [], trust())
    assert "no ipsecIKE" in chain.notes[0]
    code = make("leaf", ROOT, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)])
    assert verdict(code, of=trust(extended_key_usage="off")) == "cryptography"
    assert verdict(make("leaf", ROOT, key_usage=usage("key_encipherment")), of=trust(key_usage=False)) == "cryptography"
    ike = make("leaf", ROOT, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.IPSEC_IKE]), True)])
    assert verdict(ike, of=trust(extended_key_usage="rfc4945")) == "cryptography"


@pytest.mark.requirements("4945-5.3-01")
def test_sha1_only_where_it_is_allowed() -> None:
    root = Authority.root(at=NOW)
    middle = root.intermediate(sha1=True)
    leaf = middle.issue("CN=leaf")
    with pytest.raises(CertificateError, match="expected a signature with SHA-2 on CN=fynx intermediate") as refused:
        judge(leaf.der, [middle.der], Trust(root.der, at=NOW))
    assert refused.value.code == "certificate.weak-signature"
    assert judge(leaf.der, [middle.der], Trust(root.der, at=NOW, allow_sha1=True)).verified_by == "walk"
    old_leaf = middle.issue("CN=leaf", sha1=True)
    own.check_validity(old_leaf.cert, old_leaf.chain, Trust(root.der, at=NOW), "ours")
    with pytest.raises(ConfigError, match="expected the chain of ours to hold the issuer of CN=leaf"):
        own.check_validity(root.issue("CN=leaf", sha1=True).cert, old_leaf.chain, Trust(root.der, at=NOW), "ours")
    old = Authority.root(at=NOW, sha1=True)  # the signature on a trusted certificate says nothing
    assert judge(old.issue("CN=leaf").der, [], Trust(old.der, at=NOW)).verified_by == "walk"


@pytest.mark.requirements("5280-6.1.4-01", negative=True)
def test_a_root_of_version_1_is_trusted_and_no_other_authority() -> None:
    """RFC 4945 section 5.1.1: it has no extensions."""
    root = Authority.root(at=NOW, version1=True)
    assert judge(root.issue("CN=leaf").der, [], Trust(root.der, at=NOW)).verified_by == "walk"
    middle = root.intermediate(version1=True)
    with pytest.raises(CertificateError, match="has no basicConstraints"):
        judge(middle.issue("CN=leaf").der, [middle.der], Trust(root.der, at=NOW))


def test_any_certificate_can_be_trusted() -> None:
    assert verdict(LEAF, of=trust(MIDDLE)) == "cryptography"
    assert judge(LEAF.certificate, [], trust(LEAF)).certificates == (LEAF.certificate,)
    assert verdict(make("leaf", until=NOW - DAY), of=trust(make("other"))) == "certificate.unknown-authority"
    expired = make("leaf", until=NOW - DAY)
    assert verdict(expired, of=trust(expired)) == "certificate.expired"


def test_the_error_names_the_certificate_and_the_reason() -> None:
    with pytest.raises(
        CertificateError, match=r"CN=leaf,C=CH was valid until 2026-05-31 00:00, it is 2026-06-01"
    ) as got:
        judge(make("leaf", ROOT, until=NOW - DAY).certificate, [], trust())
    assert (got.value.fault, got.value.subject) == ("expired", "CN=leaf,C=CH")
    assert got.value.as_dict()["code"] == "certificate.expired"


@pytest.mark.requirements("4945-5.1.3.1-01")
def test_the_right_issuer_is_found_among_many_of_the_same_name() -> None:
    """They have no key identifiers, and all are issued by the trusted authority."""
    others = [make("middle", ROOT, ca=True, number=10 + at) for at in range(20)]
    assert verdict(LEAF, *others, MIDDLE) == "cryptography"
    assert verdict(LEAF, *others) == "certificate.signature"


def test_where_the_verifier_refuses_what_the_walk_accepts_the_chain_is_refused(monkeypatch) -> None:
    refusal = CertificateError("refused", "the verifier refuses it")
    monkeypatch.setattr(verifier, "refusal", lambda path, at: refusal)
    assert verdict(LEAF, MIDDLE) == "certificate.refused"
    ed25519 = make("leaf", ROOT, key_kind="ed25519")  # which it does not know, so it is not asked
    assert verdict(ed25519) == "walk"


def test_another_path_is_found_behind_one_that_fails() -> None:
    """A cross-certificate: one of two certificates of the same authority has expired."""
    expired = make("middle", ROOT, ca=True, number=1, until=NOW - DAY)
    assert verdict(LEAF, expired, MIDDLE) == "cryptography"
    assert verdict(LEAF, MIDDLE, expired) == "cryptography"
