# SPDX-License-Identifier: GPL-2.0-or-later
"""From a frame to the IPsec packet in it: link header, IP, UDP, and the meaning of ports.

This module uses plain octets and struct, not Scapy layers: it must read tens of thousands of packets per second.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from fynx_scapy.capture.reading.frames import Frame
from fynx_scapy.errors import CaptureError
from fynx_scapy.layers.ikeheader import EXCHANGE_TYPE, IKE_HEADER, LENGTH, NEXT_PAYLOAD, VERSION

ETHERTYPE_IP, ETHERTYPE_IPV6 = 0x0800, 0x86DD
VLAN_TAGS = {0x8100, 0x88A8, 0x9100}
TCP, UDP, ESP, AH, IPCOMP, WESP = 6, 17, 50, 51, 108, 141
IPSEC_PROTOCOLS = {ESP: "esp", AH: "ah", IPCOMP: "ipcomp", WESP: "wesp"}
IPV6_OPTIONS = {0, 43, 60, 135}  # hop-by-hop, routing, destination, mobility: type, length in 8 octets
IPV6_FRAGMENT = 44
IKE_PORTS = {500, 848}  # 848: GDOI and G-IKEv2
NATT_PORT = 4500


@dataclass(frozen=True, slots=True)
class IpPacket:
    """One IP packet or fragment. ``offset`` (in octets), ``more`` and ``ident`` describe the fragment."""

    frame: Frame
    src: str
    dst: str
    protocol: int
    payload: bytes
    offset: int = 0
    more: bool = False
    ident: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class IpsecPacket:
    """One IPsec packet. ``kind`` is ike, esp, ah, keepalive, ikev1, …; ``data`` excludes the non-ESP marker.

    In TCP (``tcp``), ``frame`` is the frame that completes it. ``ident`` is the IP identification, 0 if there is none.
    """

    frame: Frame
    kind: str
    src: str
    dst: str
    data: bytes
    sport: int | None = None
    dport: int | None = None
    missing: int = 0
    error: str | None = None
    tcp: bool = False
    ident: int = 0

    @property
    def fault(self) -> str:
        """What is wrong with it: unreadable, or cut by the capture's snap length. Empty if nothing is wrong."""
        if self.error is None and self.missing:
            return holds(len(self.data), self.missing)
        return self.error or ""


def holds(octets: int, missing: int) -> str:
    """How much the capture has of something that its snap length cut. The peers sent all of it."""
    return f"the capture holds {octets} of {octets + missing} octets"


def _ethernet(frame: Frame) -> tuple[int, int]:
    at = 12
    (kind,) = struct.unpack_from("!H", frame.data, at)
    while kind in VLAN_TAGS:
        at += 4
        (kind,) = struct.unpack_from("!H", frame.data, at)
    return kind, at + 2


def _raw(frame: Frame) -> tuple[int, int]:
    return {4: ETHERTYPE_IP, 6: ETHERTYPE_IPV6}.get(frame.data[0] >> 4 if frame.data else 0, 0), 0


def _loopback(frame: Frame) -> tuple[int, int]:
    """BSD loopback: an address family in the capturing machine's byte order. The value for IPv6 differs by system."""
    (family,) = struct.unpack_from(frame.order + "I", frame.data)
    if family > 0xFFFF:
        (family,) = struct.unpack_from(">I" if frame.order == "<" else "<I", frame.data)
    return {2: ETHERTYPE_IP, 10: ETHERTYPE_IPV6, 24: ETHERTYPE_IPV6, 28: ETHERTYPE_IPV6, 30: ETHERTYPE_IPV6}.get(
        family, 0
    ), 4


def _cooked(frame: Frame) -> tuple[int, int]:
    return struct.unpack_from("!H", frame.data, 14)[0], 16


def _cooked2(frame: Frame) -> tuple[int, int]:
    return struct.unpack_from("!H", frame.data)[0], 20


LINKS: dict[int, Callable[[Frame], tuple[int, int]]] = {  # link type -> (ethertype, offset of the IP packet)
    0: _loopback,
    1: _ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _loopback,
    113: _cooked,
    228: _raw,
    229: _raw,
    276: _cooked2,
}


def ip_packet(frame: Frame) -> IpPacket | None:
    """The IP packet of a frame, or None if the frame carries something else.

    Raises CaptureError for an unknown link type and for headers that do not fit the frame.
    """
    if frame.fault:
        raise CaptureError(frame.fault)
    place = f"packet {frame.number} at offset {frame.offset}"
    link = LINKS.get(frame.linktype)
    if link is None:
        known = ", ".join(map(str, LINKS))
        raise CaptureError(f"{place}: link type {frame.linktype} is not supported; expected one of {known}")
    try:
        ethertype, at = link(frame)
        reader = {ETHERTYPE_IP: _ipv4, ETHERTYPE_IPV6: _ipv6}.get(ethertype)
        return reader(frame, at) if reader else None
    except (struct.error, IndexError, ValueError):
        if frame.missing:
            text = f"{holds(len(frame.data), frame.missing)}, too few for the headers"
            raise CaptureError(f"{place}: {text}") from None
        raise CaptureError(f"{place}: the headers do not fit into {len(frame.data)} octets") from None


def _ipv4(frame: Frame, at: int) -> IpPacket:
    data = frame.data
    head = (data[at] & 15) * 4
    total, ident, fragment, protocol = struct.unpack_from("!2xHHHxB", data, at)
    src, dst = (
        socket.inet_ntop(socket.AF_INET, data[at + 12 : at + 16]),
        socket.inet_ntop(socket.AF_INET, data[at + 16 : at + 20]),
    )
    total = total or len(data) - at  # segmentation offload leaves 0
    if head < 20 or total < head or len(data) < at + head:
        raise ValueError
    payload = data[at + head : at + total]
    missing = total - head - len(payload)
    return IpPacket(
        frame, src, dst, protocol, payload, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000), ident, missing
    )


def _ipv6(frame: Frame, at: int) -> IpPacket:
    data = frame.data
    length, following = struct.unpack_from("!4xHB", data, at)
    src, dst = (
        socket.inet_ntop(socket.AF_INET6, data[at + 8 : at + 24]),
        socket.inet_ntop(socket.AF_INET6, data[at + 24 : at + 40]),
    )
    at += 40
    end = at + length if length else len(data)
    offset, more, ident = 0, False, 0
    while True:
        if following in IPV6_OPTIONS:
            following, size = data[at], (data[at + 1] + 1) * 8
        elif following == IPV6_FRAGMENT:
            following, fragment, ident = struct.unpack_from("!BxHI", data, at)
            offset, more, size = fragment & 0xFFF8, bool(fragment & 1), 8
        else:
            break
        at += size
        if offset:  # packet data follows, not another header
            break
    if at > end:
        raise ValueError
    payload = data[at:end]
    return IpPacket(frame, src, dst, following, payload, offset, more, ident, end - at - len(payload))


def is_ike(data: bytes, missing: int = 0) -> bool:
    """Whether a UDP datagram on any port must be an IKEv2 message: version, types and length fit.

    ``missing`` octets at its end are not in the capture.
    """
    return (
        len(data) >= IKE_HEADER.size
        and data[VERSION] >> 4 == 2
        and 34 <= data[EXCHANGE_TYPE] <= 44
        and (data[NEXT_PAYLOAD] == 0 or 33 <= data[NEXT_PAYLOAD] <= 54)
        and struct.unpack_from("!I", data, LENGTH)[0] == len(data) + missing
    )


@dataclass(slots=True)
class Classifier:
    """Distinguishes IKE, ESP and keepalives in UDP (RFC 3948 section 2, RFC 7296 section 3.1).

    Ports 500 and 4500 are known. Another pair is learnt from an IKEv2 message on it, or given in ``ports``, which are
    treated like 4500.
    """

    ports: frozenset[int] = frozenset()
    _learnt: set[tuple[str, int]] = field(default_factory=set)

    def may_be_ipsec(self, fragment: IpPacket) -> bool:
        """Whether a single fragment may belong to IPsec. For UDP, only the first fragment has the ports."""
        if fragment.protocol != UDP or fragment.offset or len(fragment.payload) < 4:
            return fragment.protocol in IPSEC_PROTOCOLS or fragment.protocol == UDP
        sport, dport = struct.unpack_from("!HH", fragment.payload)
        ends = ((fragment.src, sport), (fragment.dst, dport))
        return bool({*IKE_PORTS, NATT_PORT, *self.ports} & {sport, dport} or self._learnt.intersection(ends))

    def __call__(self, packet: IpPacket) -> IpsecPacket | None:
        """The IPsec packet in an IP packet, or None if it is not IPsec."""
        if packet.protocol in IPSEC_PROTOCOLS:
            kind = IPSEC_PROTOCOLS[packet.protocol]
            return IpsecPacket(
                packet.frame, kind, packet.src, packet.dst, packet.payload, missing=packet.missing, ident=packet.ident
            )
        if packet.protocol != UDP:
            return None  # streams.py reassembles TCP first
        if len(packet.payload) < 8:
            short = None if packet.missing else f"expected a UDP header of 8 octets, found {len(packet.payload)}"
            return IpsecPacket(
                packet.frame, "unreadable", packet.src, packet.dst, packet.payload, missing=packet.missing, error=short
            )
        sport, dport, length = struct.unpack_from("!HHH", packet.payload)
        data = packet.payload[8:length] if 8 <= length < len(packet.payload) else packet.payload[8:]
        missing = max(packet.missing, length - 8 - len(packet.payload[8:]) if length > 8 else 0)
        found = self._udp(packet, sport, dport, data, missing)
        if found is None:
            return None
        kind, data, error = found
        ends = (packet.src, packet.dst)
        return IpsecPacket(packet.frame, kind, *ends, data, sport, dport, missing, error, ident=packet.ident)

    def _udp(
        self, packet: IpPacket, sport: int, dport: int, data: bytes, missing: int
    ) -> tuple[str, bytes, str | None] | None:
        ends = ((packet.src, sport), (packet.dst, dport))
        marked = data[:4] == bytes(4)
        if IKE_PORTS & {sport, dport}:
            if marked and is_ike(data[4:], missing) and not is_ike(data, missing):
                data = data[4:]
            elif NATT_PORT in (sport, dport) and not is_ike(data, missing):
                return classified(data, missing)  # a NAT may have mapped one peer's port 4500 to 500
            return _ike(data)
        known = NATT_PORT in (sport, dport) or (self.ports and self.ports & {sport, dport})
        if known and is_ike(data, missing) and not marked and NATT_PORT not in (sport, dport):
            return _ike(data)  # a custom port may also replace port 500
        if not known and not self._learnt.intersection(ends):
            body = data[4:] if marked else data
            if not is_ike(body, missing):
                return None
            if marked:
                self._learnt.update(ends)
            return _ike(body)
        return classified(data, missing)


def classified(data: bytes, missing: int = 0) -> tuple[str, bytes, str | None]:
    """Classify a datagram on port 4500 (RFC 3948 section 2): kind, octets without the non-ESP marker, error.

    ``missing`` octets at its end are not in the capture.
    """
    if data == b"\xff" and not missing:
        return "keepalive", data, None
    if data[:4] == bytes(4):
        return _ike(data[4:])
    if len(data) <= 4:
        if missing:
            return "unreadable", data, None
        return "unreadable", data, f"expected a keepalive, IKE or ESP, found {len(data)} octets"
    return "esp", data, None


def _ike(data: bytes) -> tuple[str, bytes, str | None]:
    """``ikev1`` by the major version in the header (RFC 7296 section 3.1), else ``ike``."""
    if len(data) > VERSION and data[VERSION] >> 4 == 1:
        return "ikev1", data, None
    return "ike", data, None
