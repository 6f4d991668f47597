# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts about how peers prove who they are: names of signature algorithms and of public keys."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa

from fynx_scapy.crypto import signatures
from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import AuthMethod


def algorithm_of(layer: Any) -> str | None:
    """The signature algorithm of method 14. For RSASSA-PSS with its hash, which is in the parameters."""
    name: str | None = layer.algorithm
    identifier = layer.algorithm_identifier
    if name != "RSASSA-PSS" or identifier is None:
        return name
    # The hash comes before that of the mask generation function.
    found = sorted((identifier.find(oid), text) for oid, text in _PSS_HASHES if oid in identifier)
    return f"RSASSA-PSS with {found[0][1] if found else 'SHA1'}"


_PSS_HASHES = [
    (bytes.fromhex("0609608648016503040201"), "SHA256"),
    (bytes.fromhex("0609608648016503040202"), "SHA384"),
    (bytes.fromhex("0609608648016503040203"), "SHA512"),
]
"""The DER object identifiers of the hashes. Without parameters it is SHA-1 (RFC 4055 section 3.1)."""


def key_of(encoding: int, octets: bytes) -> str:
    """The kind of public key in a CERT payload, such as ``RSA-2048``. Empty if it has none that can be read."""
    try:
        return key_text(signatures.public_key(encoding, octets))
    except (MalformedError, ConfigError):
        return ""


def key_text(key: Any) -> str:
    """The kind of a public key and its size or curve."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ECDSA-{key.curve.name}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA-{key.key_size}"
    return type(key).__name__.strip("_").removesuffix("PublicKey")


def signed_sha1(method: int, data: bytes, key: Any) -> bool:
    """Whether a signature of method 1 has a DigestInfo with SHA-1 (RFC 7296 section 3.8, RFC 8017 section 9.2)."""
    if method != AuthMethod.RSA_Digital_Signature or not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.recover_data_from_signature(data, padding.PKCS1v15(), hashes.SHA1())
    except (InvalidSignature, ValueError):
        return False
    return True
