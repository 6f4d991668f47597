# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever a peer sends, a verdict comes soon, and it is a Chain or one CertificateError with printable text.

Times are those of the processor: other load must not fail a test.
"""

from __future__ import annotations

import sys
import time
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.errors import CertificateError
from fynx_scapy.iana import IdType
from fynx_scapy.pki import crl, signed, verifier
from fynx_scapy.pki.authorities import authority_hash
from fynx_scapy.pki.facts import certificate
from fynx_scapy.pki.facts import crl as crl_facts
from fynx_scapy.pki.facts import response as response_facts
from fynx_scapy.pki.identity import matches
from fynx_scapy.pki.judge import MOST_CERTIFICATES, judge
from fynx_scapy.pki.loading import load_certificates, load_crls, load_ocsp
from fynx_scapy.pki.making import Authority
from fynx_scapy.pki.parsed import subject_of
from fynx_scapy.pki.trust import Trust
from tests.examples import examples
from tests.pki.made import NOW, Made, key, make, name

judge_module = sys.modules[judge.__module__]
AT = datetime(2026, 6, 1, tzinfo=UTC)
ROOT = Authority.root(seed=1)
MIDDLE = ROOT.intermediate()
LEAF = MIDDLE.issue("CN=gateway", ["gw.example", "10.0.0.1", "a@b.example"], policies="1.2.3", eku="ipsecIKE")
CRL, OCSP = MIDDLE.crl([LEAF.cert.serial_number + 1]), MIDDLE.ocsp(LEAF, delegated=True)
TRUST = Trust(ROOT.der, at=AT)
NOBODY = Trust(make("nobody", ca=True).certificate, at=NOW)
WHOLE = [LEAF.der, MIDDLE.der, CRL, OCSP]


def seconds(leaf: bytes | Made, others: list[Any], trust: Trust) -> tuple[str, float]:
    began = time.thread_time()
    with pytest.raises(CertificateError) as refused:
        judge(leaf.certificate if isinstance(leaf, Made) else leaf, others, trust)
    took = time.thread_time() - began
    return str(refused.value).partition(", ")[2] if refused.value.fault == "too-complex" else refused.value.fault, took


def changed() -> st.SearchStrategy[list[bytes]]:
    """One of the four octet strings with octets changed, cut off, or added."""

    def edit(which: int, at: int, octets: bytes, keep: bool) -> list[bytes]:
        whole = list(WHOLE)
        place = at % len(whole[which])
        rest = whole[which][place + len(octets) :] if keep else b""
        whole[which] = whole[which][:place] + octets + rest
        return whole

    octets = st.binary(min_size=1, max_size=4)
    return st.builds(edit, st.integers(0, 3), st.integers(0, 5000), octets, st.sampled_from([True, True, True, False]))


def test_the_octets_that_are_changed_below_are_good() -> None:
    leaf, middle, listed, ocsp = WHOLE
    assert judge(leaf, [middle], TRUST.replace(revocation="required", crls=ROOT.crl()), crls=[listed], ocsp=[ocsp])


@settings(max_examples=examples(150))
@given(changed())
def test_octets_at_random(whole: list[bytes]) -> None:
    leaf, middle, listed, ocsp = whole
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            notes = judge(leaf, [middle], TRUST, crls=[listed], ocsp=[ocsp]).notes
            text = "".join(notes)
        except CertificateError as error:
            text = str(error)
        for call in (lambda: matches(leaf, IdType.ID_FQDN, b"gw.example"), lambda: authority_hash(leaf)):
            try:
                call()
            except CertificateError as error:
                text += str(error)
    assert text.isprintable()
    assert not warned


@pytest.mark.requirements("5280-6.1-08", negative=True)
def test_certificates_that_issue_each_other_in_circles() -> None:
    """Each of two names has several certificates for the same key, issued by either."""
    ends = [Made(make(each, ca=True, number=at).certificate, key("p256", at)) for at, each in enumerate("ab")]
    circles = [
        make(one, ends[other], ca=True, number=at) for at, one in enumerate("ab") for other in (0, 1) for _ in range(3)
    ]
    leaf = make("leaf", ends[0], number=5)
    fault, took = seconds(leaf, [each.certificate for each in circles], NOBODY)
    assert (fault, took < 2) == ("unknown-authority", True)


def test_a_clique_of_different_keys() -> None:
    """Certificates of one name for ten keys, each issued by each: a path may pass all keys in any order."""
    keys = [Made(make("x", ca=True, number=at).certificate, key("p256", at)) for at in range(10)]
    clique = [make("x", issuer, ca=True, number=at) for at in range(10) for issuer in keys]
    fault, took = seconds(make("leaf", keys[0]), [each.certificate for each in clique], NOBODY)
    assert (fault, took < 2) == ("gave up after 120 signatures", True)


def test_layers_of_certificates_for_the_same_key() -> None:
    """Four certificates for each authority, one above the other: 65,536 paths with few signatures."""
    layers = [[make("layer 7", ca=True, number=7, issuer=make("above", ca=True, number=8)) for _ in range(4)]]
    for at in range(6, -1, -1):
        layers.append([make(f"layer {at}", layers[-1][0], ca=True, number=at) for _ in range(4)])
    sent = [each.certificate for layer in layers for each in layer]
    fault, took = seconds(make("leaf", layers[-1][0], number=9), sent, NOBODY)
    assert (fault, took < 2) == ("gave up after 2000 steps", True)


def test_thousands_of_authorities_of_the_same_name() -> None:
    liar = make("root", ca=True, number=3)
    leaf = make("leaf", make("root", ca=True), number=1)
    many = [make("root", ca=True, number=3, serial=at + 1).certificate.public_bytes(Encoding.DER) for at in range(150)]
    fault, took = seconds(leaf, many * 40, Trust(liar.certificate, at=NOW))
    assert (fault, took < 2) == ("signature", True)
    chain = judge(leaf.certificate, many, Trust(make("root", ca=True).certificate, at=NOW))
    assert chain.notes == (f"looked at the first {MOST_CERTIFICATES} certificates only",)


def test_names_are_not_compared_with_constraints_that_nobody_has_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two certificates that a stranger makes would cost millions of comparisons."""

    def refusal(path: object, at: object) -> None:
        raise AssertionError("the verifier was asked before the signatures")

    names = [x509.DNSName(f"{at}.example") for at in range(300)]
    constraints = [(x509.NameConstraints(None, names), True)]
    root = make("root", ca=True, number=3)
    liar = make("root", ca=True, number=4)
    middles = [make("middle", liar, ca=True, number=5, extensions=constraints) for _ in range(4)]
    leaf = make("leaf", middles[0], extensions=[(x509.SubjectAlternativeName(names), False)])
    monkeypatch.setattr(verifier, "refusal", refusal)
    fault, _ = seconds(leaf, [each.certificate for each in middles], Trust(root.certificate, at=NOW))
    assert fault == "signature"


def test_rsa_keys_with_a_long_exponent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature takes a hundred times as long: neither we nor cryptography's verifier try."""
    root = make("root", ca=True, key_kind="rsa2048")
    leaf, trust = make("leaf", root), Trust(root.certificate, at=NOW)
    assert judge(leaf.certificate, [], trust).verified_by == "cryptography"
    monkeypatch.setattr(signed, "LONGEST_EXPONENT", 16)  # 65537 has 17 bits
    with pytest.raises(CertificateError, match="expected an RSA exponent of at most 16 bits") as refused:
        judge(leaf.certificate, [], trust)
    assert refused.value.fault == "too-complex"


def test_the_signature_of_a_crl_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each OCSP response has a delegate, which any CRL may list: thousands of signatures in one message."""
    count: list[bytes] = []

    def verifies(algorithm: bytes, signature: bytes, *rest: Any) -> bool:
        count.append(signature)
        return signed.verifies(algorithm, signature, *rest)

    monkeypatch.setattr(crl, "verifies", verifies)
    delegate = MIDDLE.issue("CN=responder", eku="OCSPSigning")
    responses = [MIDDLE.ocsp(LEAF, delegated=delegate)] * 5
    broken = [CRL[:-2] + bytes([0, at]) for at in range(5)]
    assert judge(LEAF.der, [MIDDLE.der], TRUST, crls=broken, ocsp=responses)
    assert len(count) == 5


def test_signatures_on_paths_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_module, "MOST_SIGNATURES", 2)
    assert judge(LEAF.der, [MIDDLE.der], TRUST)
    monkeypatch.setattr(judge_module, "MOST_SIGNATURES", 1)
    fault, _ = seconds(LEAF.der, [MIDDLE.der], TRUST)
    assert fault == "gave up after 1 signatures"


def test_large_certificates() -> None:
    big = MIDDLE.issue("CN=big", ["gw.example"], big=60_000)
    assert judge(big.der, [MIDDLE.der], TRUST).verified_by == "cryptography"
    fault, took = seconds(MIDDLE.issue("CN=huge", big=200_000).der, [MIDDLE.der], TRUST)
    assert (fault, took < 2) == ("malformed", True)


@pytest.mark.parametrize(
    "octets", [b"", b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\xff" * 100, LEAF.der[:-1], CRL]
)
def test_what_is_no_certificate(octets: bytes) -> None:
    assert seconds(octets, [MIDDLE.der], TRUST)[0] == "malformed"
    assert judge(LEAF.der, [octets, MIDDLE.der], TRUST).notes[0].startswith("cannot read the certificate: ")


def test_certificates_that_break_the_format() -> None:
    twice = MIDDLE.issue("CN=odd", ["gw.example"], duplicate_extension=True)
    assert seconds(twice.der, [MIDDLE.der], TRUST)[0] == "malformed"
    other = MIDDLE.issue("CN=odd", ["gw.example"], algorithm_mismatch=True)
    assert seconds(other.der, [MIDDLE.der], TRUST)[0] == "signature"
    # A leaf without extensions is an ordinary one of long ago.
    assert judge(MIDDLE.issue("CN=odd", version1=True).der, [MIDDLE.der], TRUST).verified_by == "walk"


def test_oddities_of_a_name_do_not_warn() -> None:
    """cryptography warns about a country of three letters; the tests make each warning an error."""
    with pytest.warns(UserWarning, match="length must be >= 2 and <= 2"):
        odd = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "CHE", _validate=False)])
    leaf = make(odd, make("nobody", ca=True), number=1)
    octets = leaf.certificate.public_bytes(Encoding.DER)
    assert judge(octets, [], NOBODY).subjects[0] == "C=CHE"


def test_subjects_are_printed_harmlessly() -> None:
    leaf = make(name("\x1b[31mred\u202e"), number=1)
    with pytest.raises(CertificateError) as refused:
        judge(leaf.certificate, [], TRUST)
    assert str(refused.value).isprintable()
    chain = judge(make(name("\x1b[31mred"), make("nobody", ca=True), number=1).certificate, [], NOBODY)
    assert chain.subjects[0] == "CN=\\x1b[31mred,C=CH"
    assert "\\x1b[31mred\\u202e" in str(refused.value)


def test_names_that_cannot_be_read() -> None:
    """cryptography reads a name when it is asked for, which must not surprise anybody later."""
    issuer = Authority.root("CN=issuerxx", seed=2)
    broken = [each.replace(b"issuerxx", b"\xff" * 8) for each in (issuer.issue("CN=x", ["x"]).der, issuer.crl())]
    response = issuer.ocsp(LEAF, delegated=issuer.issue("CN=issuerxx", eku="OCSPSigning"))
    with pytest.raises(CertificateError, match=r"cannot read the certificate: .*\"issuer\""):
        judge(broken[0], [], TRUST)
    facts = [
        certificate(load_certificates(broken[0])[0]),
        crl_facts(load_crls(broken[1])[0]),
        response_facts(load_ocsp(response.replace(b"issuerxx", b"\xff" * 8))),
    ]
    assert [each["faults"][0].partition(": ")[0] for each in facts] == [
        "cannot read issuer", "cannot read issuer", "cannot read delegates",
    ]  # fmt: skip
    assert subject_of(load_certificates(issuer.der.replace(b"issuerxx", b"\xff" * 8))[0]).startswith("(a name that")
