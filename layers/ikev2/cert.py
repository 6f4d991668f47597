# SPDX-License-Identifier: GPL-2.0-or-later
"""The Certificate and Certificate Request payloads (RFC 7296 sections 3.6 and 3.7)."""
# ruff: noqa: N801 -- class names as in Scapy

from __future__ import annotations

from typing import Any

from scapy.packet import Packet

from fynx_scapy.iana import CertEncoding, PayloadType
from fynx_scapy.layers.ikev2.fields import OctetEnum, Octets
from fynx_scapy.layers.ikev2.payload import GENERIC, IKEv2_Payload
from fynx_scapy.text import printable

HASH_SIZE = 20
"""Octets of a SHA-1 hash, which CERTREQ and the hash-and-URL encodings use."""


class _CertificateData(Octets):
    """Certificate data as octets. A Scapy X509_Cert or X509_CRL is also accepted."""

    __slots__ = []

    def any2i(self, pkt: Any, x: Any) -> Any:
        return bytes(x) if isinstance(x, Packet) else super().any2i(pkt, x)


class IKEv2_CERT(IKEv2_Payload):
    """The Certificate payload. ``cert_data`` holds the octets; :meth:`x509` and ``url`` decode them."""

    name = "IKEv2 Certificate"
    payload_type = PayloadType.CERT
    fields_desc = [
        *GENERIC,
        OctetEnum("cert_encoding", CertEncoding.X_509_Certificate_Signature, CertEncoding),
        _CertificateData("cert_data"),
    ]

    def x509(self) -> Packet:
        """The certificate or revocation list as Scapy's X509_Cert or X509_CRL.

        Parsing the ASN.1 takes a hundred times as long as the rest of a message, so it happens only on demand. Raises
        Scapy's errors for invalid data.
        """
        from scapy.layers.x509 import X509_CRL, X509_Cert

        revoked = self.internal("cert_encoding") == CertEncoding.Certificate_Revocation_List_CRL
        return (X509_CRL if revoked else X509_Cert)(self._data)

    @property
    def hash(self) -> bytes | None:
        """The SHA-1 hash of a hash-and-URL encoding, else None."""
        return self._data[:HASH_SIZE] if self._hash_and_url else None

    @property
    def url(self) -> str | None:
        """The URL of a hash-and-URL encoding as printable text, else None."""
        return printable(self._data[HASH_SIZE:]) if self._hash_and_url else None

    @property
    def _data(self) -> bytes:
        return self.get_field("cert_data").i2m(self, self.internal("cert_data"))  # type: ignore[no-any-return]

    @property
    def _hash_and_url(self) -> bool:
        return self.internal("cert_encoding") in (
            CertEncoding.Hash_and_URL_of_X_509_certificate,
            CertEncoding.Hash_and_URL_of_X_509_bundle,
        )


class IKEv2_CERTREQ(IKEv2_Payload):
    """The Certificate Request payload; ``authorities`` splits ``cert_authority`` into hashes of 20 octets."""

    name = "IKEv2 Certificate Request"
    payload_type = PayloadType.CERTREQ
    fields_desc = [
        *GENERIC,
        OctetEnum("cert_encoding", CertEncoding.X_509_Certificate_Signature, CertEncoding),
        Octets("cert_authority"),
    ]

    @property
    def authorities(self) -> list[bytes]:
        """SHA-1 hashes of the public keys of trusted authorities (RFC 7296 section 3.7)."""
        data = self.get_field("cert_authority").i2m(self, self.internal("cert_authority"))
        return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


__all__ = ["IKEv2_CERT", "IKEv2_CERTREQ"]
