# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own certificates: read from what a user names, and held against what every peer must refuse.

A mistake is one ConfigError before anything is sent: a key that is not of the certificate, a time outside its validity,
an identity that it does not have, a chain that does not hold together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from os import PathLike, fspath
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fynx_scapy.errors import CertificateError, ConfigError
from fynx_scapy.pki import identity, loading, parsed
from fynx_scapy.pki.authorities import authority_hash
from fynx_scapy.pki.parsed import issuer_of, parse
from fynx_scapy.pki.signed import check_issued
from fynx_scapy.pki.trust import Trust
from fynx_scapy.text import LONGEST, printable


def certificates(source: Any) -> list[x509.Certificate]:
    """The certificates of a file, of octets, or an object of cryptography; ConfigError."""
    return [source] if isinstance(source, x509.Certificate) else loading.load_certificates(source)


def private_key(source: Any, passphrase: str | bytes | None) -> Any:
    """The private key of a file, of octets, or an object of cryptography; ConfigError."""
    if isinstance(source, x509.Certificate):
        raise ConfigError(f"expected the private key of {subject(source)}, found none")
    return source if hasattr(source, "sign") else loading.load_key(source, passphrase)


def is_pkcs12(source: Any) -> bool:
    """Whether a file, or octets, begin as PKCS#12 does; ConfigError for a file that cannot be read."""
    return isinstance(source, str | bytes | PathLike) and loading.is_pkcs12(source)


def pkcs12(source: Any, passphrase: str | bytes | None) -> tuple[Any, Any, Any]:
    """The certificate, the key and the chain of a PKCS#12 file; ConfigError."""
    return loading.load_pkcs12(source, passphrase)


def public_key(source: Any) -> bytes:
    """The SubjectPublicKeyInfo in DER of a public key: a file, octets, or an object of cryptography; ConfigError."""
    key = source if hasattr(source, "public_bytes") else loading.load_public_key(source)
    octets: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return octets


def spki(key: Any) -> bytes:
    """The SubjectPublicKeyInfo in DER of a private key."""
    return public_key(key.public_key())


def crls(source: Any) -> list[bytes]:
    """The CRLs of a file or of octets, in DER; ConfigError."""
    return [each.public_bytes(Encoding.DER) for each in loading.load_crls(source)]


def ocsp_response(source: Any) -> bytes:
    """The OCSP response of a file or of octets, in DER; ConfigError."""
    found = loading.load_ocsp(source)
    response = found[0] if isinstance(found, Sequence) else found
    octets: bytes = response.public_bytes(Encoding.DER)
    return octets


def der(certificate: x509.Certificate) -> bytes:
    """A certificate in DER."""
    return certificate.public_bytes(Encoding.DER)


def subject(certificate: x509.Certificate) -> str:
    """Its subject in words."""
    return parsed.subject_of(certificate)


def subject_of(octets: bytes) -> str:
    """The subject of a certificate in DER, in words; empty for octets that are none."""
    try:
        return parse(octets).text
    except CertificateError:
        return ""


def name_of(source: Any, certificate: x509.Certificate) -> str:
    """What to call a certificate in error texts: its file, or else its subject."""
    return _file(source) or subject(certificate)


def _file(source: Any) -> str:
    """The name of the file that something is read from, printable; empty for anything but a file."""
    named = isinstance(source, str | PathLike) and "-----BEGIN" not in str(source)
    return printable(fspath(source), LONGEST) if named else ""


def identities(certificate: x509.Certificate) -> tuple[tuple[int, bytes], ...]:
    """The ID types and octets of the identities in a certificate; ConfigError when there is none."""
    found = tuple((int(kind), value) for kind, value in identity.identities(certificate))
    if not found:
        raise ConfigError(f"expected an identity in the certificate {subject(certificate)}, found none")
    return found


def has(certificate: x509.Certificate, kind: int, value: bytes) -> bool:
    """Whether a certificate has an identity."""
    try:
        identity.matches(certificate, kind, value)
    except CertificateError:
        return False
    return True


def check_key(certificate: x509.Certificate, key: Any, certificate_source: Any, key_source: Any) -> None:
    """ConfigError when a private key is not that of a certificate. It names the files that they came from."""
    loading.key_fits(certificate, key, _file(key_source), _file(certificate_source))


def check_readable(certificates: Sequence[x509.Certificate], name: str) -> None:
    """ConfigError for a certificate in which something cannot be read: a name, an extension, the key."""
    for each in certificates:
        try:
            parse(each)
        except CertificateError as error:
            raise ConfigError(f"{name}: {error}") from None


def check_validity(leaf: x509.Certificate, chain: Sequence[x509.Certificate], trust: Trust | None, name: str) -> None:
    """ConfigError when a certificate is not valid now, or at the time of ``trust``, or is not issued by the next."""
    when = trust.now() if trust is not None else datetime.now(UTC)
    for number, each in enumerate((leaf, *chain)):
        if not each.not_valid_before_utc <= when <= each.not_valid_after_utc:
            raise ConfigError(
                f"expected {name}: {subject(each)} to be valid at {when:%Y-%m-%dT%H:%M:%SZ}, found it valid "
                f"from {each.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ} to {each.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
                "; Certificate(check=False) sends it nevertheless"
            )
        if number < len(chain):
            _check_issued(each, chain[number], name)


def _check_issued(below: x509.Certificate, above: x509.Certificate, name: str) -> None:
    try:
        check_issued(parse(below), parse(above), allow_sha1=True)  # a peer that does not take SHA-1 says so
    except CertificateError:
        raise ConfigError(
            f"expected the chain of {name} to hold the issuer of {subject(below)} ({issuer_of(below)}) next, "
            f"found {subject(above)}"
        ) from None


def is_root(certificate: x509.Certificate) -> bool:
    """Whether a certificate is self-issued: peers that trust it have it."""
    try:
        return parse(certificate).self_issued
    except CertificateError:
        return False  # a tester's, which is sent as it is


@lru_cache(maxsize=64)
def authority_hashes(anchors: tuple[x509.Certificate, ...]) -> tuple[bytes, ...]:
    """The hashes by which a CERTREQ names authorities (RFC 7296 section 3.7)."""
    return tuple(map(authority_hash, anchors))


def authorities(leaf: x509.Certificate, chain: Sequence[x509.Certificate], anchors: Sequence[Any]) -> frozenset[bytes]:
    """The hashes by which a CERTREQ can name an authority above a certificate (RFC 7296 section 3.7).

    They are those of the chain, and of the ``anchors`` that issued its last certificate: we may not have the peer's.
    """
    last = chain[-1] if chain else leaf
    above = [anchor for anchor in anchors if anchor.subject == last.issuer]
    return frozenset(map(authority_hash, (*chain, *above)))
