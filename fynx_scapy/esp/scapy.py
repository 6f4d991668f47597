# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP on Scapy packets: :func:`protect` and :func:`unprotect`. This is the only module of this folder that uses Scapy.

Both work on the packet's bytes and dissect the result, so the packet passed in never changes.
"""

from __future__ import annotations

from typing import Any

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet

import fynx_scapy.layers.esp  # noqa: F401 -- binds ESP below IP, IPv6 and UDP
from fynx_scapy.errors import LocalError, MalformedError
from fynx_scapy.esp import tunnel
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.esp.ip import (
    DESTINATION_OPTIONS,
    FRAGMENT,
    HOP_BY_HOP,
    NO_NEXT_HEADER,
    PROTO_ESP,
    PROTO_IPV4,
    PROTO_IPV6,
    PROTO_UDP,
    ROUTING,
    IpParts,
    ip_version,
    split,
    udp_header,
)
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.esp.padding import tfc_padded
from fynx_scapy.esp.parts import EspParts

_PROTOCOL = {4: PROTO_IPV4, 6: PROTO_IPV6}
_CLASS = {4: IP, 6: IPv6}
_ICMPV6 = 58
# Next headers that have a meaning only in IPv6.
_IPV6_ONLY = {HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS, _ICMPV6}


def protect(
    sa: OutboundSa,
    packet: Packet,
    *,
    outer: Packet | None = None,
    udp: tuple[int, int] | None = None,
    tfc_pad: int = 0,
    **fields: Any,
) -> Packet:
    """Protect a packet with ESP, in the SA's mode. Returns a new Scapy packet (RFC 4303 section 3.1).

    ``packet`` needs an IP or IPv6 layer; a layer below it (Ethernet) is dropped. Tunnel mode needs ``outer``, the outer
    header with src and dst; any other field that is set in it overrides what RFC 4301 section 5.1.2 copies from the
    inner header. ``udp`` = (sport, dport) encapsulates ESP in UDP (RFC 3948). ``tfc_pad``: octets of TFC padding. Any
    other keyword is a field of :class:`EspParts`: ``seq``, ``spi``, ``iv``, ``padding``, ``pad_length``,
    ``next_header``, ``icv``. Raises LocalError for a fragment in transport mode, which "is applied only to whole IP
    datagrams (not to IP fragments)" (section 3.3.4).

        >>> protect(sa, IP(dst="10.2.0.1") / UDP(), outer=IP(src="192.0.2.1", dst="192.0.2.2"))  # doctest: +SKIP
    """
    inner = _ip_octets(packet)
    if inner is None:
        raise LocalError(f"expected a packet with an IP or IPv6 layer, found {packet.summary()}")
    version = ip_version(inner)
    if sa.mode == "tunnel":
        if not isinstance(outer, IP | IPv6):
            raise LocalError("tunnel mode needs outer=IP(src=..., dst=...) or outer=IPv6(...)")
        parts = _outer(inner, outer)
        # The inner packet without link padding.
        whole = split(inner)
        payload, next_header = whole.head + whole.payload, _PROTOCOL[version]
    else:
        if outer is not None:
            raise LocalError("transport mode keeps the packet's IP header: leave out outer")
        parts = split(inner)
        if parts.fragment:
            raise LocalError(
                "transport mode protects whole packets: reassemble the fragments first (RFC 4303 section 3.3.4)"
            )
        payload, next_header = parts.payload, parts.next_header
    esp = _seal(sa, payload, next_header, tfc_pad, fields)
    if udp is None:
        whole_packet = parts.replaced(PROTO_ESP, esp)
    else:
        whole_packet = parts.replaced(PROTO_UDP, udp_header(parts.head, *udp, esp) + esp)
    return _CLASS[ip_version(whole_packet)](whole_packet)


def unprotect(sa: InboundSa, packet: Packet | bytes) -> Packet | None:
    """Decrypt an ESP packet. Returns a new Scapy packet, or None for a dummy packet (RFC 4303 section 2.6).

    ``packet`` is ESP with or without the layers below it (Ethernet, IP or IPv6, UDP), or the octets from the SPI on.
    Tunnel mode returns the inner packet, with the outer header's congestion mark (RFC 7296 section 2.24). Transport
    mode returns the packet without ESP and UDP, with correct length and IPv4 checksum; without an IP layer it returns
    only the upper layer. Transport checksums are not changed, not even behind a NAT (RFC 3948 section 3.1.2).
    Raises MalformedError (also for fragments), ReplayError, IntegrityError.
    """
    below, esp = _cut(packet)
    payload, next_header = sa.open(esp)
    if next_header == NO_NEXT_HEADER:
        return None
    if sa.mode == "tunnel":
        version = ip_version(payload)
        if _PROTOCOL[version] != next_header:
            raise MalformedError(f"expected next header {_PROTOCOL[version]} for IPv{version}, found {next_header}")
        if below is not None:
            payload = tunnel.leave(payload, tunnel.traffic_class(below.head))
        return _dissected(next_header, payload)
    if below is not None:
        return _dissected(_PROTOCOL[ip_version(below.head)], below.replaced(next_header, payload))
    return _dissected(next_header, payload)


def _dissected(next_header: int, octets: bytes) -> Packet:
    """The decrypted octets as a Scapy packet; Raw if Scapy cannot dissect them."""
    carrier = IPv6(nh=next_header) if next_header in _IPV6_ONLY else IP(proto=next_header)
    carrier.do_dissect_payload(octets)  # calling the class itself would raise its dissection errors
    packet = carrier.payload
    packet.remove_underlayer(carrier)
    return packet


def _ip_octets(packet: Packet) -> bytes | None:
    """The outermost IP or IPv6 layer and its payload, as octets."""
    layer = packet
    while layer and not isinstance(layer, IP | IPv6):
        layer = layer.payload
    return bytes(layer) if layer else None


def _outer(inner: bytes, outer: Packet) -> IpParts:
    """The outer header for an inner packet; fields that are set in the template win."""
    given = outer.fields
    table = _OUTER_FIELDS[outer.version]
    chosen = {ours: int(given[theirs]) for theirs, ours in table.items() if theirs in given}
    if (tos := chosen.pop("tos", None)) is not None:
        chosen |= {"dscp": tos >> 2, "ecn": tos & 3}
    df = bool(outer.flags.DF) if "flags" in given else None
    return split(tunnel.enter(inner, str(outer.src), str(outer.dst), 0, df=df, **chosen))


_OUTER_FIELDS = {
    4: {"ttl": "ttl", "id": "identification", "tos": "tos"},
    6: {"hlim": "ttl", "tc": "tos", "fl": "flow_label"},
}


def _seal(sa: OutboundSa, payload: bytes, next_header: int, tfc_pad: int, fields: dict[str, Any]) -> bytes:
    if not fields.keys() - {"seq"}:
        return sa.seal(payload, next_header, tfc_pad=tfc_pad, **fields)
    if tfc_pad:
        payload = tfc_padded(payload, next_header, tfc_pad)
    unknown = fields.keys() - set(EspParts.__slots__)
    if unknown:
        raise LocalError(f"an ESP packet has no field {', '.join(sorted(unknown))}")
    return EspParts(**{"payload": payload, "next_header": next_header, **fields}).build(sa)


def _cut(packet: Packet | bytes) -> tuple[IpParts | None, bytes]:
    """The IP packet around ESP, if any, and the ESP octets."""
    if isinstance(packet, bytes):
        return None, packet
    octets = _ip_octets(packet)
    if octets is None:
        return None, bytes(packet.payload if isinstance(packet, UDP) else packet)
    parts = split(octets, every_header=True)
    if parts.fragment:
        # "the receiver MUST discard the packet" (RFC 4303 section 3.4.1)
        raise MalformedError("found an IP fragment: reassemble first, with Scapy's defragment() or defragment6()")
    if parts.next_header == PROTO_ESP:
        return parts, parts.payload
    if parts.next_header == PROTO_UDP:
        return parts, parts.payload[8:]
    raise MalformedError(f"expected ESP or UDP above IP, found protocol {parts.next_header}")
