# SPDX-License-Identifier: GPL-2.0-or-later
"""Throw-away authorities: OpenSSL and cryptography read what they issue, and find each fault that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509 import ocsp as responses
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.errors import ConfigError
from fynx_scapy.pki.making import KINDS, Authority, Changes, Issued
from fynx_scapy.pki.making.names import alternative_name, name_text, subject_name
from fynx_scapy.pki.making.statuses import CrlChanges, OcspChanges
from tests.examples import examples
from tests.pki.openssl import openssl, verify

NAMES = ["gw.example", "192.0.2.1", "2001:db8::1", "admin@example", "C=CH, CN=moon"]
QUICK = [kind for kind in KINDS if not kind.startswith("rsa-") or kind == "rsa-2048"]
KNOWN_TO_OPENSSL = [kind for kind in QUICK if not kind.startswith("mldsa")]


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.root(seed=1)


@pytest.fixture(scope="module")
def middle(root: Authority) -> Authority:
    return root.intermediate()


@pytest.fixture(scope="module")
def gateway(middle: Authority) -> Issued:
    return middle.issue("C=CH, O=Lab, CN=gateway", NAMES)


@pytest.mark.parametrize("kind", QUICK)
def test_a_chain_of_each_kind_of_key(kind: str) -> None:
    root = Authority.root(key=kind, seed=kind)
    middle = root.intermediate(key=kind)
    leaf = middle.issue("CN=gateway", NAMES, key=kind)
    assert leaf.chain == (middle.cert,)
    for one, above in ((leaf, middle), (middle, root), (root, root)):
        one.cert.verify_directly_issued_by(above.cert)
    crl = x509.load_der_x509_crl(middle.crl([leaf]))
    public: Any = middle.key.public_key()
    assert crl.is_signature_valid(public)
    assert responses.load_der_ocsp_response(middle.ocsp(leaf)).certificate_status == responses.OCSPCertStatus.GOOD


@pytest.mark.parametrize("kind", KNOWN_TO_OPENSSL)
def test_openssl_verifies_each_kind_of_key(kind: str, tmp_path: Path) -> None:
    root = Authority.root(key=kind, seed=kind)
    leaf = root.intermediate(key=kind).issue("CN=gateway", NAMES, key=kind)
    assert verify(tmp_path, leaf.der, root.der, leaf.issuers, words=("-x509_strict",)).endswith("leaf: OK\n")


FOUND_BY_OPENSSL: list[tuple[dict[str, Any], str]] = [
    ({"expired": True}, "certificate has expired"),
    ({"not_yet_valid": True}, "certificate is not yet valid"),
    ({"wrong_key": True}, "certificate signature failure"),
    ({"broken_signature": True}, "certificate signature failure"),
    ({"unknown_critical": True}, "unhandled critical extension"),
    ({"issuer": "CN=nobody"}, "unable to get local issuer certificate"),
    ({"wrong_key_identifier": True}, "unable to get local issuer certificate"),
    ({"duplicate_extension": True}, "verification failed"),
    ({"garbled": "truncated"}, "Could not read certificate"),
    ({"garbled": "length"}, "Could not read certificate"),
    ({"version1": True}, ": OK"),
    ({"no_key_identifiers": True}, ": OK"),
    ({"sha1": True}, ": OK"),
    ({"big": True}, ": OK"),
    ({"eku": ("ipsecIKE", "serverAuth"), "eku_critical": True}, ": OK"),
    (
        {"eku": "1.2.3.4", "policies": "1.2.3.4", "crl_url": "http://crl.invalid/", "ocsp_url": "http://o.invalid/"},
        ": OK",
    ),
]


@pytest.mark.parametrize(("changes", "said"), FOUND_BY_OPENSSL, ids=lambda each: str(each)[:40])
def test_openssl_finds_the_fault_of_a_leaf(root: Authority, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    leaf = root.issue("CN=gateway", NAMES, **changes)
    words = ("-auth_level", "0") if "sha1" in changes else ()
    assert said in verify(tmp_path, leaf.der, root.der, words=words)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"no_basic_constraints": True, "key_usage": ()}, "invalid CA certificate"),
        ({"ca": False}, "invalid CA certificate"),
        ({"key_usage": "cRLSign"}, "invalid CA certificate"),
        ({"permitted": ["other.example"]}, "permitted subtree violation"),
        ({"excluded": ["192.0.2.0/24"]}, "excluded subtree violation"),
        ({"permitted": "C=DE"}, "permitted subtree violation"),
        ({"permitted": ["example", "192.0.2.0/24", "2001:db8::/32", "email:example", "C=CH"]}, ": OK"),
        ({"path_length": 0}, ": OK"),
    ],
)  # fmt: skip
def test_openssl_finds_the_fault_of_an_authority(
    root: Authority, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    leaf = root.intermediate(**changes).issue("C=CH, CN=gateway", NAMES)
    assert said in verify(tmp_path, leaf.der, root.der, leaf.issuers)


def test_a_path_that_is_too_long(root: Authority, tmp_path: Path) -> None:
    leaf = root.intermediate(path_length=0).intermediate("CN=one too many").issue("CN=gateway", NAMES)
    assert "path length constraint exceeded" in verify(tmp_path, leaf.der, root.der, leaf.issuers)


def test_a_signature_algorithm_that_is_said_twice_and_differs(root: Authority) -> None:
    with pytest.raises(ValueError, match="algorithm"):
        root.issue("CN=a", algorithm_mismatch=True).cert.verify_directly_issued_by(root.cert)


def test_a_pss_signature_of_an_rsa_authority(tmp_path: Path) -> None:
    root = Authority.root(key="rsa-2048", seed="rsa-2048", pss=True)
    leaf = root.issue("CN=gateway", NAMES, pss=True, hash="sha384")
    assert verify(tmp_path, leaf.der, root.der).endswith("leaf: OK\n")
    assert leaf.cert.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSASSA_PSS


def test_trailing_octets_follow_the_certificate(root: Authority) -> None:
    with pytest.raises(ValueError, match="ExtraData"):
        root.issue("CN=a", garbled="trailing").cert  # noqa: B018 -- reading it is the test


# -- CRLs and OCSP ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revoked", "changes", "said"),
    [
        (True, {}, "certificate revoked"),
        (False, {}, ": OK"),
        (False, {"expired": True}, "CRL has expired"),
        (False, {"not_yet_valid": True}, "CRL is not yet valid"),
        (False, {"wrong_key": True}, "CRL signature failure"),
        (False, {"broken_signature": True}, "CRL signature failure"),
        (False, {"unknown_critical": True}, "unhandled critical CRL extension"),
        (False, {"issuer": "CN=nobody"}, "unable to get certificate CRL"),
    ],
)  # fmt: skip
def test_openssl_reads_a_crl(
    root: Authority, tmp_path: Path, revoked: bool, changes: dict[str, Any], said: str
) -> None:
    leaf = root.issue("CN=gateway", NAMES)
    crl = root.crl([(leaf, "keyCompromise")] if revoked else [17], **changes)
    assert said in verify(tmp_path, leaf.der, root.der, crls=(crl,), words=("-crl_check",))


@pytest.mark.parametrize(
    ("status", "changes", "said"),
    [
        ("good", {}, "Response verify OK ¦ leaf: good"),
        ("revoked", {"reason": "keyCompromise"}, "Response verify OK ¦ leaf: revoked ¦ Reason: keyCompromise"),
        ("unknown", {}, "Response verify OK ¦ leaf: unknown"),
        ("good", {"delegated": True}, "Response verify OK ¦ leaf: good"),
        ("good", {"delegated": True, "by_name": True}, "Response verify OK ¦ leaf: good"),
        ("good", {"delegated": True, "without_eku": True}, "Response Verify Failure"),
        ("good", {"delegated": True, "without_certificate": True}, "signer certificate not found"),
        ("good", {"wrong_key": True}, "signature failure"),
        ("good", {"broken_signature": True}, "signature failure"),
        ("good", {"expired": True}, "WARNING: Status times invalid"),
        ("good", {"not_yet_valid": True}, "WARNING: Status times invalid"),
        ("good", {"wrong_id": True}, "ERROR: No Status found"),
        ("good", {"failure": "tryLater"}, "Responder Error: trylater"),
    ],
)  # fmt: skip
def test_openssl_reads_an_ocsp_response(
    root: Authority, tmp_path: Path, status: str, changes: dict[str, Any], said: str
) -> None:
    leaf = root.issue("CN=gateway", NAMES)
    (tmp_path / "root").write_bytes(root.pem)
    (tmp_path / "leaf").write_bytes(leaf.pem)
    (tmp_path / "response").write_bytes(root.ocsp(leaf, status, **changes))
    heard = openssl(
        "ocsp", "-respin", tmp_path / "response", "-CAfile", tmp_path / "root", "-issuer", tmp_path / "root",
        "-cert", tmp_path / "leaf", "-no_nonce",
    )  # fmt: skip
    for each in said.replace("leaf", str(tmp_path / "leaf")).split(" ¦ "):
        assert each in heard


def test_a_crl_that_says_it_is_a_delta(root: Authority) -> None:
    crl = x509.load_der_x509_crl(root.crl(delta=True, number=9))
    assert crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number == 9


def test_a_response_for_each_certificate_of_a_chain(middle: Authority, root: Authority, gateway: Issued) -> None:
    serials = [responses.load_der_ocsp_response(each).serial_number for each in middle.ocsp_chain(gateway, "revoked")]
    assert serials == [gateway.cert.serial_number, middle.cert.serial_number]


# -- seeds and dates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("ec", "brain", "ed"))])
def test_a_seed_makes_the_same_again(kind: str) -> None:
    def made(seed: int) -> list[bytes]:
        root = Authority.root(key=kind, seed=seed)
        leaf = root.intermediate(key=kind).issue("CN=a", "a.example", key=kind)
        return [root.der, leaf.der, leaf.key_pem(), root.crl([leaf]), root.ocsp(leaf, delegated=True)]

    assert made(1) == made(1)
    assert not set(made(1)) & set(made(2))


def test_what_was_made_before_does_not_matter(root: Authority) -> None:
    first = root.issue("CN=a", "a.example")
    root.issue("CN=b", "b.example")
    assert root.issue("CN=a", "a.example").der == first.der
    others = [root.issue("CN=a", "a.example", seed=2), root.issue("CN=a", "c.example"), root.issue("CN=b", "a.example")]
    assert len({each.key_pem() for each in (first, *others)}) == 4


def test_without_a_seed_nothing_is_the_same() -> None:
    one, other = Authority.root(), Authority.root()
    assert one.key_pem() != other.key_pem()
    assert one.cert.serial_number != other.cert.serial_number
    now = datetime.now(UTC)
    assert one.cert.not_valid_before_utc < now < one.cert.not_valid_after_utc


def test_dates_are_relative_to_a_clock() -> None:
    at = datetime(2031, 5, 1)
    root = Authority.root(at=at)
    assert root.cert.not_valid_before_utc == at.replace(tzinfo=UTC) - timedelta(days=1)
    assert root.issue("CN=a", expired=True).cert.not_valid_after_utc < at.replace(tzinfo=UTC)
    assert root.issue("CN=a", not_yet_valid=True).cert.not_valid_before_utc > at.replace(tzinfo=UTC)
    own = root.issue("CN=a", not_after=datetime(2001, 6, 1)).cert
    assert own.not_valid_before_utc < own.not_valid_after_utc == datetime(2001, 6, 1, tzinfo=UTC)
    own = root.issue("CN=a", not_before=datetime(2051, 6, 1)).cert
    assert own.not_valid_after_utc > own.not_valid_before_utc == datetime(2051, 6, 1, tzinfo=UTC)


# -- names ------------------------------------------------------------------------------------------------------------


def test_names_are_what_they_look_like(gateway: Issued) -> None:
    names = gateway.cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kinds = [type(each).__name__ for each in names]
    assert kinds == ["DNSName", "IPAddress", "IPAddress", "RFC822Name", "DirectoryName"]
    assert name_text(gateway.cert.subject) == "C=CH, O=Lab, CN=gateway"


def test_an_empty_subject_makes_the_alternative_name_critical(root: Authority) -> None:
    leaf = root.issue("", "gw.example").cert
    assert leaf.subject == x509.Name([])
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


TEXT = st.text(min_size=1, max_size=20).filter(lambda text: text == text.strip() and text.isprintable())


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(st.sampled_from(["CN", "O", "OU", "L", "ST"]), TEXT), max_size=6))
def test_a_name_reads_as_it_was_written(parts: list[tuple[str, str]]) -> None:
    def escaped(value: str) -> str:
        return "".join(f"\\{char}" if char in ',+"\\' else char for char in value)

    name = subject_name(", ".join(f"{kind}={escaped(value)}" for kind, value in parts))
    assert [each.value for each in name] == [value for _, value in parts]
    assert subject_name(name_text(name)) == name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dns:a\x00.example", "a\x00.example"),
        ("dns:*.example", "*.example"),
        ("dns:" + "a" * 50_000, "a" * 50_000),
        ("email:\x1b[2J@example", "\x1b[2J@example"),
        ("uri:ike://gw", "ike://gw"),
    ],
)
def test_a_type_in_front_takes_hostile_names(root: Authority, text: str, value: str) -> None:
    names = root.issue("CN=a", text).cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [each.value for each in names] == [value]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("münchen.example", "write xn--mnchen-3ya.example"),
        ("a@münchen.example", "write a@xn--mnchen-3ya.example"),
        ("a b", "expected printable ASCII without spaces; dns:TEXT takes any ASCII"),
        ("a\x1b.example", r"the name 'a\\x1b.example': expected printable ASCII"),
        ("", "expected printable ASCII"),
        ("a" * 254, "expected at most 253 characters, found 254"),
        ("dns:" + "a" * 65_536, "expected a name of at most 60000 characters, found 65540"),
        ("ip:1.2.3", "the name 'ip:1.2.3'"),
        ("rid:word", "the name 'rid:word'"),
        ("CX=a", r"expected an attribute of .*, found 'CX' in 'CX=a' \(did you mean 'C'\?\)"),
        ("C=CHE", "the attribute C of 'C=CHE'"),
        ("CN=a,", "expected a distinguished name such as"),
        ("CN=" + "a" * 65, "at most|length must be"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        alternative_name(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


# -- misuse -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expierd": True}, r"expected a change of a certificate, found 'expierd' \(did you mean 'expired'\?\)"),
        ({"key_usage": "keySign"}, r"found 'keySign' \(did you mean 'keyCertSign'\?\)"),
        ({"key_usage": "encipherOnly"}, "cannot make the certificate of 'CN=a': encipher_only"),
        ({"eku": "ipsecike"}, r"did you mean 'ipsecIKE'\?"),
        ({"eku": "1.x"}, "cannot make the certificate"),
        ({"expired": True, "not_yet_valid": True}, "expected expired or not_yet_valid, found both"),
        ({"path_length": 1}, "cannot make the certificate of 'CN=a': path_length must be None when ca is False"),
        ({"pss": True}, "expected an RSA key for pss, found ecdsa-p256"),
        ({"hash": "md5"}, "expected Changes.hash to be 'sha1', 'sha256', 'sha384' or 'sha512', or None, found 'md5'"),
        ({"not_before": datetime(2030, 1, 1), "not_after": datetime(2029, 1, 1)}, "expected not_after later"),
        ({"not_after": datetime(1940, 1, 1)}, "cannot make the certificate"),
        ({"key": "ecdsa-p255"}, r"did you mean 'ecdsa-p25?\d*'\?"),
        ({"big": 1 << 21}, "expected Changes.big"),
        ({"permitted": "é"}, "expected a name in ASCII"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be(root: Authority, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        root.issue("CN=a", **changes)


def test_settings_of_crls_and_responses_that_cannot_be(root: Authority, gateway: Issued) -> None:
    with pytest.raises(ConfigError, match=r"found 'expird' \(did you mean 'expired'\?\)"):
        root.crl(expird=True)
    with pytest.raises(
        ConfigError, match=r"expected a reason, found 'keycompromise' \(did you mean 'keyCompromise'\?\)"
    ):
        root.crl([(gateway, "keycompromise")])
    with pytest.raises(ConfigError, match=r"expected a status, found 'god' \(did you mean 'good'\?\)"):
        root.ocsp(gateway, "god")
    with pytest.raises(ConfigError, match=r"expected OcspChanges\.delegated to be True, False or an Issued"):
        root.ocsp(gateway, delegated="yes")


def test_a_stranger_signs_with_a_wrong_key(root: Authority) -> None:
    stranger = root.issue("CN=a", wrong_key=True)
    with pytest.raises(InvalidSignature):
        stranger.cert.verify_directly_issued_by(root.cert)


# -- files and secrets ------------------------------------------------------------------------------------------------


def test_files(gateway: Issued, tmp_path: Path) -> None:
    written = gateway.write(tmp_path / "new", "gateway", passphrase="open sesame")
    assert x509.load_pem_x509_certificate(written.certificate.read_bytes()) == gateway.cert
    assert written.chain is not None
    assert tuple(x509.load_pem_x509_certificates(written.chain.read_bytes())) == gateway.chain
    assert written.key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TypeError, match="encrypted"):
        serialization.load_pem_private_key(written.key.read_bytes(), None)
    key = serialization.load_pem_private_key(written.key.read_bytes(), b"open sesame")
    assert key.public_key() == gateway.key.public_key()
    packed = load_pkcs12(gateway.pkcs12("open sesame"), b"open sesame")
    assert packed.cert is not None
    assert (packed.cert.certificate, [each.certificate for each in packed.additional_certs]) == (
        gateway.cert, list(gateway.chain),
    )  # fmt: skip


def test_no_repr_shows_a_key(root: Authority, middle: Authority, gateway: Issued) -> None:
    for each in (root, middle, gateway):
        assert repr(each) == f"{type(each).__name__}()"
    assert str(gateway) == "C=CH, O=Lab, CN=gateway (ecdsa-p256)"


def test_each_change_changes_a_certificate() -> None:
    """Every field of `Changes` is used: with it the certificate differs from the one without."""
    rsa = Authority.root(key="rsa-2048", seed="rsa-2048")
    values: dict[str, Any] = {
        "not_before": datetime(2027, 1, 1), "not_after": datetime(2027, 1, 1), "ca": True,
        "key_usage": "keyAgreement", "eku": "ipsecIKE", "permitted": "a", "excluded": "b", "issuer": "CN=x",
        "hash": "sha512", "serial": 5, "policies": "1.2.3", "crl_url": "http://a", "ocsp_url": "http://a",
        "garbled": "trailing",
    }  # fmt: skip
    plain: dict[str, Any] = {"key": rsa.key, "ca": False, "eku": ("serverAuth",), "serial": 7}
    unchanged = rsa.issue("CN=a", "a.example", **plain).der
    for name in Changes.__dataclass_fields__.keys() - {"path_length"}:  # it needs ca=True
        assert rsa.issue("CN=a", "a.example", **plain | {name: values.get(name, True)}).der != unchanged, name


def test_each_setting_changes_a_crl_or_a_response(root: Authority, gateway: Issued) -> None:
    """Likewise those of `CrlChanges` and `OcspChanges`."""
    values: dict[str, Any] = {
        "this_update": datetime(2027, 1, 1), "next_update": datetime(2027, 1, 1), "revoked_at": datetime(2026, 5, 1),
        "hash": "sha512", "number": 9, "issuer": "CN=x", "id_hash": "sha256", "reason": "superseded",
        "failure": "tryLater",
    }  # fmt: skip
    for name in CrlChanges.__dataclass_fields__:
        assert root.crl([gateway], **{name: values.get(name, True)}) != root.crl([gateway]), name
    plain = {"delegated": True}
    for name in OcspChanges.__dataclass_fields__:
        changes = plain | {name: values.get(name, name != "delegated")}
        assert root.ocsp(gateway, "revoked", **changes) != root.ocsp(gateway, "revoked", **plain), name


@pytest.mark.parametrize("by_name", [True, False])
def test_who_answers_is_named_by_subject_or_by_key(root: Authority, gateway: Issued, by_name: bool) -> None:
    answer = responses.load_der_ocsp_response(root.ocsp(gateway, by_name=by_name, without_next_update=True))
    key = x509.SubjectKeyIdentifier.from_public_key(root.cert.public_key()).digest
    expected = (root.cert.subject, None) if by_name else (None, key)
    assert (answer.responder_name, answer.responder_key_hash) == expected
    assert answer.next_update_utc is None
