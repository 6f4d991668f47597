# SPDX-License-Identifier: GPL-2.0-or-later
"""Families of signatures: which keys they take, how they sign and verify (RFC 8017, 4754, 7427, 8420, 9881).

A family takes private and public keys as cryptography has them. `sign` and `verify` expect a key that `fits`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from fynx_scapy.errors import MalformedError

Key: TypeAlias = "PrivateKeyTypes | PublicKeyTypes"

CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
"""The names of NIST's curves in RFC 4754, by the library's. Other curves keep the library's name."""
_PURE: dict[str, tuple[type, ...]] = {
    "Ed25519": (ed25519.Ed25519PublicKey,),
    "Ed448": (ed448.Ed448PublicKey,),
    "ML-DSA-44": (mldsa.MLDSA44PublicKey,),
    "ML-DSA-65": (mldsa.MLDSA65PublicKey,),
    "ML-DSA-87": (mldsa.MLDSA87PublicKey,),
}


def public_half(key: Key) -> PublicKeyTypes:
    """The public key of a private key; a public key unchanged."""
    half: Any = key
    public: PublicKeyTypes = half.public_key() if hasattr(half, "public_key") else half
    return public


def key_kind(key: Key) -> str:
    """What kind of key it is, for reports: ``RSA-2048``, ``P-256``, ``brainpoolP256r1``, ``Ed25519``, ``ML-DSA-65``."""
    public = public_half(key)
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA-{public.key_size}"
    if isinstance(public, dsa.DSAPublicKey):
        return f"DSA-{public.key_size}"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return CURVES.get(public.curve.name, public.curve.name)
    return next((name for name, kinds in _PURE.items() if isinstance(public, kinds)), _class_name(public))


def _class_name(key: object) -> str:
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey")


class Family(ABC):
    """How one kind of signature is made and checked."""

    @property
    @abstractmethod
    def wanted(self) -> str:
        """The kind of key that it takes, with its article, for error texts."""

    @abstractmethod
    def fits(self, key: PublicKeyTypes) -> bool:
        """Whether a key can make such signatures."""

    @abstractmethod
    def sign(self, key: Any, octets: bytes) -> bytes:
        """The signature of some octets, as it is on the wire."""

    @abstractmethod
    def verify(self, key: Any, signature: bytes, octets: bytes) -> None:
        """Raises the library's InvalidSignature or ValueError, or MalformedError, if the signature is not right."""


@dataclass(frozen=True, slots=True)
class Pkcs1(Family):
    """RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2). The library compares the whole encoded message, DigestInfo included."""

    algorithm: hashes.HashAlgorithm
    wanted = "an RSA"

    def fits(self, key: PublicKeyTypes) -> bool:  # EMSA-PKCS1-v1_5: DigestInfo (19 octets and the digest), 11 more
        return isinstance(key, rsa.RSAPublicKey) and key.key_size // 8 >= self.algorithm.digest_size + 19 + 11

    def sign(self, key: Any, octets: bytes) -> bytes:
        return bytes(key.sign(octets, padding.PKCS1v15(), self.algorithm))

    def verify(self, key: Any, signature: bytes, octets: bytes) -> None:
        key.verify(signature, octets, padding.PKCS1v15(), self.algorithm)


@dataclass(frozen=True, slots=True)
class Pss(Family):
    """RSASSA-PSS with MGF1 (RFC 8017 section 8.1). ``salt`` is in octets."""

    algorithm: hashes.HashAlgorithm
    mask: hashes.HashAlgorithm
    salt: int
    wanted = "an RSA"

    def fits(self, key: PublicKeyTypes) -> bool:  # EMSA-PSS, section 9.1.1 step 3, in a message of modulus bits - 1
        octets = self.algorithm.digest_size + self.salt + 2
        return isinstance(key, rsa.RSAPublicKey) and (key.key_size - 1 + 7) // 8 >= octets

    def _padding(self) -> padding.PSS:
        return padding.PSS(padding.MGF1(self.mask), self.salt)

    def sign(self, key: Any, octets: bytes) -> bytes:
        return bytes(key.sign(octets, self._padding(), self.algorithm))

    def verify(self, key: Any, signature: bytes, octets: bytes) -> None:
        key.verify(signature, octets, self._padding(), self.algorithm)


def _ecdsa(algorithm: hashes.HashAlgorithm) -> ec.ECDSA:
    """Deterministic (RFC 6979) where the library can, so that a seed reproduces a whole run."""
    try:
        return ec.ECDSA(algorithm, deterministic_signing=True)
    except UnsupportedAlgorithm:  # OpenSSL before 3.2
        return ec.ECDSA(algorithm)


@dataclass(frozen=True, slots=True)
class Ecdsa(Family):
    """ECDSA on any curve; the signature is Ecdsa-Sig-Value in DER (RFC 7427 appendix A.3, RFC 3279 section 2.2.3)."""

    algorithm: hashes.HashAlgorithm
    wanted = "an ECDSA"

    def fits(self, key: PublicKeyTypes) -> bool:
        return isinstance(key, ec.EllipticCurvePublicKey)

    def sign(self, key: Any, octets: bytes) -> bytes:
        return bytes(key.sign(octets, _ecdsa(self.algorithm)))

    def verify(self, key: Any, signature: bytes, octets: bytes) -> None:
        key.verify(signature, octets, ec.ECDSA(self.algorithm))


@dataclass(frozen=True, slots=True)
class CurveEcdsa(Family):
    """ECDSA on one curve; the signature is r | s, each as long as the curve's order (RFC 4754 section 7)."""

    algorithm: hashes.HashAlgorithm
    curve: ec.EllipticCurve

    @property
    def wanted(self) -> str:
        return f"an ECDSA {CURVES[self.curve.name]}"

    def fits(self, key: PublicKeyTypes) -> bool:
        return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == self.curve.name

    @property
    def _half(self) -> int:
        return (self.curve.key_size + 7) // 8

    def sign(self, key: Any, octets: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(octets, _ecdsa(self.algorithm)))
        return r.to_bytes(self._half) + s.to_bytes(self._half)

    def verify(self, key: Any, signature: bytes, octets: bytes) -> None:
        half = self._half
        if len(signature) != 2 * half:
            raise MalformedError(f"expected a signature of {2 * half} octets, found {len(signature)}")
        der = encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
        key.verify(der, octets, ec.ECDSA(self.algorithm))


@dataclass(frozen=True, slots=True)
class Dsa(Family):
    """DSA; the signature is Dss-Sig-Value in DER (RFC 7427 appendix A.2)."""

    algorithm: hashes.HashAlgorithm
    wanted = "a DSA"

    def fits(self, key: PublicKeyTypes) -> bool:
        return isinstance(key, dsa.DSAPublicKey)

    def sign(self, key: Any, octets: bytes) -> bytes:
        return bytes(key.sign(octets, self.algorithm))

    def verify(self, key: Any, signature: bytes, octets: bytes) -> None:
        key.verify(signature, octets, self.algorithm)


@dataclass(frozen=True, slots=True)
class Pure(Family):
    """Signatures of the octets themselves: EdDSA (RFC 8420), ML-DSA in pure mode without a context (RFC 9881)."""

    kind: str

    @property
    def wanted(self) -> str:
        return f"an {self.kind}"

    def fits(self, key: PublicKeyTypes) -> bool:
        return isinstance(key, _PURE[self.kind])

    def sign(self, key: Any, octets: bytes) -> bytes:
        return bytes(key.sign(octets))

    def verify(self, key: Any, signature: bytes, octets: bytes) -> None:
        key.verify(signature, octets)
