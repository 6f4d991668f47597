# SPDX-License-Identifier: GPL-2.0-or-later
"""Ciphers without integrity: they need a separate integrity algorithm."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers import algorithms as current

from fynx_scapy.crypto.encr.base import BITS, PlainCipher
from fynx_scapy.crypto.keyed import Crypt
from fynx_scapy.crypto.transforms import register
from fynx_scapy.errors import ConfigError, MalformedError
from fynx_scapy.iana import Encr


class Cbc(PlainCipher):
    """Cipher block chaining (RFC 2451 section 3, RFC 3602 section 2, RFC 5529 section 2).

    Creating a context takes longer than processing a packet, so each direction keeps one. The decryptor gets the IV as
    an extra first block, whose plaintext is dropped. The encryptor chains from its last block, so the first block of
    plaintext is XORed with that block and the IV beforehand.
    """

    block_size = 16
    key_lengths = BITS

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        raise NotImplementedError

    def _context(self, key: bytes) -> Cipher[modes.CBC]:
        return Cipher(self._cipher(key), modes.CBC(bytes(self.block_size)))

    def _check(self, iv: bytes, data: bytes) -> None:
        # The contexts keep state: they must never get a partial block.
        size = self.block_size
        if len(iv) != size or len(data) % size:
            sizes = f"found {len(iv)} and {len(data)} octets"
            raise MalformedError(f"expected an IV of {size} octets and whole blocks of {size}, {sizes}")

    def encrypting(self, key: bytes) -> Crypt:
        update, check, size = self._context(key).encryptor().update, self._check, self.block_size
        last = 0

        def encrypt(iv: bytes, plaintext: bytes) -> bytes:
            nonlocal last
            check(iv, plaintext)
            if not plaintext:
                return b""
            first = int.from_bytes(plaintext[:size]) ^ int.from_bytes(iv) ^ last
            ciphertext = update(first.to_bytes(size) + plaintext[size:])
            last = int.from_bytes(ciphertext[-size:])
            return ciphertext

        return encrypt

    def decrypting(self, key: bytes) -> Crypt:
        update, check, size = self._context(key).decryptor().update, self._check, self.block_size

        def decrypt(iv: bytes, ciphertext: bytes) -> bytes:
            check(iv, ciphertext)
            return update(iv + ciphertext)[size:]

        return decrypt


def decrepit(name: str, key: bytes) -> BlockCipherAlgorithm:
    """A cipher in pyca's decrepit module, or in the main module of older versions. Raises ConfigError."""
    try:
        from cryptography.hazmat.decrepit.ciphers import algorithms as old
    except ImportError:
        algorithm = None
    else:
        algorithm = getattr(old, name, None)
    if algorithm is None:
        algorithm = getattr(current, name, None)
    if algorithm is None:
        raise ConfigError(f"the installed cryptography library has no {name}")
    cipher: BlockCipherAlgorithm = algorithm(key)
    return cipher


@register
class AesCbc(Cbc):
    """AES-CBC (RFC 3602)."""

    id = Encr.ENCR_AES_CBC
    keywords = ("aes{}", "aes{}cbc")
    short = ("aes",)
    iv_size = 16

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return current.AES(key)


@register
class CamelliaCbc(Cbc):
    """Camellia-CBC (RFC 5529)."""

    id = Encr.ENCR_CAMELLIA_CBC
    keywords = ("camellia{}", "camellia{}cbc")
    short = ("camellia",)
    iv_size = 16

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return decrepit("Camellia", key)


@register
class TripleDes(Cbc):
    """3DES-CBC (RFC 2451)."""

    id = Encr.ENCR_3DES
    keywords = ("3des",)
    key_lengths = ()
    fixed_key_size = 24
    iv_size = 8
    block_size = 8
    legacy = True

    def _cipher(self, key: bytes) -> BlockCipherAlgorithm:
        return decrepit("TripleDES", key)


@register
class AesCtr(PlainCipher):
    """AES-CTR (RFC 3686; RFC 5930 for IKEv2): the nonce is the last 4 octets of the key, blocks count from 1."""

    id = Encr.ENCR_AES_CTR
    keywords = ("aes{}ctr",)
    key_lengths = BITS
    salt_size = 4
    iv_size = 8
    counter_iv = True

    def encrypting(self, key: bytes) -> Crypt:
        salt, one = key[-4:], b"\x00\x00\x00\x01"
        context = Cipher(current.AES(key[:-4]), modes.CTR(bytes(16))).encryptor()
        restart, update = context.reset_nonce, context.update

        def crypt(iv: bytes, data: bytes) -> bytes:
            if len(iv) != 8:
                raise MalformedError(f"expected an IV of 8 octets, found {len(iv)}")
            restart(salt + iv + one)
            return update(data)

        return crypt

    decrypting = encrypting  # the key stream is the same


@register
class Null(PlainCipher):
    """No encryption (RFC 2410)."""

    id = Encr.ENCR_NULL
    keywords = ("null",)
    esp_only = True

    def encrypting(self, key: bytes) -> Crypt:
        return _copy

    decrypting = encrypting


def _copy(iv: bytes, data: bytes) -> bytes:
    return data
