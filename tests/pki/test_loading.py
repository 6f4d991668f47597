# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys and certificates out of files, in every format that openssl writes, and one clear error for each wrong file."""

from __future__ import annotations

import base64
import datetime
import functools
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.errors import ConfigError
from fynx_scapy.pki import loading
from fynx_scapy.pki.loading import (
    key_fits,
    load_certificates,
    load_crls,
    load_key,
    load_ocsp,
    load_pkcs12,
    load_public_key,
)
from tests.shared import shared

SECRET = "open sesame"
DAY = datetime.datetime(2026, 1, 1)


@functools.cache
def key(kind: str) -> Any:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 1024)
    if kind == "mldsa":
        return mldsa.MLDSA44PrivateKey.generate()
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())


@functools.cache
def certificate(subject: str, kind: str = "ec") -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateBuilder(name, name, key(kind).public_key(), 7, DAY, DAY + datetime.timedelta(9))
    return builder.sign(key(kind), hashes.SHA256() if kind in ("ec", "rsa") else None)


def pem(*subjects: str) -> bytes:
    return b"".join(certificate(subject).public_bytes(Encoding.PEM) for subject in subjects)


def private(kind: str = "ec", encoding: Encoding = Encoding.PEM, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    octets: bytes = key(kind).private_bytes(encoding, form, NoEncryption())
    return octets


@functools.cache
def encrypted(encoding: Encoding = Encoding.PEM) -> bytes:
    encryption = serialization.BestAvailableEncryption(SECRET.encode())
    octets: bytes = key("ec").private_bytes(encoding, PrivateFormat.PKCS8, encryption)
    return octets


def openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True, timeout=20).stdout


@functools.cache
def crl() -> x509.CertificateRevocationList:
    name = certificate("moon").subject
    builder = x509.CertificateRevocationListBuilder(name, DAY, DAY + datetime.timedelta(9))
    return builder.sign(key("ec"), hashes.SHA256())


def answer() -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER)


PFX_ENCRYPTION = (
    PrivateFormat.PKCS12.encryption_builder()
    .kdf_rounds(10)
    .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
    .hmac_hash(hashes.SHA256())
    .build(SECRET.encode())
)


def pfx(private: Any = None, cert: Any = None, cas: Any = None, plain: bool = False) -> bytes:
    encryption = NoEncryption() if plain else PFX_ENCRYPTION
    return pkcs12.serialize_key_and_certificates(b"moon", private, cert, cas, encryption)


def same(one: Any, two: Any) -> bool:
    spki = (Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return bool(one.public_key().public_bytes(*spki) == two.public_key().public_bytes(*spki))


# --- certificates ---


@pytest.mark.parametrize(
    "octets",
    [
        pem("moon", "sun"),
        b"a bag of attributes\n" + private() + pem("moon") + b"more words\n" + pem("sun"),
        pem("moon", "sun").replace(b" CERTIFICATE", b" X509 CERTIFICATE"),
        pem("moon", "sun").replace(b"\n", b"\r\n"),
    ],
    ids=["one after the other", "beside a key", "the older label", "from Windows"],
)
def test_certificates_in_pem(octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    path.write_bytes(octets)
    expected = [certificate("moon"), certificate("sun")]
    assert load_certificates(path) == load_certificates(str(path)) == load_certificates(octets) == expected
    assert load_certificates(octets.decode()) == expected


def test_certificates_in_der_and_in_pkcs_7(tmp_path: Path) -> None:
    assert load_certificates(certificate("moon").public_bytes(Encoding.DER)) == [certificate("moon")]
    (tmp_path / "chain").write_bytes(pem("moon", "sun"))
    for form in ("PEM", "DER"):
        made = openssl("crl2pkcs7", "-nocrl", "-certfile", str(tmp_path / "chain"), "-outform", form)
        assert set(load_certificates(made)) == {certificate("moon"), certificate("sun")}


# --- keys ---

EC, RSA = PrivateFormat.TraditionalOpenSSL, PrivateFormat.TraditionalOpenSSL


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ec", PrivateFormat.PKCS8),
        ("ec", PrivateFormat.TraditionalOpenSSL),  # SEC 1
        ("rsa", PrivateFormat.TraditionalOpenSSL),  # PKCS #1
        ("ed25519", PrivateFormat.PKCS8),
        ("mldsa", PrivateFormat.PKCS8),
    ],
)
def test_keys(kind: str, form: PrivateFormat, encoding: Encoding) -> None:
    octets = private(kind, encoding, form)
    assert same(load_key(octets), key(kind))
    assert same(load_key(octets, SECRET), key(kind))  # which is not needed
    public = key(kind).public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert load_public_key(public) == key(kind).public_key()


@pytest.mark.parametrize("octets", [encrypted(), encrypted(Encoding.DER)], ids=["PEM", "DER"])
def test_encrypted_keys(octets: bytes) -> None:
    assert same(load_key(octets, SECRET), key("ec"))
    assert same(load_key(octets, SECRET.encode()), key("ec"))
    for nothing in (None, "", b""):
        with pytest.raises(ConfigError, match="the private key is encrypted, and no passphrase is given"):
            load_key(octets, nothing)
    with pytest.raises(ConfigError, match="the passphrase does not open the private key") as raised:
        load_key(octets, "open barley")
    assert "barley" not in str(raised.value)


def test_keys_that_openssl_writes(tmp_path: Path) -> None:
    """`openssl ecparam` puts the curve before the key; `openssl ec -aes256` encrypts as before PKCS #8."""
    made = openssl("ecparam", "-name", "brainpoolP256r1", "-genkey")
    assert load_key(made).public_key().curve.name == "brainpoolP256r1"
    old = openssl("ec", "-aes256", "-passout", f"pass:{SECRET}", given=private())
    assert same(load_key(old, SECRET), key("ec"))
    with pytest.raises(ConfigError, match="no passphrase is given"):
        load_key(old)


def examples() -> list[str]:
    """The private keys of RFC 9881 appendix C.1 (seed, expanded and both, three times) and of C.4, which are wrong."""
    lines = [line.strip() for line in shared("rfc/rfc9881.txt").read_text().splitlines()]
    text = "\n".join(line for line in lines if line and not line.startswith(("Massimo, ", "RFC 9881")))
    return re.findall(r"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----", text, re.DOTALL)


def test_ml_dsa_keys_with_their_seed() -> None:
    keys = examples()
    assert len(keys) == 12
    for at in (0, 3, 6):
        seed, expanded, both = keys[at : at + 3]
        assert load_key(both).private_bytes_raw() == load_key(seed).private_bytes_raw() == bytes(range(32))
        der = base64.b64decode("".join(both.splitlines()[1:-1]))
        assert load_key(der).public_key() == load_key(seed).public_key()
        with pytest.raises(ConfigError, match="it is an ML-DSA key in expanded form, and its seed is needed"):
            load_key(expanded)
    with pytest.raises(ConfigError, match="the seed of the ML-DSA key is not that of its expanded form"):
        load_key(keys[9])
    mixed = load_key(keys[0]).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigError, match="expected a private key, found something else"):
        load_key(mixed[:-1])


def test_public_keys_of_certificates() -> None:
    assert load_public_key(pem("moon")) == key("ec").public_key()
    assert load_public_key(certificate("moon").public_bytes(Encoding.DER)) == key("ec").public_key()


# --- containers ---


@pytest.mark.parametrize("plain", [False, True], ids=["with a passphrase", "without"])
def test_pkcs_12(plain: bool) -> None:
    octets = pfx(key("ec"), certificate("moon"), [certificate("sun", "rsa")], plain)
    found, private_key, chain = load_pkcs12(octets, None if plain else SECRET)
    assert (found, chain) == (certificate("moon"), [certificate("sun", "rsa")])
    assert same(private_key, key("ec"))


def test_pkcs_12_of_openssl(tmp_path: Path) -> None:
    """With an empty passphrase, which is not the same as none."""
    (tmp_path / "key").write_bytes(private())
    (tmp_path / "cert").write_bytes(pem("moon"))
    words = ["-inkey", str(tmp_path / "key"), "-in", str(tmp_path / "cert"), "-iter", "10"]
    made = openssl("pkcs12", "-export", *words, "-passout", "pass:")
    assert load_pkcs12(made)[0] == certificate("moon")


@pytest.mark.parametrize(
    ("octets", "passphrase", "text"),
    [
        (pfx(key("ec"), certificate("moon")), None, "it needs a passphrase, and none is given"),
        (pfx(key("ec"), certificate("moon")), "barley", "the passphrase is wrong"),
        (pfx(None, certificate("moon")), SECRET, "found no private key"),
        (pfx(key("ec")), SECRET, "found no certificate for its key"),
        (pem("moon"), None, "expected PKCS #12, found a certificate"),
    ],
)
def test_what_is_wrong_with_pkcs_12(octets: bytes, passphrase: str | None, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as raised:
        load_pkcs12(octets, passphrase)
    assert "barley" not in str(raised.value)


# --- CRLs and OCSP ---


def test_crls_and_ocsp() -> None:
    assert load_crls(crl().public_bytes(Encoding.DER)) == [crl()]
    assert load_crls(b"words\n" + crl().public_bytes(Encoding.PEM) * 2) == [crl(), crl()]
    assert load_ocsp(answer()).response_status is ocsp.OCSPResponseStatus.TRY_LATER


# --- what is refused ---

DER_KEY = private(encoding=Encoding.DER)
SSH = private("ed25519", form=PrivateFormat.OpenSSH)
X25519 = x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("load", "octets", "text"),
    [
        (load_certificates, b"", "it is empty"),
        (load_certificates, b"hello", "expected a certificate in PEM, DER or PKCS #7, found something else"),
        (load_certificates, private(), "expected a certificate, found a private key"),
        (load_certificates, DER_KEY, "found a private key"),
        (load_certificates, encrypted(Encoding.DER), "found an encrypted private key"),
        (load_certificates, pfx(key("ec")), "found PKCS #12"),
        (load_certificates, pem("moon")[:-40], "cannot read a certificate: Unable to load PEM file"),
        (load_certificates, pem("moon").replace(b"MII", b"NII"), "cannot read a certificate: "),
        (load_certificates, pem("moon") * 1001, "expected 1 to 1000 certificates or CRLs, found 1001"),
        (load_key, pem("moon"), "expected a private key, found a certificate"),
        (load_key, certificate("moon").public_bytes(Encoding.DER), "expected a private key, found a certificate"),
        (load_key, private() + private("ed25519"), "expected one private key, found 2"),
        (load_key, SSH, r"found a key in OpenSSH's own format \(ssh-keygen -p -m PKCS8 -f FILE converts it\)"),
        (load_key, X25519, "expected a key that makes signatures, found X25519"),
        (load_key, private()[:60], "cannot read the private key"),
        (load_key, b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 70_000, "at most 64 KB, found a larger one"),
        (load_key, b"-----BEGIN HORSE-----", "found a block 'HORSE' of PEM"),
        (load_public_key, private(), "expected a public key or a certificate, found a private key"),
        (load_public_key, b"0\x00", "expected a public key or a certificate, found something else"),
        (load_crls, pem("moon"), "expected a CRL, found a certificate"),
        (load_crls, answer(), "expected a CRL, found an OCSP response"),
        (load_crls, crl().public_bytes(Encoding.PEM)[:-9], "cannot read a CRL"),
        (load_ocsp, crl().public_bytes(Encoding.DER), "expected an OCSP response in DER, found a CRL"),
    ],
)  # fmt: skip
def test_one_error_says_what_is_wrong(load: Callable[[Any], Any], octets: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "moon\x1b[1m.pem"
    path.write_bytes(octets)
    with pytest.raises(ConfigError, match=text) as raised:
        load(path)
    said = str(raised.value)
    assert said.startswith(str(tmp_path))
    assert "moon\\x1b[1m.pem: " in said
    assert said.isprintable()


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"none\.pem: cannot be read: No such file"):
        load_certificates(tmp_path / "none.pem")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_key(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: embedded null byte"):
        load_key("a\0b")
    with pytest.raises(ConfigError, match="expected the name of a file or octets, found int"):
        load_key(7)  # type: ignore[arg-type]
    monkeypatch.setattr(loading, "MOST_OCTETS", 1 << 20)
    (tmp_path / "large").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(ConfigError, match="large: expected at most 1 MB, found more"):
        load_certificates(tmp_path / "large")


def test_a_key_fits_its_certificate() -> None:
    key_fits(certificate("moon"), key("ec"))
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(
        ConfigError,
        match=r"the P-256 key in k\.pem does not fit the certificate CN=moon in c\.pem, whose key is another",
    ):
        key_fits(certificate("moon"), other, "k.pem", "c.pem")
    with pytest.raises(ConfigError, match=r"the Ed25519 key does not fit the certificate CN=moon, whose key is P-256"):
        key_fits(certificate("moon"), key("ed25519"))


def test_a_key_in_pkcs_12_fits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the library nor openssl writes such a file."""
    other = ec.generate_private_key(ec.SECP256R1())
    wrong = pkcs12.PKCS12KeyAndCertificates(other, pkcs12.PKCS12Certificate(certificate("moon"), None), [])
    monkeypatch.setattr(pkcs12, "load_pkcs12", lambda data, password: wrong)
    with pytest.raises(ConfigError, match="does not fit the certificate CN=moon"):
        load_pkcs12(pfx(key("ec"), certificate("moon")), SECRET)


@given(st.binary(min_size=1, max_size=60))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for load in (load_certificates, load_key, load_public_key, load_pkcs12, load_crls, load_ocsp):
        with pytest.raises(ConfigError):
            load(octets)
