# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys and certificates out of files: PEM (RFC 7468), DER, PKCS #1, #7, #8 and #12, SEC 1.

A source is the name of a file, octets, or text in PEM. Every error is a ConfigError of one line, which names the file
and the reason; none shows a passphrase or octets of a key.
"""

from __future__ import annotations

import functools
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from cryptography.x509 import ocsp

from fynx_scapy.checks import read_secret
from fynx_scapy.crypto.signing import SCHEMES, fits, key_kind
from fynx_scapy.errors import ConfigError
from fynx_scapy.files import read_octets
from fynx_scapy.pki.parsed import subject_of
from fynx_scapy.pki.seeds import from_both
from fynx_scapy.text import counted, printable

Source: TypeAlias = "str | os.PathLike[str] | bytes"
Passphrase: TypeAlias = "str | bytes | None"
PrivateKey: TypeAlias = CertificateIssuerPrivateKeyTypes
T = TypeVar("T")

MOST_OCTETS = 4 << 20
"""The largest file that is read, in octets: more than all certificates that a system trusts."""
MOST_KEY = 64 << 10
"""The largest key that is read, in octets."""
MOST_CRL = 64 << 20
"""The largest CRL that is read, in octets."""
MOST_CERTIFICATES = 1000
"""The most certificates or CRLs that are read from one source."""

_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_CERTIFICATE, _CRL = ("CERTIFICATE", "X509 CERTIFICATE"), ("X509 CRL",)  # X509 … is older (RFC 7468 section 5.1)
_PRIVATE = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
_PUBLIC = ("PUBLIC KEY", "RSA PUBLIC KEY")
_PFX = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL)
"""How PKCS #12 begins: a sequence whose first element is the version 3 (RFC 7292 section 4)."""
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


def load_certificates(source: Source) -> list[x509.Certificate]:
    """The certificates of a source, in its order: PEM with one or more, DER, or PKCS #7 without a signature.

    Other blocks of PEM, such as the key, are left alone.
    """
    name, octets = _read(source, MOST_OCTETS)
    labels = _labels(octets)
    if set(labels) & set(_CERTIFICATE):
        _few(name, sum(label in _CERTIFICATE for label in labels))
        return _parsed(name, "a certificate", x509.load_pem_x509_certificates, octets)
    if "PKCS7" in labels:
        found = _parsed(name, "PKCS #7", _pkcs7(pkcs7.load_pem_pkcs7_certificates), octets)
        _few(name, len(found))
        return found
    if labels:
        raise _found(name, "a certificate", octets)
    single = _tried(_certificate, octets)
    several = [single] if single else _tried(_pkcs7(pkcs7.load_der_pkcs7_certificates), octets)
    if several is None:
        raise _found(name, "a certificate in PEM, DER or PKCS #7", octets)
    _few(name, len(several))
    return several


def unwrapped(octets: bytes) -> list[x509.Certificate]:
    """The certificates of PKCS #7 in DER that a peer sends; ConfigError.

    Octets that are something else are not looked into: to find that they are a private key takes seconds of arithmetic.
    """
    found = _tried(_pkcs7(pkcs7.load_der_pkcs7_certificates), octets)
    if found is None:
        raise ConfigError(f"expected PKCS #7 in DER, found {counted(len(octets), 'octet')} that are something else")
    return found


def load_key(source: Source, passphrase: Passphrase = None) -> PrivateKey:
    """The one private key of a source: PKCS #8, PKCS #1 or SEC 1, in PEM or DER.

    ``passphrase`` opens an encrypted key, and is not used for another. Certificates beside the key are left alone.
    A key that cannot sign is refused.
    """
    name, octets = _read(source, MOST_OCTETS)
    labels = _labels(octets)
    mine = [label for label in labels if label in _PRIVATE]
    if len(mine) > 1:
        raise ConfigError(f"{name}: expected one private key, found {len(mine)}")
    if labels and not mine:
        raise _found(name, "a private key", octets)
    block = _blocks(octets, mine[0])[0] if mine else octets
    if len(block) > MOST_KEY:
        raise ConfigError(f"{name}: expected a private key of at most {MOST_KEY >> 10} KB, found a larger one")
    key: PrivateKey = _that_signs(name, _opened(name, block, passphrase, bool(mine)))
    return key


def load_public_key(source: Source) -> PublicKeyTypes:
    """A public key: SubjectPublicKeyInfo or PKCS #1, in PEM or DER, or that of a certificate."""
    name, octets = _read(source, MOST_OCTETS)
    labels = _labels(octets)
    if set(labels) & set(_PUBLIC):
        key = _parsed(name, "a public key", serialization.load_pem_public_key, octets)
    elif set(labels) & set(_CERTIFICATE) or _tried(_certificate, octets) is not None:
        certificate = load_certificates(source)[0]
        key = _parsed(name, "the key of the certificate", lambda _: certificate.public_key(), octets)
    else:
        found = None if labels else _tried(serialization.load_der_public_key, octets)
        if found is None:
            raise _found(name, "a public key or a certificate", octets)
        key = found
    _that_signs(name, key)
    return key


def is_pkcs12(source: Source) -> bool:
    """Whether a source begins as PKCS #12 does."""
    return _PFX.match(_read(source, MOST_OCTETS)[1]) is not None


def load_pkcs12(
    source: Source, passphrase: Passphrase = None
) -> tuple[x509.Certificate, PrivateKey, list[x509.Certificate]]:
    """The certificate, its key and the other certificates of a PKCS #12 container (RFC 7292)."""
    name, octets = _read(source, MOST_OCTETS)
    if not _PFX.match(octets):
        raise _found(name, "PKCS #12", octets)
    secret = _secret(passphrase)
    # Without a passphrase means two things: none, and one of no characters
    tries = [secret] if secret else [None, b""]
    opened = (_tried(functools.partial(pkcs12.load_pkcs12, password=word), octets) for word in tries)
    found = next(filter(None, opened), None)
    if found is None:
        reason = "the passphrase is wrong" if secret else "it needs a passphrase, and none is given"
        raise ConfigError(f"{name}: cannot open PKCS #12: {reason}, or the file is damaged or of an unsupported cipher")
    if found.cert is None or found.key is None:
        missing = "certificate for its key" if found.key else "private key"
        raise ConfigError(f"{name}: expected a certificate and its private key in PKCS #12, found no {missing}")
    certificate, key = found.cert.certificate, _that_signs(name, found.key)
    key_fits(certificate, key, name)
    _few(name, len(found.additional_certs), 0)
    return certificate, key, [other.certificate for other in found.additional_certs]


def load_crls(source: Source) -> list[x509.CertificateRevocationList]:
    """The certificate revocation lists of a source: PEM with one or more, or DER."""
    name, octets = _read(source, MOST_CRL)
    labels = _labels(octets)
    if not set(labels) & set(_CRL):
        if labels or (crl := _tried(x509.load_der_x509_crl, octets)) is None:
            raise _found(name, "a CRL", octets)
        return [crl]
    _few(name, labels.count(_CRL[0]))
    return [_parsed(name, "a CRL", x509.load_pem_x509_crl, block) for block in _blocks(octets, _CRL[0])]


def load_ocsp(source: Source) -> ocsp.OCSPResponse:
    """An OCSP response in DER (RFC 6960 section 4.2.1), whatever it says."""
    name, octets = _read(source, MOST_OCTETS)
    if _labels(octets) or (response := _tried(ocsp.load_der_ocsp_response, octets)) is None:
        raise _found(name, "an OCSP response in DER", octets)
    return response


def key_fits(certificate: x509.Certificate, key: Any, key_name: str = "", certificate_name: str = "") -> None:
    """Check that a private key is the one of a certificate. ConfigError, which names both."""
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    of = f"the certificate {subject_of(certificate)}{f' in {certificate_name}' if certificate_name else ''}"
    public = _parsed(of, "its public key", lambda _: certificate.public_key(), b"")
    if public.public_bytes(*spki) != key.public_key().public_bytes(*spki):
        where = f" in {key_name}" if key_name else ""
        raise ConfigError(f"the {key_kind(key)} key{where} does not fit {of}, whose key is {_another(public, key)}")


def _another(public: PublicKeyTypes, key: Any) -> str:
    kind = key_kind(public)
    return f"another {kind} key" if kind == key_kind(key) else kind


def _read(source: Source, most: int) -> tuple[str, bytes]:
    """The name of a source for errors, and its octets."""
    if isinstance(source, str) and _LABEL.search(source.encode("utf-8", "replace")):
        source = source.encode("utf-8", "replace")
    if isinstance(source, bytes):
        name, octets = "the octets that are given", source
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        name = printable(str(path), 200)
        try:
            octets = read_octets(path, most)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    else:
        raise ConfigError(f"expected the name of a file or octets, found {type(source).__name__}")
    if len(octets) > most:
        raise ConfigError(f"{name}: expected at most {most >> 20} MB, found more")
    if not octets:
        raise ConfigError(f"{name}: it is empty")
    return name, octets


def _certificate(octets: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(octets)


def _pkcs7(load: Callable[[bytes], list[x509.Certificate]]) -> Callable[[bytes], list[x509.Certificate]]:
    def quietly(octets: bytes) -> list[x509.Certificate]:
        with warnings.catch_warnings():  # openssl does not sort the certificates as DER asks, which is no news to users
            warnings.filterwarnings("ignore", "PKCS#7 certificates could not be parsed as DER")
            return load(octets)

    return quietly


def _labels(octets: bytes) -> list[str]:
    """The labels of all blocks of PEM; none for DER, which may have the same octets inside."""
    return [] if octets[:1] == b"\x30" else [label.decode() for label in _LABEL.findall(octets)]


def _blocks(octets: bytes, label: str) -> list[bytes]:
    """Each block of PEM with a label. One without an end is not whole, and the library refuses it."""
    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    parts = octets.split(begin)[1:]
    return [begin + part.partition(end)[0] + (end if end in part else b"") for part in parts]


def _few(name: str, count: int, least: int = 1) -> None:
    if not least <= count <= MOST_CERTIFICATES:
        raise ConfigError(f"{name}: expected {least} to {MOST_CERTIFICATES} certificates or CRLs, found {count}")


def _parsed(name: str, what: str, load: Callable[[bytes], T], octets: bytes) -> T:
    try:
        return load(octets)
    except _UNREADABLE as error:
        raise ConfigError(f"{name}: cannot read {what}: {_reason(error)}") from None


def _tried(load: Callable[[bytes], T], octets: bytes) -> T | None:
    try:
        return load(octets)
    except _UNREADABLE:
        return None


def _reason(error: Exception) -> str:
    return printable(str(error).partition(". ")[0].partition("\n")[0], 200) or type(error).__name__


def _secret(passphrase: Passphrase) -> bytes | None:
    """None for an empty one too: the library takes it for none."""
    if passphrase is None:
        return None
    return (passphrase.encode() if isinstance(passphrase, str) else read_secret(passphrase, "the passphrase")) or None


def _opened(name: str, octets: bytes, passphrase: Passphrase, pem: bool) -> Any:
    """A private key, with the passphrase if it is encrypted."""
    load: Callable[[bytes, bytes | None], Any]
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    secret = _secret(passphrase)
    try:
        return load(octets, None)
    except TypeError:
        if secret is None:
            raise ConfigError(f"{name}: the private key is encrypted, and no passphrase is given") from None
    except _UNREADABLE as error:
        key = _seeded(name, octets, pem)
        if key is not None:
            return key
        if pem:
            raise ConfigError(f"{name}: cannot read the private key: {_reason(error)}") from None
        raise _found(name, "a private key", octets) from None
    try:
        return load(octets, secret)
    except UnsupportedAlgorithm as error:
        raise ConfigError(f"{name}: cannot decrypt the private key: {_reason(error)}") from None
    except (ValueError, TypeError) as error:
        more = "" if "password" in str(error) else ", or it is a key that cannot be read"
        raise ConfigError(f"{name}: the passphrase does not open the private key{more}") from None


def _seeded(name: str, octets: bytes, pem: bool) -> Any:
    try:
        return from_both(octets, pem)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def _that_signs(name: str, key: Any) -> Any:
    if any(fits(scheme, key) for scheme in SCHEMES.values()):
        return key
    raise ConfigError(f"{name}: expected a key that makes signatures, found {key_kind(key)}")


def _key_in_der(octets: bytes) -> Any:
    return serialization.load_der_private_key(octets, None)


_DER: dict[str, Callable[[bytes], Any]] = {
    "a certificate": x509.load_der_x509_certificate,
    "a private key": _key_in_der,
    "a public key": serialization.load_der_public_key,
    "a CRL": x509.load_der_x509_crl,
    "an OCSP response": ocsp.load_der_ocsp_response,
    "PKCS #7": _pkcs7(pkcs7.load_der_pkcs7_certificates),
}
_PEM = {
    **dict.fromkeys(_CERTIFICATE, "a certificate"),
    **dict.fromkeys(_PRIVATE, "a private key"),
    **dict.fromkeys(_PUBLIC, "a public key"),
    **dict.fromkeys(_CRL, "a CRL"),
    "PKCS7": "PKCS #7",
    "OPENSSH PRIVATE KEY": "a key in OpenSSH's own format (ssh-keygen -p -m PKCS8 -f FILE converts it)",
    "CERTIFICATE REQUEST": "a request for a certificate",
}


def _what(octets: bytes) -> str:
    """What some octets are, for error texts."""
    labels = _labels(octets)
    if labels:
        return " and ".join(dict.fromkeys(_PEM.get(label, f"a block {label!r} of PEM") for label in labels[:4]))
    if _PFX.match(octets):
        return "PKCS #12"
    for what, load in _DER.items():
        if load is _key_in_der and len(octets) > MOST_KEY:
            continue  # to check such a key would take minutes
        try:
            load(octets)
        except TypeError:
            return "an encrypted private key"
        except _UNREADABLE:
            continue
        return what
    return "something else"


def _found(name: str, wanted: str, octets: bytes) -> ConfigError:
    return ConfigError(f"{name}: expected {wanted}, found {_what(octets)}")
