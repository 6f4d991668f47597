# SPDX-License-Identifier: GPL-2.0-or-later
"""How CERTREQ names a certification authority: by the SHA-1 of its key (RFC 7296 section 3.7)."""

from __future__ import annotations

from hashlib import sha1

from cryptography import x509

from fynx_scapy.pki.parsed import parse


def authority_hash(certificate: x509.Certificate | bytes) -> bytes:
    """The 20 octets that stand for an authority: SHA-1 over its SubjectPublicKeyInfo, as the certificate encodes it.

    CertificateError ``malformed`` for octets that are no certificate.
    """
    return sha1(parse(certificate).spki, usedforsecurity=False).digest()
