# SPDX-License-Identifier: GPL-2.0-or-later
"""AES-XCBC-MAC and AES-CMAC with AES-128: each is used as an integrity algorithm and as a PRF."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

Mac = Callable[[bytes], bytes]  # message -> 16 octets


def xcbc(key: bytes) -> Mac:
    """AES-XCBC-MAC without truncation, key of 16 octets (RFC 3566 section 4.1, RFC 4434 section 2)."""
    derive = Cipher(AES(key), modes.ECB()).encryptor().update
    k1, k2, k3 = (derive(bytes((number,)) * 16) for number in (1, 2, 3))
    whole, padded = int.from_bytes(k2), int.from_bytes(k3)
    chain = Cipher(AES(k1), modes.CBC(bytes(16))).encryptor

    def mac(message: bytes) -> bytes:
        start = max(len(message) - 1, 0) // 16 * 16
        block, mask = message[start:], whole
        if len(block) != 16:
            block, mask = (block + b"\x80").ljust(16, b"\0"), padded
        last = (int.from_bytes(block) ^ mask).to_bytes(16)
        return chain().update(message[:start] + last)[-16:]

    return mac


def cmac(key: bytes) -> Mac:
    """AES-CMAC without truncation, key of 16 octets (RFC 4493, RFC 4494 section 2)."""
    keyed = CMAC(AES(key))

    def mac(message: bytes) -> bytes:
        state = keyed.copy()
        state.update(message)
        return state.finalize()

    return mac
