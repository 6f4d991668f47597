# SPDX-License-Identifier: GPL-2.0-or-later
"""CRLs (RFC 5280 section 6.3) and OCSP responses (RFC 6960) decide about a chain, if they can be used."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as responses

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki.judge import Chain, judge
from fynx_scapy.pki.making import Authority
from fynx_scapy.pki.trust import Trust

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT = Authority.root(at=NOW)
MIDDLE = ROOT.intermediate()
LEAF = MIDDLE.issue("CN=gateway", ["gw.example"])
CRL_URL = "http://crl.example/1"
POINTED = MIDDLE.issue("CN=pointed", ["gw.example"], crl_url=CRL_URL)
ROOT_CRL = ROOT.crl()


def asked(leaf=LEAF, crls=(), ocsp=(), at=NOW, **policy) -> Chain:
    return judge(leaf.der, MIDDLE.chain or [MIDDLE.der], Trust(ROOT.der, at=at, **policy), crls=crls, ocsp=ocsp)


def verdict(*args, **given) -> str:
    """``good``, or the code with which the chain was refused; an answer for each certificate is required."""
    try:
        asked(*args, **{"revocation": "required", **given})
    except CertificateError as error:
        return error.code.removeprefix("certificate.")
    return "good"


def crl(revoked: Iterable[Any] = (), *extensions: tuple[x509.ExtensionType, bool], entry=(), by=MIDDLE) -> bytes:
    """A CRL with extensions that the maker does not have."""
    builder = x509.CertificateRevocationListBuilder(by.cert.subject, NOW - DAY, NOW + DAY)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for each in revoked:
        one = x509.RevokedCertificateBuilder(each.cert.serial_number, NOW - DAY)
        for extension, critical in entry:
            one = one.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(one.build())
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def scope(**given: Any) -> tuple[x509.ExtensionType, bool]:
    usual: dict[str, Any] = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False, "only_contains_ca_certs": False,
        "only_some_reasons": None, "indirect_crl": False, "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**{**usual, **given}), True


def url(text: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(text)]


UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
SOME = frozenset({x509.ReasonFlags.key_compromise})

CRLS = {
    "a CRL without it": (MIDDLE.crl(), "good"),
    "a CRL with it": (MIDDLE.crl([LEAF]), "revoked"),
    "on hold": (MIDDLE.crl([(LEAF, "certificateHold")]), "revoked"),
    "removed from the CRL": (crl([LEAF], entry=[(x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)]), "good"),
    "expired": (MIDDLE.crl(expired=True), "revocation-unknown"),
    "expired, and lists it": (MIDDLE.crl([LEAF], expired=True), "revoked"),
    "not yet valid": (MIDDLE.crl(not_yet_valid=True), "revocation-unknown"),
    "of a stranger": (MIDDLE.crl([LEAF], wrong_key=True), "revocation-unknown"),
    "broken signature": (MIDDLE.crl([LEAF], broken_signature=True), "revocation-unknown"),
    "another issuer": (Authority.root("CN=other", at=NOW).crl([LEAF]), "revocation-unknown"),
    "delta": (MIDDLE.crl([LEAF], delta=True), "revocation-unknown"),
    "signed with SHA-1": (MIDDLE.crl([LEAF], hash="sha1"), "revocation-unknown"),
    "delta, not critical": (crl([LEAF], (x509.DeltaCRLIndicator(1), False)), "revocation-unknown"),
    "critical and unknown": (MIDDLE.crl([LEAF], unknown_critical=True), "revocation-unknown"),
    "critical and unknown in an entry": (crl([LEAF], entry=[UNKNOWN]), "revocation-unknown"),
    "indirect": (crl([], scope(indirect_crl=True)), "revocation-unknown"),
    "for end entities": (crl([], scope(only_contains_user_certs=True)), "good"),
    "for authorities": (crl([LEAF], scope(only_contains_ca_certs=True)), "revocation-unknown"),
    "some reasons, not listed": (crl([], scope(only_some_reasons=SOME)), "revocation-unknown"),
    "some reasons, listed": (crl([LEAF], scope(only_some_reasons=SOME)), "revoked"),
    "another distribution point": (crl([], scope(full_name=url("http://crl.example/2"))), "revocation-unknown"),
    "octets": (b"\x30\x03\x02\x01\x01", "revocation-unknown"),
}


@pytest.mark.requirements(
    "5280-6.3-01", "5280-5.1.1.3-02", "5280-6.3.3-01", "5280-5.2-01", "5280-5.3-01", "4945-5.2-01", "4945-5.2.2.4.1-01",
    negative=True,
)  # fmt: skip
@pytest.mark.parametrize("which", CRLS)
def test_crl(which: str) -> None:
    octets, expected = CRLS[which]
    assert verdict(crls=[ROOT_CRL, octets]) == expected


@pytest.mark.requirements("4945-5.1.3.13-02", negative=True)
def test_a_distribution_point_must_be_that_of_the_certificate() -> None:
    """RFC 4945 section 5.1.3.13: a CRL of another distribution point must not stand in for the one that lists it."""
    here, there = (crl([], scope(full_name=url(each))) for each in (CRL_URL, "http://crl.example/2"))
    assert verdict(POINTED, crls=[ROOT_CRL, here]) == "good"
    assert verdict(POINTED, crls=[ROOT_CRL, there]) == "revocation-unknown"


@pytest.mark.requirements("4945-5.2.2.4.1-02", negative=True)
def test_a_delta_crl_changes_nothing() -> None:
    delta = MIDDLE.crl([LEAF], delta=True)
    assert verdict(crls=[ROOT_CRL, MIDDLE.crl(), delta]) == "good"
    assert verdict(crls=[ROOT_CRL, delta, MIDDLE.crl([LEAF]), MIDDLE.crl(delta=True)]) == "revoked"


@pytest.mark.requirements("5280-4.2.1.3-04", negative=True)
def test_a_crl_needs_crl_sign() -> None:
    middle = ROOT.intermediate("CN=no CRLs", key_usage=("keyCertSign",))
    leaf = middle.issue("CN=leaf")
    for given, code in ((("keyCertSign", "cRLSign"), "good"), (("keyCertSign",), "revocation-unknown")):
        middle = ROOT.intermediate(f"CN={len(given)}", key_usage=given)
        leaf = middle.issue("CN=leaf")
        trust = Trust(ROOT.der, crls=[ROOT_CRL, middle.crl()], at=NOW, revocation="required")
        try:
            found = judge(leaf.der, [middle.der], trust) and "good"
        except CertificateError as error:
            found = error.fault
        assert found == code


TWIN = ROOT.intermediate("CN=twin", MIDDLE.key)


def named_wrongly() -> bytes:
    """A response that names one delegate, with the certificate of another for the same key."""
    one = MIDDLE.issue("CN=one", eku="OCSPSigning")
    other = MIDDLE.issue("CN=other", (), one.key, eku="OCSPSigning")
    good = responses.OCSPCertStatus.GOOD
    builder = responses.OCSPResponseBuilder().responder_id(responses.OCSPResponderEncoding.NAME, one.cert)
    builder = builder.add_response(LEAF.cert, MIDDLE.cert, hashes.SHA1(), good, NOW - DAY, NOW + DAY, None, None)
    return builder.certificates([other.cert]).sign(one.key, hashes.SHA256()).public_bytes(Encoding.DER)


OCSP = {
    "good": (MIDDLE.ocsp(LEAF), "good"),
    "good, by name and SHA-256": (MIDDLE.ocsp(LEAF, by_name=True, id_hash="sha256"), "good"),
    "revoked": (MIDDLE.ocsp(LEAF, "revoked", reason="keyCompromise"), "revoked"),
    "unknown": (MIDDLE.ocsp(LEAF, "unknown"), "revocation-unknown"),
    "without nextUpdate": (MIDDLE.ocsp(LEAF, without_next_update=True), "good"),
    "expired": (MIDDLE.ocsp(LEAF, expired=True), "revocation-unknown"),
    "expired, revoked": (MIDDLE.ocsp(LEAF, "revoked", expired=True), "revoked"),
    "not yet valid": (MIDDLE.ocsp(LEAF, not_yet_valid=True), "revocation-unknown"),
    "another certificate": (MIDDLE.ocsp(LEAF, "revoked", wrong_id=True), "revocation-unknown"),
    "the same serial number of another issuer": (
        ROOT.ocsp(ROOT.issue("CN=x", serial=LEAF.cert.serial_number), "revoked"), "revocation-unknown",
    ),
    "a stranger's key": (MIDDLE.ocsp(LEAF, wrong_key=True), "revocation-unknown"),
    "broken signature": (MIDDLE.ocsp(LEAF, "revoked", broken_signature=True), "revocation-unknown"),
    "delegated": (MIDDLE.ocsp(LEAF, delegated=True), "good"),
    "delegated, by name": (MIDDLE.ocsp(LEAF, "revoked", delegated=True, by_name=True), "revoked"),
    "a delegate without id-kp-OCSPSigning": (MIDDLE.ocsp(LEAF, delegated=True, without_eku=True), "revocation-unknown"),
    "a delegate whose certificate is missing": (
        MIDDLE.ocsp(LEAF, delegated=True, without_certificate=True), "revocation-unknown",
    ),
    "a delegate of the root": (
        MIDDLE.ocsp(LEAF, delegated=ROOT.issue("CN=responder", eku="OCSPSigning")), "revocation-unknown",
    ),
    "an expired delegate": (
        MIDDLE.ocsp(LEAF, delegated=MIDDLE.issue("CN=responder", eku="OCSPSigning", expired=True)),
        "revocation-unknown",
    ),
    "signed with SHA-1": (MIDDLE.ocsp(LEAF, "revoked", hash="sha1"), "revocation-unknown"),
    "a delegate that may not sign": (
        MIDDLE.ocsp(LEAF, delegated=MIDDLE.issue("CN=responder", eku="OCSPSigning", key_usage="keyEncipherment")),
        "revocation-unknown",
    ),
    "the same serial number and key, another issuer": (
        TWIN.ocsp(TWIN.issue("CN=x", serial=LEAF.cert.serial_number), "revoked"), "revocation-unknown",
    ),
    "a responder that is named wrongly": (named_wrongly(), "revocation-unknown"),
    "no answer": (MIDDLE.ocsp(LEAF, failure="tryLater"), "revocation-unknown"),
    "octets": (b"\x30\x03\x0a\x01\x00", "revocation-unknown"),
}  # fmt: skip


@pytest.mark.requirements("4806-4.1-03", "4806-4.2-02", negative=True)
@pytest.mark.parametrize("which", OCSP)
def test_ocsp(which: str) -> None:
    octets, expected = OCSP[which]
    assert verdict(crls=[ROOT_CRL], ocsp=[octets]) == expected


def test_a_delegate_that_was_revoked_proves_nothing() -> None:
    delegate = MIDDLE.issue("CN=responder", eku="OCSPSigning")
    response = MIDDLE.ocsp(LEAF, "revoked", delegated=delegate)
    assert verdict(crls=[ROOT_CRL, MIDDLE.crl()], ocsp=[response]) == "revoked"
    assert verdict(crls=[ROOT_CRL, MIDDLE.crl([delegate])], ocsp=[response]) == "good"


@pytest.mark.parametrize("key", ["rsa-2048", "ed25519", "ed448", "brainpoolP256r1", "mldsa65"])
def test_every_kind_of_key_signs_crls_and_responses(key: str) -> None:
    root = Authority.root("CN=root", key, at=NOW)
    leaf = root.issue("CN=leaf")
    for crls, ocsp in (([root.crl([leaf])], []), ([], [root.ocsp(leaf, "revoked")])):
        with pytest.raises(CertificateError) as refused:
            judge(leaf.der, [], Trust(root.der, at=NOW), crls=crls, ocsp=ocsp)
        assert refused.value.fault == "revoked"
    assert judge(leaf.der, [], Trust(root.der, at=NOW, revocation="required"), ocsp=[root.ocsp(leaf)])


@pytest.mark.requirements("4945-5.2.1-01", negative=True)
def test_revoked_wins_over_good() -> None:
    """RFC 4945 section 5.2.1, in whatever order they come and from wherever."""
    good, bad = MIDDLE.ocsp(LEAF), MIDDLE.crl([LEAF])
    assert verdict(crls=[ROOT_CRL, bad], ocsp=[good]) == "revoked"
    assert verdict(crls=[ROOT_CRL, MIDDLE.crl()], ocsp=[MIDDLE.ocsp(LEAF, "revoked"), good]) == "revoked"
    trust = Trust(ROOT.der, crls=[bad], at=NOW)
    with pytest.raises(CertificateError, match=r"gateway was revoked: the CRL of .*intermediate.* lists it since 2026"):
        judge(LEAF.der, [MIDDLE.der], trust, ocsp=[good])


def test_a_newer_answer_ends_a_hold_that_is_out_of_date() -> None:
    held = MIDDLE.crl([(LEAF, "certificateHold")], this_update=NOW - 9 * DAY, next_update=NOW - 2 * DAY)
    assert verdict(crls=[ROOT_CRL, held]) == "revoked"
    assert verdict(crls=[ROOT_CRL, held, MIDDLE.crl()]) == "good"


def test_each_certificate_needs_an_answer_where_it_is_required() -> None:
    assert verdict(crls=[MIDDLE.crl()]) == "revocation-unknown"
    assert verdict(crls=[MIDDLE.crl(), ROOT.crl([MIDDLE])]) == "revoked"
    assert verdict(crls=[], revocation="if-known") == "good"
    assert verdict(crls=[ROOT.crl([MIDDLE]), MIDDLE.crl([LEAF])], revocation="off") == "good"


def test_notes_say_what_was_known_and_what_was_left_out() -> None:
    notes = asked(crls=[MIDDLE.crl(wrong_key=True), b"?"] + [ROOT_CRL] * 120).notes
    assert "looked at the first 100 CRLs only" in notes
    assert any(each.startswith("cannot read the CRL") for each in notes)
    assert any("is not used: its signature does not verify" in each for each in notes)
    assert any(each.startswith("the CRL of CN=fynx root,O=fynx,C=CH of 2026-05-31") for each in notes)


def test_sha1_counts_where_it_is_allowed() -> None:
    given: dict[str, Any] = {"crls": [ROOT_CRL, MIDDLE.crl([LEAF], hash="sha1")], "allow_sha1": True}
    assert verdict(**given) == "revoked"
    assert verdict(crls=[ROOT_CRL], ocsp=[MIDDLE.ocsp(LEAF, hash="sha1")], allow_sha1=True) == "good"


def test_an_answer_without_an_end_counts_for_a_day() -> None:
    """A peer that was revoked could send an old one for ever."""
    response = MIDDLE.ocsp(LEAF, without_next_update=True, this_update=NOW)
    for later, expected in ((DAY, "good"), (DAY + DAY / 24, "revocation-unknown")):
        assert verdict(crls=[ROOT_CRL], ocsp=[response], at=NOW + later) == expected


def test_what_is_not_asked_for_leaves_no_note() -> None:
    assert asked(crls=[b"?"], revocation="off").notes == ()
    assert asked(crls=[Authority.root("CN=other", at=NOW).crl([LEAF])]).notes == ()


def test_before_it_was_revoked_it_was_good() -> None:
    """The time of an old capture, and a CRL of today."""
    then = NOW - DAY / 2
    late = MIDDLE.crl([LEAF], this_update=NOW + 2 * DAY, revoked_at=NOW + DAY)
    assert verdict(crls=[late], at=then, revocation="if-known") == "good"
    assert verdict(crls=[late], at=NOW + 3 * DAY, revocation="if-known") == "revoked"
    announced = MIDDLE.crl([LEAF], revoked_at=NOW + DAY)  # a current CRL lists it, whatever the date
    assert verdict(crls=[announced], revocation="if-known") == "revoked"
    early = MIDDLE.crl([LEAF], this_update=NOW + 2 * DAY, revoked_at=NOW - DAY)
    assert verdict(crls=[early], at=then, revocation="if-known") == "revoked"
