# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication by signatures: how ours are made, and which ones of the peer are accepted (RFC 7427, RFC 7296 2.15).

The files of certificates and of raw keys say whose key it is.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from fynx_scapy.crypto.schemes import DIGITAL, METHODS, SCHEMES, Scheme
from fynx_scapy.crypto.signing import choose, describe, fitting, sign, verified
from fynx_scapy.errors import AuthenticationError, ConfigError, FynxError, MalformedError
from fynx_scapy.iana import HashAlgorithm, name_of
from fynx_scapy.ike.auth.authenticator import Authenticator
from fynx_scapy.ike.auth.methods import Covered
from fynx_scapy.ike.auth.wishes import Announcement, Wishes
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.message import Message
from fynx_scapy.ike.terms.identity import Identity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from fynx_scapy.ike.config import IkeConfig

SIGNATURES = frozenset({*METHODS, DIGITAL})
"""The authentication methods that are signatures."""

C = TypeVar("C", bound=Credential)


class Signer(Authenticator[C]):
    """Our half: AUTH is a signature with a private key."""

    def key(self) -> Any:
        """Our private key."""
        raise NotImplementedError

    def allowed(self) -> tuple[Scheme, ...] | None:
        """The schemes that we may use; None for all that fit."""
        raise NotImplementedError

    @functools.cached_property
    def scheme(self) -> Scheme:
        """The scheme of our signature; ConfigError when the peer accepts none that our key can do.

        The hashes count only where both ends announced some (RFC 7427 section 3). What the peer announced by RFC 9593
        is advice: if nothing of it fits, we do what we would do without it.
        """
        wishes = self.sa.of(Wishes)
        hashes = wishes.hashes if wishes.told else ()
        return _suggested(self.key(), self.allowed(), hashes, wishes.methods)

    def heed(self, request: Message) -> None:
        """Its CERTREQ payloads and the methods that it announces."""
        self.sa.of(Wishes).read(request)

    def own_method(self) -> int:
        """That of the scheme."""
        return self.scheme.method

    def value(self, covered: Covered) -> bytes:
        """The signature of the octets, behind its AlgorithmIdentifier with method 14."""
        return sign(self.scheme, self.key(), covered.octets)


def _suggested(
    key: Any, allowed: tuple[Scheme, ...] | None, hashes: tuple[int, ...], methods: tuple[Announcement, ...]
) -> Scheme:
    if methods:
        heard = {(each.method, each.algorithm) for each in methods}
        wanted = tuple(s for s in allowed or fitting(key) if (s.method, s.identifier) in heard)
        if wanted:
            try:
                return choose(key, wanted, hashes)
            except ConfigError:
                pass  # it is advice
    return choose(key, allowed, hashes)


class SignatureVerifier(Authenticator[C]):
    """The peer's half: AUTH must be a signature by a scheme that we accept."""

    accepts = SIGNATURES

    def schemes(self) -> tuple[Scheme, ...] | None:
        """The schemes that we accept by name; None for all that are not weak."""
        raise NotImplementedError

    def object_to_method(self, method: int, data: bytes) -> None:
        """AuthenticationError for a signature that we do not accept, before anything is computed.

        RFC 7427 section 3: where both ends announced hashes, method 14 "MUST be used", and only with a hash that we
        announced. Without that, anybody who can change IKE_SA_INIT on its way could choose a weaker hash, because the
        signature is the only thing that protects it.
        """
        named = self.schemes()
        if named is not None and any(scheme.method == method != DIGITAL for scheme in named):
            return  # accepted by its name; `object_to_scheme` checks which one it is
        wishes = self.sa.of(Wishes)
        ours, theirs = self.config.announced_hashes if wishes.told else (), wishes.hashes
        if method == DIGITAL:
            if not ours or not theirs:
                whose = "we" if not ours else "the peer"
                raise AuthenticationError(f"expected no AUTH of method 14: {whose} did not announce hash algorithms")
            hash_id = describe(method, data).hash_id
            if hash_id not in ours:
                known = ", ".join(name_of(HashAlgorithm, number) for number in ours)
                raise AuthenticationError(
                    f"expected a signature with one of the hashes that we announced ({known}), "
                    f"found {name_of(HashAlgorithm, hash_id or 0)}"
                )
        elif ours and theirs:
            raise AuthenticationError(
                f"expected AUTH of method 14, because both ends announced hash algorithms, found method {method}"
            )

    def object_to_scheme(self, scheme: Scheme) -> None:
        """AuthenticationError for a scheme that we do not accept."""
        named = self.schemes()
        if named is None and scheme.weak:
            raise AuthenticationError(f"expected a signature scheme that is not weak, found {scheme.title}")
        if named is not None and scheme.name not in {each.name for each in named}:
            wanted = ", ".join(each.name for each in named)
            raise AuthenticationError(f"expected a signature by {wanted}, found {scheme.name} ({scheme.title})")

    def verified(self, method: int, data: bytes, covered: Covered, key: PublicKeyTypes) -> Scheme:
        """The scheme of the peer's signature, which is right and which we accept; AuthenticationError."""
        try:
            scheme = verified(method, data, covered.octets, key)
        except (AuthenticationError, MalformedError, ConfigError) as error:
            raise self.refused(covered, error) from error
        self.object_to_scheme(scheme)
        return scheme

    def refused(self, covered: Covered, error: FynxError) -> AuthenticationError:
        """The error for an AUTH payload that is not right. There is nothing secret in a signature."""
        return AuthenticationError(f"the AUTH payload of {Identity.parse(covered.identity)} does not verify: {error}")

    def check(self, method: int, data: bytes, covered: Covered, message: Message) -> None:
        """Cheap checks first: the method and its hash, then what `prove` does."""
        try:
            self.object_to_method(method, data)
        except (MalformedError, ConfigError) as error:
            raise self.refused(covered, error) from error
        self.prove(method, data, covered, message)

    def prove(self, method: int, data: bytes, covered: Covered, message: Message) -> None:
        """Verify the signature and whose key it is, and set `SaRecord.peer_proof`; AuthenticationError."""
        raise NotImplementedError


def announcements(config: IkeConfig, credential: Credential) -> list[Announcement]:
    """What SUPPORTED_AUTH_METHODS says of a credential that verifies signatures (RFC 9593 section 3.2)."""
    named: tuple[Scheme, ...] | None = getattr(credential, "schemes", None)
    accepted = tuple(scheme for scheme in SCHEMES.values() if not scheme.weak) if named is None else named
    both = bool(config.signature_hashes)
    return [
        Announcement(scheme.method, 0, scheme.identifier)
        for scheme in accepted
        if (scheme.hash_id in config.signature_hashes if scheme.method == DIGITAL else named is not None or not both)
    ]
