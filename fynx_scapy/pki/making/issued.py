# SPDX-License-Identifier: GPL-2.0-or-later
"""What authorities issue: certificates with their keys, and the files that they are written to."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from fynx_scapy import files
from fynx_scapy.errors import ConfigError
from fynx_scapy.pki.making.changes import Changes
from fynx_scapy.pki.making.keys import PrivateKey, kind_of
from fynx_scapy.pki.making.names import name_text

SEEDED_NOW, SEEDED_END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
"""With a seed, authorities are valid from a day before the first date to the second."""
_DAY, _YEAR = timedelta(days=1), timedelta(days=365)


class Span(NamedTuple):
    """The validity of everything that an authority issues, unless it is said otherwise."""

    begin: datetime
    end: datetime

    @classmethod
    def of(cls, at: datetime | None, seeded: bool) -> Span:
        """A day before ``at`` to a year after it. ``at`` is the system's clock, or with a seed fixed dates."""
        if at is None and seeded:
            return cls(SEEDED_NOW - _DAY, SEEDED_END)
        now = datetime.now(UTC) if at is None else at
        now = (now if now.tzinfo else now.replace(tzinfo=UTC)).replace(microsecond=0)
        return cls(now - _DAY, now + _YEAR)

    def changed(self, changes: Changes) -> Span:
        """The validity of a certificate with these changes."""
        begin, end = self
        if changes.expired:
            begin, end = begin - 30 * _DAY, begin
        if changes.not_yet_valid:
            begin = end - _DAY
        month = timedelta(days=30)
        if changes.not_after is not None:
            begin, end = min(begin, changes.not_after - month), changes.not_after
        if changes.not_before is not None:
            begin, end = changes.not_before, changes.not_after or max(end, changes.not_before + month)
        return Span(begin, end)


class Written(NamedTuple):
    """The files of one certificate."""

    certificate: Path
    key: Path
    chain: Path | None
    """The intermediates; None if there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its private key, which no repr shows."""

    der: bytes = field(repr=False)
    """The certificate; with ``garbled`` it is not one."""
    key: PrivateKey = field(repr=False)
    issuers: tuple[bytes, ...] = field(default=(), repr=False)
    """The intermediates above it as DER, the nearest first, without the root."""

    @property
    def cert(self) -> x509.Certificate:
        """The certificate. ValueError of cryptography if it is garbled."""
        return x509.load_der_x509_certificate(self.der)

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The intermediates above it, the nearest first, without the root."""
        return tuple(map(x509.load_der_x509_certificate, self.issuers))

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return pem("CERTIFICATE", self.der)

    def key_pem(self, passphrase: str | bytes | None = None) -> bytes:
        """The private key in PEM (PKCS #8), encrypted if there is a passphrase."""
        word = passphrase.encode() if isinstance(passphrase, str) else passphrase
        protection = BestAvailableEncryption(word) if word else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)

    def pkcs12(self, passphrase: str | bytes, name: str = "fynx") -> bytes:
        """Key, certificate and chain as PKCS #12. ConfigError for a key that cryptography cannot write so."""
        word = passphrase.encode() if isinstance(passphrase, str) else passphrase
        key: Any = self.key
        try:
            return serialize_key_and_certificates(
                name.encode(), key, self.cert, list(self.chain), BestAvailableEncryption(word)
            )
        except TypeError:
            raise ConfigError(f"expected a key that PKCS #12 may hold, found {kind_of(key)}") from None

    def write(self, folder: files.AnyPath, name: str, *, passphrase: str | bytes | None = None) -> Written:
        """Write NAME.crt, NAME.key (mode 600) and, with intermediates, NAME.chain.crt, all PEM. OSError."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        written = Written(
            place / f"{name}.crt", place / f"{name}.key", (self.issuers and place / f"{name}.chain.crt") or None
        )
        for path, octets, secret in (
            (written.certificate, self.pem, False),
            (written.key, self.key_pem(passphrase), True),
            (written.chain, b"".join(pem("CERTIFICATE", each) for each in self.issuers), False),
        ):
            if path is not None:
                with files.writing(path, secret=secret) as file:
                    file.write(octets)
        return written

    def __str__(self) -> str:
        try:
            return f"{name_text(self.cert.subject)} ({kind_of(self.key)})"
        except ValueError:
            return f"a garbled certificate ({kind_of(self.key)})"


def pem(label: str, octets: bytes) -> bytes:
    """Octets in PEM (RFC 7468), whether they are what the label says or not."""
    text = base64.b64encode(octets).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
