# SPDX-License-Identifier: GPL-2.0-or-later
"""Echo requests and replies as bytes: ICMP (RFC 792), ICMPv6 (RFC 4443 section 4) and UDP echo (RFC 862)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp.ip import checksum, ip_header, split
from fynx_scapy.ike.terms.selectors import Selector

_ICMP, _UDP, _ICMPV6 = 1, 17, 58
ECHO_PORT = 7
_ANSWERERS = frozenset({0, ECHO_PORT, 13, 17, 19, 37})
"""Source ports to which no echo is sent: echo, daytime, qotd, chargen and time answer every datagram, so the two would
answer each other for ever; 0 takes no answer."""


def echo_request(
    source: str, destination: str, payload: bytes = b"fynx", *, identifier: int = 0, sequence: int = 1, tos: int = 0
) -> bytes:
    """A whole IPv4 or IPv6 packet with an ICMP echo request, with ``payload`` as its data."""
    v6 = ":" in destination
    body = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, identifier, sequence) + payload
    protocol = _ICMPV6 if v6 else _ICMP
    header = ip_header(source, destination, len(body), protocol=protocol, tos=tos)
    return header + _summed(header, protocol, body)


def first_host(selectors: Sequence[Selector], version: int | None = None) -> str:
    """The first host address of the first traffic selector (of that IP version, if given).

    It is the address after the network address, unless the range is too small. LocalError when there is no selector of
    that version.
    """
    fits = [selector for selector in selectors if version in (None, selector.version)]
    if not fits:
        raise LocalError(f"expected a Child SA for IPv{version}, found {', '.join(map(str, selectors))}")
    first, last = map(ipaddress.ip_address, fits[0].addresses)
    return str(first + 1 if int(last) - int(first) > 1 else first)


def udp_packet(source: str, destination: str, sport: int, dport: int, payload: bytes) -> bytes:
    """A whole IP packet with a UDP datagram."""
    body = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    header = ip_header(source, destination, len(body), protocol=_UDP)
    return header + _summed(header, _UDP, body)


def _summed(header: bytes, protocol: int, body: bytes) -> bytes:
    """The upper-layer packet with its checksum filled in."""
    at = 6 if protocol == _UDP else 2
    pseudo = b""
    if protocol != _ICMP:
        # The pseudo-header of both IP versions has the same words; their order does not matter to a sum.
        addresses = header[12:20] if header[0] >> 4 == 4 else header[8:40]
        pseudo = addresses + struct.pack("!IHBB", len(body), 0, 0, protocol)
    value = checksum(pseudo + body[:at] + b"\0\0" + body[at + 2 :])
    if protocol == _UDP and value == 0:
        value = 0xFFFF
    return body[:at] + value.to_bytes(2) + body[at + 2 :]


def echo_reply(packet: bytes) -> bytes | None:
    """The reply to an echo request, with addresses (and UDP ports) swapped; None for any other packet.

    None also for UDP from a port that would answer the reply (see `takes_echo`).
    """
    try:
        parts = split(packet)
    except MalformedError:
        return None
    body = parts.payload
    kinds = {_ICMP: (8, 0), _ICMPV6: (128, 129)}
    if parts.next_header in kinds and len(body) >= 8 and body[0] == kinds[parts.next_header][0]:
        answer = bytes([kinds[parts.next_header][1]]) + body[1:]
    elif (
        parts.next_header == _UDP
        and len(body) >= 8
        and int.from_bytes(body[2:4]) == ECHO_PORT
        and takes_echo(int.from_bytes(body[0:2]))
    ):
        answer = body[2:4] + body[0:2] + body[4:]
    else:
        return None
    source, destination = _addresses(packet)
    header = ip_header(destination, source, len(answer), protocol=parts.next_header)
    return header + _summed(header, parts.next_header, answer)


def takes_echo(port: int) -> bool:
    """Whether an echo may be sent to this UDP port. Not to one that would answer it, because that never ends."""
    return port not in _ANSWERERS


def _addresses(packet: bytes) -> tuple[str, str]:
    if packet[0] >> 4 == 4:
        return str(ipaddress.IPv4Address(packet[12:16])), str(ipaddress.IPv4Address(packet[16:20]))
    return str(ipaddress.IPv6Address(packet[8:24])), str(ipaddress.IPv6Address(packet[24:40]))
