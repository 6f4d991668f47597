# SPDX-License-Identifier: GPL-2.0-or-later
"""MS-CHAP-V2 (RFC 2759 section 8) and the keys that it yields (RFC 3079 section 3). Broken, and everywhere.

MD4 is Scapy's, since OpenSSL has it no more. A password is its UTF-16, little endian; user names are octets, "without
any associated Windows NT domain name" (section 4).
"""

from __future__ import annotations

import hmac
from hashlib import sha1

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from fynx_scapy.errors import ConfigError

CHALLENGE_SIZE, RESPONSE_SIZE = 16, 24
"""Octets of a challenge of either end, and of the NT-Response."""
MOST_PASSWORD = 256
"""Unicode characters of a password (section 8)."""
_SIGNING = b"Magic server to client signing constant"
_MORE = b"Pad to make it do more than one iteration"
_MASTER = b"This is the MPPE Master Key"
_CLIENT_SENDS = b"On the client side, this is the send key; on the server side, it is the receive key."
_SERVER_SENDS = b"On the client side, this is the receive key; on the server side, it is the send key."


def password_hash(password: str) -> bytes:
    """NtPasswordHash: 16 octets. ConfigError for a password of more than 256 characters (section 8.3)."""
    check_length(password)
    return _md4(_unicode(password))


def check_length(password: str) -> None:
    """ConfigError for a password of more than 256 characters of 16 bits."""
    size = len(_unicode(password)) // 2
    if size > MOST_PASSWORD:
        raise ConfigError(f"expected a password of at most {MOST_PASSWORD} characters with MSCHAPv2, found {size}")


def _unicode(password: str) -> bytes:
    return password.encode("utf-16-le", "surrogatepass")


def nt_response(hashed: bytes, authenticator_challenge: bytes, peer_challenge: bytes, user: bytes) -> bytes:
    """GenerateNTResponse: 24 octets, from the hash of the password (section 8.1)."""
    challenge = _challenge_hash(peer_challenge, authenticator_challenge, user)
    keys = hashed.ljust(21, b"\0")
    return b"".join(_des(keys[at : at + 7], challenge) for at in (0, 7, 14))


def authenticator_response(
    hashed: bytes, response: bytes, authenticator_challenge: bytes, peer_challenge: bytes, user: bytes
) -> bytes:
    """GenerateAuthenticatorResponse: 20 octets, which are sent as hexadecimal digits after ``S=`` (section 8.7)."""
    digest = sha1(_md4(hashed) + response + _SIGNING, usedforsecurity=False).digest()
    challenge = _challenge_hash(peer_challenge, authenticator_challenge, user)
    return sha1(digest + challenge + _MORE, usedforsecurity=False).digest()


def session_keys(hashed: bytes, response: bytes) -> tuple[bytes, bytes]:
    """The keys of 16 octets with which the client and the server send (RFC 3079 section 3.3)."""
    master = sha1(_md4(hashed) + response + _MASTER, usedforsecurity=False).digest()[:16]
    client, server = (
        sha1(master + bytes(40) + magic + b"\xf2" * 40, usedforsecurity=False).digest()[:16]
        for magic in (_CLIENT_SENDS, _SERVER_SENDS)
    )
    return client, server


def same(one: bytes, other: bytes) -> bool:
    """Whether two responses are the same, in constant time."""
    return hmac.compare_digest(one, other)


def _challenge_hash(peer_challenge: bytes, authenticator_challenge: bytes, user: bytes) -> bytes:
    return sha1(peer_challenge + authenticator_challenge + user, usedforsecurity=False).digest()[:8]


def _md4(octets: bytes) -> bytes:
    from scapy.layers.tls.crypto.md4 import MD4  # it and its package are loaded only where it is used

    return bytes(MD4(octets).digest())


def _des(key: bytes, block: bytes) -> bytes:
    """DesEncrypt (section 8.6). DES is 3DES with three equal keys; the parity bits are not looked at."""
    bits = int.from_bytes(key)
    octets = bytes((bits >> 49 - 7 * at & 0x7F) << 1 for at in range(8))
    cipher = Cipher(TripleDES(octets * 3), modes.ECB()).encryptor()
    return cipher.update(block) + cipher.finalize()
