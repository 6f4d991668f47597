# SPDX-License-Identifier: GPL-2.0-or-later
"""Read hexadecimal, addresses and SPIs of key files. Error texts never show a key."""

from __future__ import annotations

import ipaddress

from fynx_scapy.crypto.encr import Encryption, encryption
from fynx_scapy.crypto.transforms import Transform, find
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import TransformType


def octets(text: str, what: str, count: int | None = None) -> bytes:
    """The octets of hexadecimal digits, with or without 0x. Raises ConfigError for other text or a wrong ``count``."""
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        raise ConfigError(f"the {what} is not hexadecimal ({len(digits)} characters)") from None  # never the key itself
    if count is not None and len(value) != count:
        raise ConfigError(f"the {what} has {len(value)} octets, expected {count}")
    return value


def address(text: str) -> str:
    """An IP address in canonical form, or a pattern with "*". Raises ConfigError for anything else."""
    if "*" in text:
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ConfigError(f"{text!r} is not an address and has no wildcard '*'") from None


def spi(text: str) -> int | None:
    """An ESP SPI in hexadecimal, None for a wildcard. Raises ConfigError for anything else."""
    if text.strip("*") in ("", "0x"):
        return None
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise ConfigError(f"the SPI {text!r} is neither 32 bits in hexadecimal nor '*'")
    return value


def sized(number: int, key: bytes) -> Transform:
    """An ESP encryption transform. Its key length is inferred from ``key``, which may end in a salt."""
    algorithm = find(Encryption, number)  # raises ConfigError for one that no library has
    lengths: set[int] | set[None] = {*algorithm.key_lengths, *algorithm.odd_key_lengths} or {None}
    sizes = {encryption(number, bits, esp=True).key_size: bits for bits in lengths}
    if len(key) not in sizes:
        expected = ", ".join(map(str, sorted(sizes)))
        raise ConfigError(f"the encryption key has {len(key)} octets, expected one of {expected}")
    return Transform(TransformType.ENCR, number, sizes[len(key)])
