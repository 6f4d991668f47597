# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys that TLS exports, from its own secrets (RFC 5246 section 5, RFC 5705, RFC 8446 section 7.5), and its key log.

Python's ``ssl`` has no exporter, but it writes a key log; and a capture of EAP-TLS comes with one.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from fynx_scapy.errors import ConfigError

_RANDOM = 32
_HANDSHAKE, _CLIENT_HELLO, _SERVER_HELLO = 22, 1, 2
TLS13 = 0x0304
_VERSIONS_EXTENSION = 43
MOST_LINES = 1 << 20


@dataclass(slots=True)
class Secrets:
    """The secrets of one TLS connection that exported keys need. The repr shows none."""

    master: bytes = field(default=b"", repr=False)
    """The master secret of TLS 1.2: 48 octets."""
    exporter: bytes = field(default=b"", repr=False)
    """The exporter secret of TLS 1.3."""


def read_key_log(text: str) -> dict[bytes, Secrets]:
    """The secrets of a key log (SSLKEYLOGFILE) by the client's random. Lines of other kinds are left out.

    ConfigError names a line that cannot be read.
    """
    found: dict[bytes, Secrets] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if len(words) != 3 or words[0] not in ("CLIENT_RANDOM", "EXPORTER_SECRET"):
            continue
        try:
            random, secret = bytes.fromhex(words[1]), bytes.fromhex(words[2])
        except ValueError:
            raise ConfigError(f"expected hexadecimal digits in line {number} of the TLS key log") from None
        if len(random) != _RANDOM:
            raise ConfigError(
                f"expected a random of 32 octets in line {number} of the TLS key log, found {len(random)}"
            )
        secrets = found.setdefault(random, Secrets())
        if words[0] == "CLIENT_RANDOM":
            secrets.master = secret
        else:
            secrets.exporter = secret
    return found


@dataclass(frozen=True, slots=True)
class Hello:
    """What the first handshake message of one end says: its random, the version and the cipher suite in use."""

    random: bytes
    version: int = 0
    suite: int = 0


def read_hello(stream: bytes) -> Hello | None:
    """ClientHello or ServerHello at the beginning of what one end has sent; None when it is not (yet) there as a whole.

    Of a ServerHello, also the version and the cipher suite that are in use (RFC 8446 section 4.1.3).
    """
    body = b""
    while len(stream) >= 5 and stream[0] == _HANDSHAKE:  # a message may span records
        size = int.from_bytes(stream[3:5])
        body, stream = body + stream[5 : 5 + size], stream[5 + size :]
        if len(body) >= 4 and len(body) >= 4 + int.from_bytes(body[1:4]):
            break
    if len(body) < 38 or body[0] not in (_CLIENT_HELLO, _SERVER_HELLO) or len(body) < 4 + int.from_bytes(body[1:4]):
        return None
    random = body[6:38]
    if body[0] == _CLIENT_HELLO:
        return Hello(random)
    version, at = int.from_bytes(body[4:6]), 39 + (body[38] if len(body) > 38 else 0)
    suite, at = int.from_bytes(body[at : at + 2]), at + 5
    while at + 4 <= len(body):
        kind, size = int.from_bytes(body[at : at + 2]), int.from_bytes(body[at + 2 : at + 4])
        if kind == _VERSIONS_EXTENSION and size == 2:
            version = int.from_bytes(body[at + 4 : at + 6])
        at += 4 + size
    return Hello(random, version, suite)


_SHA384 = frozenset({
    0x009D, 0x009F, 0x00A1, 0x00A3, 0x00A5, 0x00A7, 0x1302, 0xC024, 0xC026, 0xC028, 0xC02A, 0xC02C, 0xC02E, 0xC030,
    0xC032, 0xC077, 0xC079, 0xC087, 0xC08B,
})  # fmt: skip
"""Cipher suites with SHA-384 as the hash of their PRF or HKDF (RFC 5288, 5289, 6367, 8446); the others have SHA-256."""


def export(secrets: Secrets, client: Hello, server: Hello, label: bytes, context: bytes, size: int) -> bytes:
    """Keying material of a connection (RFC 5705, RFC 8446 section 7.5). TLS 1.2 leaves out the context, as EAP does.

    ConfigError when the secret that this version needs is unknown.
    """
    digest = "sha384" if server.suite in _SHA384 else "sha256"
    if server.version >= TLS13:
        if not secrets.exporter:
            raise ConfigError("expected the EXPORTER_SECRET of this TLS 1.3 connection in the key log, found none")
        return exporter_13(secrets.exporter, label, context, size, digest)
    if not secrets.master:
        raise ConfigError(
            "expected the master secret (CLIENT_RANDOM) of this TLS connection in the key log, found none"
        )
    return prf_12(secrets.master, label, client.random + server.random, size, digest)


def prf_12(secret: bytes, label: bytes, seed: bytes, size: int, digest: str) -> bytes:
    """The PRF of TLS 1.2: P_hash(secret, label + seed) (RFC 5246 section 5)."""
    seed, made, chained = label + seed, b"", label + seed
    while len(made) < size:
        chained = hmac.digest(secret, chained, digest)
        made += hmac.digest(secret, chained + seed, digest)
    return made[:size]


def exporter_13(secret: bytes, label: bytes, context: bytes, size: int, digest: str) -> bytes:
    """TLS-Exporter(label, context, size) of TLS 1.3 (RFC 8446 section 7.5)."""
    import hashlib

    empty, hashed = hashlib.new(digest).digest(), hashlib.new(digest, context).digest()
    derived = _expand_label(secret, label, empty, len(empty), digest)
    return _expand_label(derived, b"exporter", hashed, size, digest)


def _expand_label(secret: bytes, label: bytes, context: bytes, size: int, digest: str) -> bytes:
    """HKDF-Expand-Label (RFC 8446 section 7.1)."""
    full = b"tls13 " + label
    info = size.to_bytes(2) + bytes([len(full)]) + full + bytes([len(context)]) + context
    made = block = b""
    for number in range(1, 256):
        if len(made) >= size:
            break
        block = hmac.digest(secret, block + info + bytes([number]), digest)
        made += block
    return made[:size]
