# SPDX-License-Identifier: GPL-2.0-or-later
"""AUTH in octets: what it covers, and how each method verifies it (RFC 7296 sections 2.15, 2.16 and 3.8).

Nothing here knows an IKE SA, a payload class or Scapy: the engine and whoever reads a capture verify by this code.
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
    """What the AUTH payload of one end covers (RFC 7296 section 2.15)."""

    prf: PrfFunction
    message: bytes
    """Its own IKE_SA_INIT message as it was sent, without a non-ESP marker."""
    nonce: bytes
    """The other end's."""
    sk_p: bytes = field(repr=False)
    """SK_pi of the initiator, SK_pr of the responder."""
    identity: bytes
    """Its ID payload without the generic header."""
    behind: bytes = b""
    """IntAuth, where IKE_INTERMEDIATE came before (RFC 9242 section 3.3.2)."""

    @property
    def octets(self) -> bytes:
        """The signed octets."""
        return signed_octets(self.prf, self.message, self.nonce, self.sk_p, self.identity) + self.behind

    def shared_key(self, secret: bytes) -> bytes:
        """The data of AUTH by a shared secret."""
        return psk_auth(self.prf, secret, self.octets)


@dataclass(frozen=True, slots=True)
class Proofs:
    """What AUTH may be verified with. One that fits is enough."""

    secrets: tuple[tuple[bytes, str], ...] = field(default=(), repr=False)
    """Shared secrets (PSK, EAP MSK), each with what to call it."""
    keyless_eap: bool = False
    """Whether an EAP method that makes no key may have run: SK_p is the shared secret then (section 2.16)."""
    certificates: tuple[tuple[int, bytes], ...] = ()
    """Encoding and data of CERT payloads with the signer's key (section 3.6)."""


Verify = Callable[[int, bytes, Covered, Proofs], str]
V = TypeVar("V", bound=Verify)
_VERIFIERS: dict[int, Verify] = {}


def verifies(*methods: int) -> Callable[[V], V]:
    """Register the function that verifies AUTH by these methods."""

    def register(function: V) -> V:
        _VERIFIERS.update(dict.fromkeys(methods, function))
        return function

    return register


def verify(method: int, data: bytes, covered: Covered, proofs: Proofs) -> str:
    """Verify the data of an AUTH payload; returns what verified it, in words without a secret.

    Raises AuthenticationError where it does not verify, ConfigError where that cannot be told (a method that is not
    known here, nothing to verify with), MalformedError for data that the method cannot read.
    """
    verifier = _VERIFIERS.get(method)
    if verifier is None:
        raise ConfigError(f"the authentication method {name_of(AuthMethod, method)} is not known here")
    return verifier(method, data, covered, proofs)


@verifies(AuthMethod.Shared_Key_Message_Integrity_Code)
def _shared_key(method: int, data: bytes, covered: Covered, proofs: Proofs) -> str:
    candidates = list(proofs.secrets)
    if proofs.keyless_eap:
        candidates.append((covered.sk_p, "SK_p, as of an EAP method without a key"))
    found = _first(candidates, data, covered)
    if found is None and not proofs.secrets:
        raise ConfigError("no PSK and no EAP MSK is at hand")
    return _or_fail(found, candidates)


@verifies(AuthMethod.NULL_Authentication)
def _null(method: int, data: bytes, covered: Covered, proofs: Proofs) -> str:
    """RFC 7619 section 2.1: the shared secret is SK_pi or SK_pr."""
    candidates = [(covered.sk_p, "SK_p, which authenticates nobody")]
    return _or_fail(_first(candidates, data, covered), candidates)


def _first(candidates: list[tuple[bytes, str]], data: bytes, covered: Covered) -> str | None:
    """What to call the first secret that makes this AUTH. Each comparison takes the same time, wherever they differ."""
    made = ((hmac.compare_digest(covered.shared_key(secret), data), name) for secret, name in candidates)
    return next((name for equal, name in made if equal), None)


def _or_fail(found: str | None, candidates: list[tuple[bytes, str]]) -> str:
    if found is None:
        raise AuthenticationError(f"none of the {len(candidates)} secrets at hand makes this AUTH")
    return found


@verifies(*signatures.METHODS, AuthMethod.Digital_Signature)
def _signature(method: int, data: bytes, covered: Covered, proofs: Proofs) -> str:
    """RFC 7427 section 3, RFC 4754: by the key of any certificate; a signature that is wrong outweighs a bad key."""
    failure: FynxError = ConfigError("no certificate of the signer is in the capture")
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
