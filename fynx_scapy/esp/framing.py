# SPDX-License-Identifier: GPL-2.0-or-later
"""How each kind of algorithm builds and opens an ESP packet. The kind is chosen once, when an SA is created.

RFC 4303 section 3.3.2: a combined mode authenticates SPI and sequence number as additional data. Separate algorithms
encrypt first and then authenticate SPI | sequence number | IV | ciphertext, followed by the high half of an ESN.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable

from fynx_scapy.crypto.encr import Encryption, KeyedCipher
from fynx_scapy.crypto.integ import Sign
from fynx_scapy.errors import IntegrityError

Sealer = Callable[[int, bytes, bytes], bytes]  # (64-bit sequence number, IV, plaintext) -> packet
Opener = Callable[[bytes, int], bytes]  # (packet, 64-bit sequence number) -> plaintext; IntegrityError


HEADER = struct.Struct(">II")
pack_header = HEADER.pack
# SPI, then the 64-bit number: seq_hi | seq_lo (RFC 4106 section 5 and its like)
pack_esn_aad = struct.Struct(">IQ").pack
pack_high = struct.Struct(">I").pack
pack_iv = struct.Struct(">Q").pack
_LOW = 0xFFFF_FFFF


def framing(
    spi: int, encr: Encryption, cipher: KeyedCipher, sign: Sign | None, icv_size: int, esn: bool
) -> tuple[Sealer, Opener]:
    """The seal and open functions of an SA. ``icv_size`` is the ICV's length in octets, for every kind of algorithm."""
    if encr.aead:
        make = _combined if encr.iv_size else _combined_implicit
        return make(spi, cipher, encr.iv_size, esn)
    if sign is None:
        return _encryption_only(spi, cipher, encr.iv_size)
    return (_separate_esn if esn else _separate)(spi, cipher, encr.iv_size, sign, icv_size)


def _combined(spi: int, cipher: KeyedCipher, iv_size: int, esn: bool) -> tuple[Sealer, Opener]:
    seal_aead, open_aead, body = cipher.seal, cipher.open, 8 + iv_size

    def seal(seq: int, iv: bytes, plaintext: bytes) -> bytes:
        header = pack_header(spi, seq)
        return header + iv + seal_aead(iv, plaintext, header)

    def open_(packet: bytes, seq: int) -> bytes:
        return open_aead(packet[8:body], packet[body:], packet[:8])

    def seal_esn(seq: int, iv: bytes, plaintext: bytes) -> bytes:
        return pack_header(spi, seq & _LOW) + iv + seal_aead(iv, plaintext, pack_esn_aad(spi, seq))

    def open_esn(packet: bytes, seq: int) -> bytes:
        return open_aead(packet[8:body], packet[body:], pack_esn_aad(spi, seq))

    return (seal_esn, open_esn) if esn else (seal, open_)


def _combined_implicit(spi: int, cipher: KeyedCipher, iv_size: int, esn: bool) -> tuple[Sealer, Opener]:
    """RFC 8750: the IV is the sequence number as 64 bits, and is not sent."""
    seal_aead, open_aead = cipher.seal, cipher.open

    def seal(seq: int, iv: bytes, plaintext: bytes) -> bytes:
        header = pack_header(spi, seq)
        return header + seal_aead(iv, plaintext, header)

    def open_(packet: bytes, seq: int) -> bytes:
        return open_aead(pack_iv(seq), packet[8:], packet[:8])

    def seal_esn(seq: int, iv: bytes, plaintext: bytes) -> bytes:
        return pack_header(spi, seq & _LOW) + seal_aead(iv, plaintext, pack_esn_aad(spi, seq))

    def open_esn(packet: bytes, seq: int) -> bytes:
        return open_aead(pack_iv(seq), packet[8:], pack_esn_aad(spi, seq))

    return (seal_esn, open_esn) if esn else (seal, open_)


def _separate(spi: int, cipher: KeyedCipher, iv_size: int, sign: Sign, icv_size: int) -> tuple[Sealer, Opener]:
    encrypt, decrypt, body = cipher.encrypt, cipher.decrypt, 8 + iv_size

    def seal(seq: int, iv: bytes, plaintext: bytes) -> bytes:
        covered = pack_header(spi, seq) + iv + encrypt(iv, plaintext)
        return covered + sign(covered)

    def open_(packet: bytes, seq: int) -> bytes:
        covered = packet[:-icv_size]
        if not hmac.compare_digest(sign(covered), packet[-icv_size:]):
            raise _bad_icv(spi, seq)
        return decrypt(covered[8:body], covered[body:])

    return seal, open_


def _separate_esn(spi: int, cipher: KeyedCipher, iv_size: int, sign: Sign, icv_size: int) -> tuple[Sealer, Opener]:
    encrypt, decrypt, body = cipher.encrypt, cipher.decrypt, 8 + iv_size

    def seal(seq: int, iv: bytes, plaintext: bytes) -> bytes:
        covered = pack_header(spi, seq & _LOW) + iv + encrypt(iv, plaintext)
        return covered + sign(covered, pack_high(seq >> 32))

    def open_(packet: bytes, seq: int) -> bytes:
        covered = packet[:-icv_size]
        if not hmac.compare_digest(sign(covered, pack_high(seq >> 32)), packet[-icv_size:]):
            raise _bad_icv(spi, seq)
        return decrypt(covered[8:body], covered[body:])

    return seal, open_


def _encryption_only(spi: int, cipher: KeyedCipher, iv_size: int) -> tuple[Sealer, Opener]:
    """Encryption without integrity (RFC 4303 section 1: "MAY be supported"). The high half of an ESN is not covered."""
    encrypt, decrypt, body = cipher.encrypt, cipher.decrypt, 8 + iv_size

    def seal(seq: int, iv: bytes, plaintext: bytes) -> bytes:
        return pack_header(spi, seq & _LOW) + iv + encrypt(iv, plaintext)

    def open_(packet: bytes, seq: int) -> bytes:
        return decrypt(packet[8:body], packet[body:])

    return seal, open_


def _bad_icv(spi: int, seq: int) -> IntegrityError:
    return IntegrityError(f"ESP SPI {spi:#010x}, sequence number {seq}: the ICV does not verify")
