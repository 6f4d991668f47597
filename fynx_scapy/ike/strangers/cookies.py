# SPDX-License-Identifier: GPL-2.0-or-later
"""Stateless cookies: an initiator proves that it receives at the address that it claims (RFC 7296 section 2.6).

A cookie also carries the data of RFC 8019 section 7.1.1.3: whether a puzzle was posed with it, its difficulty, and its
number in a row.
"""

from __future__ import annotations

import hmac
import ipaddress
import struct
from dataclasses import dataclass

from fynx_scapy.iana import NotifyType, PayloadType, TransformType
from fynx_scapy.ike.basics.randomness import Randomness
from fynx_scapy.ike.message import Address, Header
from fynx_scapy.layers.ikeheader import HEADER_SIZE
from fynx_scapy.layers.ikev2.payload import MAXIMUM_PAYLOADS

_GENERIC = struct.Struct("!BBH")
_INFO = struct.Struct("!BBBHII")
_LIFETIME = 60.0


@dataclass(frozen=True, slots=True)
class Initial:
    """The parts of an IKE_SA_INIT request that are read before its cookie is checked, with struct and without layers.

    ``cookie`` is set only if it is the first payload. ``solution`` is the content of the PS payload, ``sa`` that of the
    SA payload.
    """

    cookie: bytes | None = None
    solution: bytes | None = None
    nonce: bytes | None = None
    sa: bytes = b""

    @classmethod
    def read(cls, header: Header, data: bytes) -> Initial:
        """Read the payloads, up to the first malformed one."""
        cookie = solution = nonce = None
        sa = b""
        kind, offset, first = header.next_payload, HEADER_SIZE, True
        for _ in range(MAXIMUM_PAYLOADS):
            if not kind or offset + 4 > len(data):
                break
            following, _, length = _GENERIC.unpack_from(data, offset)
            if length < 4 or offset + length > len(data):
                break
            body = data[offset + 4 : offset + length]
            if kind == PayloadType.N and first and len(body) >= 4 and body[2:4] == NotifyType.COOKIE.to_bytes(2):
                cookie = body[4 + body[1] :]
            elif kind == PayloadType.Nonce:
                nonce = body
            elif kind == PayloadType.PS:
                solution = body
            elif kind == PayloadType.SA:
                sa = body
            kind, offset, first = following, offset + length, False
        return cls(cookie, solution, nonce, sa)

    def prfs(self) -> list[int]:
        """The offered PRFs (RFC 8019 section 7.1.1.2), in order."""
        found: list[int] = []
        at, sa = 0, self.sa
        while at + 8 <= len(sa):
            length = int.from_bytes(sa[at + 2 : at + 4])
            end, transform = min(at + length, len(sa)), at + 8 + sa[at + 6]
            while transform + 8 <= end:
                size = int.from_bytes(sa[transform + 2 : transform + 4])
                if sa[transform + 4] == TransformType.PRF:
                    found.append(int.from_bytes(sa[transform + 6 : transform + 8]))
                transform += max(size, 8)
            at += max(length, 8)
        return found


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A puzzle as it was posed (RFC 8019 section 8.1). ``count`` is its number in a row."""

    prf: int
    difficulty: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Ticket:
    """The content of a valid cookie: the puzzle that was posed with it, if any, and its age in seconds."""

    puzzle: Puzzle | None
    age: float


class Cookies:
    """Makes and checks cookies of 46 octets.

    A cookie is a version octet, the data of the puzzle, and the HMAC-SHA-256 of these with SPIi, IPi and Ni. The secret
    changes every minute. A retransmitted request gets the same cookie, so that its initiator need not try again. With a
    puzzle, every cookie is different: a solution is valid for one cookie only (RFC 8019 section 10).
    """

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._version = 0
        self._secrets: dict[int, bytes] = {}
        self._changed = float("-inf")
        self._serial = 0

    def _rotate(self, now: float) -> None:
        if now - self._changed >= _LIFETIME:
            self._version = (self._version + 1) % 256
            previous = self._secrets.get((self._version - 1) % 256)
            self._secrets = {self._version: self._randomness.octets(32)}
            # The previous secret is still valid, unless it is long out of date.
            if previous is not None and now - self._changed < 2 * _LIFETIME:
                self._secrets[(self._version - 1) % 256] = previous
            self._changed = now

    def make(self, nonce: bytes, remote: Address, spi_i: bytes, now: float, puzzle: Puzzle | None = None) -> bytes:
        """The cookie for a request from that address."""
        self._rotate(now)
        info = bytes(_INFO.size)
        if puzzle is not None:
            self._serial = (self._serial + 1) % 2**32
            made = int(now * 100) % 2**32
            info = _INFO.pack(1, puzzle.difficulty, puzzle.count, puzzle.prf, made, self._serial)
        return self._value(bytes([self._version]) + info, nonce, remote, spi_i)

    def _value(self, front: bytes, nonce: bytes, remote: Address, spi_i: bytes) -> bytes:
        address = ipaddress.ip_address(remote.host).packed
        claimed = front + spi_i + bytes([len(address)]) + address + nonce
        return front + hmac.digest(self._secrets[front[0]], claimed, "sha256")

    def check(self, cookie: bytes | None, nonce: bytes, remote: Address, spi_i: bytes, now: float) -> Ticket | None:
        """The content of the cookie if we made it recently for that address, SPI and nonce; else None."""
        self._rotate(now)
        if not cookie or len(cookie) <= _INFO.size or cookie[0] not in self._secrets:
            return None
        if not hmac.compare_digest(cookie, self._value(cookie[: 1 + _INFO.size], nonce, remote, spi_i)):
            return None
        posed, difficulty, count, prf, made, _ = _INFO.unpack_from(cookie, 1)
        age = (int(now * 100) - made) % 2**32 / 100
        return Ticket(Puzzle(prf, difficulty, count) if posed else None, age)
