# SPDX-License-Identifier: GPL-2.0-or-later
"""Complete CRLs (RFC 5280 sections 5 and 6.3), signed with the key that signed the certificate.

Delta CRLs and indirect ones are not used, as RFC 4945 section 5.2.2.4.1 says. A CRL for some reasons only can say that
a certificate is revoked, but not that it is good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki import der
from fynx_scapy.pki.parsed import Parsed, reading
from fynx_scapy.pki.signed import algorithm_of, verifies, weak_hash
from fynx_scapy.pki.status import GOOD, REVOKED, UNKNOWN, Answer, is_current, period, revoked_at
from fynx_scapy.pki.trust import Trust
from fynx_scapy.text import printable

INTEGER = 0x02
_PROCESSED = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
}
_ENTRY_PROCESSED = {CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE}


@dataclass(frozen=True, slots=True)
class Crl:
    """A CRL and what it says of itself. Two with the same fingerprint are equal."""

    fingerprint: bytes
    crl: x509.CertificateRevocationList = field(compare=False, repr=False)
    issuer: bytes = field(compare=False, repr=False)
    """The issuer's name, in DER."""
    made: datetime = field(compare=False)
    until: datetime | None = field(compare=False)
    extensions: dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]] = field(compare=False, repr=False)

    @property
    def scope(self) -> x509.IssuingDistributionPoint | None:
        """Its issuingDistributionPoint."""
        found = self.extensions.get(ExtensionOID.ISSUING_DISTRIBUTION_POINT)
        value = found.value if found else None
        return value if isinstance(value, x509.IssuingDistributionPoint) else None


def parse_crl(source: bytes | x509.CertificateRevocationList) -> Crl:
    """Read a CRL in DER, or one that cryptography has read. CertificateError ``malformed``."""
    with reading("the CRL"):
        crl = x509.load_der_x509_crl(source) if isinstance(source, bytes) else source
        fields = der.inside(crl.tbs_certlist_bytes)
        # TBSCertList: version (an INTEGER), signature, issuer, thisUpdate, ...
        issuer = fields[2 if fields[0].tag == INTEGER else 1].whole
        extensions = {each.oid: each for each in crl.extensions}
        return Crl(crl.fingerprint(hashes.SHA256()), crl, issuer, crl.last_update_utc, crl.next_update_utc, extensions)


def ask(crl: Crl, certificate: Parsed, issuer: Parsed, at: datetime, refusal: Callable[[], str]) -> Answer | None:
    """What a CRL says of a certificate that ``issuer`` issued. None if it is another issuer's, or is about others.

    ``refusal`` is asked why it cannot be used, once it is known to be this issuer's: `unusable`.
    """
    if crl.issuer != certificate.issuer:
        return None
    who = f"the CRL of {issuer.text} {period(crl.made, crl.until)}"
    try:
        with reading(who):
            if (reason := refusal()) or (reason := strange_entry(crl)):
                return Answer(UNKNOWN, f"{who} is not used: {reason}")
            if not _about(crl, certificate):
                return None
            return _look_up(crl, certificate, at, who)
    except CertificateError as error:
        return Answer(UNKNOWN, str(error))


def unusable(crl: Crl, issuer: Parsed, trust: Trust) -> str:
    """Why a CRL cannot be used, empty if it can."""
    usage = issuer.get(x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return "its issuer has no cRLSign"
    if weak_hash(crl.crl.signature_hash_algorithm, trust.allow_sha1):
        return "it is signed with MD5 or SHA-1"
    algorithm = algorithm_of(crl.crl.public_bytes(Encoding.DER))
    if not verifies(algorithm, crl.crl.signature, crl.crl.tbs_certlist_bytes, issuer.key):
        return "its signature does not verify"
    if ExtensionOID.DELTA_CRL_INDICATOR in crl.extensions:
        return "it is a delta CRL"
    strange = [each for each in crl.extensions.values() if each.critical and each.oid not in _PROCESSED]
    if strange:
        return f"it has the critical extension {printable(strange[0].oid.dotted_string)}"
    scope = crl.scope
    if scope is not None and scope.indirect_crl:
        return "it is an indirect CRL"
    return ""


@lru_cache(maxsize=32)
def strange_entry(crl: Crl) -> str:
    """Whether an entry has a critical extension that we do not process: then the CRL says nothing (section 5.3)."""
    for entry in crl.crl:
        for each in entry.extensions:
            if each.critical and each.oid not in _ENTRY_PROCESSED:
                return f"an entry has the critical extension {printable(each.oid.dotted_string)}"
    return ""


def _about(crl: Crl, certificate: Parsed) -> bool:
    """Whether a certificate is in the scope of a CRL (section 6.3.3 (b) (2))."""
    scope = crl.scope
    if scope is None:
        return True
    constraints = certificate.get(x509.BasicConstraints)
    authority = constraints is not None and constraints.ca
    if scope.only_contains_attribute_certs or (scope.only_contains_user_certs and authority):
        return False
    if scope.only_contains_ca_certs and not authority:
        return False
    # RFC 4945 section 5.1.3.13: otherwise one CRL of an authority could stand in for another, which has the entry.
    if scope.relative_name is not None:
        return False
    points = certificate.get(x509.CRLDistributionPoints) or ()
    names = {name for point in points for name in point.full_name or ()}
    return scope.full_name is None or bool(names & set(scope.full_name))


def _look_up(crl: Crl, certificate: Parsed, at: datetime, who: str) -> Answer:
    current = is_current(crl.made, crl.until, at)
    entry = crl.crl.get_revoked_certificate_by_serial_number(certificate.certificate.serial_number)
    if entry is not None and revoked_at(entry.revocation_date_utc, crl.made, at):
        reason = x509.ReasonFlags.unspecified
        for each in entry.extensions:
            if isinstance(each.value, x509.CRLReason):
                reason = each.value.reason
        if reason is not x509.ReasonFlags.remove_from_crl:
            text = f"{who} lists it since {entry.revocation_date_utc:%Y-%m-%d %H:%M} ({reason.value})"
            return Answer(REVOKED, text, crl.made, current)
    if not current:
        return Answer(UNKNOWN, f"{who} is not current at {at:%Y-%m-%d %H:%M}", crl.made)
    if crl.scope is not None and crl.scope.only_some_reasons:
        return Answer(UNKNOWN, f"{who} is for some reasons only", crl.made)
    return Answer(GOOD, who, crl.made, current)
