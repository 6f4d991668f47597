# SPDX-License-Identifier: GPL-2.0-or-later
"""Decryption without a look at the ICV, for endpoints that do not check it."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fynx_scapy.crypto.encr import Aead, Encryption, PlainCipher


def unverified(encr: Encryption, key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """The plaintext of a ciphertext without its ICV: what the combined modes do below their authentication."""
    if isinstance(encr, PlainCipher):
        return encr.decrypting(key)(iv, ciphertext)
    assert isinstance(encr, Aead)
    key, salt = encr.split(key)
    nonce = salt + iv
    name = encr.name.upper()
    if "CHACHA20" in name:
        # RFC 8439 section 2.8: block 0 makes the key of Poly1305.
        return Cipher(algorithms.ChaCha20(key, (1).to_bytes(4, "little") + nonce), None).decryptor().update(ciphertext)
    # RFC 5116: GCM begins with counter 2; CCM (RFC 3610) with counter 1 behind an octet of flags, L - 1.
    block = (
        bytes([14 - len(nonce)]) + nonce + (1).to_bytes(15 - len(nonce)) if "CCM" in name else nonce + (2).to_bytes(4)
    )
    return Cipher(algorithms.AES(key), modes.CTR(block)).decryptor().update(ciphertext)
