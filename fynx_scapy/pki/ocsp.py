# SPDX-License-Identifier: GPL-2.0-or-later
"""OCSP responses (RFC 6960), from files or from CERT payloads (RFC 4806), signed by the issuer or its delegate.

A delegate's certificate is in the response, was issued directly by the issuer with the same key, and has
id-kp-OCSPSigning. Responders that only a configuration knows are not supported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from fynx_scapy.errors import CertificateError, MalformedError
from fynx_scapy.pki import der
from fynx_scapy.pki.parsed import MOST_OCTETS, Parsed, parse, reading
from fynx_scapy.pki.signed import algorithm_of, check_issued, verifies, weak_hash
from fynx_scapy.pki.status import GOOD, REVOKED, UNKNOWN, Answer, is_current, period, revoked_at
from fynx_scapy.pki.trust import Trust
from fynx_scapy.pki.walk import check_extensions, check_strength, check_validity
from fynx_scapy.text import counted

_HASHES = {"sha1", "sha224", "sha256", "sha384", "sha512"}
MOST_RESPONDERS = 10
"""So many certificates of a response are looked at."""
Listed = Callable[[Parsed], bool]
"""Whether a CRL lists a certificate of the same issuer."""


@dataclass(frozen=True, slots=True)
class Response:
    """A successful OCSP response."""

    response: ocsp.OCSPResponse = field(repr=False)
    algorithm: bytes = field(repr=False)
    """The signature's AlgorithmIdentifier, in DER."""


def parse_response(source: bytes | ocsp.OCSPResponse) -> Response:
    """Read a response in DER, or one that cryptography has read. CertificateError ``malformed``, or not successful."""
    with reading("the OCSP response"):
        response = source if isinstance(source, ocsp.OCSPResponse) else ocsp.load_der_ocsp_response(source)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise MalformedError(f"the responder answered {response.response_status.name}")
        octets = response.public_bytes(Encoding.DER)
        if len(octets) > MOST_OCTETS:
            raise MalformedError(f"expected at most {MOST_OCTETS} octets, found {counted(len(octets), 'octet')}")
        # OCSPResponse: responseStatus, [0] { SEQUENCE { type, OCTET STRING { BasicOCSPResponse } } }
        holder = der.inside(der.inside(octets)[1].content)
        # BasicOCSPResponse: tbsResponseData, signatureAlgorithm, signature, certs
        return Response(response, algorithm_of(holder[1].content))


def ask(
    given: Response, certificate: Parsed, issuer: Parsed, at: datetime, listed: Listed, trust: Trust
) -> Answer | None:
    """What a response says of a certificate that ``issuer`` issued. None if it is about others."""
    try:
        with reading("the OCSP response"):
            single = _single(given.response, certificate, issuer)
            if single is None:
                return None
            made, until = single.this_update_utc, single.next_update_utc
            who = f"the OCSP response for {certificate.text} {period(made, until)}"
            reason = _unsigned(given, issuer, at, listed, trust)
            if reason:
                return Answer(UNKNOWN, f"{who} is not used: {reason}")
            return _read(single, at, who)
    except CertificateError as error:
        return Answer(UNKNOWN, str(error))


def _single(response: ocsp.OCSPResponse, certificate: Parsed, issuer: Parsed) -> ocsp.OCSPSingleResponse | None:
    """The part for a certificate: its serial number, and both hashes of its issuer (section 4.1.1)."""
    names: dict[str, tuple[bytes, bytes]] = {}
    for single in response.responses:
        algorithm = single.hash_algorithm.name
        if single.serial_number != certificate.certificate.serial_number or algorithm not in _HASHES:
            continue
        if algorithm not in names:
            names[algorithm] = tuple(  # type: ignore[assignment]
                hashlib.new(algorithm, octets, usedforsecurity=False).digest()
                for octets in (certificate.issuer, key_bits(issuer))
            )
        if (single.issuer_name_hash, single.issuer_key_hash) == names[algorithm]:
            return single
    return None


def key_bits(certificate: Parsed) -> bytes:
    """The value of the subjectPublicKey BIT STRING, without tag, length and number of unused bits."""
    return der.inside(certificate.spki)[1].content[1:]


def _unsigned(given: Response, issuer: Parsed, at: datetime, listed: Listed, trust: Trust) -> str:
    """Why a response is not to be believed, empty if it is (section 4.2.2.2)."""
    response = given.response
    if weak_hash(response.signature_hash_algorithm, trust.allow_sha1):
        return "it is signed with MD5 or SHA-1"
    reason = f"its responder is neither {issuer.text} nor a delegate whose certificate is in it"
    for signer in _signers(response, issuer):
        refusal = "" if signer is issuer else _no_delegate(signer, issuer, at, trust)
        if refusal:
            reason = refusal
        elif signer is not issuer and ExtensionOID.OCSP_NO_CHECK not in signer.extensions and listed(signer):
            reason = f"{signer.text}, which signed it, was revoked"
        elif verifies(given.algorithm, response.signature, response.tbs_response_bytes, signer.key):
            return ""
        else:
            reason = f"its signature is not one of {signer.text}"
    return reason


def _signers(response: ocsp.OCSPResponse, issuer: Parsed) -> Iterator[Parsed]:
    """Who may have signed: the issuer and the certificates in the response, if the response names them."""
    for each in (issuer, *map(parse, response.certificates[:MOST_RESPONDERS])):
        if response.responder_key_hash is not None:
            named = response.responder_key_hash == hashlib.sha1(key_bits(each), usedforsecurity=False).digest()
        else:
            named = response.responder_name == each.certificate.subject
        if named:
            yield each


def _no_delegate(signer: Parsed, issuer: Parsed, at: datetime, trust: Trust) -> str:
    purposes = signer.get(x509.ExtendedKeyUsage)
    if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        return f"{signer.text} signed it without id-kp-OCSPSigning"
    usage = signer.get(x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        return f"{signer.text} signed it without digitalSignature"
    try:
        check_validity(signer, at)
        check_strength(signer, trust)
        check_extensions(signer, {ExtensionOID.OCSP_NO_CHECK})
        check_issued(signer, issuer, trust.allow_sha1)
    except CertificateError as error:
        return f"{signer.text}, which signed it: {error}"
    return ""


def _read(single: ocsp.OCSPSingleResponse, at: datetime, who: str) -> Answer:
    made, current = single.this_update_utc, is_current(single.this_update_utc, single.next_update_utc, at)
    revoked = single.revocation_time_utc
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED and revoked and revoked_at(revoked, made, at):
        reason = f" ({single.revocation_reason.value})" if single.revocation_reason else ""
        return Answer(REVOKED, f"{who} says revoked since {revoked:%Y-%m-%d %H:%M}{reason}", made, current)
    if not current:
        return Answer(UNKNOWN, f"{who} is not current at {at:%Y-%m-%d %H:%M}", made)
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Answer(GOOD, who, made, current)
    return Answer(UNKNOWN, f"{who} says {single.certificate_status.name.lower()}", made)
