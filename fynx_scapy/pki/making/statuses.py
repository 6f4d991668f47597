# SPDX-License-Identifier: GPL-2.0-or-later
"""CRLs (RFC 5280 section 5) and OCSP responses (RFC 6960 section 4.2) of an authority, good ones and bad ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as responses

from fynx_scapy.checks import Check, Checked, flag, kind, one_of, optional, setting, whole
from fynx_scapy.errors import ConfigError
from fynx_scapy.pki import der
from fynx_scapy.pki.making.changes import as_utc, nearest
from fynx_scapy.pki.making.extensions import UNKNOWN
from fynx_scapy.pki.making.issued import Issued, Span
from fynx_scapy.pki.making.names import subject_name
from fynx_scapy.pki.making.signer import SHA256, Signer, scratch_certificate, scratch_key

Revoked = Issued | int | tuple[Issued | int, str]
"""A certificate or its serial number, and perhaps the reason, such as ``keyCompromise``."""

_BY_NAME, _BY_KEY = 0xA1, 0xA2
_BASIC = "1.3.6.1.5.5.7.48.1.1"
STATUSES = {
    "good": responses.OCSPCertStatus.GOOD,
    "revoked": responses.OCSPCertStatus.REVOKED,
    "unknown": responses.OCSPCertStatus.UNKNOWN,
}
REASONS = {flag.value: flag for flag in x509.ReasonFlags}
FAILURES = {
    "malformedRequest": responses.OCSPResponseStatus.MALFORMED_REQUEST,
    "internalError": responses.OCSPResponseStatus.INTERNAL_ERROR,
    "tryLater": responses.OCSPResponseStatus.TRY_LATER,
    "sigRequired": responses.OCSPResponseStatus.SIG_REQUIRED,
    "unauthorized": responses.OCSPResponseStatus.UNAUTHORIZED,
}
_DATE = optional(kind(datetime))
_HASH = optional(one_of("sha1", "sha256", "sha384", "sha512"))


class By(NamedTuple):
    """Whose CRL or response it is: the authority, the usual dates, and the seed."""

    authority: Issued
    span: Span
    seed: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes(Checked):
    this_update: datetime | None = setting(None, _DATE, read=as_utc)
    """When it was made; a date without time zone is UTC."""
    next_update: datetime | None = setting(None, _DATE, read=as_utc)
    """When the next one is due."""
    expired: bool = setting(False, flag())
    """The next one was due before the authority began."""
    not_yet_valid: bool = setting(False, flag())
    """It is from the last day of the authority."""
    hash: str | None = setting(None, _HASH)
    """The hash of the signature; by default one that fits the key."""
    wrong_key: bool = setting(False, flag())
    """It is signed by a stranger's key."""
    broken_signature: bool = setting(False, flag())
    """One bit of the signature is flipped."""

    def span(self, usual: Span) -> tuple[datetime, datetime]:
        """thisUpdate and nextUpdate."""
        begin, end = usual
        if self.expired:
            begin, end = begin - timedelta(days=30), begin
        if self.not_yet_valid:
            begin = end - timedelta(days=1)
        return self.this_update or begin, self.next_update or end

    def signer(self, key: Any, seed: bytes | None) -> Signer:
        """Who signs it."""
        return Signer(key=key, seed=seed, hash=self.hash, wrong_key=self.wrong_key, broken=self.broken_signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlChanges(_Changes):
    """What may be said of a CRL."""

    number: int = setting(1, whole(0, 1 << 64))
    """cRLNumber."""
    revoked_at: datetime | None = setting(None, _DATE, read=as_utc)
    """When the certificates were revoked; by default when the CRL was made."""
    issuer: str | None = setting(None, Check("text, or None", lambda value: value is None or isinstance(value, str)))
    """The issuer's name, if it is not the authority's."""
    unknown_critical: bool = setting(False, flag())
    """There is a critical extension that nobody knows."""
    delta: bool = setting(False, flag())
    """It says that it is a delta CRL (section 5.2.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspChanges(_Changes):
    """What may be said of an OCSP response."""

    delegated: Any = setting(
        False, Check("True, False or an Issued", lambda value: isinstance(value, bool) or hasattr(value, "der"))
    )
    """A responder of its own signs, whose certificate is in the response: True makes one, or give an `Issued`."""
    without_eku: bool = setting(False, flag())
    """The delegated responder that is made lacks id-kp-OCSPSigning."""
    by_name: bool = setting(False, flag())
    """The responder is named by its subject instead of by the hash of its key."""
    without_certificate: bool = setting(False, flag())
    """The delegated responder's certificate is left out."""
    id_hash: str = setting("sha1", one_of("sha1", "sha256"))
    """The hash of the CertID."""
    wrong_id: bool = setting(False, flag())
    """The response is about a certificate with another serial number."""
    revoked_at: datetime | None = setting(None, _DATE, read=as_utc)
    """When the certificate was revoked; by default when the response was made."""
    reason: str | None = setting(None, optional(one_of(*REASONS)))
    """Why it was revoked."""
    without_next_update: bool = setting(False, flag())
    """There is no nextUpdate."""
    failure: str | None = setting(None, optional(one_of(*FAILURES)))
    """The responder says that it cannot answer, and says no more."""


Kind = TypeVar("Kind", bound=_Changes)


def read(cls: type[Kind], given: dict[str, Any]) -> Kind:
    """The changes with these names. ConfigError for a name that is none, with the nearest."""
    known = [field.name for field in dataclasses.fields(cls)]
    for name in given:
        if name not in known:
            raise ConfigError(f"expected a setting of {cls.__name__}, {nearest(name, known)}")
    return cls(**given)


def crl(by: By, revoked: Iterable[Revoked], changes: CrlChanges) -> bytes:
    """A CRL as DER. ConfigError for what cannot be made."""
    authority = by.authority
    begin, end = changes.span(by.span)
    issuer = authority.cert.subject if changes.issuer is None else subject_name(changes.issuer)
    try:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer)
            .last_update(begin)
            .next_update(end)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), False)
            .add_extension(x509.CRLNumber(changes.number), False)
        )
        if changes.delta:
            builder = builder.add_extension(x509.DeltaCRLIndicator(changes.number), True)
        if changes.unknown_critical:
            builder = builder.add_extension(x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00"), True)
        for each in revoked:
            builder = builder.add_revoked_certificate(_entry(each, changes.revoked_at or begin))
        tbs = builder.sign(scratch_key(), SHA256).tbs_certlist_bytes
    except (ValueError, TypeError) as error:
        raise ConfigError(f"cannot make the CRL: {error}") from None
    return changes.signer(authority.key, by.seed).crl(tbs)


def _entry(revoked: Revoked, when: datetime) -> x509.RevokedCertificate:
    one, reason = revoked if isinstance(revoked, tuple) else (revoked, "")
    serial = one if isinstance(one, int) else one.cert.serial_number
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
    if reason:
        if reason not in REASONS:
            raise ConfigError(f"expected a reason, {nearest(reason, list(REASONS))}")
        entry = entry.add_extension(x509.CRLReason(REASONS[reason]), False)
    return entry.build()


def ocsp(by: By, issued: Issued, status: str, changes: OcspChanges, delegate: Issued | None) -> bytes:
    """An OCSPResponse as DER, signed by the authority or its ``delegate``. ConfigError for what cannot be made."""
    if status not in STATUSES:
        raise ConfigError(f"expected a status, {nearest(status, list(STATUSES))}")
    if changes.failure is not None:
        return responses.OCSPResponseBuilder.build_unsuccessful(FAILURES[changes.failure]).public_bytes(Encoding.DER)
    begin, end = changes.span(by.span)
    signer = delegate or by.authority
    is_revoked = status == "revoked"
    reason = REASONS[changes.reason] if changes.reason and is_revoked else None
    try:
        builder = (
            responses.OCSPResponseBuilder()
            .add_response(
                cert=issued.cert,
                issuer=by.authority.cert,
                algorithm=SHA1() if changes.id_hash == "sha1" else SHA256,
                cert_status=STATUSES[status],
                this_update=begin,
                next_update=None if changes.without_next_update else end,
                revocation_time=(changes.revoked_at or begin) if is_revoked else None,
                revocation_reason=reason,
            )
            .responder_id(responses.OCSPResponderEncoding.HASH, scratch_certificate())
        )
        made = builder.sign(scratch_key(), SHA256)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"cannot make the OCSP response: {error}") from None
    tbs = _response_data(made.tbs_response_bytes, signer.cert, changes.by_name, begin)
    algorithm, sign = changes.signer(signer.key, by.seed).signing()
    fields = [tbs, algorithm, der.bits(sign(tbs))]
    if delegate and not changes.without_certificate:
        fields.append(der.element(0xA0, der.sequence([delegate.der])))
    basic = der.sequence([der.object_identifier(_BASIC), der.element(der.OCTET_STRING, der.sequence(fields))])
    return der.sequence([b"\x0a\x01\x00", der.element(0xA0, basic)])


def _response_data(tbs: bytes, responder: x509.Certificate, by_name: bool, when: datetime) -> bytes:
    """The ResponseData with this responder and producedAt.

    The builder takes no responder but the one that signs, and the clock: with a seed each call has to make the same.
    """
    fields = der.parts(tbs)
    at = next(number for number, each in enumerate(fields) if each[0] == der.GENERALIZED_TIME)
    if by_name:
        named = der.element(_BY_NAME, responder.subject.public_bytes())
    else:
        hashed = x509.SubjectKeyIdentifier.from_public_key(responder.public_key()).digest
        named = der.element(_BY_KEY, der.element(der.OCTET_STRING, hashed))
    produced = der.element(der.GENERALIZED_TIME, when.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())
    return der.sequence([*fields[: at - 1], named, produced, *fields[at + 1 :]])
