# SPDX-License-Identifier: GPL-2.0-or-later
"""What every encryption algorithm is, and which one a number means."""

from __future__ import annotations

import functools
from typing import ClassVar

from fynx_scapy.crypto.keyed import KeyedCipher
from fynx_scapy.crypto.transforms import Algorithm, find
from fynx_scapy.errors import ConfigError, IntegrityError
from fynx_scapy.iana import TransformType

BITS: tuple[int, ...] = (128, 192, 256)


def bad_icv() -> IntegrityError:
    return IntegrityError("the ICV does not verify")


class Encryption(Algorithm):
    """An encryption algorithm at one key length. Sizes are in octets, ``key_length`` is in bits.

    ``key_size`` is what SK_e or the Child SA's key takes, salt included (RFC 7296 section 2.17, RFC 5282 section 7.1);
    ``iv_size`` is the IV on the wire; ``icv_size`` is 0 without ``aead``; ``block_size`` is what plaintext must be a
    multiple of; ``counter_iv`` says that IVs must be unique but may be predictable; ``esp_only`` that IANA's registry
    has "Not allowed" for IKEv2.
    """

    type = TransformType.ENCR
    aead: ClassVar[bool] = False
    salt_size: ClassVar[int] = 0
    iv_size: ClassVar[int] = 0
    icv_size: ClassVar[int] = 0
    block_size: ClassVar[int] = 1
    counter_iv: ClassVar[bool] = False
    esp_only: ClassVar[bool] = False
    fixed_key_size: ClassVar[int] = 0

    def __init__(self, key_length: int | None = None):
        if key_length not in (self.key_lengths or (None,)):
            expected = " or ".join(map(str, self.key_lengths)) or "none, for its key length is fixed"
            raise ConfigError(f"the key length of {self.name} is {expected}, not {key_length}")
        self.key_length = key_length
        self.key_size = (key_length // 8 if key_length else self.fixed_key_size) + self.salt_size

    def __repr__(self) -> str:
        return f"<{self.name}{f' {self.key_length}' if self.key_length else ''}>"

    def keyed(self, key: bytes) -> KeyedCipher:
        """The algorithm with its key of ``key_size`` octets, salt last; ConfigError for any other length."""
        if len(key) != self.key_size:
            raise ConfigError(f"the key of {self!r} has {self.key_size} octets, not {len(key)}")
        size = len(key) - self.salt_size
        return self._keyed(key[:size], key[size:])

    def _keyed(self, key: bytes, salt: bytes) -> KeyedCipher:
        raise NotImplementedError


@functools.cache
def _encryption(number: int, key_length: int | None) -> Encryption:
    return find(Encryption, number)(key_length)


def encryption(number: int, key_length: int | None = None, *, esp: bool = False) -> Encryption:
    """The algorithm of an ENCR transform ID; ``key_length`` in bits, None where it is fixed (RFC 7296 section 3.3.5).

    Raises ConfigError for what is not implemented, a key length that does not fit, and, but for ``esp``, what IANA's
    registry does not allow in IKEv2.

    >>> encryption(Encr.ENCR_AES_GCM_16, 128).key_size
    20
    """
    found = _encryption(number, key_length)
    if found.esp_only and not esp:
        raise ConfigError(f"{found.name} is not allowed in IKEv2")
    return found
