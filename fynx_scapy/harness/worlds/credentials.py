# SPDX-License-Identifier: GPL-2.0-or-later
"""How both ends of a setting authenticate: what each proves itself with, and what the other has to judge that by.

A setting only says it, so that scenarios can be declared without a key. `Credentials.made` makes keys and certificates
with throw-away authorities, once per process.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.checks import Check, Checked, as_tuple, flag, kind, one_of, setting, several, text, whole
from fynx_scapy.crypto.signing import SCHEMES
from fynx_scapy.errors import ConfigError
from fynx_scapy.text import printable

if TYPE_CHECKING:
    from fynx_scapy.pki.making import Authority, Issued

_THEIRS, _OURS = "the peer", "us"
EAP = ("eap-md5", "eap-mschapv2", "eap-tls", "eap-ttls", "eap-aka", "eap-aka-prime")
"""The EAP methods of settings, as strongSwan calls them."""
LATER = ("psk", "eap-md5", "eap-mschapv2")
"""What an end may prove itself with in further rounds."""
CREDENTIALS = "credentials"
"""The argument of a session by which a case tells a peer of a lab how both ends authenticate."""
_FAULTS = {"expired": "expired", "later": "not_yet_valid"}


def _texts(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, str)


def _ends(value: Any) -> tuple[Any, ...]:
    return as_tuple(value, EndAuth)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAuth(Checked):
    """What one end proves its identity with."""

    by: str = setting("certificate", one_of("certificate", "public-key", "psk", "null", *EAP, "eap"))
    """``certificate``, ``public-key`` (a raw key that the other end has), ``psk`` (that of the `PeerConfig`), ``null``
    (RFC 7619), an EAP method (of the end that connects), or ``eap``: by the other end's EAP alone (RFC 5998)."""
    user: str = setting("carol", text())
    """Its name, for EAP."""
    password: str = setting("Ar3etTnp", text())
    """Its password, for EAP; the key of its USIM is made of it."""
    sqn: int = setting(0, whole(0, (1 << 48) - 1))
    """The sequence number that its USIM has seen, for EAP-AKA; its home network begins at 0."""
    inner: str = setting("eap-md5", one_of("eap-md5", "eap-mschapv2", "mschapv2", "pap"))
    """How the password goes through EAP-TTLS."""
    tls: str = setting("1.2", one_of("1.2", "1.3"))
    """The highest TLS version, for EAP."""
    key: str = setting("ecdsa-p256", text())
    """The kind of its key, as in `fynx_scapy.pki.making`: ``rsa-2048``, ``ed25519``, …"""
    scheme: str = setting("", text(empty=True))
    """The name of its signature scheme in `SCHEMES`; empty for the best one that fits the key and the other end."""
    authority: str = setting("root", text())
    """The name of the authority at the root of its chain."""
    intermediate: str = setting("none", one_of("none", "sent", "known", "withheld"))
    """Whether an intermediate authority has issued its certificate: one whose own certificate it sends, the other end
    has already, or nobody shows."""
    subject: str = setting("", text(empty=True))
    """The subject of its certificate; empty for one that ends with its identity, and for its identity where that is a
    distinguished name."""
    names: tuple[str, ...] = setting((), several(text()), read=_texts)
    """The names in its certificate; none for its identity."""
    validity: str = setting("now", one_of("now", "expired", "later"))
    """When its certificate is valid."""
    revoked: bool = setting(False, flag())
    """Whether the authority that has issued its certificate has revoked it."""
    checked: str = setting("off", one_of("off", "if-known", "required"))
    """Whether the other end checks that its certificate is not revoked, and whether it must be told."""
    address_checked: bool = setting(False, flag())
    """Whether the other end takes an identity that is an IP address only from that address (RFC 4945 section 3.1.1)."""
    evidence: str = setting("none", one_of("none", "crl", "ocsp", "ocsp-sent"))
    """What says whether it is revoked: a list or an OCSP answer that the other end has, or an OCSP answer that it sends
    itself (RFC 4806)."""
    also: tuple[EndAuth, ...] = setting((), several(Check("an EndAuth", lambda v: isinstance(v, EndAuth))), read=_ends)
    """More certificates that it has."""
    then: tuple[EndAuth, ...] = setting(
        (), several(Check("an EndAuth", lambda v: isinstance(v, EndAuth)), 0, 7), read=_ends
    )
    """What it proves itself with in further rounds (RFC 4739): the pre-shared key, or EAP with a password."""

    if TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self: ...

    def _check_together(self) -> None:
        if self.scheme and self.scheme not in SCHEMES:
            near = difflib.get_close_matches(self.scheme, SCHEMES, n=1)
            known = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"expected the name of a signature scheme, found {printable(self.scheme, 60)!r}{known}")
        if wrong := [each.by for each in self.then if each.by not in LATER]:
            raise ConfigError(f"expected further rounds of authentication by {', '.join(LATER)}, found {wrong[0]}")

    @property
    def held(self) -> tuple[EndAuth, ...]:
        """Each key that it has, with its certificate; the first one is its own."""
        return (self, *self.also) if self.by in ("certificate", "public-key", "eap", "eap-tls") else ()

    @property
    def old_method(self) -> bool:
        """Whether it signs by a method of before RFC 7427."""
        return any(bool(each.scheme) and SCHEMES[each.scheme].hash_id is None for each in self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials(Checked):
    """How both ends authenticate."""

    theirs: EndAuth = setting(EndAuth(), kind(EndAuth))
    """What the peer proves itself with."""
    ours: EndAuth = setting(EndAuth(), kind(EndAuth))
    """What we prove ourselves with."""
    trusted: tuple[str, ...] = setting(("root",), several(text()), read=_texts)
    """The names of the authorities that both ends trust."""
    if TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self: ...

    @classmethod
    def alike(cls, **fields: Any) -> Self:
        """Both ends prove themselves in the same way; ``fields`` are those of `EndAuth`."""
        return cls(theirs=EndAuth(**fields), ours=EndAuth(**fields))

    def made(self, theirs: str, ours: str) -> Material:
        """The keys and certificates for these identities. The same ones each time, so that labs are quick to make."""
        return _made(self, theirs, ours)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A key of one end, with its certificate."""

    end: EndAuth
    issued: Issued = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    """The intermediate certificates that it sends, DER."""
    root: bytes = field(repr=False)
    """The certificate at the root of its chain, DER."""
    crls: tuple[bytes, ...] = field(repr=False)
    """Lists of revoked certificates, of each authority in its chain, DER."""
    ocsp: bytes | None = field(repr=False)
    """An OCSP answer about it, DER."""

    @property
    def public_key(self) -> bytes:
        """Its public key: SubjectPublicKeyInfo, as PEM."""
        from cryptography.hazmat.primitives import serialization as form

        key = self.issued.key.public_key()
        return bytes(key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The keys and certificates of both ends."""

    theirs: tuple[Held, ...]
    ours: tuple[Held, ...]
    anchors: tuple[bytes, ...] = field(repr=False)
    """The certificates of the authorities that both trust, DER."""
    trusted: tuple[str, ...]
    """Their subjects."""
    known_to_us: tuple[bytes, ...] = field(repr=False)
    """Intermediate certificates of the peer's chain that we have without being sent them."""
    known_to_them: tuple[bytes, ...] = field(repr=False)
    """Those of our chain that the peer has."""
    lists: tuple[bytes, ...] = field(repr=False)
    """The lists of revoked certificates that the peer has, DER."""
    our_public_keys: tuple[bytes, ...] = field(repr=False)
    """Our raw public keys that the peer has: each a SubjectPublicKeyInfo, as PEM."""


@functools.cache
def _root(name: str) -> Authority:
    from fynx_scapy.pki.making import Authority

    return Authority.root(f"C=CH, O=fynx, CN=fynx {name}", seed=f"lab {name}")


@functools.cache
def _intermediate(name: str, whose: str) -> Authority:
    return _root(name).intermediate(f"C=CH, O=fynx, CN=fynx {name} for {whose}", seed=whose)


def _issuer(end: EndAuth, whose: str) -> Authority:
    return _root(end.authority) if end.intermediate == "none" else _intermediate(end.authority, whose)


@functools.cache
def _held(end: EndAuth, whose: str, identity: str) -> Held:
    issuer = _issuer(end, whose)
    changes: dict[str, Any] = {_FAULTS[end.validity]: True} if end.validity in _FAULTS else {}
    named = "=" in identity  # a distinguished name, which is in the subject
    subject = end.subject or (identity if named else f"C=CH, O=fynx, CN={identity}")
    names = end.names or (() if named else (identity,))
    issued = issuer.issue(subject, names, end.key, seed=(whose, repr(end)), **changes)
    root, revoked = _root(end.authority), [issued] if end.revoked else []
    crls: tuple[bytes, ...] = ()
    if end.evidence == "crl":
        crls = tuple(
            each.crl(revoked if each is issuer else ()) for each in {issuer.der: issuer, root.der: root}.values()
        )
    answers = end.evidence in ("ocsp", "ocsp-sent")
    ocsp = issuer.ocsp(issued, "revoked" if end.revoked else "good") if answers else None
    return Held(end, issued, (issuer.der,) if end.intermediate == "sent" else (), root.der, crls, ocsp)


@functools.cache
def _made(credentials: Credentials, their_id: str, our_id: str) -> Material:
    theirs = tuple(_held(end, _THEIRS, their_id) for end in credentials.theirs.held)
    ours = tuple(_held(end, _OURS, our_id) for end in credentials.ours.held)
    anchors = tuple(_root(name).der for name in credentials.trusted)
    subjects = tuple(f"C=CH, O=fynx, CN=fynx {name}" for name in credentials.trusted)
    lists = tuple(octets for held in ours for octets in held.crls)
    public_keys = tuple(held.public_key for held in ours if held.end.by == "public-key")
    known = _known(theirs, _THEIRS), _known(ours, _OURS)
    return Material(theirs, ours, anchors, subjects, *known, lists, public_keys)


def _known(ends: tuple[Held, ...], whose: str) -> tuple[bytes, ...]:
    return tuple(_issuer(held.end, whose).der for held in ends if held.end.intermediate == "known")
