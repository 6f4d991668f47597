# SPDX-License-Identifier: GPL-2.0-or-later
"""Private keys by the name of their kind, fresh or from a seed, and what they sign certificates with."""

from __future__ import annotations

import difflib
import functools
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

from fynx_scapy.crypto.signing import SCHEMES, sign
from fynx_scapy.errors import ConfigError
from fynx_scapy.text import printable

PrivateKey = CertificateIssuerPrivateKeyTypes

_CURVES: Mapping[str, ec.EllipticCurve] = {
    "ecdsa-p256": ec.SECP256R1(),
    "ecdsa-p384": ec.SECP384R1(),
    "ecdsa-p521": ec.SECP521R1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}
_RSA = {f"rsa-{size}": size for size in (1024, 2048, 3072, 4096)}
_MLDSA = {"mldsa44": "MLDSA44PrivateKey", "mldsa65": "MLDSA65PrivateKey", "mldsa87": "MLDSA87PrivateKey"}
KINDS = (*_CURVES, *_RSA, "ed25519", "ed448", *_MLDSA)
"""The names of the kinds of keys."""


def make_key(kind: str, seed: bytes | None = None, *, role: str = "") -> PrivateKey:
    """A private key of this kind.

    With a ``seed`` of any length it is the same each time. RSA keys cannot come from a seed: with one, each ``role``
    has one RSA key of each size as long as the process lives, because making them is slow. ConfigError for a kind that
    is not one of `KINDS`, or that the installed cryptography lacks.
    """
    if kind in _RSA:
        return _rsa(_RSA[kind]) if seed is None else _shared_rsa(_RSA[kind], role)
    if (curve := _CURVES.get(kind)) is not None:
        if seed is None:
            return ec.generate_private_key(curve)
        # One bit less than the curve has: smaller than the order of each of these groups.
        value = int.from_bytes(_stretched(seed, 72)) % (1 << (curve.key_size - 1)) or 1
        return ec.derive_private_key(value, curve)
    if kind == "ed25519":
        return (
            ed25519.Ed25519PrivateKey.generate()
            if seed is None
            else ed25519.Ed25519PrivateKey.from_private_bytes(_stretched(seed, 32))
        )
    if kind == "ed448":
        return (
            ed448.Ed448PrivateKey.generate()
            if seed is None
            else ed448.Ed448PrivateKey.from_private_bytes(_stretched(seed, 57))
        )
    if kind in _MLDSA:
        made = _mldsa(kind)
        key: PrivateKey = made.generate() if seed is None else made.from_seed_bytes(_stretched(seed, 32))
        return key
    near = difflib.get_close_matches(kind, KINDS, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ConfigError(f"expected a kind of key, one of {', '.join(KINDS)}, found '{printable(kind, 40)}'{hint}")


def kind_of(key: Any) -> str:
    """The name of a private or public key's kind; of a kind that is not in `KINDS`, the name of its class."""
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return next((name for name, curve in _CURVES.items() if curve.name == key.curve.name), key.curve.name)
    name = type(key).__name__.lower()
    return next((kind for kind in KINDS if name.startswith(kind)), name)


def signing(key: PrivateKey, hash_name: str, *, pss: bool) -> tuple[bytes, Callable[[bytes], bytes]]:
    """The AlgorithmIdentifier of a certificate, CRL or OCSP response, and what signs it. It raises ValueError.

    They are those of AUTH (RFC 7427 section 3). EdDSA and ML-DSA have no hash of their own choice and ignore
    ``hash_name``. ``pss`` is of RSA alone.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        name = f"rsa-pss-{hash_name}" if pss else f"rsa-pkcs1-{hash_name}"
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        name = f"ecdsa-{hash_name}"
    else:
        name = kind_of(key)
    if name not in SCHEMES:
        raise ConfigError(f"expected a key that signs certificates, one of {', '.join(KINDS)}, found {name}")
    scheme = SCHEMES[name]
    return scheme.identifier, lambda tbs: sign(scheme, key, tbs)[1 + len(scheme.identifier) :]


def default_hash(key: PrivateKey) -> str:
    """The hash that fits a key's strength (RFC 5480 section 4)."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return "sha256" if key.key_size < 384 else "sha384" if key.key_size < 512 else "sha512"
    return "sha256"


def _rsa(size: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, size)


@functools.cache
def _shared_rsa(size: int, _role: str) -> rsa.RSAPrivateKey:
    return _rsa(size)


def _mldsa(kind: str) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError:
        raise ConfigError(f"{kind} needs a newer release of the Python package cryptography") from None
    return getattr(mldsa, _MLDSA[kind])


def _stretched(seed: bytes, size: int) -> bytes:
    return hashlib.shake_256(b"fynx key" + seed).digest(size)
