# SPDX-License-Identifier: GPL-2.0-or-later
"""Elliptic curves (RFC 5903, RFC 6954), and the Montgomery curves X25519 and X448 (RFC 8031)."""

from __future__ import annotations

from typing import Any, ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from fynx_scapy.crypto.ke.base import KeyExchange, PrivateKey, scalar
from fynx_scapy.crypto.transforms import register
from fynx_scapy.errors import ConfigError, KeyExchangeError
from fynx_scapy.iana import KeMethod

# The public value is x | y, the secret is x (RFC 5903 section 7, RFC 6954 section 2)


class _Ecp(KeyExchange):
    curve: ClassVar[ec.EllipticCurve]

    def __init__(self) -> None:
        octets = (self.curve.key_size + 7) // 8
        self.public_size = 2 * octets
        self.private_size = octets + 8

    @property
    def shared_size(self) -> int:
        """The x coordinate only (RFC 5903 section 9)."""
        return self.public_size // 2

    def private(self, octets: bytes) -> PrivateKey:
        """The scalar in network order, reduced modulo the order of the group."""
        curve = self.curve
        try:
            private = ec.derive_private_key(scalar(octets, curve.group_order), curve)
        except UnsupportedAlgorithm as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error
        numbers = private.public_key().public_numbers()
        size = self.public_size // 2

        def shared(peer_public: bytes) -> bytes:
            try:
                # Refuses coordinates out of range and points off the curve (RFC 6989 section 2.3)
                peer = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + peer_public)
            except ValueError:
                raise KeyExchangeError(
                    f"the public value is not a point of {self.name} (RFC 6989 section 2.3)"
                ) from None
            return private.exchange(ec.ECDH(), peer)

        return PrivateKey(self, numbers.x.to_bytes(size) + numbers.y.to_bytes(size), shared)


@register
class Ecp256(_Ecp):
    """NIST P-256 (RFC 5903 section 3.1)."""

    id = KeMethod.ECP_256
    keywords = ("ecp256",)
    strength = 128
    curve = ec.SECP256R1()


@register
class Ecp384(_Ecp):
    """NIST P-384 (RFC 5903 section 3.2)."""

    id = KeMethod.ECP_384
    keywords = ("ecp384",)
    strength = 192
    curve = ec.SECP384R1()


@register
class Ecp521(_Ecp):
    """NIST P-521 (RFC 5903 section 3.3)."""

    id = KeMethod.ECP_521
    keywords = ("ecp521",)
    strength = 256
    curve = ec.SECP521R1()


@register
class BrainpoolP256(_Ecp):
    """brainpoolP256r1 (RFC 6954)."""

    id = KeMethod.BRAINPOOL_P256R1
    keywords = ("ecp256bp",)
    strength = 128
    curve = ec.BrainpoolP256R1()


@register
class BrainpoolP384(_Ecp):
    """brainpoolP384r1 (RFC 6954)."""

    id = KeMethod.BRAINPOOL_P384R1
    keywords = ("ecp384bp",)
    strength = 192
    curve = ec.BrainpoolP384R1()


@register
class BrainpoolP512(_Ecp):
    """brainpoolP512r1 (RFC 6954)."""

    id = KeMethod.BRAINPOOL_P512R1
    keywords = ("ecp512bp",)
    strength = 256
    curve = ec.BrainpoolP512R1()


# A result of zero is refused (RFC 8031 section 3.2, RFC 7748 section 6)


class _Montgomery(KeyExchange):
    keys: ClassVar[type[X25519PrivateKey] | type[X448PrivateKey]]
    peers: ClassVar[Any]  # the public key class that belongs to ``keys``, which mypy cannot express

    def __init__(self) -> None:
        self.private_size = self.public_size

    def private(self, octets: bytes) -> PrivateKey:
        """The private key in its wire form; clamping is part of the function (RFC 7748 section 5)."""
        if len(octets) != self.private_size:
            raise ConfigError(
                f"expected a private value of {self.private_size} octets for {self.name}, found {len(octets)}"
            )
        private = self.keys.from_private_bytes(octets)
        peers, exchange = self.peers, private.exchange

        def shared(peer_public: bytes) -> bytes:
            try:
                return exchange(peers.from_public_bytes(peer_public))
            except ValueError:
                raise KeyExchangeError(f"the shared secret of {self.name} is zero (RFC 8031 section 3.2)") from None

        return PrivateKey(self, private.public_key().public_bytes_raw(), shared)


@register
class Curve25519(_Montgomery):
    """X25519 (RFC 8031)."""

    id = KeMethod.CURVE25519
    keywords = ("x25519", "curve25519")
    strength = 128
    public_size = 32
    keys = X25519PrivateKey
    peers = X25519PublicKey


@register
class Curve448(_Montgomery):
    """X448 (RFC 8031)."""

    id = KeMethod.CURVE448
    keywords = ("x448", "curve448")
    strength = 224
    public_size = 56
    keys = X448PrivateKey
    peers = X448PublicKey
