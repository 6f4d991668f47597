# SPDX-License-Identifier: GPL-2.0-or-later
"""Encryption algorithms, transform type 1 (RFC 7296 section 3.3.2): one class each over pyca/cryptography.

What depends on the key is done once, in :meth:`Encryption.keyed`; the result holds bound functions for the hot path.
"""

from __future__ import annotations

import functools
import hmac
from typing import ClassVar

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers import algorithms as current
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from fynx_scapy.crypto.keyed import KeyedCipher as KeyedCipher
from fynx_scapy.crypto.transforms import Algorithm, find, register
from fynx_scapy.errors import ConfigError, IntegrityError, MalformedError
from fynx_scapy.iana import Encr, TransformType

BITS: tuple[int, ...] = (128, 192, 256)


def _bad_icv() -> IntegrityError:
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


# Combined modes: the nonce is salt | IV


class _Aead(Encryption):
    aead = True
    iv_size = 8
    counter_iv = True
    salt_size = 4
    icv_size = 16

    def _cipher(self, key: bytes) -> AESGCM | AESCCM | ChaCha20Poly1305:
        raise NotImplementedError

    def _keyed(self, key: bytes, salt: bytes) -> KeyedCipher:
        cipher = self._cipher(key)
        encrypt, decrypt = cipher.encrypt, cipher.decrypt

        def seal(iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
            return encrypt(salt + iv, plaintext, aad)

        def open_(iv: bytes, data: bytes, aad: bytes) -> bytes:
            try:
                return decrypt(salt + iv, data, aad)
            except InvalidTag:
                raise _bad_icv() from None

        return KeyedCipher.aead(seal, open_)


class _AesGcm(_Aead):
    key_lengths = BITS

    def _cipher(self, key: bytes) -> AESGCM:
        return AESGCM(key)


class _AesGcmShort(_AesGcm):
    """pyca opens tags of 16 octets only, so a shorter ICV is compared here: GCM's keystream undoes itself, and sealing
    the plaintext again gives the whole tag. Twice AESGCM is faster than once the Cipher interface."""

    def _keyed(self, key: bytes, salt: bytes) -> KeyedCipher:
        encrypt = AESGCM(key).encrypt
        size, surplus = self.icv_size, 16 - self.icv_size

        def seal(iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
            return encrypt(salt + iv, plaintext, aad)[:-surplus]

        def open_(iv: bytes, data: bytes, aad: bytes) -> bytes:
            nonce = salt + iv
            plaintext = encrypt(nonce, data[:-size], None)[:-16]
            tag = encrypt(nonce, plaintext, aad)[-16:-surplus]
            if not hmac.compare_digest(tag, data[-size:]):
                raise _bad_icv()
            return plaintext

        return KeyedCipher.aead(seal, open_)


class _AesCcm(_Aead):
    """RFC 4309 section 4: the salt has 3 octets, so that the nonce has 11."""

    key_lengths = BITS
    salt_size = 3

    def _cipher(self, key: bytes) -> AESCCM:
        return AESCCM(key, self.icv_size)


class _ChaCha20Poly1305(_Aead):
    fixed_key_size = 32

    def _cipher(self, key: bytes) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(key)


class _ImplicitIv(_Aead):
    """RFC 8750 section 4: the IV is not sent; whoever seals or opens hands in the sequence number as 8 octets."""

    iv_size = 0
    esp_only = True


@register
class AesGcm16(_AesGcm):
    """AES-GCM with a 16-octet ICV (RFC 4106, RFC 5282)."""

    id = Encr.ENCR_AES_GCM_16
    keywords = ("aes{}gcm16", "aes{}gcm128", "aes{}gcm")


@register
class AesGcm12(_AesGcmShort):
    """AES-GCM with a 12-octet ICV (RFC 4106, RFC 5282)."""

    id = Encr.ENCR_AES_GCM_12
    keywords = ("aes{}gcm12", "aes{}gcm96")
    icv_size = 12


@register
class AesGcm8(_AesGcmShort):
    """AES-GCM with an 8-octet ICV (RFC 4106, RFC 5282)."""

    id = Encr.ENCR_AES_GCM_8
    keywords = ("aes{}gcm8", "aes{}gcm64")
    icv_size = 8


@register
class AesCcm16(_AesCcm):
    """AES-CCM with a 16-octet ICV (RFC 4309, RFC 5282)."""

    id = Encr.ENCR_AES_CCM_16
    keywords = ("aes{}ccm16", "aes{}ccm128", "aes{}ccm")


@register
class AesCcm12(_AesCcm):
    """AES-CCM with a 12-octet ICV (RFC 4309, RFC 5282)."""

    id = Encr.ENCR_AES_CCM_12
    keywords = ("aes{}ccm12", "aes{}ccm96")
    icv_size = 12


@register
class AesCcm8(_AesCcm):
    """AES-CCM with an 8-octet ICV (RFC 4309, RFC 5282)."""

    id = Encr.ENCR_AES_CCM_8
    keywords = ("aes{}ccm8", "aes{}ccm64")
    icv_size = 8


@register
class ChaCha20(_ChaCha20Poly1305):
    """ChaCha20-Poly1305 (RFC 7634 section 2)."""

    id = Encr.ENCR_CHACHA20_POLY1305
    keywords = ("chacha20poly1305",)


@register
class AesCcm8ImplicitIv(_ImplicitIv, _AesCcm):
    """AES-CCM with an 8-octet ICV and an implicit IV (RFC 8750)."""

    id = Encr.ENCR_AES_CCM_8_IIV
    keywords = ("aes{}ccm8iiv",)
    icv_size = 8


@register
class AesGcm16ImplicitIv(_ImplicitIv, _AesGcm):
    """AES-GCM with a 16-octet ICV and an implicit IV (RFC 8750)."""

    id = Encr.ENCR_AES_GCM_16_IIV
    keywords = ("aes{}gcm16iiv",)


@register
class ChaCha20ImplicitIv(_ImplicitIv, _ChaCha20Poly1305):
    """ChaCha20-Poly1305 with an implicit IV (RFC 8750)."""

    id = Encr.ENCR_CHACHA20_POLY1305_IIV
    keywords = ("chacha20poly1305iiv",)


@register
class NullAesGmac(_Aead):
    """No encryption with AES-GMAC (RFC 4543 section 3): IV and payload are additional data, the plaintext is empty."""

    id = Encr.ENCR_NULL_AUTH_AES_GMAC
    keywords = ("aes{}gmac",)
    key_lengths = BITS
    esp_only = True

    def _keyed(self, key: bytes, salt: bytes) -> KeyedCipher:
        encrypt = AESGCM(key).encrypt

        def seal(iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
            return plaintext + encrypt(salt + iv, b"", aad + iv + plaintext)

        def open_(iv: bytes, data: bytes, aad: bytes) -> bytes:
            if not hmac.compare_digest(encrypt(salt + iv, b"", aad + iv + data[:-16]), data[-16:]):
                raise _bad_icv()
            return data[:-16]

        return KeyedCipher.aead(seal, open_)


# Ciphers that need an integrity algorithm beside them


class _Cbc(Encryption):
    """Cipher block chaining (RFC 2451 section 3, RFC 3602 section 2, RFC 5529 section 2).

    Making a context costs five times what running it over a packet costs, so there is one in each direction. The
    decryptor is given the IV as a block of its own, whose plaintext is dropped; the encryptor chains from its last
    block, so the first block of plaintext is combined with that block and the IV beforehand.
    """

    block_size = 16
    key_lengths = BITS

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        raise NotImplementedError

    def _keyed(self, key: bytes, salt: bytes) -> KeyedCipher:
        size = self.block_size
        last = bytes(size)
        try:
            cipher = Cipher(self._cipher(key), modes.CBC(last))
            encryptor, decryptor = cipher.encryptor().update, cipher.decryptor().update
        except UnsupportedAlgorithm as error:
            raise ConfigError(f"the installed cryptography library has no {self.name}") from error

        def check(iv: bytes, data: bytes) -> None:
            # The contexts carry state: they must never see a part of a block.
            if len(iv) != size or len(data) % size:
                found = f"found {len(iv)} and {len(data)} octets"
                raise MalformedError(f"expected an IV of {size} octets and whole blocks of {size}, {found}")

        def encrypt(iv: bytes, plaintext: bytes) -> bytes:
            nonlocal last
            check(iv, plaintext)
            if not plaintext:
                return b""
            first = int.from_bytes(plaintext[:size]) ^ int.from_bytes(iv) ^ int.from_bytes(last)
            ciphertext = encryptor(first.to_bytes(size) + plaintext[size:])
            last = ciphertext[-size:]
            return ciphertext

        def decrypt(iv: bytes, ciphertext: bytes) -> bytes:
            check(iv, ciphertext)
            return decryptor(iv + ciphertext)[size:]

        return KeyedCipher.plain(encrypt, decrypt)


@register
class AesCbc(_Cbc):
    """AES-CBC (RFC 3602)."""

    id = Encr.ENCR_AES_CBC
    keywords = ("aes{}", "aes{}cbc")
    iv_size = 16

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return current.AES(key)


def _decrepit(name: str, key: bytes) -> BlockCipherAlgorithm:
    """A cipher that pyca keeps in its attic, older versions among the others; ConfigError where it is gone."""
    try:
        from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
    except ImportError:
        algorithm = None
    else:
        algorithm = getattr(decrepit, name, None)
    if algorithm is None:
        algorithm = getattr(current, name, None)
    if algorithm is None:
        raise ConfigError(f"the installed cryptography library has no {name}")
    cipher: BlockCipherAlgorithm = algorithm(key)
    return cipher


@register
class CamelliaCbc(_Cbc):
    """Camellia-CBC (RFC 5529)."""

    id = Encr.ENCR_CAMELLIA_CBC
    keywords = ("camellia{}", "camellia{}cbc")
    iv_size = 16

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return _decrepit("Camellia", key)


@register
class TripleDes(_Cbc):
    """3DES-CBC (RFC 2451)."""

    id = Encr.ENCR_3DES
    keywords = ("3des",)
    key_lengths = ()
    fixed_key_size = 24
    iv_size = 8
    block_size = 8
    legacy = True

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return _decrepit("TripleDES", key)


@register
class AesCtr(Encryption):
    """AES-CTR (RFC 3686; RFC 5930 for IKEv2): the nonce is the last 4 octets of the key, blocks count from 1."""

    id = Encr.ENCR_AES_CTR
    keywords = ("aes{}ctr",)
    key_lengths = BITS
    salt_size = 4
    iv_size = 8
    counter_iv = True

    def _keyed(self, key: bytes, salt: bytes) -> KeyedCipher:
        context = Cipher(current.AES(key), modes.CTR(bytes(16))).encryptor()
        restart, update = context.reset_nonce, context.update
        one = b"\x00\x00\x00\x01"

        def crypt(iv: bytes, data: bytes) -> bytes:
            if len(iv) != 8:
                raise MalformedError(f"expected an IV of 8 octets, found {len(iv)}")
            restart(salt + iv + one)
            return update(data)

        return KeyedCipher.plain(crypt, crypt)


@register
class Null(Encryption):
    """No encryption (RFC 2410)."""

    id = Encr.ENCR_NULL
    keywords = ("null",)
    esp_only = True

    def _keyed(self, key: bytes, salt: bytes) -> KeyedCipher:
        def copy(iv: bytes, data: bytes) -> bytes:
            return data

        return KeyedCipher.plain(copy, copy)
