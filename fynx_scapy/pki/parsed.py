# SPDX-License-Identifier: GPL-2.0-or-later
"""A certificate, read once: what is needed to judge it. Whatever is wrong with its octets is one CertificateError."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from fynx_scapy.errors import CertificateError, MalformedError
from fynx_scapy.pki import der
from fynx_scapy.text import counted, printable

MOST_OCTETS = 1 << 17
"""No larger certificate is read. One with ML-DSA-87 keys and signatures has about 8,000 octets."""
LONGEST_SUBJECT = 200
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    MalformedError,
)
"""What cryptography raises for octets that it cannot read."""

Kind = TypeVar("Kind", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A certificate and what it says."""

    certificate: x509.Certificate
    der: bytes = field(repr=False)
    issuer: bytes = field(repr=False)
    """The issuer's name, in DER as it is in the certificate."""
    subject: bytes = field(repr=False)
    """The subject, likewise."""
    spki: bytes = field(repr=False)
    """The SubjectPublicKeyInfo, likewise."""
    key: CertificatePublicKeyTypes = field(repr=False)
    text: str
    """The subject in words, printable and short."""
    issuer_text: str
    """The issuer, likewise."""
    not_before: datetime
    not_after: datetime
    extensions: dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]] = field(repr=False)

    def get(self, kind: type[Kind]) -> Kind | None:
        """The value of an extension, None if the certificate does not have it."""
        found = self.extensions.get(kind.oid)
        return found.value if found is not None and isinstance(found.value, kind) else None

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same (RFC 5280 section 3.2)."""
        return self.issuer == self.subject

    @property
    def key_identifier(self) -> bytes | None:
        """The subjectKeyIdentifier."""
        value = self.get(x509.SubjectKeyIdentifier)
        return value.digest if value else None

    @property
    def authority_key_identifier(self) -> bytes | None:
        """The keyIdentifier of the issuer."""
        value = self.get(x509.AuthorityKeyIdentifier)
        return value.key_identifier if value else None

    def names(self) -> list[x509.GeneralName]:
        """The names of subjectAltName."""
        value = self.get(x509.SubjectAlternativeName)
        return list(value) if value else []


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Around what reads octets of others: CertificateError ``malformed`` for those that cannot be read.

    cryptography warns about oddities, such as a country of three letters. A peer must not write on our terminal.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UNREADABLE as error:
        raise CertificateError("malformed", f"cannot read {what}: {printable(str(error), LONGEST_SUBJECT)}") from None


def parse(source: bytes | x509.Certificate, what: str = "the certificate") -> Parsed:
    """Read a certificate in DER, or one that cryptography has read. CertificateError ``malformed``."""
    with reading(what):
        octets = source if isinstance(source, bytes) else source.public_bytes(Encoding.DER)
        if len(octets) > MOST_OCTETS:
            raise MalformedError(f"expected at most {MOST_OCTETS} octets, found {counted(len(octets), 'octet')}")
        return _parsed(octets)


@lru_cache(maxsize=64)
def _parsed(octets: bytes) -> Parsed:
    """Read a certificate. A handshake asks about the same few again and again: identity, authority, chain."""
    certificate = x509.load_der_x509_certificate(octets)
    fields = der.inside(certificate.tbs_certificate_bytes)
    # TBSCertificate: version [0], serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, ...
    at = 1 if fields[0].tag == der.VERSION else 0
    issuer, subject, spki = (fields[at + place].whole for place in (2, 4, 5))
    return Parsed(
        certificate,
        octets,
        issuer,
        subject,
        spki,
        certificate.public_key(),
        said(certificate.subject),
        said(certificate.issuer),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        {each.oid: each for each in certificate.extensions},
    )


@lru_cache(maxsize=16)
def parse_all(certificates: tuple[x509.Certificate, ...]) -> tuple[Parsed, ...]:
    """Read the certificates that a configuration has, once. CertificateError ``malformed``."""
    return tuple(parse(each, "a trusted certificate") for each in certificates)


def said(name: x509.Name) -> str:
    """A name in words (RFC 4514), printable and short."""
    return printable(name.rfc4514_string(), LONGEST_SUBJECT) or "(no subject)"


def subject_of(certificate: x509.Certificate) -> str:
    """The subject of a certificate in words, whatever it is."""
    return _words(lambda: certificate.subject)


def issuer_of(certificate: x509.Certificate) -> str:
    """Its issuer, likewise."""
    return _words(lambda: certificate.issuer)


def _words(read: Callable[[], x509.Name]) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return said(read())
    except UNREADABLE:  # cryptography reads a name when it is asked for
        return "(a name that cannot be read)"
