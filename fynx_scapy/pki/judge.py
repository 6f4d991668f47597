# SPDX-License-Identifier: GPL-2.0-or-later
"""Judges a certificate: finds a path to a trusted one, and validates it (RFC 5280 section 6). Nothing is fetched.

Each path is walked by our own code, which says what is wrong. Where cryptography's verifier knows all algorithms and
extensions of the path, it has to accept it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.ocsp import OCSPResponse

from fynx_scapy.errors import CertificateError
from fynx_scapy.pki import verifier
from fynx_scapy.pki.parsed import Parsed, parse, parse_all
from fynx_scapy.pki.revocation import Known
from fynx_scapy.pki.signed import check_issued
from fynx_scapy.pki.trust import Trust
from fynx_scapy.pki.walk import check_path

MOST_CERTIFICATES = 100
"""So many certificates of a peer are looked at."""
DEEPEST = 10
"""A path has at most so many certificates, both ends included."""
MOST_SIGNATURES = 120
"""So many signatures are verified to find a path, and so many on the paths that are found. A key of RSA that is longer
than 4096 bits counts as several."""
MOST_STEPS = 2000
"""So many steps are taken to find a path: certificates that issue each other in circles have many paths."""
MOST_PATHS = 16
"""So many paths that end with an anchor are validated."""

Certificate = x509.Certificate | bytes


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate that was accepted, and why."""

    certificates: tuple[x509.Certificate, ...] = field(repr=False)
    """From the leaf to the trusted certificate. One that is trusted itself stands alone."""
    subjects: tuple[str, ...]
    """Their subjects, printable."""
    verified_by: str
    """``cryptography``: its verifier accepts the path too. ``walk``: it does not know all algorithms of the path."""
    notes: tuple[str, ...] = ()
    """What is unusual, and what is known about revocation. Printable."""

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate that was judged."""
        return self.certificates[0]

    @property
    def anchor(self) -> x509.Certificate:
        """The trusted certificate."""
        return self.certificates[-1]


def judge(
    leaf: Certificate,
    others: Iterable[Certificate],
    trust: Trust,
    *,
    at: datetime | None = None,
    crls: Sequence[x509.CertificateRevocationList | bytes] = (),
    ocsp: Sequence[OCSPResponse | bytes] = (),
) -> Chain:
    """Judge a certificate with the certificates that came with it. DER octets may be anything at all.

    ``at`` is the time to judge at (UTC if it has no time zone), before that of ``trust``. ``crls`` and ``ocsp`` came
    from the peer. Raises CertificateError, whose code says what is wrong.
    """
    when = at or trust.now()
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    search = _Search(parse(leaf), trust)
    known = Known(trust, crls, ocsp)
    notes = search.add(others) + known.notes
    for path in search.paths():
        try:
            how, said = _validate(path, trust, when, search)
            said += known.check(path, when)
        except CertificateError as error:
            search.failed(error)
            continue
        certificates = tuple(each.certificate for each in path)
        return Chain(certificates, tuple(each.text for each in path), how, (*notes, *said))
    raise search.failure()


def _validate(path: Sequence[Parsed], trust: Trust, when: datetime, search: _Search) -> tuple[str, list[str]]:
    """Validate a path: who verified it, and what is worth a note. CertificateError.

    Signatures come first: what a stranger wrote into a certificate must not cost us much. Where the verifier accepts
    the path, it has verified them; but it compares names with constraints before.
    """
    constrained = any(each.get(x509.NameConstraints) for each in path[1:])
    if constrained:
        search.check_signatures(path)
    known = verifier.knows(path)
    refusal = verifier.refusal(path, when) if known else None
    if (refusal is not None or not known) and not constrained:
        search.check_signatures(path)
    notes = check_path(path, trust, when)
    if refusal is not None:
        raise refusal
    return "cryptography" if known else "walk", notes


def _cost(issuer: Parsed) -> int:
    """What it costs to verify a signature of a key, in signatures of usual keys."""
    bits = issuer.key.key_size if isinstance(issuer.key, rsa.RSAPublicKey) else 0
    return max(1, (bits * bits) >> 24)


class _Search:
    """The search for paths, depth first, within ceilings. Signatures are verified where there is a choice."""

    def __init__(self, leaf: Parsed, trust: Trust) -> None:
        self.leaf = leaf
        self._allow_sha1 = trust.allow_sha1
        self.anchors = {each.der: each for each in parse_all(trust.anchors)}
        self.by_subject: dict[bytes, list[Parsed]] = {}
        for each in self.anchors.values():
            self.by_subject.setdefault(each.subject, []).append(each)
        self._verified: dict[tuple[bytes, bytes], CertificateError | None] = {}
        self._steps = self._paths = self._sought = self._walked = 0
        self._stopped = ""
        self._error: CertificateError | None = None
        self._broken: CertificateError | None = None

    def add(self, others: Iterable[Certificate]) -> list[str]:
        """Take the certificates of the peer. One that cannot be read is left out, with a note, as are too many."""
        notes, known, looked = [], {self.leaf.der, *self.anchors}, 0
        for each in others:
            looked += 1
            if looked > MOST_CERTIFICATES:
                notes.append(f"looked at the first {MOST_CERTIFICATES} certificates only")
                break
            try:
                parsed = parse(each)
            except CertificateError as error:
                notes.append(str(error))
                continue
            if parsed.der not in known:
                known.add(parsed.der)
                self.by_subject.setdefault(parsed.subject, []).append(parsed)
        return notes

    def paths(self) -> Iterator[list[Parsed]]:
        """Each path of names from the leaf to an anchor."""
        for path in self._extend([self.leaf]):
            self._paths += 1
            if self._paths > MOST_PATHS:
                self._stopped = f"{MOST_PATHS} paths"
                return
            self._walked += sum(map(_cost, path[1:]))
            if self._walked > MOST_SIGNATURES:
                self._stopped = f"{MOST_SIGNATURES} signatures"
                return
            yield path

    def _extend(self, path: list[Parsed]) -> Iterator[list[Parsed]]:
        last = path[-1]
        if last.der in self.anchors:
            yield path
            return
        if len(path) == DEEPEST:
            self._stopped = self._stopped or f"a path of {DEEPEST} certificates"
            return
        wanted = last.authority_key_identifier
        candidates = self.by_subject.get(last.issuer, [])
        # Anchors come first, as they were added first; sorting is stable. RFC 4945 section 5.1.3.1: a hint, not a rule.
        for issuer in sorted(candidates, key=lambda each: wanted is None or each.key_identifier != wanted):
            self._steps += 1
            if self._steps > MOST_STEPS:
                self._stopped = f"{MOST_STEPS} steps"
                return
            if any(each.subject == issuer.subject and each.spki == issuer.spki for each in path):
                continue  # a circle
            if len(candidates) == 1 or self._issued(last, issuer):
                yield from self._extend([*path, issuer])

    def _issued(self, last: Parsed, issuer: Parsed) -> bool:
        if (last.der, issuer.der) not in self._verified:
            self._sought += _cost(issuer)
            if self._sought > MOST_SIGNATURES:
                self._stopped = f"{MOST_SIGNATURES} signatures"
                return False
        error = self._signature(last, issuer)
        self._broken = self._broken or error
        return error is None

    def _signature(self, child: Parsed, issuer: Parsed) -> CertificateError | None:
        key = (child.der, issuer.der)
        if key not in self._verified:
            try:
                check_issued(child, issuer, self._allow_sha1)
                self._verified[key] = None
            except CertificateError as error:
                self._verified[key] = error
        return self._verified[key]

    def check_signatures(self, path: Sequence[Parsed]) -> None:
        """Check each signature of a path. CertificateError of the first that does not verify."""
        for child, issuer in pairwise(path):
            if (error := self._signature(child, issuer)) is not None:
                raise error

    def failed(self, error: CertificateError) -> None:
        """Note why a path was refused. That of the first path is what the peer most likely meant."""
        self._error = self._error or error

    def failure(self) -> CertificateError:
        """Why there is no path."""
        leaf = self.leaf.text
        if self._error is not None:
            return self._error
        if self._stopped:
            return CertificateError("too-complex", f"found no path for {leaf}, gave up after {self._stopped}", leaf)
        return self._broken or CertificateError(
            "unknown-authority", f"no chain leads from {leaf} to a trusted certificate", leaf
        )
