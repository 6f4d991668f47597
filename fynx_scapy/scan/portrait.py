# SPDX-License-Identifier: GPL-2.0-or-later
"""What a responder says of itself when it accepts IKE_SA_INIT: notifies, vendor IDs, certificate requests, NAT, …"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scapy.packet import Packet

from fynx_scapy.capture.fingerprint import VERSION, Fingerprint, form
from fynx_scapy.iana import CertEncoding, HashAlgorithm, NotifyType, name_of
from fynx_scapy.ike.message import Address
from fynx_scapy.ike.path.nat import detection_hash
from fynx_scapy.layers.ikev2 import IKEv2_CERTREQ, IKEv2_Nonce, IKEv2_Notify, IKEv2_VendorID
from fynx_scapy.layers.ikev2.vendor import vendor_name
from fynx_scapy.scan.answer import Answer

EXTENSIONS = {
    NotifyType.IKEV2_FRAGMENTATION_SUPPORTED: "fragmentation (RFC 7383)",
    NotifyType.NAT_DETECTION_SOURCE_IP: "NAT traversal (RFC 7296 section 2.23)",
    NotifyType.SIGNATURE_HASH_ALGORITHMS: "digital signatures (RFC 7427)",
    NotifyType.CHILDLESS_IKEV2_SUPPORTED: "childless IKE SAs (RFC 6023)",
    NotifyType.REDIRECT_SUPPORTED: "redirects (RFC 5685)",
    NotifyType.REDIRECT: "redirects (RFC 5685)",
    NotifyType.MULTIPLE_AUTH_SUPPORTED: "multiple authentication (RFC 4739)",
    NotifyType.HTTP_CERT_LOOKUP_SUPPORTED: "certificates by hash and URL (RFC 7296 section 3.6)",
    NotifyType.INTERMEDIATE_EXCHANGE_SUPPORTED: "IKE_INTERMEDIATE (RFC 9242)",
    NotifyType.USE_PPK: "post-quantum pre-shared keys (RFC 8784)",
    NotifyType.USE_PPK_INT: "post-quantum pre-shared keys in IKE_INTERMEDIATE (RFC 9867)",
    NotifyType.SUPPORTED_AUTH_METHODS: "announcing authentication methods (RFC 9593)",
    NotifyType.SECURE_PASSWORD_METHODS: "secure password methods (RFC 6467)",
    NotifyType.IKEV2_MESSAGE_ID_SYNC_SUPPORTED: "message ID synchronization (RFC 6311)",
    NotifyType.IKE_SA_INIT_FULL_TRANSCRIPT_AUTH: "authentication of the full transcript",
}
"""Notify type -> the extension that a responder shows with it in IKE_SA_INIT."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A message as `form` reads it."""

    layers: list[Packet]
    version: int
    flags: int
    request: bool = False


@dataclass(frozen=True, slots=True)
class Portrait:
    """The facts of an answer that accepts IKE_SA_INIT. ``authorities`` are SHA-1 hashes of the keys of trusted CAs.

    ``nat`` says whether a NAT is in front of (us, the responder); None without NAT detection.
    """

    notifies: tuple[tuple[int, bytes], ...]
    vendors: tuple[bytes, ...]
    encodings: tuple[int, ...]
    authorities: tuple[bytes, ...]
    hashes: tuple[int, ...]
    nat: tuple[bool, bool] | None
    nonce: int
    fingerprint: Fingerprint

    @classmethod
    def of(cls, answer: Answer, local: Address, remote: Address) -> Portrait:
        """Read it from an answer to a request that we sent from ``local`` to ``remote``."""
        header = answer.header
        assert header is not None
        requests = list(answer.all(IKEv2_CERTREQ))
        hashes = answer.notify(NotifyType.SIGNATURE_HASH_ALGORITHMS)
        data = bytes(hashes.notify or b"") if hashes is not None else b""
        seen = _Seen(list(answer.payloads), header.version, header.flags)
        nonce = answer.get(IKEv2_Nonce)
        return cls(
            notifies=tuple((int(each.type), bytes(each.notify or b"")) for each in answer.notifies()),
            vendors=tuple(bytes(each.vendorID or b"") for each in answer.all(IKEv2_VendorID)),
            encodings=tuple(dict.fromkeys(int(each.cert_encoding) for each in requests)),
            authorities=tuple(dict.fromkeys(hash_ for each in requests for hash_ in each.authorities)),
            hashes=tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)),
            nat=_nat(answer, local, remote),
            nonce=len(bytes(nonce.nonce or b"")) if nonce is not None else 0,
            fingerprint=Fingerprint(1, "responder", str(remote), (), form(seen)),
        )

    @property
    def extensions(self) -> list[str]:
        """The extensions that it shows, in words."""
        return list(dict.fromkeys(EXTENSIONS[kind] for kind, _ in self.notifies if kind in EXTENSIONS))  # type: ignore[index]

    @property
    def vendor_names(self) -> list[str]:
        """The names of the vendor IDs, or their octets in hexadecimal digits."""
        return [vendor_name(octets) or octets[:64].hex() for octets in self.vendors]

    @property
    def notify_names(self) -> list[str]:
        """The names of the notifies, in order."""
        return [name_of(NotifyType, kind) for kind, _ in self.notifies]

    @property
    def hash_names(self) -> list[str]:
        """The hash algorithms for signatures."""
        return [name_of(HashAlgorithm, number) for number in self.hashes]

    @property
    def encoding_names(self) -> list[str]:
        """The certificate encodings that it asks for."""
        return [name_of(CertEncoding, number) for number in self.encodings]

    def as_dict(self) -> dict[str, Any]:
        """The facts as plain values."""
        return {
            "notifies": [
                {"type": kind, "name": name_of(NotifyType, kind), "data": data[:256].hex()}
                for kind, data in self.notifies
            ],
            "extensions": self.extensions,
            "vendor_ids": [
                {"octets": octets[:256].hex(), "name": name}
                for octets, name in zip(self.vendors, self.vendor_names, strict=True)
            ],
            "certificate_encodings": self.encoding_names,
            "certificate_authorities": [each.hex() for each in self.authorities],
            "signature_hashes": self.hash_names,
            "nat": None if self.nat is None else {"before_us": self.nat[0], "before_responder": self.nat[1]},
            "nonce_octets": self.nonce,
            "fingerprint": {"version": VERSION, "form": self.fingerprint.init, "hash": self.fingerprint.hash},
        }


def _nat(answer: Answer, local: Address, remote: Address) -> tuple[bool, bool] | None:
    """Whether a NAT is in front of (us, the responder) (RFC 7296 section 2.23)."""

    def told(kind: NotifyType) -> list[bytes]:
        return [bytes(each.notify or b"") for each in answer.notifies(kind) if isinstance(each, IKEv2_Notify)]

    sources, destinations = told(NotifyType.NAT_DETECTION_SOURCE_IP), told(NotifyType.NAT_DETECTION_DESTINATION_IP)
    if not sources or not destinations or answer.header is None:
        return None
    spis = answer.header.spi_i, answer.header.spi_r
    return detection_hash(*spis, local) not in destinations, detection_hash(*spis, remote) not in sources
