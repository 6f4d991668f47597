# SPDX-License-Identifier: GPL-2.0-or-later
"""Read hexadecimal, addresses and SPIs of key files. Error texts never show a key."""

from __future__ import annotations

import ipaddress
import re

from fynx_scapy.crypto.encr import Encryption, encryption
from fynx_scapy.crypto.transforms import Transform, find
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import TransformType
from fynx_scapy.text import counted

_PATTERN = re.compile(r"(?=.*\*)[0-9A-Fa-f:.*]{1,64}")


def octets(text: str, what: str, count: int | None = None) -> bytes:
    """The octets of hexadecimal digits, with or without 0x. Raises ConfigError for other text or a wrong ``count``."""
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        raise ConfigError(f"the {what} is not hexadecimal ({len(digits)} characters)") from None  # never the key itself
    if count is not None and len(value) != count:
        raise ConfigError(f"the {what} has {counted(len(value), 'octet')}, expected {count}")
    return value


def address(text: str) -> str:
    """An IP address or a prefix (192.0.2.0/24) in canonical form, or a pattern with "*". Raises ConfigError if not."""
    if _PATTERN.fullmatch(text):
        return text
    try:
        if "/" in text:
            network = ipaddress.ip_network(text, strict=False)
            return str(network) if network.num_addresses > 1 else str(network.network_address)
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ConfigError(
            f"expected an IP address, a prefix such as 192.0.2.0/24 or '*', found {_length(text)}"
        ) from None


def spi(text: str) -> int | None:
    """An ESP SPI in hexadecimal, None for a wildcard. Raises ConfigError for anything else."""
    if text.strip("*") in ("", "0x"):
        return None
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise ConfigError(f"the SPI is neither 32 bits in hexadecimal nor '*', but {_length(text)}")
    return value


def number(text: str) -> int:
    """An SPI as C reads a number: 0x… is hexadecimal, 0… octal, everything else decimal. Raises ConfigError otherwise.

    Hexadecimal digits without 0x are read as such if they cannot be decimal.
    """
    base = 16 if text[:2] in ("0x", "0X") else 8 if text[:1] == "0" and text.isdecimal() else 10
    if base == 10 and not text.isdecimal():
        base = 16
    try:
        value = int(text, base) if text.isascii() and text.isalnum() else -1
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise ConfigError(f"expected an SPI of 32 bits, such as 0x1234 or 4660, found {_length(text)}")
    return value


def sized(number: int, key: bytes, *, esp: bool = True) -> Transform:
    """An encryption transform. Its key length is inferred from ``key``, which may end in a salt."""
    algorithm = find(Encryption, number)  # raises ConfigError for one that no library has
    lengths: set[int] | set[None] = {*algorithm.key_lengths, *algorithm.odd_key_lengths} or {None}
    sizes = {encryption(number, bits, esp=esp).key_size: bits for bits in lengths}
    if len(key) not in sizes:
        expected = ", ".join(map(str, sorted(sizes)))
        raise ConfigError(f"the encryption key has {counted(len(key), 'octet')}, expected one of {expected}")
    return Transform(TransformType.ENCR, number, sizes[len(key)])


def _length(text: str) -> str:
    return f"text of {len(text)} characters"  # never the text itself: in a row with swapped columns it is a key
