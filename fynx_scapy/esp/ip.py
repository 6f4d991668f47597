# SPDX-License-Identifier: GPL-2.0-or-later
"""What ESP needs of IP, on bytes: build a header, split a packet at ESP, read a payload's length."""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.text import counted

PROTO_IPV4 = 4
PROTO_UDP = 17
PROTO_IPV6 = 41
PROTO_ESP = 50
NO_NEXT_HEADER = 59

HOP_BY_HOP = 0
ROUTING = 43
FRAGMENT = 44
DESTINATION_OPTIONS = 60

DF = 0x4000
_IPV4 = struct.Struct(">BBHHHBBH4s4s")
_IPV6 = struct.Struct(">IHBB16s16s")
_UDP = struct.Struct(">HHHH")


def checksum(data: bytes) -> int:
    """The Internet checksum of a header or pseudo-header whose checksum field is zero."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ip_version(packet: bytes) -> int:
    """4 or 6. Raises MalformedError for any other version, and for a packet shorter than its fixed header."""
    version = packet[0] >> 4 if packet else 0
    least = {4: 20, 6: 40}.get(version)
    if least is None:
        raise MalformedError(
            f"expected an IPv4 or IPv6 packet, found version {version} in {counted(len(packet), 'octet')}"
        )
    if len(packet) < least:
        raise MalformedError(f"expected an IPv{version} packet of at least {least} octets, found {len(packet)}")
    return version


def ip_header(
    src: str,
    dst: str,
    length: int,
    *,
    protocol: int = PROTO_ESP,
    ttl: int = 64,
    tos: int = 0,
    df: bool = False,
    identification: int = 0,
    flow_label: int = 0,
) -> bytes:
    """A plain IP header without options for the ``length`` octets that follow.

    Raises LocalError for addresses of different families, and for values that do not fit their fields.
    """
    try:
        source, destination = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    except ValueError as error:
        raise LocalError(f"expected two IP addresses: {error}") from None
    if source.version != destination.version:
        raise LocalError(f"expected two addresses of one family for the outer header, found {src} and {dst}")
    room = 0xFFFF - (20 if source.version == 4 else 0)
    limits = {"length": (length, room), "tos": (tos, 255), "ttl": (ttl, 255), "protocol": (protocol, 255)}
    limits |= {"identification": (identification, 0xFFFF), "flow label": (flow_label, 0xFFFFF)}
    for name, (value, highest) in limits.items():
        if not 0 <= value <= highest:
            raise LocalError(f"expected a {name} between 0 and {highest} for the outer header, found {value}")
    if source.version == 6:
        return _IPV6.pack(6 << 28 | tos << 20 | flow_label, length, protocol, ttl, source.packed, destination.packed)
    flags = DF if df else 0
    fields = (0x45, tos, 20 + length, identification, flags, ttl, protocol, 0, source.packed, destination.packed)
    head = _IPV4.pack(*fields)
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:]


def udp_header(ip: bytes, sport: int, dport: int, payload: bytes) -> bytes:
    """The UDP header before ESP (RFC 3948 section 2.1), for this IP header.

    "the IPv4 UDP Checksum SHOULD be transmitted as a zero value"; over IPv6 it is computed (RFC 8200 section 8.1).
    """
    length = 8 + len(payload)
    head = _UDP.pack(sport, dport, length, 0)
    if ip_version(ip) == 4:
        return head
    pseudo = ip[8:40] + length.to_bytes(4, "big") + bytes((0, 0, 0, PROTO_UDP))
    return head[:6] + (checksum(pseudo + head + payload) or 0xFFFF).to_bytes(2, "big")


class IpParts(NamedTuple):
    """An IP packet, split at ESP: ``head`` (with options and outer extension headers) and ``payload``.

    ``at`` is the offset within ``head`` of the next header octet, ``next_header`` its value.
    """

    head: bytes
    at: int
    next_header: int
    payload: bytes
    fragment: bool

    def replaced(self, next_header: int, payload: bytes) -> bytes:
        """The packet with another payload, length and IPv4 checksum computed. Raises LocalError if it is too long."""
        head = bytearray(self.head)
        head[self.at] = next_header
        if head[0] >> 4 == 6:
            at, length = 4, len(head) - 40 + len(payload)
        else:
            at, length = 2, len(head) + len(payload)
        if length > 0xFFFF:
            raise LocalError(f"expected an IP packet of at most 65535 octets, found {length}")
        head[at : at + 2] = length.to_bytes(2, "big")
        if at == 2:
            head[10:12] = b"\0\0"
            head[10:12] = checksum(bytes(head)).to_bytes(2, "big")
        return bytes(head) + payload


def split(packet: bytes, *, every_header: bool = False) -> IpParts:
    """Split an IP packet after the headers that stay outside ESP in transport mode (RFC 4303 section 3.1.1).

    For IPv6 these are the hop-by-hop, routing and fragment headers, and destination options before one of them. ESP
    protects destination options after them. With ``every_header`` the packet is split before the upper layer, where a
    received packet has its ESP. Octets beyond the packet's length, such as Ethernet padding, are dropped.
    Raises MalformedError for a truncated packet.
    """
    if ip_version(packet) == 4:
        size, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        if not 20 <= size <= total <= len(packet):
            raise MalformedError(
                f"expected an IPv4 packet of {total} octets (header {size}), found {len(packet)} octets"
            )
        fragment = bool(int.from_bytes(packet[6:8], "big") & 0x3FFF)
        return IpParts(packet[:size], 9, packet[9], packet[size:total], fragment)
    total = 40 + int.from_bytes(packet[4:6], "big")
    if total > len(packet):
        raise MalformedError(f"expected an IPv6 packet of {total} octets, found {len(packet)}")
    at, end, fragment = 6, 40, False  # after the last header that stays outside ESP
    walk_at, walk = 6, 40
    while (kind := packet[walk_at]) in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS):
        size = 8 if kind == FRAGMENT or walk + 2 > total else (packet[walk + 1] + 1) * 8
        if walk + size > total:
            raise MalformedError(
                f"the IPv6 extension header at octet {walk} does not fit into the packet's {total} octets"
            )
        if kind == FRAGMENT:
            # An atomic fragment (offset 0, nothing follows) is a whole packet.
            fragment |= bool(int.from_bytes(packet[walk + 2 : walk + 4], "big") & 0xFFF9)
        walk_at, walk = walk, walk + size
        if every_header or kind != DESTINATION_OPTIONS:
            at, end = walk_at, walk
        if fragment:
            break  # what follows the fragment header of a later fragment is not a header
    return IpParts(packet[:end], at, packet[at], packet[end:total], fragment)


def own_length(payload: bytes, next_header: int) -> int | None:
    """The length in the payload's header, with which a receiver discards TFC padding (RFC 4303 section 2.7).

    None if the protocol has no length field (TCP, ICMP), or the field gives no length (too short, a jumbogram). The
    result may exceed ``len(payload)``.
    """
    reader = _OWN_LENGTH.get(next_header)
    return reader(payload) if reader else None


def _ipv4_length(payload: bytes) -> int | None:
    if len(payload) < 20 or payload[0] >> 4 != 4:
        return None
    length = payload[2] << 8 | payload[3]
    return length if length >= 20 else None


def _ipv6_length(payload: bytes) -> int | None:
    if len(payload) < 40 or payload[0] >> 4 != 6:
        return None
    length = payload[4] << 8 | payload[5]
    # Zero is a jumbogram's unless nothing follows (RFC 2675 section 3).
    return 40 + length if length or payload[6] == NO_NEXT_HEADER else None


def _udp_length(payload: bytes) -> int | None:
    if len(payload) < 8:
        return None
    length = payload[4] << 8 | payload[5]
    return length if length >= 8 else None


_OWN_LENGTH = {PROTO_IPV4: _ipv4_length, PROTO_IPV6: _ipv6_length, PROTO_UDP: _udp_length}
