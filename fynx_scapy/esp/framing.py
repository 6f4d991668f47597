# SPDX-License-Identifier: GPL-2.0-or-later
"""How each kind of algorithm builds and opens an ESP packet: a function for one direction of one SA.

It is made once per SA, with all that it needs bound, so that nothing is looked up or decided per packet. RFC 4303
section 3.3.2: a combined mode authenticates SPI and sequence number as additional data. Separate algorithms encrypt
first and then authenticate SPI | sequence number | IV | ciphertext, followed by the high half of an ESN.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidTag

from fynx_scapy.crypto.encr import Aead, Encryption, PlainCipher
from fynx_scapy.crypto.integ import Integrity, Sign
from fynx_scapy.crypto.keyed import Crypt, Open, Seal
from fynx_scapy.errors import IntegrityError

Sealer = Callable[[int, int, bytes], bytes]  # (64-bit sequence number, IV counter, plaintext) -> packet
Opener = Callable[[bytes, int], bytes]  # (packet, 64-bit sequence number) -> plaintext; IntegrityError
TakeIv = Callable[[int], bytes]  # IV counter -> IV


def sealer(
    encr: Encryption, key: bytes, integ: Integrity | None, auth_key: bytes, *, spi: int, esn: bool, take_iv: TakeIv
) -> Sealer:
    """The function that seals the packets of an SA. ``take_iv`` makes the IVs of a cipher without integrity."""
    if isinstance(encr, Aead):
        key, salt = encr.split(key)
        make = _seal_combined if encr.iv_size else _seal_implicit
        return make(spi.to_bytes(4), salt, encr.sealing(key), esn)
    assert isinstance(encr, PlainCipher)
    sign = integ.keyed(auth_key) if integ is not None else _no_icv
    return _seal_separate(spi.to_bytes(4), take_iv, encr.encrypting(key), sign, esn)


def opener(encr: Encryption, key: bytes, integ: Integrity | None, auth_key: bytes, *, spi: int, esn: bool) -> Opener:
    """The function that verifies and decrypts the packets of an SA."""
    if isinstance(encr, Aead):
        key, salt = encr.split(key)
        if encr.iv_size:
            return _open_combined(spi.to_bytes(4), salt, encr.opening(key), esn, 8 + encr.iv_size)
        return _open_implicit(spi.to_bytes(4), salt, encr.opening(key), esn)
    assert isinstance(encr, PlainCipher)
    icv_size = integ.icv_size if integ is not None else 0
    sign = integ.keyed(auth_key) if integ is not None else _no_icv
    return _open_separate(spi.to_bytes(4), encr.decrypting(key), sign, icv_size, esn, 8 + encr.iv_size)


def _seal_combined(spi: bytes, salt: bytes, seal_aead: Seal, esn: bool) -> Sealer:
    def seal(seq: int, counter: int, plaintext: bytes) -> bytes:
        iv = counter.to_bytes(8)
        header = spi + seq.to_bytes(4)
        return header + iv + seal_aead(salt + iv, plaintext, header)

    def seal_esn(seq: int, counter: int, plaintext: bytes) -> bytes:
        iv, number = counter.to_bytes(8), seq.to_bytes(8)
        return spi + number[4:] + iv + seal_aead(salt + iv, plaintext, spi + number)

    return seal_esn if esn else seal


def _open_combined(spi: bytes, salt: bytes, open_aead: Open, esn: bool, body: int) -> Opener:
    header, iv, sealed = slice(8), slice(8, body), slice(body, None)

    def open_(packet: bytes, seq: int) -> bytes:
        try:
            return open_aead(salt + packet[iv], packet[sealed], packet[header])
        except InvalidTag:
            raise _bad_icv(spi, seq) from None

    def open_esn(packet: bytes, seq: int) -> bytes:
        try:
            return open_aead(salt + packet[iv], packet[sealed], spi + seq.to_bytes(8))
        except InvalidTag:
            raise _bad_icv(spi, seq) from None

    return open_esn if esn else open_


def _seal_implicit(spi: bytes, salt: bytes, seal_aead: Seal, esn: bool) -> Sealer:
    """RFC 8750: the IV is the sequence number as 64 bits, and is not sent."""

    def seal(seq: int, counter: int, plaintext: bytes) -> bytes:
        number = seq.to_bytes(8)
        header = spi + number[4:]
        return header + seal_aead(salt + number, plaintext, spi + number if esn else header)

    return seal


def _open_implicit(spi: bytes, salt: bytes, open_aead: Open, esn: bool) -> Opener:
    def open_(packet: bytes, seq: int) -> bytes:
        number = seq.to_bytes(8)
        try:
            return open_aead(salt + number, packet[8:], spi + number if esn else packet[:8])
        except InvalidTag:
            raise _bad_icv(spi, seq) from None

    return open_


def _seal_separate(spi: bytes, take_iv: TakeIv, encrypt: Crypt, sign: Sign, esn: bool) -> Sealer:
    def seal(seq: int, counter: int, plaintext: bytes) -> bytes:
        iv = take_iv(counter)
        covered = spi + seq.to_bytes(4) + iv + encrypt(iv, plaintext)
        return covered + sign(covered)

    def seal_esn(seq: int, counter: int, plaintext: bytes) -> bytes:
        iv, number = take_iv(counter), seq.to_bytes(8)
        covered = spi + number[4:] + iv + encrypt(iv, plaintext)
        return covered + sign(covered, number[:4])

    return seal_esn if esn else seal


def _open_separate(spi: bytes, decrypt: Crypt, sign: Sign, icv_size: int, esn: bool, body: int) -> Opener:
    def open_(packet: bytes, seq: int) -> bytes:
        end = len(packet) - icv_size
        covered = packet[:end]
        icv = sign(covered, seq.to_bytes(8)[:4]) if esn else sign(covered)
        if not hmac.compare_digest(icv, packet[end:]):
            raise _bad_icv(spi, seq)
        return decrypt(covered[8:body], covered[body:])

    return open_


def _no_icv(*parts: bytes) -> bytes:
    """Encryption without integrity (RFC 4303 section 1: "MAY be supported"). The high half of an ESN is not covered."""
    return b""


def _bad_icv(spi: bytes, seq: int) -> IntegrityError:
    error = IntegrityError(f"ESP SPI 0x{spi.hex()}, sequence number {seq}: the ICV does not verify")
    return error.about(spi=int.from_bytes(spi), seq=seq)
