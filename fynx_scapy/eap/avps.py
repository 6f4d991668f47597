# SPDX-License-Identifier: GPL-2.0-or-later
"""Attribute-value pairs inside EAP-TTLS (RFC 5281 section 10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fynx_scapy.errors import AuthenticationError

USER_NAME, USER_PASSWORD, EAP_MESSAGE = 1, 2, 79
MICROSOFT = 311
MS_CHAP_ERROR, MS_CHAP_CHALLENGE, MS_CHAP2_RESPONSE, MS_CHAP2_SUCCESS = 2, 11, 25, 26
"""Microsoft's (RFC 2548 section 2)."""
MOST_AVPS = 256
_VENDOR, _MANDATORY = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class Avp:
    """One of them. The repr hides its data, which may be a password."""

    code: int
    data: bytes = field(repr=False)
    vendor: int = 0
    mandatory: bool = True

    def octets(self) -> bytes:
        """As it is sent, padded to four octets."""
        vendor = self.vendor.to_bytes(4) if self.vendor else b""
        flags = (_VENDOR if vendor else 0) | (_MANDATORY if self.mandatory else 0)
        size = 8 + len(vendor) + len(self.data)
        head = self.code.to_bytes(4) + bytes([flags]) + size.to_bytes(3)
        return head + vendor + self.data + bytes(-size % 4)


def pack(*avps: Avp) -> bytes:
    """Several, one after the other."""
    return b"".join(avp.octets() for avp in avps)


def unpack(octets: bytes) -> list[Avp]:
    """What a message of the tunnel holds; AuthenticationError for what is no sequence of AVPs (section 10.2)."""
    found: list[Avp] = []
    at = 0
    while at < len(octets):
        head = octets[at : at + 8]
        size, vendor = int.from_bytes(head[5:8]), bool(len(head) > 4 and head[4] & _VENDOR)
        least = 12 if vendor else 8
        left = len(octets) - at
        if left < least:
            raise AuthenticationError(
                f"expected an AVP of at least {least} octets at offset {at} of the tunnel, found {left} that are left"
            )
        if not least <= size <= left:
            raise AuthenticationError(
                f"expected an AVP of {least} to {left} octets at offset {at} of the tunnel, found the length {size}"
            )
        if len(found) == MOST_AVPS:
            raise AuthenticationError(f"expected at most {MOST_AVPS} AVPs in a message, found more")
        number = int.from_bytes(octets[at + 8 : at + 12]) if vendor else 0
        code, data = int.from_bytes(head[:4]), octets[at + least : at + size]
        found.append(Avp(code, data, number, bool(head[4] & _MANDATORY)))
        at += size + -size % 4
    return found


def first(avps: Iterable[Avp], code: int, vendor: int = 0) -> bytes | None:
    """The data of the first AVP of this code; None when there is none."""
    return next((avp.data for avp in avps if (avp.code, avp.vendor) == (code, vendor)), None)


def understand(avps: Iterable[Avp], known: Iterable[tuple[int, int]]) -> None:
    """AuthenticationError for an AVP that we must understand, and do not (section 10.1)."""
    wanted = set(known)
    for avp in avps:
        if avp.mandatory and (avp.code, avp.vendor) not in wanted:
            of = f" of vendor {avp.vendor}" if avp.vendor else ""
            raise AuthenticationError(f"expected AVPs that we know, found the mandatory AVP {avp.code}{of}")
