# SPDX-License-Identifier: GPL-2.0-or-later
"""Users of EAP as files and tables have them: a name, and a password or the keys of a USIM.

A file has a line for each: ``NAME:PASSWORD``, or with EAP-AKA ``NAME:K:OPC`` or ``NAME:K:OPC:SQN``. A name ends at the
first colon. Empty lines, and those that begin with ``#``, count for nothing. Control characters, which nobody sees and
RFC 8265 wants in no password, are an error. No error shows a secret.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.eap import LONGEST_IDENTITY
from fynx_scapy.settings.source import read_text
from fynx_scapy.text import LONGEST, printable

if TYPE_CHECKING:
    from fynx_scapy.eap.aka.usim import Subscriber

MOST_OCTETS = 16 << 20
"""The largest file of users that is read, in octets."""
_KEY = re.compile("[0-9a-fA-F]{32}")
_SQN = re.compile("[0-9]{1,15}")

T = TypeVar("T")


def read_users(path: Path, read: Callable[[str, str], T], longest: int = LONGEST_IDENTITY) -> dict[str, T]:
    """The users of a file, each secret as ``read(secret, place)`` makes it. ConfigError, with the line.

    ``longest``: the octets that a name may have.
    """
    found: dict[str, T] = {}
    lines: dict[str, int] = {}
    text = read_text(path, MOST_OCTETS, "a file of users")
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip() or line.startswith("#"):
            continue
        place = f"{path}: line {number}"
        if at := next((at for at, sign in enumerate(line, 1) if unicodedata.category(sign) == "Cc"), 0):
            raise ConfigError(f"{place}: expected no control character, found one as character {at}")
        name, colon, secret = line.partition(":")
        if not colon or not name:
            raise ConfigError(f"{place}: expected NAME:PASSWORD, found {'no name' if colon else 'no colon'}")
        if name != name.strip():
            raise ConfigError(f"{place}: expected no blank around the name {printable(name.strip(), LONGEST)!r}")
        _check_name(name, longest, place)
        if name in found:
            raise ConfigError(f"{place}: {printable(name, LONGEST)} is in line {lines[name]} already")
        found[name], lines[name] = read(secret, place), number
    if not found:
        raise ConfigError(f"{path}: expected at least one user, found none")
    return found


def _check_name(name: str, longest: int, place: str) -> None:
    """ConfigError for a name that no peer can say."""
    if (size := len(name.encode())) > longest:
        raise ConfigError(f"{place}: expected a name of at most {longest} octets, which EAP can carry, found {size}")


def password(secret: str, place: str) -> str:
    """The password of a user, as it is written; ConfigError for none, and for blanks, which nobody sees, around it."""
    if not secret:
        raise ConfigError(f"{place}: expected a password, found none")
    if secret != secret.strip():
        raise ConfigError(f"{place}: expected no blank at the beginning and the end of a password")
    return secret


def subscriber(secret: str, place: str) -> Subscriber:
    """The USIM of a user, as its home network has it. ConfigError for keys of another form."""
    from fynx_scapy.eap.aka.usim import Subscriber

    return Subscriber(*usim(secret, place))


def usim(secret: str, place: str) -> tuple[bytes, bytes, int]:
    """K, OPc and SQN (0 where it is left out) of ``K:OPC:SQN``. ConfigError for another form."""
    parts = secret.split(":")
    if len(parts) not in (2, 3):
        raise ConfigError(f"{place}: expected K:OPC or K:OPC:SQN, found {len(parts)} part{'s'[: len(parts) != 1]}")
    for name, digits in zip(("K", "OPc"), parts, strict=False):
        if not _KEY.fullmatch(digits):
            raise ConfigError(f"{place}: expected {name} as 32 hex digits, found text of length {len(digits)}")
    number = parts[2] if len(parts) == 3 else "0"
    if not _SQN.fullmatch(number) or int(number) >> 48:
        raise ConfigError(f"{place}: expected SQN as a whole number below 2^48, found another one")
    return bytes.fromhex(parts[0]), bytes.fromhex(parts[1]), int(number)


def read_table(
    users: Mapping[str, bytes], read: Callable[[str, str], T], owner: str, longest: int = LONGEST_IDENTITY
) -> dict[str, T]:
    """The users of a table, whose secrets are octets. ConfigError, which names the user."""
    found = {}
    for name, secret in users.items():
        place = f"{owner}.{printable(name, LONGEST)}"
        _check_name(name, longest, place)
        found[name] = read(as_text(secret, place), place)
    return found


def as_text(secret: bytes, place: str) -> str:
    """A password as the text that EAP wants; ConfigError for octets that are no UTF-8."""
    try:
        return secret.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{place}: expected a password as text in UTF-8, found other octets") from None
