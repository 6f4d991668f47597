# SPDX-License-Identifier: GPL-2.0-or-later
"""Combined modes (RFC 5282): the nonce is salt | IV."""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from fynx_scapy.crypto.encr.base import BITS, Aead
from fynx_scapy.crypto.keyed import Open, Seal
from fynx_scapy.crypto.transforms import register
from fynx_scapy.iana import Encr


class _Aead(Aead):
    iv_size = 8
    counter_iv = True
    salt_size = 4
    icv_size = 16


class _Library(_Aead):
    """What pyca has whole: its own functions are ours, without a call of Python in between."""

    def _cipher(self, key: bytes) -> AESGCM | AESCCM | ChaCha20Poly1305:
        raise NotImplementedError

    def sealing(self, key: bytes) -> Seal:
        return self._cipher(key).encrypt

    def opening(self, key: bytes) -> Open:
        return self._cipher(key).decrypt


class _AesGcm(_Library):
    key_lengths = BITS

    def _cipher(self, key: bytes) -> AESGCM:
        return AESGCM(key)


class _AesGcmShort(_Aead):
    """GCM with a shorter ICV. pyca verifies only tags of 16 octets, so this class compares the ICV: encrypting the
    ciphertext gives the plaintext, and sealing the plaintext again gives the whole tag. Two AESGCM calls are faster
    than one use of the Cipher interface."""

    key_lengths = BITS

    def sealing(self, key: bytes) -> Seal:
        encrypt, surplus = AESGCM(key).encrypt, 16 - self.icv_size

        def seal(nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
            return encrypt(nonce, plaintext, aad)[:-surplus]

        return seal

    def opening(self, key: bytes) -> Open:
        encrypt, size, surplus = AESGCM(key).encrypt, self.icv_size, 16 - self.icv_size

        def open_(nonce: bytes, data: bytes, aad: bytes) -> bytes:
            plaintext = encrypt(nonce, data[:-size], None)[:-16]
            tag = encrypt(nonce, plaintext, aad)[-16:-surplus]
            if not hmac.compare_digest(tag, data[-size:]):
                raise InvalidTag
            return plaintext

        return open_


class _AesCcm(_Library):
    """RFC 4309 section 4: the salt has 3 octets, so that the nonce has 11."""

    key_lengths = BITS
    salt_size = 3

    def _cipher(self, key: bytes) -> AESCCM:
        return AESCCM(key, self.icv_size)


class _ChaCha20Poly1305(_Library):
    fixed_key_size = 32

    def _cipher(self, key: bytes) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(key)


class _ImplicitIv(Aead):
    """RFC 8750 section 4: the IV is not sent. The caller passes the sequence number as 8 octets."""

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

    def sealing(self, key: bytes) -> Seal:
        encrypt, iv_at = AESGCM(key).encrypt, self.salt_size

        def seal(nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
            return plaintext + encrypt(nonce, b"", aad + nonce[iv_at:] + plaintext)

        return seal

    def opening(self, key: bytes) -> Open:
        decrypt, iv_at = AESGCM(key).decrypt, self.salt_size

        def open_(nonce: bytes, data: bytes, aad: bytes) -> bytes:
            payload = data[:-16]
            decrypt(nonce, data[-16:], aad + nonce[iv_at:] + payload)
            return payload

        return open_
