# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts about the certificates of a conversation: what they are, and whether chain and identity hold.

RFC 7296 section 3.6 (the first certificate has the key of AUTH), RFC 5280 section 6, RFC 4945 section 3.1.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fynx_scapy.capture.audit.proofs import key_of, key_text
from fynx_scapy.errors import CertificateError
from fynx_scapy.iana import CertEncoding, name_of
from fynx_scapy.text import counted, printable

if TYPE_CHECKING:
    from cryptography import x509

    from fynx_scapy.capture.transcript.messages import CapturedMessage
    from fynx_scapy.pki.parsed import Parsed
    from fynx_scapy.pki.trust import Trust

X509, CRL, OCSP = (
    CertEncoding.X_509_Certificate_Signature,
    CertEncoding.Certificate_Revocation_List_CRL,
    CertEncoding.OCSP_Content,
)
MOST = 100
"""So many CERT payloads of one peer in a conversation are looked at; the others are counted."""
MOST_NAMES, LONGEST_NAME = 8, 100
NO_CA = "chain not judged: no CA given"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One CERT payload. ``at`` is the time that it is judged at, ``clock`` whose that is. ``error``: it is unreadable.

    ``hash`` is that of its issuer's signature, empty where the signature has none of its own. Texts are printable.
    """

    number: int
    role: str
    encoding: int
    size: int
    at: datetime
    clock: str
    fingerprint: str
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    key: str = ""
    hash: str = ""
    names: tuple[str, ...] = ()
    error: str = ""
    octets: bytes = field(default=b"", repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The certificate as plain values."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "octets"}
        values["encoding"] = name_of(CertEncoding, self.encoding)
        times = ("at", "not_before", "not_after")
        return values | {name: values[name] and values[name].isoformat() for name in times}


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """The verdict on a peer's certificates: None where it could not be judged. ``reason`` says why, or which chain."""

    accepted: bool | None
    reason: str
    code: str = ""
    identity: bool | None = None
    how: str = ""


class Certificates:
    """What the peers of one conversation sent, message by message."""

    def __init__(self, trust: Trust | None, at: datetime | None) -> None:
        self.trust, self.at = trust, at
        self.left_out: dict[str, int] = defaultdict(int)
        self._sent: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self._facts: list[CertificateFacts] = []
        self._ids: dict[str, bytes] = {}

    def take(self, message: CapturedMessage, layer: Any, role: str) -> None:
        """A CERT payload."""
        if len(self._sent[role]) == MOST:
            self.left_out[role] += 1
            return
        encoding, octets = int(layer.cert_encoding), bytes(layer.cert_data)
        self._sent[role].append((encoding, octets))
        self._facts.append(_facts(message.number, role, encoding, octets, *self._clock(message)))

    def identity(self, layer: Any, role: str) -> None:
        """An IDi or IDr payload."""
        self._ids[role] = bytes(layer)[4:]

    def facts(self) -> tuple[CertificateFacts, ...]:
        """What they sent."""
        return tuple(self._facts)

    def key(self, role: str) -> str:
        """The public key of the first certificate of a peer, such as ``RSA-2048``; empty without a readable one."""
        return next((each.key for each in self._facts if each.role == role and each.encoding != CRL), "")

    def leaf(self, role: str) -> x509.Certificate | None:
        """The first certificate of a peer, None without a readable one."""
        parsed = self._parsed(role)
        return parsed.certificate if parsed is not None else None

    def _parsed(self, role: str) -> Parsed | None:
        from fynx_scapy.pki.parsed import parse

        octets = next((octets for kind, octets in self._sent[role] if kind == X509), None)
        try:
            return parse(octets) if octets is not None else None
        except CertificateError:
            return None

    def chain(self, message: CapturedMessage, role: str) -> ChainFacts | None:
        """The verdict on a peer's certificates when it sends AUTH. None if it sent no X.509 certificate."""
        certificates = [octets for kind, octets in self._sent[role] if kind == X509]
        if not certificates:
            return None
        identity, how = self._matches(certificates[0], role)
        if self.trust is None:
            return ChainFacts(None, NO_CA, "", identity, how)
        from fynx_scapy.pki.judge import judge

        at, clock = self._clock(message)
        crls = [octets for kind, octets in self._sent[role] if kind == CRL]
        ocsp = [octets for kind, octets in self._sent[role] if kind == OCSP]
        when = f"at {at:%Y-%m-%d %H:%M:%S} UTC ({clock})"
        try:
            found = judge(certificates[0], certificates[1:], self.trust, at=at, crls=crls, ocsp=ocsp)
        except CertificateError as error:
            return ChainFacts(False, f"{error}; {when}", error.fault, identity, how)
        words = [" ← ".join(found.subjects), when, *found.notes]
        return ChainFacts(True, "; ".join(words), "", identity, how)

    def _matches(self, octets: bytes, role: str) -> tuple[bool | None, str]:
        from fynx_scapy.pki.identity import matches

        body = self._ids.get(role, b"")
        if len(body) < 4:
            return None, f"the {role}'s identity is not in the capture"
        try:
            wildcards = self.trust is not None and self.trust.wildcards
            return True, matches(octets, body[0], body[4:], wildcards=wildcards).how
        except CertificateError as error:
            return False, str(error)

    def _clock(self, message: CapturedMessage) -> tuple[datetime, str]:
        if self.at is not None:
            return self.at, "as given"
        try:
            if message.time is not None:
                return datetime.fromtimestamp(message.time, UTC), "the packet's time"
        except (OverflowError, ValueError, OSError):
            pass
        return datetime.now(UTC), "now: the capture has no times"


def _facts(number: int, role: str, encoding: int, octets: bytes, at: datetime, clock: str) -> CertificateFacts:
    from fynx_scapy.pki.parsed import parse

    bare = CertificateFacts(number, role, encoding, len(octets), at, clock, hashlib.sha256(octets).hexdigest())
    if encoding != X509:
        return bare if encoding in (CRL, OCSP) else _other(bare, octets)
    try:
        parsed = parse(octets)
        certificate = parsed.certificate
        return CertificateFacts(
            number, role, encoding, len(octets), at, clock, bare.fingerprint, parsed.text,
            parsed.issuer_text, f"{certificate.serial_number:x}", parsed.not_before, parsed.not_after,
            key_text(parsed.key), _hash(certificate), _names(parsed), octets=octets,
        )  # fmt: skip
    except CertificateError as error:
        return _with(bare, error=str(error))


def _other(bare: CertificateFacts, octets: bytes) -> CertificateFacts:
    """Raw public keys have a key; a hash and URL says where a certificate is, which is not fetched."""
    if bare.encoding in (CertEncoding.Hash_and_URL_of_X_509_certificate, CertEncoding.Hash_and_URL_of_X_509_bundle):
        return _with(bare, error=f"not fetched: {printable(octets[20:], LONGEST_NAME)}")
    return _with(bare, key=key_of(bare.encoding, octets))


def _with(bare: CertificateFacts, *, key: str = "", error: str = "") -> CertificateFacts:
    return CertificateFacts(
        bare.number, bare.role, bare.encoding, bare.size, bare.at, bare.clock, bare.fingerprint, key=key, error=error
    )


def _hash(certificate: x509.Certificate) -> str:
    from fynx_scapy.pki.parsed import UNREADABLE

    try:
        algorithm = certificate.signature_hash_algorithm
    except UNREADABLE:
        return f"unknown ({certificate.signature_algorithm_oid.dotted_string})"
    return "" if algorithm is None else algorithm.name


def _names(parsed: Parsed) -> tuple[str, ...]:
    from fynx_scapy.pki.names import shown

    names: Sequence[x509.GeneralName] = parsed.names()
    texts = [printable(shown(each), LONGEST_NAME) for each in names[:MOST_NAMES]]
    return (*texts, *([f"and {counted(len(names) - MOST_NAMES, 'more name')}"] if names[MOST_NAMES:] else ()))
