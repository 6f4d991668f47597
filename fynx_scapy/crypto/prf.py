# SPDX-License-Identifier: GPL-2.0-or-later
"""Pseudorandom functions, transform type 2, and prf+ (RFC 7296 sections 2.13 and 3.3.2): one class per function."""

from __future__ import annotations

import functools
import hmac
from collections.abc import Callable
from typing import ClassVar

from fynx_scapy.crypto import aesmac
from fynx_scapy.crypto.transforms import Algorithm, find, register
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Prf, TransformType


class PrfFunction(Algorithm):
    """A pseudorandom function: ``prf(key, data)`` returns ``output_size`` octets. Keys may have any length.

    ``key_size`` is the preferred key length in octets, which is the length of SK_d, SK_pi and SK_pr. ``half_nonces``:
    only the first 8 octets of each nonce are used in the key of SKEYSEED (RFC 7296 section 2.14).
    """

    type = TransformType.PRF
    key_size: ClassVar[int]
    output_size: ClassVar[int]
    half_nonces: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __call__(self, key: bytes, data: bytes) -> bytes:
        """prf(key, data)."""
        raise NotImplementedError

    def keyed(self, key: bytes) -> Callable[[bytes], bytes]:
        """The function with a fixed key, for several calls."""
        return functools.partial(self, key)

    def plus(self, key: bytes, seed: bytes, length: int) -> bytes:
        """prf+ (RFC 7296 section 2.13): ``length`` octets. Raises ConfigError above 255 times the output size.

        T1 = prf (K, S | 0x01), T2 = prf (K, T1 | S | 0x02), ...
        """
        rounds = -(-length // self.output_size)
        if rounds > 255:
            raise ConfigError(
                f"expected at most {255 * self.output_size} octets from prf+ with {self.name}, found {length}"
            )
        function = self.keyed(key)
        blocks, block = [], b""
        for number in range(1, rounds + 1):
            block = function(block + seed + number.to_bytes())
            blocks.append(block)
        return b"".join(blocks)[:length]


@functools.cache
def prf(number: int) -> PrfFunction:
    """The function of a PRF transform ID. Raises ConfigError for one that is not implemented.

    >>> prf(Prf.PRF_HMAC_SHA2_256).output_size
    32
    """
    return find(PrfFunction, number)()


class _PrfHmac(PrfFunction):
    """RFC 2104, RFC 4868."""

    hash: ClassVar[str]

    def __call__(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, self.hash)


@register
class PrfHmacSha1(_PrfHmac):
    """PRF-HMAC-SHA1 (RFC 2104)."""

    id = Prf.PRF_HMAC_SHA1
    keywords = ("prfsha1",)
    hash = "sha1"
    key_size = output_size = 20
    legacy = True


@register
class PrfHmacMd5(_PrfHmac):
    """PRF-HMAC-MD5 (RFC 2104)."""

    id = Prf.PRF_HMAC_MD5
    keywords = ("prfmd5",)
    hash = "md5"
    key_size = output_size = 16
    legacy = True


@register
class PrfHmacSha256(_PrfHmac):
    """PRF-HMAC-SHA-256 (RFC 4868)."""

    id = Prf.PRF_HMAC_SHA2_256
    keywords = ("prfsha256",)
    hash = "sha256"
    key_size = output_size = 32


@register
class PrfHmacSha384(_PrfHmac):
    """PRF-HMAC-SHA-384 (RFC 4868)."""

    id = Prf.PRF_HMAC_SHA2_384
    keywords = ("prfsha384",)
    hash = "sha384"
    key_size = output_size = 48


@register
class PrfHmacSha512(_PrfHmac):
    """PRF-HMAC-SHA-512 (RFC 4868)."""

    id = Prf.PRF_HMAC_SHA2_512
    keywords = ("prfsha512",)
    hash = "sha512"
    key_size = output_size = 64


class _PrfAesMac(PrfFunction):
    key_size = output_size = 16
    half_nonces = True

    def __call__(self, key: bytes, data: bytes) -> bytes:
        return self.keyed(key)(data)


@register
class PrfAesXcbc(_PrfAesMac):
    """AES-XCBC-PRF-128 (RFC 4434): a short key is padded with zeros, a long one is MACed with the zero key."""

    id = Prf.PRF_AES128_XCBC
    keywords = ("prfaesxcbc",)

    def keyed(self, key: bytes) -> Callable[[bytes], bytes]:
        """The function with a fixed key."""
        return aesmac.xcbc(key.ljust(16, b"\0") if len(key) <= 16 else aesmac.xcbc(bytes(16))(key))


@register
class PrfAesCmac(_PrfAesMac):
    """AES-CMAC-PRF-128 (RFC 4615): a key that is not 16 octets long is MACed with the zero key."""

    id = Prf.PRF_AES128_CMAC
    keywords = ("prfaescmac",)

    def keyed(self, key: bytes) -> Callable[[bytes], bytes]:
        """The function with a fixed key."""
        return aesmac.cmac(key if len(key) == 16 else aesmac.cmac(bytes(16))(key))
