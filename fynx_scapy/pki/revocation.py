# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a certificate of a path was revoked, by CRLs and OCSP responses that are at hand. Nothing is fetched.

"When a certificate is reported as revoked by one trusted source, the certificate MUST be considered revoked" (RFC 4945
section 5.2.1). An answer that is not current proves nothing but a revocation, unless a newer one says good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Any, TypeVar

from cryptography import x509
from cryptography.x509.ocsp import OCSPResponse

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki import crl as crl_
from fynx_scapy.pki import ocsp as ocsp_
from fynx_scapy.pki.crl import Crl, parse_crl
from fynx_scapy.pki.ocsp import parse_response
from fynx_scapy.pki.parsed import Parsed
from fynx_scapy.pki.status import GOOD, REVOKED, Answer
from fynx_scapy.pki.trust import Trust

MOST = 100
"""So many CRLs, and so many OCSP responses, of a peer are looked at."""

Read = TypeVar("Read")


class Known:
    """What is known about revocation: the CRLs and OCSP responses of a `Trust`, and those that a peer sent."""

    def __init__(
        self,
        trust: Trust,
        crls: Iterable[x509.CertificateRevocationList | bytes] = (),
        ocsp: Iterable[OCSPResponse | bytes] = (),
    ) -> None:
        self.trust = trust
        self._usable: dict[tuple[bytes, bytes], str] = {}
        self.notes: list[str] = []
        """What was left out, because it cannot be read or is too much."""
        used = trust.revocation != "off"
        self.crls = self._read(parse_crl, trust.crls, crls, "CRLs") if used else []
        self.responses = self._read(parse_response, trust.ocsp, ocsp, "OCSP responses") if used else []

    def _read(self, parse: Callable[[Any], Read], ours: Iterable[Any], peers: Iterable[Any], what: str) -> list[Read]:
        found = []
        theirs = list(islice(peers, MOST + 1))
        if len(theirs) > MOST:
            self.notes.append(f"looked at the first {MOST} {what} only")
        for each in (*ours, *theirs[:MOST]):
            try:
                found.append(parse(each))
            except CertificateError as error:
                self.notes.append(str(error))
        return found

    def check(self, path: Sequence[Parsed], at: datetime) -> list[str]:
        """Check each certificate of a path but the anchor. Returns what is known of them.

        CertificateError ``revoked``, or ``revocation-unknown`` where an answer is required and none counts.
        """
        notes: list[str] = []
        if self.trust.revocation == "off":
            return notes
        for certificate, issuer in pairwise(path):
            answers = self._answers(certificate, issuer, at)
            good = [each.made for each in answers if each.status == GOOD and each.made is not None]
            for each in answers:
                superseded = not each.current and each.made is not None and any(made > each.made for made in good)
                if each.status == REVOKED and not superseded:
                    raise CertificateError("revoked", f"{certificate.text} was revoked: {each.text}", certificate.text)
            texts = [each.text for each in answers]
            if self.trust.revocation == "required" and not good:
                why = "; ".join(texts) or "there is no CRL of its issuer and no OCSP response for it"
                text = f"nobody says whether {certificate.text} was revoked: {why}"
                raise CertificateError("revocation-unknown", text, certificate.text)
            notes += texts
        return notes

    def _answers(self, certificate: Parsed, issuer: Parsed, at: datetime) -> list[Answer]:
        def ask(about: Parsed) -> list[Answer | None]:
            return [crl_.ask(each, about, issuer, at, self._unusable(each, issuer)) for each in self.crls]

        def listed(delegate: Parsed) -> bool:
            return any(each is not None and each.status == REVOKED for each in ask(delegate))

        answers = ask(certificate)
        answers += [ocsp_.ask(each, certificate, issuer, at, listed, self.trust) for each in self.responses]
        return [each for each in answers if each is not None]

    def _unusable(self, crl: Crl, issuer: Parsed) -> Callable[[], str]:
        """Why a CRL cannot be used, asked once: it is a signature, and each OCSP response may have ten delegates."""
        key = crl.fingerprint, issuer.der

        def ask() -> str:
            if key not in self._usable:
                self._usable[key] = crl_.unusable(crl, issuer, self.trust)
            return self._usable[key]

        return ask
