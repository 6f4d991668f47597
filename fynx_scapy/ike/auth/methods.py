# SPDX-License-Identifier: GPL-2.0-or-later
"""The octets of AUTH: what it covers, and how each method verifies it (RFC 7296 sections 2.15, 2.16 and 3.8).

This module does not depend on the IKE SA, payload classes or Scapy. The engine and the capture reader share it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from fynx_scapy.crypto import signatures
from fynx_scapy.crypto.keymat import psk_auth, signed_octets
from fynx_scapy.crypto.prf import PrfFunction
from fynx_scapy.errors import AuthenticationError, ConfigError, FynxError, MalformedError
from fynx_scapy.iana import AuthMethod, name_of


@dataclass(frozen=True, slots=True)
class Covered:
    """The data that the AUTH payload of a peer covers (RFC 7296 section 2.15)."""

    prf: PrfFunction
    message: bytes
    """The IKE_SA_INIT message of the signer as it was sent, without a non-ESP marker."""
    nonce: bytes
    """The nonce of the other peer."""
    sk_p: bytes = field(repr=False)
    """SK_pi of the initiator, SK_pr of the responder."""
    identity: bytes
    """The ID payload of the signer, without the generic header."""
    behind: bytes = b""
    """IntAuth, appended after IKE_INTERMEDIATE (RFC 9242 section 3.3.2)."""

    @property
    def octets(self) -> bytes:
        """The signed octets."""
        return signed_octets(self.prf, self.message, self.nonce, self.sk_p, self.identity) + self.behind

    def shared_key(self, secret: bytes) -> bytes:
        """The data of AUTH with a shared secret."""
        return psk_auth(self.prf, secret, self.octets)


@dataclass(frozen=True, slots=True)
class Proofs:
    """What to verify AUTH with. One match is enough."""

    secrets: tuple[tuple[bytes, str], ...] = field(default=(), repr=False)
    """Shared secrets (PSK, EAP MSK), each with its name."""
    keyless_eap: bool = False
    """Whether an EAP method without a key may have run. Then SK_p is the shared secret (section 2.16)."""
    certificates: tuple[tuple[int, bytes], ...] = ()
    """Encoding and data of the CERT payloads with the signer's key (section 3.6)."""


Verify = Callable[[int, bytes, Covered, Proofs], str]
V = TypeVar("V", bound=Verify)
_VERIFIERS: dict[int, Verify] = {}


def verifies(*methods: int) -> Callable[[V], V]:
    """Register a function that verifies AUTH by these methods."""

    def register(function: V) -> V:
        _VERIFIERS.update(dict.fromkeys(methods, function))
        return function

    return register


def verify(method: int, data: bytes, covered: Covered, proofs: Proofs) -> str:
    """Verify the data of an AUTH payload; returns the name of what verified it, without a secret.

    AuthenticationError when it does not verify, ConfigError when it cannot be checked (an unknown method, or nothing to
    verify with), MalformedError for data that the method cannot read.
    """
    verifier = _VERIFIERS.get(method)
    if verifier is None:
        raise ConfigError(f"the authentication method {name_of(AuthMethod, method)} is not supported")
    return verifier(method, data, covered, proofs)


@verifies(AuthMethod.Shared_Key_Message_Integrity_Code)
def _shared_key(method: int, data: bytes, covered: Covered, proofs: Proofs) -> str:
    candidates = list(proofs.secrets)
    if proofs.keyless_eap:
        candidates.append((covered.sk_p, "SK_p, as of an EAP method without a key"))
    verified_by = _first(candidates, data, covered)
    if verified_by is None and not proofs.secrets:
        raise ConfigError("expected a PSK or an EAP MSK to verify AUTH with, found none")
    return _or_fail(verified_by, candidates)


@verifies(AuthMethod.NULL_Authentication)
def _null(method: int, data: bytes, covered: Covered, proofs: Proofs) -> str:
    """RFC 7619 section 2.1: the shared secret is SK_pi or SK_pr."""
    candidates = [(covered.sk_p, "SK_p, which authenticates nobody")]
    return _or_fail(_first(candidates, data, covered), candidates)


def _first(candidates: list[tuple[bytes, str]], data: bytes, covered: Covered) -> str | None:
    """The name of the first secret that gives this AUTH, or None. The comparisons take constant time."""
    made = ((hmac.compare_digest(covered.shared_key(secret), data), name) for secret, name in candidates)
    return next((name for equal, name in made if equal), None)


def _or_fail(name: str | None, candidates: list[tuple[bytes, str]]) -> str:
    if name is None:
        several = len(candidates) != 1
        known = f"none of the {len(candidates)} known secrets gives" if several else "the known secret does not give"
        raise AuthenticationError(f"{known} this AUTH")
    return name


@verifies(*signatures.METHODS, AuthMethod.Digital_Signature)
def _signature(method: int, data: bytes, covered: Covered, proofs: Proofs) -> str:
    """Verify with the key of any certificate (RFC 7427 section 3, RFC 4754).

    If none verifies, a wrong signature is reported rather than an unusable key.
    """
    failure: FynxError = ConfigError("the capture has no certificate of the signer")
    for encoding, certificate in proofs.certificates:
        try:
            name = signatures.verify(method, data, covered.octets, signatures.public_key(encoding, certificate))
        except AuthenticationError as error:
            failure = error
        except (MalformedError, ConfigError) as error:
            failure = failure if isinstance(failure, AuthenticationError) else error
        else:
            return f"{name} by the key of the certificate in the capture"
    raise failure
