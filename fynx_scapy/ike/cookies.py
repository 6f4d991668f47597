# SPDX-License-Identifier: GPL-2.0-or-later
"""Stateless cookies: a stranger first shows that it receives at the address that it claims (RFC 7296 section 2.6)."""

from __future__ import annotations

import hmac
import ipaddress
import struct

from fynx_scapy.iana import NotifyType, PayloadType
from fynx_scapy.ike.message import Address, Header
from fynx_scapy.ike.randomness import Randomness

_GENERIC = struct.Struct("!BBH")
_LIFETIME = 60.0


def first_cookie_and_nonce(header: Header, data: bytes) -> tuple[bytes | None, bytes | None]:
    """The cookie of an IKE_SA_INIT request (only when it stands first) and its nonce.

    Read by struct: no layer is built for a stranger.
    """
    cookie = nonce = None
    kind, offset, first = header.next_payload, 28, True
    while kind and offset + 4 <= len(data):
        following, _, length = _GENERIC.unpack_from(data, offset)
        if length < 4 or offset + length > len(data):
            break
        body = data[offset + 4 : offset + length]
        if kind == PayloadType.N and first and len(body) >= 4 and body[2:4] == NotifyType.COOKIE.to_bytes(2):
            cookie = body[4 + body[1] :]
        elif kind == PayloadType.Nonce:
            nonce = body
        kind, offset, first = following, offset + length, False
    return cookie, nonce


class Cookies:
    """Makes and checks cookies of 33 octets.

    A version octet, then HMAC-SHA-256 of Ni, IPi and SPIi under a secret that changes every minute.
    """

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._version = 0
        self._secrets: dict[int, bytes] = {}
        self._changed = float("-inf")

    def _rotate(self, now: float) -> None:
        if now - self._changed >= _LIFETIME:
            self._version = (self._version + 1) % 256
            previous = self._secrets.get((self._version - 1) % 256)
            self._secrets = {self._version: self._randomness.octets(32)}
            # The secret before this one still counts, unless it is long out of date.
            if previous is not None and now - self._changed < 2 * _LIFETIME:
                self._secrets[(self._version - 1) % 256] = previous
            self._changed = now

    def make(self, nonce: bytes, remote: Address, spi_i: bytes, now: float) -> bytes:
        """The cookie (33 octets) for a request from that address."""
        self._rotate(now)
        return self._value(self._version, nonce, remote, spi_i)

    def _value(self, version: int, nonce: bytes, remote: Address, spi_i: bytes) -> bytes:
        claimed = nonce + ipaddress.ip_address(remote.host).packed + spi_i
        return bytes([version]) + hmac.digest(self._secrets[version], claimed, "sha256")

    def good(self, cookie: bytes | None, nonce: bytes, remote: Address, spi_i: bytes, now: float) -> bool:
        """Whether the cookie is one that we made, lately, for that address, SPI and nonce."""
        self._rotate(now)
        if not cookie or cookie[0] not in self._secrets:
            return False
        return hmac.compare_digest(cookie, self._value(cookie[0], nonce, remote, spi_i))
