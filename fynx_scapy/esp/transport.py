# SPDX-License-Identifier: GPL-2.0-or-later
"""Transport mode on bytes (RFC 4303 section 3.1.1): what ESP protects, and the packet after decryption.

Behind a NAT the checksums are corrected (RFC 3948 section 3.1.2).
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp.ip import DESTINATION_OPTIONS, ip_header, split

TCP, UDP, DCCP, ICMPV6, UDP_LITE = 6, 17, 33, 58, 136

# Offset of the checksum that covers a pseudo-header with both addresses.
_CHECKSUM_AT = {TCP: 16, UDP: 6, DCCP: 6, ICMPV6: 2, UDP_LITE: 6}


class Addresses(NamedTuple):
    """Source and destination of a packet, as text."""

    source: str
    destination: str


def enter(packet: bytes) -> tuple[bytes, int]:
    """The part of an IP packet that ESP protects, and its next header. The IP header stays outside.

    Raises MalformedError for an incomplete IP packet, LocalError for a fragment: "transport mode ESP is applied only
    to whole IP datagrams (not to IP fragments)" (RFC 4303 section 3.3.4).
    """
    parts = split(packet)
    if parts.fragment:
        raise LocalError("expected a whole IP packet for transport mode, found a fragment (RFC 4303 section 3.3.4)")
    return parts.payload, parts.next_header


def leave(
    payload: bytes, next_header: int, addresses: Addresses, *, sent: Addresses | None = None, tos: int = 0
) -> bytes:
    """The decrypted payload with a new IP header. ``tos`` is the outer DSCP and ECN octet.

    ``sent`` are the addresses that the sender used for the checksum, if a NAT has changed them.
    Raises MalformedError if the packet would be too long for IP.
    """
    if sent is not None:
        payload = with_addresses(payload, next_header, sent, addresses)
    try:
        return ip_header(*addresses, len(payload), protocol=next_header, tos=tos) + payload
    except LocalError as error:
        raise MalformedError(str(error)) from None


def with_addresses(payload: bytes, next_header: int, sent: Addresses, seen: Addresses) -> bytes:
    """The payload with its checksum changed from the addresses ``sent`` to the addresses ``seen``.

    The checksum is updated by the difference (RFC 3948 section 3.1.2, item 1), so a wrong checksum stays wrong. A
    payload that has no such checksum, or is too short for one, is returned unchanged; so is UDP without a checksum.
    """
    if sent == seen:
        return payload
    base = 0
    while next_header == DESTINATION_OPTIONS and len(payload) >= base + 8:
        next_header, base = payload[base], base + (payload[base + 1] + 1) * 8
    at = _CHECKSUM_AT.get(next_header)
    if at is None or len(payload) < base + at + 2:
        return payload
    at += base
    old = int.from_bytes(payload[at : at + 2])
    if next_header == UDP and old == 0:
        return payload
    # The field holds the complement of the sum (RFC 1624 equation 3).
    total = (old ^ 0xFFFF) + sum(_words(seen)) + sum(word ^ 0xFFFF for word in _words(sent))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    new = total ^ 0xFFFF
    if next_header in (UDP, UDP_LITE) and new == 0:
        # Zero means that there is no checksum (RFC 768).
        new = 0xFFFF
    return payload[:at] + new.to_bytes(2) + payload[at + 2 :]


def _words(addresses: Addresses) -> tuple[int, ...]:
    octets = b"".join(ipaddress.ip_address(address).packed for address in addresses)
    return struct.unpack(f"!{len(octets) // 2}H", octets)
