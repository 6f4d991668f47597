# SPDX-License-Identifier: GPL-2.0-or-later
"""Milenage (3GPP TS 35.206): how a USIM and its home network authenticate each other, over AES-128.

The values that go with it (AUTN, AUTS) are those of 3GPP TS 33.102 section 6.3.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from fynx_scapy.errors import ConfigError

KEY, RAND, AUTN, AUTS, SQN, AMF = 16, 16, 16, 14, 6, 2
"""The sizes of what goes in and out, in octets."""
SEPARATION = 0x80
"""The separation bit, in the first octet of AMF: the vector is not for UMTS (3GPP TS 33.102 annex H)."""
_MAC = 8
_RESYNCHRONISATION_AMF = bytes(AMF)
"""AMF in AUTS (3GPP TS 33.102 section 6.3.3)."""


@dataclass(frozen=True, slots=True)
class Vector:
    """An authentication vector. The repr shows no key."""

    rand: bytes
    autn: bytes
    res: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Milenage:
    """The functions f1 to f5* with a subscriber's key K and operator's value OPc, 16 octets each.

    ConfigError for others.
    """

    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for name, value in (("K", self.k), ("OPc", self.opc)):
            if not isinstance(value, bytes) or len(value) != KEY:
                found = f"{len(value)} octets" if isinstance(value, bytes) else type(value).__name__
                raise ConfigError(f"expected {name} as {KEY} octets, found {found}")

    @classmethod
    def of_op(cls, k: bytes, op: bytes) -> Milenage:
        """With OP, from which OPc is computed (section 4.1)."""
        zero = cls(k, op)
        return cls(k, xor(zero._encrypt(op), op))

    def vector(self, rand: bytes, sqn: int, amf: bytes) -> Vector:
        """What the home network sends and expects for a challenge, with a sequence number of 48 bits."""
        res, ck, ik, ak = self._f2345(rand)
        number = sqn.to_bytes(SQN)
        autn = xor(number, ak) + amf + self._f1(rand, number, amf)[:_MAC]
        return Vector(rand, autn, res, ck, ik)

    def verify(self, rand: bytes, autn: bytes) -> tuple[Vector, int] | None:
        """The vector and its sequence number, as the USIM finds them; None if the MAC in AUTN is wrong."""
        res, ck, ik, ak = self._f2345(rand)
        number, amf, mac = xor(autn[:SQN], ak), autn[SQN : SQN + AMF], autn[SQN + AMF :]
        if not hmac.compare_digest(self._f1(rand, number, amf)[:_MAC], mac):
            return None
        return Vector(rand, autn, res, ck, ik), int.from_bytes(number)

    def auts(self, rand: bytes, sqn: int) -> bytes:
        """What a USIM answers that has seen a higher sequence number than the challenge has."""
        number = sqn.to_bytes(SQN)
        return xor(number, self._f5_star(rand)) + self._f1(rand, number, _RESYNCHRONISATION_AMF)[_MAC:]

    def resynchronise(self, rand: bytes, auts: bytes) -> int | None:
        """The USIM's sequence number; None if the MAC in AUTS is wrong."""
        number, mac = xor(auts[:SQN], self._f5_star(rand)), auts[SQN:]
        if not hmac.compare_digest(self._f1(rand, number, _RESYNCHRONISATION_AMF)[_MAC:], mac):
            return None
        return int.from_bytes(number)

    def _f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A (f1) and MAC-S (f1*): OUT1."""
        temp = self._encrypt(xor(rand, self.opc))
        return xor(self._encrypt(xor(temp, _turned(xor((sqn + amf) * 2, self.opc), 64))), self.opc)

    def _f2345(self, rand: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        """RES, CK, IK and AK."""
        second = self._out(rand, 0, 1)
        return second[8:], self._out(rand, 32, 2), self._out(rand, 64, 4), second[:SQN]

    def _f5_star(self, rand: bytes) -> bytes:
        return self._out(rand, 96, 8)[:SQN]

    def _out(self, rand: bytes, turn: int, constant: int) -> bytes:
        """OUT2 to OUT5 (section 4.1): r and c say which."""
        temp = self._encrypt(xor(rand, self.opc))
        return xor(self._encrypt(xor(_turned(xor(temp, self.opc), turn), constant.to_bytes(16))), self.opc)

    def _encrypt(self, block: bytes) -> bytes:
        return Cipher(AES(self.k), modes.ECB()).encryptor().update(block)


def xor(one: bytes, other: bytes) -> bytes:
    """Two strings of the same size, bit by bit."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _turned(block: bytes, bits: int) -> bytes:
    """Cyclically rotated by whole octets "towards the most significant bit"."""
    return block[bits // 8 :] + block[: bits // 8]
