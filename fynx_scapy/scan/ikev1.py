# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a host answers IKEv1: the first message of Main Mode (RFC 2409 section 5), in octets, and what comes back."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import Any

from fynx_scapy.iana import NotifyType, name_of
from fynx_scapy.layers.ikeheader import HEADER_SIZE, IKE_HEADER, NO_SPI
from fynx_scapy.layers.ikev2.vendor import vendor_name
from fynx_scapy.scan.answer import Answer, Kind

VERSION_1, MAIN_MODE, INFORMATIONAL = 0x10, 2, 5
_SA, _PROPOSAL, _TRANSFORM, _NOTIFICATION, _VENDOR = 1, 2, 3, 11, 13
_GENERIC = struct.Struct("!BBH")
_MOST = 64
"""How many payloads of an answer are read."""

# RFC 2409 appendix A, with IANA's later numbers: attribute -> its name, and the names of its values.
ATTRIBUTES: dict[int, tuple[str, dict[int, str]]] = {
    1: ("encryption", {1: "DES-CBC", 2: "IDEA-CBC", 3: "Blowfish-CBC", 5: "3DES-CBC", 6: "CAST-CBC", 7: "AES-CBC"}),
    2: ("hash", {1: "MD5", 2: "SHA", 3: "Tiger", 4: "SHA2-256", 5: "SHA2-384", 6: "SHA2-512"}),
    3: ("authentication", {1: "pre-shared key", 2: "DSS signatures", 3: "RSA signatures"}),
    4: ("group", {1: "MODP_768", 2: "MODP_1024", 5: "MODP_1536", 14: "MODP_2048", 19: "ECP_256", 20: "ECP_384"}),
    11: ("life type", {1: "seconds", 2: "kilobytes"}),
    12: ("life duration", {}),
    14: ("key length", {}),
}
_CIPHERS = ({1: 7, 14: 256}, {1: 7, 14: 128}, {1: 5})
_HASHES, _METHODS, _GROUPS = (4, 2), (1, 3), (14, 19, 5, 2)

_NOTIFIES = {
    1: "INVALID-PAYLOAD-TYPE", 2: "DOI-NOT-SUPPORTED", 4: "INVALID-COOKIE", 5: "INVALID-MAJOR-VERSION",
    7: "INVALID-EXCHANGE-TYPE", 14: "NO-PROPOSAL-CHOSEN", 16: "PAYLOAD-MALFORMED", 18: "INVALID-ID-INFORMATION",
    24: "AUTHENTICATION-FAILED", 29: "UNSUPPORTED-EXCHANGE-TYPE",
}  # fmt: skip
"""RFC 2408 section 3.14.1."""


@dataclass(frozen=True, slots=True)
class Ikev1:
    """What a host does with IKEv1. ``chosen`` is the transform that it accepted, in words."""

    answers: bool
    text: str
    chosen: str = ""
    vendors: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"answers": self.answers, "text": self.text, "chosen": self.chosen, "vendor_ids": list(self.vendors)}


def main_mode(spi: bytes) -> bytes:
    """The first message of Main Mode: an SA payload with common transforms (RFC 2408 sections 3.4 to 3.6)."""
    offers = [
        {**cipher, 2: hash_, 3: method, 4: group, 11: 1, 12: 28800}
        for cipher, hash_, method, group in itertools.product(_CIPHERS, _HASHES, _METHODS, _GROUPS)
    ]
    transforms = b""
    for number, offer in enumerate(offers, 1):
        attributes = b"".join(struct.pack("!HH", 0x8000 | kind, value) for kind, value in offer.items())
        following = _TRANSFORM if number < len(offers) else 0
        # Transform ID 1 is KEY_IKE (RFC 2407 section 4.4.2).
        transforms += struct.pack("!BBHBBH", following, 0, 8 + len(attributes), number, 1, 0) + attributes
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, len(offers)) + transforms
    body = struct.pack("!II", 1, 1) + proposal  # DOI 1 is IPsec, situation 1 SIT_IDENTITY_ONLY
    payload = _GENERIC.pack(0, 0, 4 + len(body)) + body
    return IKE_HEADER.pack(spi, NO_SPI, _SA, VERSION_1, MAIN_MODE, 0, 0, HEADER_SIZE + len(payload)) + payload


def read(answer: Answer) -> Ikev1:
    """What an answer to `main_mode` says."""
    if answer.kind is Kind.SILENCE:
        return Ikev1(False, "no answer to Main Mode")
    if answer.kind is not Kind.IKEV1 or answer.header is None:
        told = next((name_of(NotifyType, int(each.type)) for each in answer.notifies()), answer.text)
        return Ikev1(False, f"answers Main Mode with IKEv2: {told}")
    payloads = list(_payloads(answer.header.next_payload, answer.wire))
    vendors = tuple(vendor_name(body) or body[:64].hex() for kind, body in payloads if kind == _VENDOR)
    chosen = next((body for kind, body in payloads if kind == _SA), None)
    if chosen is not None:
        words = _transform(chosen)
        return Ikev1(True, "accepts Main Mode" if words else "answers Main Mode", words, vendors)
    notified = next((body for kind, body in payloads if kind == _NOTIFICATION and len(body) >= 8), None)
    if notified is None:
        return Ikev1(True, f"answers Main Mode with exchange {answer.header.exchange}", "", vendors)
    kind = int.from_bytes(notified[6:8])
    return Ikev1(True, f"refuses Main Mode: {_NOTIFIES.get(kind, f'notification {kind}')}", "", vendors)


def _payloads(kind: int, data: bytes) -> list[tuple[int, bytes]]:
    """The payloads of an unencrypted message, with their types, up to the first malformed one."""
    found: list[tuple[int, bytes]] = []
    at = HEADER_SIZE
    while kind and at + 4 <= len(data) and len(found) < _MOST:
        following, _, length = _GENERIC.unpack_from(data, at)
        if length < 4 or at + length > len(data):
            break
        found.append((kind, data[at + 4 : at + length]))
        kind, at = following, at + length
    return found


def _transform(sa: bytes) -> str:
    """The first transform of the first proposal of an SA payload, in words; empty if it cannot be read."""
    proposal = sa[8:]
    if len(proposal) < 16:
        return ""
    at = 8 + proposal[6]
    if at + 8 > len(proposal):
        return ""
    end = min(at + int.from_bytes(proposal[at + 2 : at + 4]), len(proposal))
    at += 8
    words = []
    while at + 4 <= end:
        kind, value = struct.unpack_from("!HH", proposal, at)
        at += 4
        if not kind & 0x8000:
            at, value = at + value, int.from_bytes(proposal[at : min(at + value, at + 8, end)])
        name, values = ATTRIBUTES.get(kind & 0x7FFF, (f"attribute {kind & 0x7FFF}", {}))
        words.append(f"{name} {values.get(value, value)}")
    return ", ".join(words)
