# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates made with cryptography's builders alone, so that the judge is not tested with what it shares."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEYS: dict[str, Callable[[], Any]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "mldsa44": mldsa.MLDSA44PrivateKey.generate,
    "mldsa87": mldsa.MLDSA87PrivateKey.generate,
    "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
}
Extensions = Iterable[tuple[x509.ExtensionType, bool]]


@cache
def key(kind: str, number: int = 0) -> Any:
    """A private key of a kind, made once; ``number`` tells keys of a kind apart."""
    return KEYS[kind]()


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any


def name(text: str) -> x509.Name:
    """A subject of a country and a common name."""
    if not text:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "CH"), x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(*names: str) -> x509.KeyUsage:
    """A keyUsage with these bits."""
    known = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{each: each in names for each in known})


def san(*names: str) -> x509.SubjectAlternativeName:
    """A subjectAltName of addresses, mail addresses and host names."""
    return x509.SubjectAlternativeName([general(each) for each in names])


def general(text: str) -> x509.GeneralName:
    """An IP address or network, a mail address, a URI, or a host name."""
    for read in (ipaddress.ip_address, ipaddress.ip_network):
        try:
            return x509.IPAddress(read(text))
        except ValueError:
            continue
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    return x509.RFC822Name(text) if "@" in text else x509.DNSName(text)


def make(
    subject: str | x509.Name,
    issuer: Made | None = None,
    *,
    key_kind: str = "p256",
    number: int = 0,
    ca: bool = False,
    path_length: int | None = None,
    key_usage: x509.KeyUsage | None = None,
    constraints: bool = True,
    extensions: Extensions = (),
    since: datetime = NOW - 30 * DAY,
    until: datetime = NOW + 30 * DAY,
    serial: int | None = None,
    signed_by: Any = None,
    padding: Any = None,
    digest: Any = None,
) -> Made:
    """A certificate; self-signed without an ``issuer``. ``signed_by`` is a key that is not the issuer's."""
    own = key(key_kind, number)
    subject = name(subject) if isinstance(subject, str) else subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )
    if ca and constraints:
        builder = builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
    key_usage = key_usage or (usage("key_cert_sign", "crl_sign") if ca else None)
    if key_usage:
        builder = builder.add_extension(key_usage, critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signer = signed_by or (issuer.key if issuer else own)
    hashed = isinstance(signer, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return Made(builder.sign(signer, (digest or hashes.SHA256()) if hashed else None, rsa_padding=padding), own)
