# SPDX-License-Identifier: GPL-2.0-or-later
"""Signatures of authorities: on certificates, CRLs and OCSP responses."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from fynx_scapy.crypto.signatures import verify
from fynx_scapy.errors import AuthenticationError, CertificateError, ConfigError, MalformedError
from fynx_scapy.iana import AuthMethod
from fynx_scapy.pki import der
from fynx_scapy.pki.parsed import UNREADABLE, Parsed, reading

_LONGEST_ALGORITHM = 255
LONGEST_EXPONENT = 64
"""Bits of the exponent of an authority's RSA key. A longer one makes each signature cost a hundred times as much;
OpenSSL has the same limit for keys of more than 3072 bits."""


def weak_hash(algorithm: hashes.HashAlgorithm | None, allow_sha1: bool) -> bool:
    """Whether an authority must not sign with a hash."""
    return isinstance(algorithm, hashes.MD5) or (isinstance(algorithm, hashes.SHA1) and not allow_sha1)


def verifies(algorithm: bytes, signature: bytes, octets: bytes, key: Any) -> bool:
    """Whether a signature verifies; ``algorithm`` is its AlgorithmIdentifier in DER.

    AUTH of method 14 has the same parts (RFC 7427 section 3), so the same code verifies it.
    """
    if len(algorithm) > _LONGEST_ALGORITHM:
        return False
    try:
        verify(AuthMethod.Digital_Signature, bytes([len(algorithm)]) + algorithm + signature, octets, key)
    except (AuthenticationError, ConfigError, MalformedError):
        return False
    return True


def algorithm_of(signed: bytes) -> bytes:
    """The AlgorithmIdentifier, in DER, of a certificate, a CRL or a BasicOCSPResponse: what follows the signed part."""
    return der.inside(signed)[1].whole


def long_exponent(key: Any) -> bool:
    """Whether a key is an RSA key whose signatures we do not verify, because it takes too long."""
    return isinstance(key, rsa.RSAPublicKey) and key.public_numbers().e >> LONGEST_EXPONENT != 0


def check_issued(child: Parsed, issuer: Parsed, allow_sha1: bool) -> None:
    """Check that an authority signed a certificate. CertificateError ``signature`` or ``weak-signature``."""
    certificate = child.certificate
    with reading(f"the signature algorithm of {child.text}"):
        algorithm = certificate.signature_hash_algorithm
    if weak_hash(algorithm, allow_sha1):
        found = algorithm.name.upper() if algorithm else ""
        text = f"expected a signature with SHA-2 on {child.text}, found {found}"
        raise CertificateError("weak-signature", text, child.text)
    if long_exponent(issuer.key):
        text = f"expected an RSA exponent of at most {LONGEST_EXPONENT} bits in {issuer.text}, found a longer one"
        raise CertificateError("too-complex", text, child.text)
    text = f"the signature on {child.text} is not one of {issuer.text}"
    if isinstance(algorithm, hashes.SHA1):  # cryptography refuses it for certificates
        octets, signature = certificate.tbs_certificate_bytes, certificate.signature
        if child.issuer != issuer.subject or not verifies(algorithm_of(child.der), signature, octets, issuer.key):
            raise CertificateError("signature", text, child.text)
        return
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except InvalidSignature:
        raise CertificateError("signature", text, child.text) from None
    except UNREADABLE as error:
        raise CertificateError("signature", f"{text}: {error}", child.text) from None
