# SPDX-License-Identifier: GPL-2.0-or-later
"""Authorities for tests, and the certificates that they issue (RFC 5280 section 4)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fynx_scapy.errors import ConfigError
from fynx_scapy.pki.loading import key_fits
from fynx_scapy.pki.making import statuses
from fynx_scapy.pki.making.changes import Changes
from fynx_scapy.pki.making.extensions import added
from fynx_scapy.pki.making.issued import Issued, Span
from fynx_scapy.pki.making.keys import PrivateKey, make_key
from fynx_scapy.pki.making.names import alternative_names, name_text, subject_name
from fynx_scapy.pki.making.signer import SHA256, Signer, garble, scratch_key

Name = str | x509.Name
AltName = str | x509.GeneralName


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority(Issued):
    """Somebody who issues certificates: an `Issued` that may sign others.

    The words after the named arguments of `root`, `intermediate` and `issue` are those of `Changes`. With a ``seed``,
    the same call makes the same certificate, whatever was made before; give ``seed`` again for another one. RSA keys
    are exempt, and so are signatures with RSASSA-PSS and ML-DSA, which have randomness of their own. A seeded key is
    no secret: for tests alone.
    """

    span: Span = field(repr=False)
    seed: bytes | None = field(default=None, repr=False)
    parent: Authority | None = field(default=None, repr=False)
    """Who issued it, if that was made here too; None for a root."""

    @classmethod
    def root(
        cls,
        subject: Name = "C=CH, O=fynx, CN=fynx root",
        key: str | PrivateKey = "ecdsa-p256",
        *,
        seed: object = None,
        at: datetime | None = None,
        **changes: Any,
    ) -> Authority:
        """A self-signed authority. ``at`` is the present for its dates. ConfigError for what cannot be made."""
        known = Changes.of(changes)
        octets = None if seed is None else hashlib.sha256(repr(seed).encode()).digest()
        span = Span.of(at, octets is not None)
        made = _Making(subject, (), key, known, octets, span, "root", None)
        return cls(der=made.der(), key=made.key, span=span, seed=octets)

    @classmethod
    def of(cls, certificate: x509.Certificate, key: PrivateKey, chain: Iterable[x509.Certificate] = ()) -> Authority:
        """An authority that was made before; ``chain`` are the intermediates above it. ConfigError if it is none."""
        key_fits(certificate, key)
        issuers = tuple(each.public_bytes(Encoding.DER) for each in chain if each.issuer != each.subject)
        return cls(der=certificate.public_bytes(Encoding.DER), key=key, issuers=issuers, span=Span.of(None, False))

    def intermediate(
        self,
        subject: Name = "C=CH, O=fynx, CN=fynx intermediate",
        key: str | PrivateKey = "ecdsa-p256",
        *,
        seed: object = None,
        **changes: Any,
    ) -> Authority:
        """An authority below this one. ConfigError for what cannot be made."""
        made = _Making(subject, (), key, Changes.of(changes), self._seed(seed), self.span, "intermediate", self)
        return Authority(der=made.der(), key=made.key, issuers=self._above, span=self.span, seed=made.seed, parent=self)

    def issue(
        self,
        subject: Name,
        names: Iterable[AltName] | str = (),
        key: str | PrivateKey = "ecdsa-p256",
        *,
        seed: object = None,
        **changes: Any,
    ) -> Issued:
        """A certificate of an end entity, with these names in its subjectAltName (see `alternative_name`).

        ConfigError for what cannot be made.
        """
        given = (names,) if isinstance(names, str) else tuple(names)
        made = _Making(subject, given, key, Changes.of(changes), self._seed(seed), self.span, "leaf", self)
        return Issued(der=made.der(), key=made.key, issuers=self._above)

    def crl(self, revoked: Iterable[statuses.Revoked] = (), **given: Any) -> bytes:
        """A CRL as DER, in which these are revoked. The words are those of `statuses.CrlChanges`. ConfigError."""
        return statuses.crl(self._signs, revoked, statuses.read(statuses.CrlChanges, given))

    def ocsp(self, issued: Issued, status: str = "good", **given: Any) -> bytes:
        """An OCSP response as DER: ``good``, ``revoked`` or ``unknown``. ConfigError.

        The words are those of `statuses.OcspChanges`.
        """
        changes = statuses.read(statuses.OcspChanges, given)
        delegate = changes.delegated
        if delegate is True:
            purposes = () if changes.without_eku else ("OCSPSigning",)
            delegate = self.issue("C=CH, O=fynx, CN=fynx OCSP responder", eku=purposes, no_check=True)
        about = self.issue("CN=somebody else") if changes.wrong_id else issued
        return statuses.ocsp(self._signs, about, status, changes, delegate or None)

    def ocsp_chain(self, issued: Issued, status: str = "good", **given: Any) -> list[bytes]:
        """An OCSP response for a certificate of ours and one, always good, for each intermediate above it."""
        found, one, signer = [self.ocsp(issued, status, **given)], self, self.parent
        while signer is not None:
            found.append(signer.ocsp(one))
            one, signer = signer, signer.parent
        return found

    @property
    def _signs(self) -> statuses.By:
        return statuses.By(self, self.span, self.seed)

    @property
    def _above(self) -> tuple[bytes, ...]:
        is_root = self.parent is None and self.cert.issuer == self.cert.subject
        return () if is_root else (self.der, *self.issuers)

    def _seed(self, given: object) -> bytes | None:
        if self.seed is None and given is None:
            return None
        return hashlib.sha256((self.seed or b"") + repr(given).encode()).digest()


@dataclass(slots=True)
class _Making:
    """One certificate that is being made."""

    subject: Name
    names: tuple[AltName, ...]
    wanted: str | PrivateKey
    changes: Changes
    seed: bytes | None
    span: Span
    role: str
    issuer: Authority | None
    key: PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        said = (str(self.subject), *map(str, self.names), self.role, repr(self.changes))
        if self.seed is not None:
            self.seed = hashlib.sha256(repr((self.seed, said)).encode()).digest()
        self.key = make_key(self.wanted, self.seed, role=self.role) if isinstance(self.wanted, str) else self.wanted

    def der(self) -> bytes:
        """The certificate."""
        changes, above = self.changes, self.issuer
        subject = subject_name(self.subject)
        issuer = subject if above is None else above.cert.subject
        if changes.issuer is not None:
            issuer = subject_name(changes.issuer)
        begin, end = self.span.changed(changes)
        try:
            builder = (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(issuer)
                .public_key(self.key.public_key())
                .serial_number(self._serial())
                .not_valid_before(begin)
                .not_valid_after(end)
            )
            public = self.key.public_key() if above is None else above.key.public_key()
            names = alternative_names(self.names)
            builder = added(
                builder, changes, names=names, authority=self.role != "leaf", own=self.key.public_key(), above=public
            )
            tbs = builder.sign(scratch_key(), SHA256).tbs_certificate_bytes
        except (ValueError, TypeError) as error:
            raise ConfigError(f"cannot make the certificate of {name_text(subject)!r}: {error}") from None
        signer = Signer(
            key=self.key if above is None else above.key,
            seed=self.seed,
            hash="sha1" if changes.sha1 else changes.hash,
            pss=changes.pss,
            wrong_key=changes.wrong_key,
            broken=changes.broken_signature,
        )
        made = signer.certificate(
            tbs,
            version1=changes.version1,
            mismatch=changes.algorithm_mismatch,
            duplicate=changes.duplicate_extension,
        )
        return garble(made, changes.garbled)

    def _serial(self) -> int:
        if self.changes.serial is not None:
            return self.changes.serial
        octets = secrets.token_bytes(16) if self.seed is None else hashlib.sha256(b"serial" + self.seed).digest()[:16]
        return int.from_bytes(octets) | 1
