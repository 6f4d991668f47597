# SPDX-License-Identifier: GPL-2.0-or-later
"""Ciphers that IANA's registry marks as deprecated (RFC 9395): to offer them in tests, and to read old traffic."""

from __future__ import annotations

from typing import ClassVar

from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

from fynx_scapy.crypto.encr.plain import Cbc, decrepit
from fynx_scapy.crypto.transforms import register
from fynx_scapy.iana import Encr


class _Weak(Cbc):
    key_lengths: ClassVar[tuple[int, ...]] = ()
    iv_size = 8
    block_size = 8
    legacy = True


@register
class DesCbc(_Weak):
    """DES-CBC (RFC 2405): as 3DES with one key three times, which decrypts what it has just encrypted."""

    id = Encr.ENCR_DES
    keywords = ("des",)
    fixed_key_size = 8

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return decrepit("TripleDES", key * 3)


@register
class BlowfishCbc(_Weak):
    """Blowfish-CBC (RFC 2451): keys of 40 to 448 bits."""

    id = Encr.ENCR_BLOWFISH
    keywords = ("blowfish{}",)
    short = ("blowfish",)
    key_lengths = (128, 192, 256)
    odd_key_lengths = tuple(range(40, 449, 8))

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return decrepit("Blowfish", key)


@register
class CastCbc(_Weak):
    """CAST-128-CBC (RFC 2144, RFC 2451): keys of 40 to 128 bits."""

    id = Encr.ENCR_CAST
    keywords = ("cast{}",)
    short = ("cast", "cast5")
    key_lengths = (128,)
    odd_key_lengths = tuple(range(40, 129, 8))

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return decrepit("CAST5", key)


@register
class IdeaCbc(_Weak):
    """IDEA-CBC (RFC 2451): a key of 128 bits."""

    id = Encr.ENCR_IDEA
    keywords = ("idea",)
    fixed_key_size = 16

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return decrepit("IDEA", key)
