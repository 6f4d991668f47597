# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a server knows: names and their passwords. The repr shows no password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fynx_scapy.eap.method import check_text
from fynx_scapy.errors import AuthenticationError, ConfigError
from fynx_scapy.text import printable

MOST_ACCOUNTS = 1 << 20
LONGEST_NAME = 253
"""Octets of a user name (RFC 7542 section 2.2)."""


@dataclass(frozen=True, slots=True, init=False)
class Accounts:
    """Names and passwords, as text. ConfigError for an empty name or password, and for one that is no text."""

    passwords: Mapping[bytes, str] = field(repr=False)

    def __init__(self, passwords: Mapping[str, str] | Accounts) -> None:
        if isinstance(passwords, Accounts):
            object.__setattr__(self, "passwords", passwords.passwords)
            return
        if not isinstance(passwords, Mapping):
            raise ConfigError(f"expected users as a dict of names and passwords, found {type(passwords).__name__}")
        found: dict[bytes, str] = {}
        for name, password in passwords.items():
            if not (isinstance(name, str) and isinstance(password, str)):
                kinds = f"{type(name).__name__} and {type(password).__name__}"
                raise ConfigError(f"expected a name and a password as text for each user, found {kinds}")
            if not name or not password:
                empty = f"no password for {printable(name, LONGEST_NAME)}" if name else "an empty name"
                raise ConfigError(f"expected a name and a password for each user, found {empty}")
            check_text(name=name, password=password)
            found[name.encode()] = password
        if not 0 < len(found) <= MOST_ACCOUNTS:
            raise ConfigError(f"expected 1 to {MOST_ACCOUNTS} users, found {len(found)}")
        object.__setattr__(self, "passwords", found)

    def find(self, name: bytes) -> str | None:
        """The password of a user; None when there is none of this name."""
        return self.passwords.get(name)

    def password(self, name: bytes) -> str:
        """The password of a user; AuthenticationError when there is none of this name."""
        found = self.passwords.get(name)
        if found is None:
            raise AuthenticationError(f"expected a user that we know, found {printable(name, LONGEST_NAME)}")
        return found

    def refusal(self, name: bytes, method: str) -> AuthenticationError:
        """Why a response of this method does not verify, for our side alone: no such user, or another password."""
        shown = printable(name, LONGEST_NAME)
        if name not in self.passwords:
            return AuthenticationError(f"expected a user that we know, found {shown}")
        return AuthenticationError(
            f"expected the response of {method} for {shown} to verify, but the password is another one"
        )

    def __len__(self) -> int:
        return len(self.passwords)
