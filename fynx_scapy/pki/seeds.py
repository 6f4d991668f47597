# SPDX-License-Identifier: GPL-2.0-or-later
"""Private keys of ML-DSA with their seed and in expanded form (RFC 9881 section 6), as openssl writes them by default.

cryptography reads the seed alone. An expanded key without its seed cannot be used with it.
"""

from __future__ import annotations

import binascii
from hashlib import shake_256
from typing import Any

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.x509 import ObjectIdentifier

from fynx_scapy.errors import ConfigError

_NAMES = "2.16.840.1.101.3.4.3"
_KINDS: dict[str, Any] = {
    f"{_NAMES}.17": mldsa.MLDSA44PrivateKey,
    f"{_NAMES}.18": mldsa.MLDSA65PrivateKey,
    f"{_NAMES}.19": mldsa.MLDSA87PrivateKey,
}


@asn1.sequence
class _Algorithm:
    algorithm: ObjectIdentifier


@asn1.sequence
class _PrivateKey:  # OneAsymmetricKey (RFC 5958) without what is optional in it
    version: int
    algorithm: _Algorithm
    key: bytes


@asn1.sequence
class _Both:
    seed: bytes
    expanded: bytes


def from_both(octets: bytes, pem: bool) -> Any:
    """The private key in PKCS #8, if it is one of ML-DSA that has more than its seed; None for any other.

    Raises ConfigError for a key without its seed, and for one whose seed and expanded form do not belong together: the
    public key that both name is compared (section 8.2), not the secret parts of the expanded form, which is not used.
    """
    try:
        found = asn1.decode_der(_PrivateKey, _body(octets) if pem else octets)
        kind = _KINDS[found.algorithm.algorithm.dotted_string]
        both = None if found.key[:1] == b"\x04" else asn1.decode_der(_Both, found.key)
        key: Any = kind.from_seed_bytes(both.seed) if both else None
    except (ValueError, KeyError):
        return None
    if both is None:
        raise ConfigError("it is an ML-DSA key in expanded form, and its seed is needed")
    public = key.public_key().public_bytes_raw()
    # FIPS 204 algorithm 24: rho of 32 octets, K of 32, then tr of 64, which is a hash of the public key
    if both.expanded[:32] != public[:32] or both.expanded[64:128] != shake_256(public).digest(64):
        raise ConfigError("the seed of the ML-DSA key is not that of its expanded form")
    return key


def _body(block: bytes) -> bytes:
    """What is between the first and the last line of PEM. ValueError if it is not in Base64."""
    return binascii.a2b_base64(b"".join(block.split(b"\n")[1:]).partition(b"-----")[0])
