# SPDX-License-Identifier: GPL-2.0-or-later
"""Modular exponentiation: public values and secrets are as long as the prime (RFC 7296 sections 2.14 and 3.4)."""

from __future__ import annotations

from fynx_scapy.crypto.ke import groups
from fynx_scapy.crypto.ke.base import KeyExchange, PrivateKey, scalar
from fynx_scapy.crypto.transforms import register
from fynx_scapy.errors import KeyExchangeError
from fynx_scapy.iana import KeMethod


class _Modp(KeyExchange):
    def __init__(self) -> None:
        self.group = groups.group(self.id)
        self.public_size = self.group.size
        # With a reduction modulo the order, 64 extra bits avoid a bias.
        self.private_size = (self.group.exponent_bits + 7) // 8 + (8 if self.group.order else 0)

    def private(self, octets: bytes) -> PrivateKey:
        """The exponent in network order, reduced modulo p - 1 or the order of the subgroup."""
        group, size = self.group, self.public_size
        exponent = scalar(octets, group.order or group.prime - 1)

        def shared(peer_public: bytes) -> bytes:
            peer = int.from_bytes(peer_public)
            # RFC 6989 section 2.1: "1 < r < p-1"; section 2.2: "r^q = 1 mod p"
            if not 1 < peer < group.prime - 1:
                raise KeyExchangeError(f"the public value of {self.name} is out of range (RFC 6989 section 2.1)")
            if group.order and groups.power(group, peer, group.order) != 1:
                raise KeyExchangeError(f"the public value of {self.name} is not in the subgroup (RFC 6989 section 2.2)")
            return groups.power(group, peer, exponent).to_bytes(size)

        return PrivateKey(self, groups.power(group, group.generator, exponent).to_bytes(size), shared)


@register
class Modp768(_Modp):
    """768-bit MODP (RFC 7296 appendix B.1)."""

    id = KeMethod.MODP_768
    keywords = ("modp768",)
    strength = 66
    legacy = True


@register
class Modp1024(_Modp):
    """1024-bit MODP (RFC 7296 appendix B.2)."""

    id = KeMethod.MODP_1024
    keywords = ("modp1024",)
    strength = 80
    legacy = True


@register
class Modp1536(_Modp):
    """1536-bit MODP (RFC 3526 section 2)."""

    id = KeMethod.MODP_1536
    keywords = ("modp1536",)
    strength = 90
    legacy = True


@register
class Modp2048(_Modp):
    """2048-bit MODP (RFC 3526 section 3)."""

    id = KeMethod.MODP_2048
    keywords = ("modp2048",)
    strength = 112


@register
class Modp3072(_Modp):
    """3072-bit MODP (RFC 3526 section 4)."""

    id = KeMethod.MODP_3072
    keywords = ("modp3072",)
    strength = 128


@register
class Modp4096(_Modp):
    """4096-bit MODP (RFC 3526 section 5)."""

    id = KeMethod.MODP_4096
    keywords = ("modp4096",)
    strength = 152


@register
class Modp6144(_Modp):
    """6144-bit MODP (RFC 3526 section 6)."""

    id = KeMethod.MODP_6144
    keywords = ("modp6144",)
    strength = 176


@register
class Modp8192(_Modp):
    """8192-bit MODP (RFC 3526 section 7)."""

    id = KeMethod.MODP_8192
    keywords = ("modp8192",)
    strength = 200


@register
class Modp1024S160(_Modp):
    """1024-bit MODP with a 160-bit subgroup (RFC 5114 section 2.1)."""

    id = KeMethod.MODP_1024_160
    keywords = ("modp1024s160",)
    strength = 80
    legacy = True


@register
class Modp2048S224(_Modp):
    """2048-bit MODP with a 224-bit subgroup (RFC 5114 section 2.2)."""

    id = KeMethod.MODP_2048_224
    keywords = ("modp2048s224",)
    strength = 112
    legacy = True


@register
class Modp2048S256(_Modp):
    """2048-bit MODP with a 256-bit subgroup (RFC 5114 section 2.3)."""

    id = KeMethod.MODP_2048_256
    keywords = ("modp2048s256",)
    strength = 112
    legacy = True
