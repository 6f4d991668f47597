# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates that have to be refused, each for one reason: RFC 5280 section 6, RFC 4945 sections 3.1 and 5.1.3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from fynx_scapy.pki.making.authority import Authority
from fynx_scapy.pki.making.issued import Issued


@dataclass(frozen=True, slots=True)
class Bad:
    """A certificate, and what is there to judge it with."""

    issued: Issued
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    ocsp: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Entity:
    """The ordinary certificate that a bad one differs from."""

    subject: str
    names: tuple[str, ...]
    key: str
    fault: str = ""
    """The name of its fault: with a seed, another fault makes another key and serial number."""

    def by(self, authority: Authority, **changes: Any) -> Issued:
        """It, issued by this authority with these changes."""
        seed = None if authority.seed is None else self.fault
        return authority.issue(self.subject, self.names, changes.pop("key", self.key), seed=seed, **changes)


Make = Callable[[Authority, Entity], Bad]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a certificate, and how to make one like that under an intermediate authority."""

    name: str
    text: str
    """What is wrong, in words."""
    code: str
    """The code of CertificateError without ``certificate.``: ``revocation-unknown`` only where revocation is required,
    ``identity`` only where the identity is asked for."""
    make: Make = field(repr=False)


def _leaf(**changes: Any) -> Make:
    return lambda middle, entity: Bad(entity.by(middle, **changes))


def _authority(**changes: Any) -> Make:
    """A good certificate of a bad authority below the root."""

    def make(middle: Authority, entity: Entity) -> Bad:
        below = _root(middle).intermediate("C=CH, O=fynx, CN=fynx bad intermediate", **changes)
        return Bad(entity.by(below))

    return make


def _too_long(middle: Authority, entity: Entity) -> Bad:
    short = _root(middle).intermediate("C=CH, O=fynx, CN=fynx last intermediate", path_length=0)
    return Bad(entity.by(short.intermediate("C=CH, O=fynx, CN=fynx one too many")))


def _stranger(middle: Authority, entity: Entity) -> Bad:
    seed = None if middle.seed is None else (middle.seed, "stranger")
    root = Authority.root("C=CH, O=stranger, CN=unknown root", seed=seed)
    return Bad(entity.by(replace(root, span=middle.span)))


def _same_name(middle: Authority, entity: Entity) -> Bad:
    """A root that has the name of ours, and another key."""
    ours = _root(middle)
    seed = None if middle.seed is None else (middle.seed, "same name")
    root = Authority.root(ours.cert.subject, seed=seed, no_key_identifiers=True)
    return Bad(entity.by(replace(root, span=middle.span), no_key_identifiers=True))


def _missing(middle: Authority, entity: Entity) -> Bad:
    return Bad(replace(entity.by(middle), issuers=()))


def _crl(revoked: bool, **changes: Any) -> Make:
    def make(middle: Authority, entity: Entity) -> Bad:
        issued = entity.by(middle)
        return Bad(issued, crls=(middle.crl([(issued, "keyCompromise")] if revoked else [], **changes), _above(middle)))

    return make


def _ocsp(status: str, **changes: Any) -> Make:
    def make(middle: Authority, entity: Entity) -> Bad:
        issued = entity.by(middle)
        return Bad(issued, crls=(_above(middle),), ocsp=(middle.ocsp(issued, status, **changes),))

    return make


def _revoked_authority(middle: Authority, entity: Entity) -> Bad:
    below = _root(middle).intermediate("C=CH, O=fynx, CN=fynx revoked intermediate")
    return Bad(entity.by(below), crls=(_root(middle).crl([(below, "cACompromise")]),))


def _above(middle: Authority) -> bytes:
    """The CRL of who is above: what is required of revocation is required of each certificate."""
    return _root(middle).crl()


def _root(authority: Authority) -> Authority:
    while authority.parent is not None:
        authority = authority.parent
    return authority


FAULTS = (
    Fault("expired", "it has expired", "expired", _leaf(expired=True)),
    Fault("not-yet-valid", "it is not valid yet", "not-yet-valid", _leaf(not_yet_valid=True)),
    Fault("wrong-key", "another key than the issuer's signed it", "signature", _leaf(wrong_key=True)),
    Fault("broken-signature", "one bit of its signature is wrong", "signature", _leaf(broken_signature=True)),
    Fault("sha1", "it is signed over SHA-1", "weak-signature", _leaf(sha1=True)),
    Fault("weak-key", "its RSA key has 1024 bits", "weak-key", _leaf(key="rsa-1024")),
    Fault("unknown-critical", "it has a critical extension that nobody knows", "critical-extension",
          _leaf(unknown_critical=True)),
    Fault("no-signing", "its keyUsage is keyEncipherment only", "key-usage", _leaf(key_usage="keyEncipherment")),
    Fault("wrong-purpose", "its extKeyUsage is codeSigning only", "key-usage", _leaf(eku="codeSigning")),
    Fault("wrong-names", "its subject and names are another's", "identity",
          lambda middle, entity: Bad(middle.issue("C=CH, O=fynx, CN=other", ["other.example"], entity.key))),
    Fault("common-name-only", "its name is in the commonName only, where nobody may look for it", "identity",
          lambda middle, entity: Bad(middle.issue(f"CN={entity.names[0]}", (), entity.key))),
    Fault("truncated", "it is cut short", "malformed", _leaf(garbled="truncated")),
    Fault("trailing", "octets follow it", "malformed", _leaf(garbled="trailing")),
    Fault("wrong-length", "it claims to be longer than it is", "malformed", _leaf(garbled="length")),
    Fault("duplicate-extension", "an extension is there twice", "malformed", _leaf(duplicate_extension=True)),
    Fault("algorithm-mismatch", "its two signature algorithms differ", "signature", _leaf(algorithm_mismatch=True)),
    Fault("unknown-authority", "its authority is unknown", "unknown-authority", _stranger),
    Fault("same-name", "its authority has the name of the trusted one, but another key", "signature", _same_name),
    Fault("missing-intermediate", "the intermediate is not there", "unknown-authority", _missing),
    Fault("expired-authority", "its authority has expired", "expired", _authority(expired=True)),
    Fault("no-basic-constraints", "its authority has no basicConstraints", "not-a-ca",
          _authority(no_basic_constraints=True)),
    Fault("not-a-ca", "its authority has cA false", "not-a-ca", _authority(ca=False)),
    Fault("version-1-authority", "its authority is of version 1, without extensions", "not-a-ca",
          _authority(version1=True)),
    Fault("no-cert-sign", "its authority may not sign certificates", "not-a-ca", _authority(key_usage="cRLSign")),
    Fault("leaf-as-authority", "an end entity's certificate issued it", "not-a-ca",
          _authority(ca=False, key_usage="digitalSignature")),
    Fault("path-length", "one more authority than allowed is between", "path-length", _too_long),
    Fault("name-not-permitted", "its names are not those that its authority may certify", "name-constraints",
          _authority(permitted="elsewhere.example")),
    Fault("subject-not-permitted", "its subject is not one that its authority may certify", "name-constraints",
          _authority(permitted="C=DE")),
    Fault("revoked", "a CRL revokes it", "revoked", _crl(True)),
    Fault("revoked-authority", "a CRL revokes its authority", "revoked", _revoked_authority),
    Fault("crl-expired", "its CRL has expired", "revocation-unknown", _crl(False, expired=True)),
    Fault("crl-wrong-key", "another key than the issuer's signed the CRL", "revocation-unknown",
          _crl(False, wrong_key=True)),
    Fault("ocsp-revoked", "an OCSP response says that it was revoked", "revoked", _ocsp("revoked")),
    Fault("ocsp-unknown", "an OCSP responder does not know it", "revocation-unknown", _ocsp("unknown")),
    Fault("ocsp-expired", "its OCSP response has expired", "revocation-unknown", _ocsp("good", expired=True)),
    Fault("ocsp-wrong-key", "another key than the issuer's signed the OCSP response", "revocation-unknown",
          _ocsp("good", wrong_key=True)),
    Fault("ocsp-no-purpose", "a delegated OCSP responder lacks the extKeyUsage for it", "revocation-unknown",
          _ocsp("good", delegated=True, without_eku=True)),
    Fault("ocsp-other", "the OCSP response is about another certificate", "revocation-unknown",
          _ocsp("good", wrong_id=True)),
)  # fmt: skip
"""Every fault."""


def made(middle: Authority, subject: str, names: Iterable[str], key: str = "ecdsa-p256") -> Iterator[tuple[Fault, Bad]]:
    """Each fault with a certificate that has it, of this subject and names, under an intermediate authority."""
    for fault in FAULTS:
        yield fault, fault.make(middle, Entity(subject, tuple(names), key, fault.name))
