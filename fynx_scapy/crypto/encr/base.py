# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of encryption algorithms, and their lookup by transform ID."""

from __future__ import annotations

import functools
from typing import ClassVar

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm

from fynx_scapy.crypto.keyed import Crypt, KeyedCipher, Open, Seal
from fynx_scapy.crypto.transforms import Algorithm, find
from fynx_scapy.errors import ConfigError, IntegrityError
from fynx_scapy.iana import TransformType

BITS: tuple[int, ...] = (128, 192, 256)


class Encryption(Algorithm):
    """An encryption algorithm with one key length. Sizes are in octets, ``key_length`` is in bits.

    ``key_size`` is the size of SK_e or of the Child SA's key, with the salt (RFC 7296 section 2.17, RFC 5282 section
    7.1). ``iv_size`` is the size of the IV on the wire. ``icv_size`` is 0 without ``aead``. Plaintext must be a
    multiple of ``block_size``. ``counter_iv``: IVs must be unique, but may be predictable. ``esp_only``: IANA's
    registry has "Not allowed" for IKEv2. ``odd_key_lengths`` are key lengths without a keyword, which key tables may
    have. Raises ConfigError for a key length that the algorithm does not have.
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
    odd_key_lengths: ClassVar[tuple[int, ...]] = ()

    def __init__(self, key_length: int | None = None):
        if key_length not in (self.key_lengths or (None,)) and key_length not in self.odd_key_lengths:
            lengths = " or ".join(map(str, self.key_lengths))
            expected = f"a key length of {lengths} bits" if lengths else "no key length (it is fixed)"
            raise ConfigError(f"expected {expected} for {self.name}, found {key_length}")
        self.key_length = key_length
        self.key_size = (key_length // 8 if key_length else self.fixed_key_size) + self.salt_size

    def __repr__(self) -> str:
        return f"<{self.name}{f' {self.key_length}' if self.key_length else ''}>"

    def check_key(self, key: bytes) -> None:
        """Raises ConfigError for a key that has not ``key_size`` octets, and if our library has no such cipher."""
        if len(key) != self.key_size:
            raise ConfigError(f"expected a key of {self.key_size} octets for {self!r}, found {len(key)}")
        _ = self._tried

    @functools.cached_property
    def _tried(self) -> None:
        try:
            self._keyed(bytes(self.key_size))
        except UnsupportedAlgorithm:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from None

    def keyed(self, key: bytes) -> KeyedCipher:
        """The cipher with a key of ``key_size`` octets, salt last. Raises what :meth:`check_key` raises."""
        self.check_key(key)
        return self._keyed(key)

    def _keyed(self, key: bytes) -> KeyedCipher:
        raise NotImplementedError


class Aead(Encryption):
    """A combined mode. An SA needs one direction only, and passes the nonce itself: salt | IV."""

    aead = True

    def split(self, key: bytes) -> tuple[bytes, bytes]:
        """The cipher's own key, and the salt behind it."""
        size = self.key_size - self.salt_size
        return key[:size], key[size:]

    def sealing(self, key: bytes) -> Seal:
        """(nonce, plaintext, additional data) -> ciphertext | ICV, for a key without its salt."""
        raise NotImplementedError

    def opening(self, key: bytes) -> Open:
        """(nonce, ciphertext | ICV, additional data) -> plaintext, for a key without its salt.

        Raises InvalidTag, pyca's exception, if the ICV does not verify.
        """
        raise NotImplementedError

    def _keyed(self, key: bytes) -> KeyedCipher:
        key, salt = self.split(key)
        seal_nonce, open_nonce = self.sealing(key), self.opening(key)

        def seal(iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
            return seal_nonce(salt + iv, plaintext, aad)

        def open_(iv: bytes, data: bytes, aad: bytes) -> bytes:
            try:
                return open_nonce(salt + iv, data, aad)
            except InvalidTag:
                raise IntegrityError("the ICV does not verify") from None

        return KeyedCipher.aead(seal, open_)


class PlainCipher(Encryption):
    """A cipher without integrity. An SA needs one direction only."""

    def encrypting(self, key: bytes) -> Crypt:
        """(IV, plaintext) -> ciphertext, for a key with its salt."""
        raise NotImplementedError

    def decrypting(self, key: bytes) -> Crypt:
        """(IV, ciphertext) -> plaintext, for a key with its salt."""
        raise NotImplementedError

    def _keyed(self, key: bytes) -> KeyedCipher:
        return KeyedCipher.plain(self.encrypting(key), self.decrypting(key))


@functools.cache
def _encryption(number: int, key_length: int | None) -> Encryption:
    return find(Encryption, number)(key_length)


def encryption(number: int, key_length: int | None = None, *, esp: bool = False) -> Encryption:
    """The algorithm of an ENCR transform ID; ``key_length`` in bits, None if it is fixed (RFC 7296 section 3.3.5).

    Raises ConfigError if it is not implemented, if it does not have this key length, and, without ``esp``, if IANA's
    registry does not allow it in IKEv2.

    >>> encryption(Encr.ENCR_AES_GCM_16, 128).key_size
    20
    """
    algorithm = _encryption(number, key_length)
    if algorithm.esp_only and not esp:
        raise ConfigError(f"{algorithm.name} is not allowed in IKEv2, only in ESP")
    return algorithm
