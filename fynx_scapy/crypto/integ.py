# SPDX-License-Identifier: GPL-2.0-or-later
"""Integrity algorithms, transform type 3 (RFC 7296 section 3.3.2): one class per algorithm."""

from __future__ import annotations

import functools
import hmac
from collections.abc import Callable
from typing import ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from fynx_scapy import private_use
from fynx_scapy.crypto import aesmac
from fynx_scapy.crypto.transforms import Algorithm, find, register
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import Integ, TransformType

Sign = Callable[..., bytes]  # sign(*parts: bytes) -> ICV over the concatenated parts


class Integrity(Algorithm):
    """An integrity algorithm; ``key_size`` and ``icv_size`` in octets. Compare ICVs with `hmac.compare_digest`."""

    type = TransformType.INTEG
    key_size: ClassVar[int]
    icv_size: ClassVar[int]

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def check_key(self, key: bytes) -> None:
        """Raises ConfigError for a key that has not ``key_size`` octets, and if our libraries have no such hash."""
        if len(key) != self.key_size:
            raise ConfigError(f"expected a key of {self.key_size} octets for {self.name}, found {len(key)}")
        _ = self._tried

    @functools.cached_property
    def _tried(self) -> None:
        self._keyed(bytes(self.key_size))

    def keyed(self, key: bytes) -> Sign:
        """The function that computes ICVs with a key of ``key_size`` octets. Raises what :meth:`check_key` raises."""
        self.check_key(key)
        return self._keyed(key)

    def _keyed(self, key: bytes) -> Sign:
        raise NotImplementedError


@functools.cache
def integrity(number: int) -> Integrity:
    """The algorithm of an INTEG transform ID. Raises ConfigError for one that is not implemented.

    >>> integrity(Integ.AUTH_HMAC_SHA2_256_128).icv_size
    16
    """
    return find(Integrity, number)()


class _Hmac(Integrity):
    """RFC 2104, truncated; the key is as long as the hash (RFC 4868 section 2.1.1)."""

    hash: ClassVar[type[HashAlgorithm]]

    def _keyed(self, key: bytes) -> Sign:
        # Copying a keyed state is faster than hashing the key again for each ICV.
        try:
            copy, size = HMAC(key, self.hash()).copy, self.icv_size
        except UnsupportedAlgorithm:
            raise ConfigError(f"the installed cryptography library has no {self.hash.name}") from None

        def sign(*parts: bytes) -> bytes:
            state = copy()
            for part in parts:
                state.update(part)
            return state.finalize()[:size]

        return sign


class _AesMac(Integrity):
    key_size = 16
    icv_size = 12

    def _mac(self, key: bytes) -> aesmac.Mac:
        raise NotImplementedError

    def _keyed(self, key: bytes) -> Sign:
        mac, size = self._mac(key), self.icv_size

        def sign(*parts: bytes) -> bytes:
            return mac(b"".join(parts))[:size]

        return sign


@register
class HmacSha1(_Hmac):
    """HMAC-SHA1-96 (RFC 2404)."""

    id = Integ.AUTH_HMAC_SHA1_96
    keywords = ("sha1", "sha")
    hash = SHA1
    key_size = 20
    icv_size = 12
    legacy = True


@register
class HmacSha256(_Hmac):
    """HMAC-SHA-256-128 (RFC 4868)."""

    id = Integ.AUTH_HMAC_SHA2_256_128
    keywords = ("sha256", "sha2_256")
    hash = SHA256
    key_size = 32
    icv_size = 16


@register
class HmacSha384(_Hmac):
    """HMAC-SHA-384-192 (RFC 4868)."""

    id = Integ.AUTH_HMAC_SHA2_384_192
    keywords = ("sha384", "sha2_384")
    hash = SHA384
    key_size = 48
    icv_size = 24


@register
class HmacSha512(_Hmac):
    """HMAC-SHA-512-256 (RFC 4868)."""

    id = Integ.AUTH_HMAC_SHA2_512_256
    keywords = ("sha512", "sha2_512")
    hash = SHA512
    key_size = 64
    icv_size = 32


@register
class HmacMd5(_Hmac):
    """HMAC-MD5-96 (RFC 2403)."""

    id = Integ.AUTH_HMAC_MD5_96
    keywords = ("md5",)
    hash = MD5
    key_size = 16
    icv_size = 12
    legacy = True


@register
class HmacMd5Whole(_Hmac):
    """HMAC-MD5-128 (RFC 4595)."""

    id = Integ.AUTH_HMAC_MD5_128
    keywords = ("md5_128",)
    hash = MD5
    key_size = 16
    icv_size = 16
    legacy = True


@register
class HmacSha1Whole(_Hmac):
    """HMAC-SHA1-160 (RFC 4595)."""

    id = Integ.AUTH_HMAC_SHA1_160
    keywords = ("sha1_160",)
    hash = SHA1
    key_size = 20
    icv_size = 20
    legacy = True


@register
class HmacSha256Short(_Hmac):
    """HMAC-SHA-256-96 (draft-ietf-ipsec-ciph-sha-256-00): what the kernels of Linux before 2.6.33 and of old Androids
    send under the number of HMAC-SHA-256-128."""

    id = private_use.Integ.AUTH_HMAC_SHA2_256_96
    keywords = ("sha256_96", "sha2_256_96")
    hash = SHA256
    key_size = 32
    icv_size = 12
    legacy = True


@register
class HmacRipemd160(Integrity):
    """HMAC-RIPEMD-160-96 (RFC 2857). IKEv2 has no number for it; key tables name it. pyca does not have the hash."""

    id = private_use.Integ.AUTH_HMAC_RIPEMD_160_96
    keywords = ("ripemd160",)
    key_size = 20
    icv_size = 12
    legacy = True

    def _keyed(self, key: bytes) -> Sign:
        try:
            copy = hmac.new(key, digestmod="ripemd160").copy
        except ValueError:
            raise ConfigError(f"the installed OpenSSL has no RIPEMD160, which {self.name} needs") from None

        def sign(*parts: bytes) -> bytes:
            state = copy()
            for part in parts:
                state.update(part)
            return state.digest()[:12]

        return sign


@register
class AesXcbc(_AesMac):
    """AES-XCBC-MAC-96 (RFC 3566)."""

    id = Integ.AUTH_AES_XCBC_96
    keywords = ("aesxcbc",)

    def _mac(self, key: bytes) -> aesmac.Mac:
        return aesmac.xcbc(key)


@register
class AesCmac(_AesMac):
    """AES-CMAC-96 (RFC 4494)."""

    id = Integ.AUTH_AES_CMAC_96
    keywords = ("aescmac",)

    def _mac(self, key: bytes) -> aesmac.Mac:
        return aesmac.cmac(key)


@register
class NoIntegrity(Integrity):
    """NONE, which may be proposed together with an AEAD (RFC 7296 section 3.3.3): an empty ICV."""

    id = Integ.NONE
    keywords = ("nointeg",)
    key_size = 0
    icv_size = 0

    def _keyed(self, key: bytes) -> Sign:
        def sign(*parts: bytes) -> bytes:
            return b""

        return sign
