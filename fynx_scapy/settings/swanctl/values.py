# SPDX-License-Identifier: GPL-2.0-or-later
"""Values of swanctl.conf as strongSwan reads them. Each function raises ConfigError, which says what it expected."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import IdType
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.layers.ikev2.der import name_octets

Read = Callable[[str], Any]

YES = ("yes", "true", "enabled", "1")
NO = ("no", "false", "disabled", "0")
ANY = "%any"

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_OCTETS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_PREFIXES: Mapping[str, int] = {
    "ipv4": IdType.ID_IPV4_ADDR,
    "ipv6": IdType.ID_IPV6_ADDR,
    "rfc822": IdType.ID_RFC822_ADDR,
    "email": IdType.ID_RFC822_ADDR,
    "userfqdn": IdType.ID_RFC822_ADDR,
    "fqdn": IdType.ID_FQDN,
    "dns": IdType.ID_FQDN,
    "asn1dn": IdType.ID_DER_ASN1_DN,
    "asn1gn": IdType.ID_DER_ASN1_GN,
    "keyid": IdType.ID_KEY_ID,
}


def flag(text: str) -> bool:
    """``yes``, ``true``, ``enabled`` or ``1``, or the opposite."""
    if text.lower() in (*YES, *NO):
        return text.lower() in YES
    raise ConfigError(f"expected yes or no, found {shown(text)}")


def number(text: str) -> int:
    """A whole number: decimal, or with the prefix 0x hexadecimal, or with 0 octal."""
    return _amount(text, {"": 1}, "a whole number")


def seconds(text: str) -> int:
    """A time with a unit, ``s`` (the default), ``m``, ``h`` or ``d``, in seconds."""
    return _amount(text, _SECONDS, "a time such as 300, 5m, 4h or 1d")


def octets(text: str) -> int:
    """A volume with a unit, ``k``, ``m`` or ``g``, in octets."""
    return _amount(text, _OCTETS, "a number of bytes such as 500000, 500k, 10m or 1g")


def one_of(words: Mapping[str, Any]) -> Read:
    """The value of one of these words."""

    def read(text: str) -> Any:
        if text.lower() in words:
            return words[text.lower()]
        raise ConfigError(f"expected {', '.join(words)}, found {shown(text)}")

    return read


def items(text: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(filter(None, (item.strip(" ") for item in text.split(","))))


def host(text: str) -> str | None:
    """One IP address; None for ``%any``. What strongSwan also takes, we do not have."""
    found = items(text)
    if any(item.startswith(ANY) or item in ("0.0.0.0/0", "::/0", "0.0.0.0", "::") for item in found):
        return None
    try:
        (only,) = found
        return str(ipaddress.ip_address(only))
    except ValueError:
        raise ConfigError(
            f"expected one IP address or {ANY} (no names, networks, ranges or several addresses), found {shown(text)}"
        ) from None


def identity(text: str) -> Identity | None:
    """An identity in strongSwan's notation; None for ``%any``."""
    if text in ("", ANY):
        return None
    prefix, colon, data = text.partition(":")
    if data.startswith("^") and data.endswith("$"):
        raise ConfigError(f"identities as regular expressions are not supported, found {shown(text)}")
    custom = re.fullmatch(r"\{(\d{1,3})\}", prefix)
    if colon and (prefix.lower() in _PREFIXES or custom):
        kind = int(custom[1]) if custom else _PREFIXES[prefix.lower()]
        return Identity(kind, _hexed(data[1:]) if data.startswith("#") else data.encode())
    if text.startswith("@#"):
        return Identity(IdType.ID_KEY_ID, _hexed(text[2:]))
    if text.startswith("@@"):
        return Identity(IdType.ID_RFC822_ADDR, text[2:].encode())
    if text.startswith("@"):
        return Identity(IdType.ID_FQDN, text[1:].encode())
    if "*" in text:
        raise ConfigError(f"identities with wildcards are not supported, found {shown(text)}")
    if "=" in text or text.startswith("/"):
        return Identity(IdType.ID_DER_ASN1_DN, name_octets(text))
    return Identity.of(text)


def secret(text: str) -> bytes:
    """A secret: text, hex digits after ``0x``, or base64 after ``0s``. No error shows it."""
    try:
        if text.lower().startswith("0x"):
            return bytes.fromhex(text[2:])
        if text.lower().startswith("0s"):
            return base64.b64decode(text[2:], validate=True)
    except (ValueError, binascii.Error):
        raise ConfigError("expected hex digits after 0x, or base64 after 0s") from None
    return text.encode()


def _amount(text: str, units: Mapping[str, int], wanted: str) -> int:
    found = re.fullmatch(r"(0[xX][0-9a-fA-F]{1,16}|0[0-7]{0,20}|[1-9]\d{0,19}) *([a-zA-Z]?)", text)
    if found is None or found[2].lower() not in units:
        raise ConfigError(f"expected {wanted}, found {shown(text)}")
    digits = found[1]
    base = 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10
    return int(digits, base) * units[found[2].lower()]


def _hexed(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ConfigError(f"expected hex digits after #, found {shown(text)}") from None
