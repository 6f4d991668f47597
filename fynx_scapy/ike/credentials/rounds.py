# SPDX-License-Identifier: GPL-2.0-or-later
"""Several credentials, one after the other, in one IKE_AUTH (RFC 4739)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.ike.credentials.certificates import Certificate, own_credential
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.credentials.secrets import Psk
from fynx_scapy.ike.terms.identity import Identity

LEAST, MOST = 2, 8
"""How many rounds one end may have."""


@dataclass(frozen=True, slots=True, init=False)
class Rounds(Credential):
    """What one end proves, or what the other end has to prove, round by round.

    Each round is a credential, as `IkeConfig.auth` takes it, or a pair of one and its identity:

    >>> IkeConfig(auth=Rounds(Certificate("host.pem", "host.key"), Eap.mschapv2("carol", "secret")), trust="ca.pem")
    >>> IkeConfig(auth=Certificate("gw.pem", "gw.key"), trust="ca.pem",
    ...           remote_auth=Rounds(Certificates(), EapUsers.passwords({"carol": "secret"})))

    Without an identity, the first round has that of the configuration, ours in a later one that of its certificate or
    user, and the peer any. ConfigError for less than two rounds, and for EAP that authenticates a gateway alone.
    """

    credentials: tuple[Credential, ...]
    identities: tuple[Identity | None, ...]
    """The identity of each round; None where none is given."""

    def __init__(self, *rounds: Any) -> None:
        pairs = [each if _is_pair(each) else (each, None) for each in rounds]
        if not LEAST <= len(pairs) <= MOST:
            raise ConfigError(f"expected {LEAST} to {MOST} rounds of authentication, found {len(pairs)}")
        credentials = tuple(_read(credential) for credential, _ in pairs)
        for number, credential in enumerate(credentials, 1):
            if not isinstance(credential, Credential) or isinstance(credential, Rounds):
                raise ConfigError(
                    f"expected a credential, or a pair of one and its identity, as round {number} of the "
                    f"authentication, found {shown(credential)}"
                )
            if not (credential.proves or credential.verifies) or getattr(credential, "only", False):
                raise ConfigError(f"expected EAP without only=True as round {number}: RFC 5998 knows no rounds")
        object.__setattr__(self, "credentials", credentials)
        object.__setattr__(self, "identities", tuple(None if who is None else Identity.of(who) for _, who in pairs))

    @property
    def proves(self) -> bool:  # type: ignore[override]
        """Whether each round does."""
        return all(each.proves for each in self.credentials)

    @property
    def verifies(self) -> bool:  # type: ignore[override]
        """Whether each round does."""
        return all(each.verifies for each in self.credentials)

    def __len__(self) -> int:
        return len(self.credentials)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str | Identity)


def _read(value: Any) -> Any:
    if isinstance(value, tuple) and not all(isinstance(each, Certificate) for each in value):
        return value
    return Psk(value) if isinstance(value, str | bytes) else own_credential(value)


def rounds_of(credential: Credential) -> Sequence[Credential]:
    """The credentials of each round; of a single credential, itself."""
    return credential.credentials if isinstance(credential, Rounds) else (credential,)
