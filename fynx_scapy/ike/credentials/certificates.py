# SPDX-License-Identifier: GPL-2.0-or-later
"""Credentials with keys of their own: X.509 certificates (RFC 7296 section 3.6, RFC 4945) and raw keys (RFC 7670).

`Certificate` and `RawKey` prove who we are; `Certificates` and `RawKeys` verify who the peer is. cryptography's x509 is
imported only when there is a certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from fynx_scapy.checks import shown
from fynx_scapy.errors import ConfigError
from fynx_scapy.files import AnyPath
from fynx_scapy.ike.credentials.credential import Credential
from fynx_scapy.ike.terms.identity import Identity

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

    from fynx_scapy.crypto.signing import Scheme
    from fynx_scapy.pki.trust import Trust

    Source: TypeAlias = AnyPath | bytes | x509.Certificate
    KeySource: TypeAlias = AnyPath | bytes | PrivateKeyTypes
    SchemeNames: TypeAlias = str | Scheme | Iterable[str | Scheme] | None

MOST_KNOWN = 4096


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Certificate(Credential):
    """A certificate, its private key, and the certificates between it and what the peer trusts.

    >>> IkeConfig(auth=Certificate("gw.pem", "gw.key", "intermediate.pem"), trust=Trust("ca.pem"))

    Each may be a file (PEM or DER), octets, or an object of cryptography. Further certificates in the first file belong
    to the chain. Without ``key``, the first file has it too: in PEM, or in PKCS#12 with the chain. The repr shows no
    key.
    """

    verifies: ClassVar[bool] = False

    certificate: x509.Certificate = field(repr=False)
    """Our certificate."""
    key: PrivateKeyTypes = field(repr=False)
    """Its private key."""
    chain: tuple[x509.Certificate, ...] = field(repr=False)
    """The certificates above it, each the issuer of the one before. A root is not sent (RFC 4945 section 3.3)."""
    schemes: tuple[Scheme, ...] | None
    """The signature schemes that we may use, best first; None for all that fit the key and are not weak."""
    ocsp: bytes = field(repr=False)
    """An OCSP response about it in DER, for peers that ask for one (RFC 4806); empty for none."""
    crls: tuple[bytes, ...] = field(repr=False)
    """CRLs in DER, for peers that ask for them."""
    check: bool
    """Whether a certificate that the peer must refuse is a ConfigError: expired, with another identity, a broken chain.
    False lets a tester send it."""
    name: str
    """The file, or the subject, for error texts."""
    octets: bytes = field(repr=False)
    """The certificate in DER."""

    def __init__(
        self,
        certificate: Source,
        key: KeySource | None = None,
        chain: Source | Sequence[Source] = (),
        *,
        passphrase: str | bytes | None = None,
        schemes: SchemeNames = None,
        ocsp: AnyPath | bytes = b"",
        crls: AnyPath | bytes | Sequence[AnyPath | bytes] = (),
        check: bool = True,
    ) -> None:
        from fynx_scapy.pki import own

        if key is None and own.is_pkcs12(certificate):
            first, loaded, more = own.pkcs12(certificate, passphrase)
            found = [first, *more]
        else:
            found = own.certificates(certificate)
            loaded = own.private_key(certificate if key is None else key, passphrase)
        rest = [each for source in _listed(chain) for each in own.certificates(source)]
        name = own.name_of(certificate, found[0])
        if check:
            own.check_readable((*found, *rest), name)
            own.check_key(found[0], loaded, certificate, key)
        values: dict[str, Any] = {
            "certificate": found[0],
            "key": loaded,
            "chain": (*found[1:], *rest),
            "schemes": _schemes(schemes, loaded),
            "ocsp": own.ocsp_response(ocsp) if ocsp else b"",
            "crls": tuple(octets for source in _listed(crls) for octets in own.crls(source)),
            "check": check,
            "name": name,
            "octets": own.der(found[0]),
        }
        for field_name, value in values.items():
            object.__setattr__(self, field_name, value)

    @classmethod
    def from_pkcs12(cls, source: AnyPath | bytes, passphrase: str | bytes | None = None, **fields: Any) -> Self:
        """A certificate, its key and its chain from a PKCS#12 file. ``fields`` are the keywords of the constructor."""
        from fynx_scapy.pki import own

        certificate, key, chain = own.pkcs12(source, passphrase)
        return cls(certificate, key, chain, **fields)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The identities in it: those of subjectAltName, then its subject (RFC 4945 section 3.1.8)."""
        from fynx_scapy.pki import own

        return tuple(Identity(kind, data) for kind, data in own.identities(self.certificate))

    def owns(self, identity: Identity) -> bool:
        """Whether the certificate has this identity, by the rules of RFC 4945 section 3.1."""
        from fynx_scapy.pki import own

        return own.has(self.certificate, identity.type, identity.data)

    def check_use(self, identity: Identity, trust: Trust | None) -> None:
        """ConfigError for what every peer must refuse: now or at the time of ``trust``, or under this identity."""
        from fynx_scapy.pki import own

        if not self.check:
            return
        own.check_validity(self.certificate, self.chain, trust, self.name)
        if not self.owns(identity):
            names = ", ".join(map(str, self.identities))
            raise ConfigError(
                f"expected IkeConfig.local_id to be an identity in the certificate {self.name} ({names}), "
                f"found {identity}; Certificate(check=False) sends it nevertheless"
            )

    def __iter__(self) -> Iterator[Certificate]:
        yield self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self._compared == other._compared

    def __hash__(self) -> int:
        return hash(self.octets)

    @property
    def _compared(self) -> tuple[object, ...]:
        return self.octets, self.chain, self.schemes, self.ocsp, self.crls, self.check


@dataclass(frozen=True, slots=True)
class OwnCertificates(Credential):
    """Several certificates of ours: what the peer asks for says which one proves who we are. The first is preferred."""

    verifies: ClassVar[bool] = False

    each: tuple[Certificate, ...]

    def __iter__(self) -> Iterator[Certificate]:
        return iter(self.each)

    def check_use(self, identity: Identity, trust: Trust | None) -> None:
        """ConfigError for what every peer must refuse. An identity that is that of the first is that of none else."""
        for each in self.each:
            each.check_use(each.identities[0] if identity == self.identities[0] else identity, trust)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Those of the first certificate."""
        return self.each[0].identities

    def owns(self, identity: Identity) -> bool:
        """Whether one of them has this identity."""
        return any(each.owns(identity) for each in self.each)


@dataclass(frozen=True, slots=True, init=False)
class Certificates(Credential):
    """The peer proves who it is by a certificate that leads to one of `IkeConfig.trust`, for the identity of its ID."""

    proves: ClassVar[bool] = False

    schemes: tuple[Scheme, ...] | None
    """The signature schemes that we accept; None for all that are not weak, by the hashes that we announce. Naming one
    of the older methods (``ecdsa-p256``, ``rsa-sha1``) accepts it although both ends announced hashes."""
    known: tuple[x509.Certificate, ...] = field(repr=False)
    """Certificates of peers that need not be sent, intermediates too. They are judged like those that are sent."""
    ocsp: bool | None
    """Whether to ask for an OCSP response (RFC 4806); None asks if `Trust.revocation` is ``required``."""
    match_address: bool
    """Whether an identity that is an IP address must be the one that the peer sends from (RFC 4945 section 3.1.1).
    Behind a NAT it is not, and RFC 7296 section 3.5 does not want it."""

    def __init__(
        self,
        *,
        schemes: SchemeNames = None,
        known: Source | Sequence[Source] = (),
        ocsp: bool | None = None,
        match_address: bool = False,
    ) -> None:
        from fynx_scapy.pki import own

        certificates = tuple(each for source in _listed(known) for each in own.certificates(source))
        if len(certificates) > MOST_KNOWN:
            raise ConfigError(f"expected at most {MOST_KNOWN} known certificates, found {len(certificates)}")
        object.__setattr__(self, "schemes", _schemes(schemes))
        object.__setattr__(self, "known", certificates)
        object.__setattr__(self, "ocsp", ocsp)
        object.__setattr__(self, "match_address", match_address)


@dataclass(frozen=True, slots=True, init=False, eq=False)
class RawKey(Credential):
    """A private key whose public key the peer knows (RFC 7670). The repr does not show it."""

    verifies: ClassVar[bool] = False

    key: PrivateKeyTypes = field(repr=False)
    schemes: tuple[Scheme, ...] | None
    """The signature schemes that we may use, best first; None for all that fit the key and are not weak."""
    public: bytes = field(repr=False)
    """Its public key, as a SubjectPublicKeyInfo in DER."""

    def __init__(self, key: KeySource, *, passphrase: str | bytes | None = None, schemes: SchemeNames = None) -> None:
        from fynx_scapy.pki import own

        loaded = own.private_key(key, passphrase)
        object.__setattr__(self, "key", loaded)
        object.__setattr__(self, "public", own.spki(loaded))
        object.__setattr__(self, "schemes", _schemes(schemes, loaded))


@dataclass(frozen=True, slots=True, init=False)
class RawKeys(Credential):
    """The public keys of peers. A key is the identity of its owner, whatever ID says (RFC 7670 section 1)."""

    proves: ClassVar[bool] = False

    keys: tuple[bytes, ...] = field(repr=False)
    """Each as a SubjectPublicKeyInfo in DER."""
    schemes: tuple[Scheme, ...] | None
    """The signature schemes that we accept; None for all that are not weak."""

    def __init__(self, *keys: AnyPath | bytes | PublicKeyTypes, schemes: SchemeNames = None) -> None:
        from fynx_scapy.pki import own

        if not 0 < len(keys) <= MOST_KNOWN:
            raise ConfigError(f"expected 1 to {MOST_KNOWN} public keys of peers, found {len(keys)}")
        object.__setattr__(self, "keys", tuple(own.public_key(key) for key in keys))
        object.__setattr__(self, "schemes", _schemes(schemes))


def own_credential(value: Any) -> Any:
    """Several certificates as one credential; anything else as it is. ConfigError for another sequence."""
    if not isinstance(value, tuple | list):
        return value
    if not value or not all(isinstance(each, Certificate) for each in value):
        found = f"{shown(tuple(value))}; several authentications are Rounds(…)"
        raise ConfigError(f"expected Certificates alone in a sequence of credentials, found {found}")
    return value[0] if len(value) == 1 else OwnCertificates(tuple(value))


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else (value,)


def _schemes(names: SchemeNames, key: Any = None) -> tuple[Scheme, ...] | None:
    """Schemes by their names; ConfigError for an unknown one, and when none fits the key."""
    if names is None:
        return None
    from fynx_scapy.crypto.signing import fits, fitting, key_kind, read_schemes

    found = read_schemes(names)
    if not found:
        raise ConfigError("expected at least one signature scheme, found none")
    if key is not None and not any(fits(scheme, key) for scheme in found):
        can = ", ".join(scheme.name for scheme in fitting(key)) or "none"
        raise ConfigError(
            f"expected a signature scheme for a key of kind {key_kind(key)} ({can}), "
            f"found {', '.join(scheme.name for scheme in found)}"
        )
    return found
