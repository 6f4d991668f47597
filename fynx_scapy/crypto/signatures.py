# SPDX-License-Identifier: GPL-2.0-or-later
"""Verification of signatures in AUTH: RFC 7296 section 3.8 (RSA), RFC 4754 (ECDSA), RFC 7427 (any), RFC 8420 (EdDSA).

The signed octets come from :func:`fynx_scapy.crypto.keymat.signed_octets`, the public key from a CERT payload.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from fynx_scapy.crypto.families import CURVES, CurveEcdsa, key_kind
from fynx_scapy.crypto.schemes import DIGITAL, METHODS, RSA, Scheme, identified
from fynx_scapy.errors import AuthenticationError, ConfigError, MalformedError

__all__ = ["METHODS", "Signed", "describe", "public_key", "verified", "verify"]

X509_SIGNATURE, RAW_RSA_KEY, RAW_PUBLIC_KEY = 4, 11, 15  # certificate encodings (section 3.6, RFC 7670)


@dataclass(frozen=True, slots=True)
class Signed:
    """What the data of an AUTH payload say without the key of the signer."""

    scheme: str
    """The name of the scheme, as in `SCHEMES`; ``rsa`` for method 1, where the padding hides the hash."""
    title: str
    """The name of the algorithm, for reports."""
    hash_id: int | None
    """The hash that has to be announced (RFC 7427 section 4); None for methods 1 and 9 to 11."""
    key: str
    """The kind of key: ``RSA``, ``ECDSA``, ``P-256``, ``Ed25519``, ``ML-DSA-65``."""
    signature: bytes
    """The signature itself."""


def public_key(encoding: int, data: bytes) -> PublicKeyTypes:
    """The public key in the data of a CERT payload (without its encoding octet).

    Raises ConfigError for an encoding that contains no key, MalformedError for data that cannot be parsed.
    """
    from cryptography import x509  # slow to import, and few peers and captures have a certificate

    try:
        if encoding == X509_SIGNATURE:
            with warnings.catch_warnings():  # about oddities: a peer must not write on our terminal
                warnings.simplefilter("ignore")
                return x509.load_der_x509_certificate(data).public_key()
        if encoding in (RAW_PUBLIC_KEY, RAW_RSA_KEY):
            return serialization.load_der_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise MalformedError(f"cannot read the public key of the certificate: {error}") from None
    raise ConfigError(f"expected a certificate of encoding 4, 11 or 15, found {encoding}")


def verify(method: int, data: bytes, octets: bytes, key: PublicKeyTypes) -> str:
    """Verify the data of an AUTH payload. Returns the name of the signature algorithm.

    Raises AuthenticationError if the signature does not verify or needs another type of key, MalformedError for data
    that is not a signature, ConfigError for a method that is not a signature or not supported.
    """
    return verified(method, data, octets, key).title


def verified(method: int, data: bytes, octets: bytes, key: PublicKeyTypes) -> Scheme:
    """The scheme of the data of an AUTH payload, which are verified. Errors as of `verify`."""
    schemes, signature = _schemes(method, data)
    for scheme in schemes:  # method 1 has several: a signer may use another hash than SHA-1, which the padding names
        family = scheme.family
        if not family.fits(key):
            raise AuthenticationError(f"expected {family.wanted} key, found {_a(key_kind(key))} key")
        try:
            family.verify(key, signature, octets)
        except InvalidSignature:
            continue
        except (ValueError, UnsupportedAlgorithm) as error:
            raise AuthenticationError(f"the signature ({scheme.title}) does not verify: {error}") from None
        return scheme
    raise AuthenticationError(f"the signature ({_title(schemes)}) does not verify")


def describe(method: int, data: bytes) -> Signed:
    """What the data of an AUTH payload say of the signature, without verifying it. Errors as of `verify`."""
    schemes, signature = _schemes(method, data)
    scheme, title = schemes[0], _title(schemes)
    family = scheme.family
    kind = CURVES[family.curve.name] if isinstance(family, CurveEcdsa) else family.wanted.split()[-1]
    return Signed("rsa" if scheme.method == RSA else scheme.name, title, scheme.hash_id, kind, signature)


def _title(schemes: tuple[Scheme, ...]) -> str:
    return schemes[0].title if len(schemes) == 1 else "RSASSA-PKCS1-v1_5"


def _schemes(method: int, data: bytes) -> tuple[tuple[Scheme, ...], bytes]:
    """The schemes that some data may be of, and the signature. Method 14: length | AlgorithmIdentifier | signature."""
    if method in METHODS:
        return METHODS[method], data
    if method != DIGITAL:
        raise ConfigError(f"authentication method {method} is not a supported signature method")
    if not data or len(data) < 1 + data[0]:
        raise MalformedError(f"expected an AlgorithmIdentifier of {data[0] if data else 'some'} octets, found fewer")
    return (identified(data[1 : 1 + data[0]]),), data[1 + data[0] :]


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'AEIMORSX' else 'a'} {name}"
