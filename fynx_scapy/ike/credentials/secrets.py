# SPDX-License-Identifier: GPL-2.0-or-later
"""Credentials without certificates: a pre-shared key (RFC 7296 section 2.15), and none at all (RFC 7619)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from fynx_scapy.checks import Checked, read_secret
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.credential import Credential


@dataclass(frozen=True, slots=True)
class Psk(Checked, Credential):
    """A pre-shared key (RFC 7296 section 2.15).

    Text is encoded as UTF-8, and ``0x…`` is read as hex digits. The repr hides the key.
    """

    secret: bytes = field(repr=False)
    """The octets of the key."""

    if TYPE_CHECKING:

        def replace(self, *, secret: str | bytes) -> Self: ...

    def __init__(self, secret: str | bytes):
        self._set("secret", secret)
        self.__post_init__()

    def __post_init__(self) -> None:
        # Here, since a dataclass that is derived from this one has an __init__ of its own.
        Checked.__post_init__(self)
        secret = read_secret(self.secret, "a pre-shared key")
        if not secret:
            raise ConfigError("expected a pre-shared key of at least one octet, found an empty one")
        self._set("secret", secret)


@dataclass(frozen=True, slots=True)
class Null(Credential):
    """No authentication (RFC 7619): AUTH only ties IKE_AUTH to IKE_SA_INIT, and anybody can make it.

    As ``auth`` it proves nothing about us; as ``remote_auth`` it accepts peers that prove nothing. What such a peer
    says of its identity is not to be believed.
    """
