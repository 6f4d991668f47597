# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of the credentials that `IkeConfig.auth` and `IkeConfig.remote_auth` accept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from cryptography import x509

    from fynx_scapy.ike.terms.identity import Identity


class Credential:
    """A credential: a frozen dataclass whose repr shows no secret.

    The `Authenticator` registered for its class uses it.
    """

    __slots__ = ()

    proves: ClassVar[bool] = True
    """Whether it proves who we are, so that `IkeConfig.auth` accepts it."""
    verifies: ClassVar[bool] = True
    """Whether it verifies the proof of a peer, so that `IkeConfig.remote_auth` accepts it."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How the peer of an IKE SA has proven its identity."""

    method: int
    """The authentication method of its AUTH payload (RFC 7296 section 3.8)."""
    by: str
    """What it proved it with, in words."""
    anonymous: bool = False
    """Whether it proved nothing, so that its identity is not to be believed (RFC 7619)."""
    certificates: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    """Its certificate, and those above it up to the trusted one; empty without certificates."""
    key: bytes = field(default=b"", repr=False)
    """Its raw public key, as a SubjectPublicKeyInfo in DER (RFC 7670); empty without one."""
    rounds: tuple[tuple[Identity, Proof], ...] = ()
    """With several rounds of authentication (RFC 4739): who it has proven to be in each, and how; else empty."""
