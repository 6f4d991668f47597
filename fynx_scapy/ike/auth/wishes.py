# SPDX-License-Identifier: GPL-2.0-or-later
"""What a peer says of the proof that it wants: CERTREQ (RFC 7296 section 3.7), hash algorithms (RFC 7427 section 4) and
authentication methods (RFC 9593). All of it is advice: the peer judges the proof, whatever it asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fynx_scapy.iana import AuthMethod, CertEncoding, NotifyType
from fynx_scapy.ike.message import Payloads
from fynx_scapy.layers.ikev2 import IKEv2_CERTREQ

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord

MOST_HASHES = 64
"""How many different hash algorithms of the peer are kept; IANA's registry has seven."""
MOST_AUTHORITIES = 1024
"""How many of the authorities that a peer names are kept."""
MOST_METHODS = 256
"""How many of the peer's announced methods are kept."""
_HASH = 20
_SIZES = {2: 2, 13: 2, 1: 3, 3: 3, 9: 3, 10: 3, 11: 3}
"""The octets of an announcement by its method (RFC 9593 sections 3.2.1 and 3.2.2); method 14 has more than three."""


class Announcement(NamedTuple):
    """An authentication method that a peer supports (RFC 9593 section 3.2)."""

    method: int
    link: int = 0
    """Which of the authorities in its CERTREQ payloads it is for, from 1; 0 for any."""
    algorithm: bytes = b""
    """The AlgorithmIdentifier of method 14, in DER."""

    def octets(self) -> bytes:
        """As on the wire: two octets without a public key, three with one, more with an algorithm."""
        keyless = _SIZES.get(self.method) == 2
        body = bytes([self.method]) + (b"" if keyless else bytes([self.link]) + self.algorithm)
        return bytes([len(body) + 1]) + body


def read_announcements(data: bytes) -> list[Announcement]:
    """The announcements in the data of SUPPORTED_AUTH_METHODS; what is malformed, or not understood, is left out."""
    found: list[Announcement] = []
    while len(data) >= 2 and 2 <= data[0] <= len(data) and len(found) < MOST_METHODS:
        blob, data = data[: data[0]], data[data[0] :]
        method, link, algorithm = blob[1], blob[2:3], blob[3:]
        if len(blob) == _SIZES.get(method) or (method == AuthMethod.Digital_Signature and algorithm):
            found.append(Announcement(method, link[0] if link else 0, algorithm))
    return found


class Wishes:
    """What the peer of one IKE SA wants of our proof."""

    def __init__(self, sa: SaRecord) -> None:
        self.hashes: tuple[int, ...] = ()
        """The hash algorithms that it has announced for signatures, in its order."""
        self.told: bool = False
        """Whether we have announced some, so that it may use them."""
        self.encodings: tuple[int, ...] = ()
        """The encodings of its CERTREQ payloads, in its order; empty if it sent none."""
        self.authorities: tuple[bytes, ...] = ()
        """The authorities that it trusts for X.509 certificates, each as 20 octets; empty for any."""
        self.methods: tuple[Announcement, ...] = ()
        """The authentication methods that it supports; empty if it does not say."""

    def read(self, message: Payloads) -> None:
        """Take what a message of the peer says; what it does not mention stays."""
        requests = list(message.all(IKEv2_CERTREQ))
        if requests:
            self.encodings = tuple(dict.fromkeys(int(request.internal("cert_encoding")) for request in requests))
            found = (
                octets
                for request in requests
                if request.internal("cert_encoding") == CertEncoding.X_509_Certificate_Signature
                for octets in request.authorities
                if len(octets) == _HASH  # RFC 4945 section 3.2.8.2: what cannot be read may be ignored
            )
            self.authorities = tuple(octets for octets, _ in zip(found, range(MOST_AUTHORITIES), strict=False))
        announced = [
            each
            for notify in message.notifies(NotifyType.SUPPORTED_AUTH_METHODS)
            for each in read_announcements(bytes(notify.notify or b""))
        ]
        if announced:
            self.methods = tuple(announced[:MOST_METHODS])

    def read_hashes(self, data: bytes) -> None:
        """Take the data of SIGNATURE_HASH_ALGORITHMS."""
        numbers = dict.fromkeys(int.from_bytes(data[at : at + 2]) for at in range(0, len(data) - 1, 2))
        self.hashes = tuple(numbers)[:MOST_HASHES]

    @property
    def asks_for_x509(self) -> bool:
        """Whether it wants X.509 certificates.

        RFC 4945 section 3.2.4: PKCS #7 may be treated as synonymous. Section 3.2.8.1: if no encoding is one that we
        know, they may be treated as if they were of a supported type.
        """
        known = {CertEncoding.X_509_Certificate_Signature, CertEncoding.PKCS_7_wrapped_X_509_certificate}
        other = {CertEncoding.Raw_Public_Key, CertEncoding.OCSP_Content, CertEncoding.Certificate_Revocation_List_CRL}
        return bool(self.encodings) and (not known.isdisjoint(self.encodings) or other.isdisjoint(self.encodings))
