# SPDX-License-Identifier: GPL-2.0-or-later
"""A cipher with its key, as functions."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.errors import LocalError

Seal = Callable[[bytes, bytes, bytes], bytes]  # (IV or nonce, plaintext, additional data) -> ciphertext | ICV
Open = Callable[[bytes, bytes, bytes], bytes]  # (IV or nonce, ciphertext | ICV, additional data) -> plaintext
Crypt = Callable[[bytes, bytes], bytes]  # (IV, octets) -> octets


class KeyedCipher:
    """A cipher with its key: ``seal`` and ``open`` of an AEAD, ``encrypt`` and ``decrypt`` of any other.

    It belongs to one direction of one SA, and to one thread. Raises MalformedError for octets of a wrong length,
    IntegrityError if the ICV does not verify, LocalError for the functions that the algorithm does not have.
    """

    __slots__ = ("decrypt", "encrypt", "open", "seal")

    encrypt: Crypt
    decrypt: Crypt
    seal: Seal
    open: Open

    @classmethod
    def aead(cls, seal: Seal, open: Open) -> KeyedCipher:
        """A keyed combined mode."""
        self = cls()
        self.seal, self.open = seal, open
        self.encrypt = self.decrypt = _is_aead
        return self

    @classmethod
    def plain(cls, encrypt: Crypt, decrypt: Crypt) -> KeyedCipher:
        """A keyed cipher without integrity."""
        self = cls()
        self.encrypt, self.decrypt = encrypt, decrypt
        self.seal = self.open = _is_no_aead
        return self


def _is_aead(iv: bytes, data: bytes) -> bytes:
    raise LocalError("a combined mode has no encrypt and decrypt: call seal and open")


def _is_no_aead(iv: bytes, data: bytes, aad: bytes) -> bytes:
    raise LocalError("a cipher without integrity has no seal and open: call encrypt and decrypt")
