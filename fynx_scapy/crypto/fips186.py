# SPDX-License-Identifier: GPL-2.0-or-later
"""The pseudo-random generator of FIPS 186-2, change notice 1 (RFC 4187 appendix A), which EAP-AKA and EAP-SIM use.

Its function G is the compression function of SHA-1 (FIPS 180-1 section 7) over a block that is padded with zeros, which
no library offers: all of them pad as SHA-1 does.
"""

from __future__ import annotations

import struct

_T = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_MASK = 0xFFFFFFFF
_BLOCK, _SEED = 64, 20
_SEEDS = 1 << 8 * _SEED


def generate(seed: bytes, size: int) -> bytes:
    """``size`` octets from a seed-key XKEY of 20 octets."""
    key, made = int.from_bytes(seed), b""
    while len(made) < size:
        block = compressed(key.to_bytes(_SEED).ljust(_BLOCK, b"\0"))
        key = (1 + key + int.from_bytes(block)) % _SEEDS
        made += block
    return made[:size]


def compressed(block: bytes) -> bytes:
    """SHA-1's compression of one block of 64 octets, from SHA-1's initial value."""
    words = list(struct.unpack("!16I", block))
    for at in range(16, 80):
        words.append(_turned(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 1))
    a, b, c, d, e = _T
    for at, word in enumerate(words):
        if at < 20:
            mixed, constant = b & c | ~b & d, 0x5A827999
        elif at < 40:
            mixed, constant = b ^ c ^ d, 0x6ED9EBA1
        elif at < 60:
            mixed, constant = b & c | b & d | c & d, 0x8F1BBCDC
        else:
            mixed, constant = b ^ c ^ d, 0xCA62C1D6
        a, b, c, d, e = _turned(a, 5) + (mixed & _MASK) + e + word + constant & _MASK, a, _turned(b, 30), c, d
    return struct.pack("!5I", *(x + y & _MASK for x, y in zip(_T, (a, b, c, d, e), strict=True)))


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _MASK
