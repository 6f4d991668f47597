# SPDX-License-Identifier: GPL-2.0-or-later
"""What a cipher is once it has its key: the functions of the hot path."""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.errors import LocalError

Seal = Callable[[bytes, bytes, bytes], bytes]  # (IV, plaintext, additional data) -> ciphertext | ICV
Open = Callable[[bytes, bytes, bytes], bytes]  # (IV, ciphertext | ICV, additional data) -> plaintext; IntegrityError
Crypt = Callable[[bytes, bytes], bytes]  # (IV, octets) -> octets


class KeyedCipher:
    """A cipher with its key: ``seal`` and ``open`` of an AEAD, ``encrypt`` and ``decrypt`` of any other.

    It belongs to one direction of one SA and to one thread. Octets of a wrong length raise MalformedError, an ICV that
    does not verify IntegrityError, the pair that the algorithm does not have LocalError.
    """

    __slots__ = ("decrypt", "encrypt", "open", "seal")

    encrypt: Crypt
    decrypt: Crypt
    seal: Seal
    open: Open

    @classmethod
    def aead(cls, seal: Seal, open: Open) -> KeyedCipher:
        """A combined mode."""
        self = cls()
        self.seal, self.open = seal, open
        self.encrypt = self.decrypt = _is_aead
        return self

    @classmethod
    def plain(cls, encrypt: Crypt, decrypt: Crypt) -> KeyedCipher:
        """A cipher without integrity."""
        self = cls()
        self.encrypt, self.decrypt = encrypt, decrypt
        self.seal = self.open = _is_no_aead
        return self


def _is_aead(iv: bytes, data: bytes) -> bytes:
    raise LocalError("a combined mode is used by seal and open")


def _is_no_aead(iv: bytes, data: bytes, aad: bytes) -> bytes:
    raise LocalError("a cipher without integrity is used by encrypt and decrypt")
