# SPDX-License-Identifier: GPL-2.0-or-later
"""From a frame to the IPsec packet in it: link header, IP, UDP, and the meaning of ports.

This module uses plain octets and struct, not Scapy layers: it must read tens of thousands of packets per second.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from fynx_scapy.capture.headers.kinds import AH, ESP, IPCOMP, IPV4, IPV6, TCP, UDP, WESP, Next, NotRead
from fynx_scapy.capture.headers.layers import ip_below
from fynx_scapy.capture.headers.links import beneath_link
from fynx_scapy.capture.headers.tunnels import PORTS, PROTOCOLS, beneath, tunnel
from fynx_scapy.capture.reading.frames import Frame
from fynx_scapy.errors import CaptureError
from fynx_scapy.layers.ikeheader import EXCHANGE_TYPE, IKE_HEADER, LENGTH, NEXT_PAYLOAD, VERSION
from fynx_scapy.text import counted

IPSEC_PROTOCOLS = {ESP: "esp", AH: "ah", IPCOMP: "ipcomp", WESP: "wesp"}
IPV6_OPTIONS = {0, 43, 60, 135}  # hop-by-hop, routing, destination, mobility: type, length in 8 octets
IPV6_FRAGMENT = 44
IKE_PORTS = {500, 848}  # 848: GDOI and G-IKEv2
NATT_PORT = 4500
IP_VERSIONS = {4: 4, 41: 6}  # protocol numbers of IP itself
MOST_NESTED = 8
"""How many tunnels and IPsec headers inside each other are looked through."""


@dataclass(frozen=True, slots=True)
class IpPacket:
    """One IP packet or fragment. ``offset`` (in octets), ``more`` and ``ident`` describe the fragment.

    ``within`` names the tunnels around it, the outermost first. ``fault`` says why its fragments do not fit together.
    """

    frame: Frame
    src: str
    dst: str
    protocol: int
    payload: bytes
    offset: int = 0
    more: bool = False
    ident: int = 0
    missing: int = 0
    within: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class IpsecPacket:
    """One IPsec packet. ``kind`` is ike, esp, ah, keepalive, ikev1, …; ``data`` excludes the non-ESP marker.

    In TCP (``tcp``), ``frame`` is the frame that completes it. ``ident`` is the IP identification, 0 if there is none.
    ``within`` names the tunnels and the IPsec headers around it. ``odd`` says what contradicts itself in a packet that
    can be read. ``clear`` is what ESP in WESP carries in the clear: its next header and its content.
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
    within: tuple[str, ...] = ()
    odd: str = ""
    clear: tuple[int, bytes] | None = None

    @property
    def fault(self) -> str:
        """What is wrong with it: unreadable, cut by the capture's snap length, or a contradiction. Empty if nothing."""
        if self.error is None and self.missing:
            return holds(len(self.data), self.missing)
        return self.error or self.odd


def holds(octets: int, missing: int) -> str:
    """How much the capture has of something that its snap length cut. The peers sent all of it."""
    return f"the capture holds {octets} of {octets + missing} octets"


def ip_packet(frame: Frame) -> IpPacket | None:
    """The IP packet of a frame, or None if the frame carries something else.

    Raises CaptureError for headers that do not fit the frame, and NotRead for those that are not looked into.
    """
    if frame.fault:
        raise CaptureError(frame.fault)
    outside = _Outside(frame, frame.data, frame.missing, ())
    if frame.linktype == ETHERNET_LINK and frame.data[12:14] in _USUAL:  # most frames; the tables say the same
        return _ip(outside, Next, _USUAL[frame.data[12:14]])
    return _ip(outside, beneath_link, (frame.linktype, frame.data, frame.order))


def ip_inside(packet: IpPacket) -> IpPacket | None:
    """The IP packet in a tunnel, or None if the packet is no tunnel or has no IP in it. Raises as `ip_packet` does."""
    name = tunnel(packet.protocol, packet.payload)
    if not name:
        return None
    outside = _Outside(packet.frame, packet.payload, packet.missing, deeper(packet.within, name))
    return _ip(outside, beneath, (packet.protocol, packet.payload))


def carried(packet: IpsecPacket, name: str, following: int, content: bytes) -> IpPacket | None:
    """What IPsec carries, as an IP packet: itself in tunnel mode, with the outer addresses in transport mode.

    ``name`` is the header around it, ``following`` the next header. None if there is nothing. Raises as `ip_packet`.
    """
    within = deeper(packet.within, name)
    if following in IP_VERSIONS:
        outside = _Outside(packet.frame, content, packet.missing, within)
        return _ip(outside, Next, (IPV4 if IP_VERSIONS[following] == 4 else IPV6, 0))
    outer = IpPacket(packet.frame, packet.src, packet.dst, following, content, missing=packet.missing, within=within)
    outer = replace(outer, ident=packet.ident)
    if ":" not in packet.src:
        return outer
    try:
        following, at, offset, more, ident = _extensions(content, 0, following)
    except (struct.error, IndexError):
        return None
    return replace(outer, protocol=following, payload=content[at:], offset=offset, more=more, ident=ident)


def deeper(within: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The headers around what is inside one more. Raises NotRead beyond the limit."""
    if len(within) >= MOST_NESTED:
        raise NotRead(f"more than {MOST_NESTED} tunnels inside each other")
    return (*within, name)


ETHERNET_LINK = 1
_USUAL = {b"\x08\0": (IPV4, 14), b"\x86\xdd": (IPV6, 14)}


class _Outside(NamedTuple):
    """Octets with an IP packet somewhere in them: those of a frame, or of a tunnel's payload."""

    frame: Frame
    data: bytes
    missing: int
    within: tuple[str, ...]


def _ip(outside: _Outside, first: Callable[..., Next | None], arguments: tuple[Any, ...]) -> IpPacket | None:
    """The IP packet whose headers begin where ``first`` says."""
    frame, data = outside.frame, outside.data
    place = f"packet {frame.number} at offset {frame.offset}"
    try:
        found = first(*arguments)
        found = found and ip_below(data, found)
        if found is None:
            return None
        kind, at = found
        version = data[at] >> 4
        if version != (4 if kind == IPV4 else 6):
            known = f"the header before it says IPv{4 if kind == IPV4 else 6}"
            raise CaptureError(f"{place}: the IP header has version {version}, but {known}")
        return (_ipv4 if kind == IPV4 else _ipv6)(outside, at)
    except (struct.error, IndexError, ValueError):
        inside = f" inside {outside.within[-1]}" if outside.within else ""
        if outside.missing:
            text = f"{holds(len(data), outside.missing)}, too few for the headers{inside}"
            raise CaptureError(f"{place}: {text}") from None
        raise CaptureError(f"{place}: the headers{inside} do not fit into {len(data)} octets") from None


def _ipv4(outside: _Outside, at: int) -> IpPacket:
    data = outside.data
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
    offset, more = (fragment & 0x1FFF) * 8, bool(fragment & 0x2000)
    return IpPacket(outside.frame, src, dst, protocol, payload, offset, more, ident, missing, outside.within)


def _ipv6(outside: _Outside, at: int) -> IpPacket:
    data = outside.data
    length, following = struct.unpack_from("!4xHB", data, at)
    src, dst = (
        socket.inet_ntop(socket.AF_INET6, data[at + 8 : at + 24]),
        socket.inet_ntop(socket.AF_INET6, data[at + 24 : at + 40]),
    )
    at += 40
    end = at + length if length else len(data)
    following, at, offset, more, ident = _extensions(data, at, following)
    if at > end:
        raise ValueError
    payload, missing = data[at:end], end - at - len(data[at:end])
    return IpPacket(outside.frame, src, dst, following, payload, offset, more, ident, missing, outside.within)


def _extensions(data: bytes, at: int, following: int) -> tuple[int, int, int, bool, int]:
    """Skip extension headers (RFC 8200 section 4). The next header, its offset; and the fragment's offset, more, ID."""
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
        if offset or more:  # part of a packet follows; `past_extensions` reads on when it is whole
            break
    return following, at, offset, more, ident


def past_extensions(packet: IpPacket) -> IpPacket:
    """An IPv6 packet, or its first fragment, without the extension headers that were fragmented with it.

    A packet whose extension headers are incomplete stays as it is (RFC 8200 section 4.5).
    """
    if ":" not in packet.src or packet.offset or packet.protocol not in IPV6_OPTIONS:
        return packet
    try:
        following, at, *_ = _extensions(packet.payload, 0, packet.protocol)
    except (struct.error, IndexError):
        return packet
    return replace(packet, protocol=following, payload=packet.payload[at:])


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
        """Whether a single fragment may belong to IPsec. For UDP and TCP, only the first fragment has the ports.

        Of TCP, which is IPsec on few ports, only that one is.
        """
        if fragment.protocol == TCP:
            ports = struct.unpack_from("!HH", fragment.payload) if len(fragment.payload) >= 4 else ()
            return not fragment.offset and not {NATT_PORT, *self.ports}.isdisjoint(ports)
        if fragment.protocol != UDP or fragment.offset or len(fragment.payload) < 4:
            return fragment.protocol in {*IPSEC_PROTOCOLS, *PROTOCOLS, UDP}
        sport, dport = struct.unpack_from("!HH", fragment.payload)
        ends = ((fragment.src, sport), (fragment.dst, dport))
        known = {*IKE_PORTS, NATT_PORT, *PORTS, *self.ports}
        return bool(known & {sport, dport} or self._learnt.intersection(ends))

    def __call__(self, packet: IpPacket) -> IpsecPacket | None:
        """The IPsec packet in an IP packet, or None if it is not IPsec."""
        if packet.protocol in IPSEC_PROTOCOLS:
            kind = IPSEC_PROTOCOLS[packet.protocol]
            return _of(packet, kind, packet.payload)
        if packet.protocol != UDP:
            return None  # streams.py reassembles TCP first
        if len(packet.payload) < 8:
            short = None if packet.missing else f"expected a UDP header of 8 octets, found {len(packet.payload)}"
            return _of(packet, "unreadable", packet.payload, error=short)
        sport, dport, length = struct.unpack_from("!HHH", packet.payload)
        data = packet.payload[8:length] if 8 <= length < len(packet.payload) else packet.payload[8:]
        missing = max(packet.missing, length - 8 - len(packet.payload[8:]) if length > 8 else 0)
        found = self._udp(packet, sport, dport, data, missing)
        if found is None:
            return None
        kind, data, error = found
        return replace(_of(packet, kind, data, error), sport=sport, dport=dport, missing=missing)

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


def _of(packet: IpPacket, kind: str, data: bytes, error: str | None = None) -> IpsecPacket:
    return IpsecPacket(
        packet.frame, kind, packet.src, packet.dst, data, missing=packet.missing, error=error, ident=packet.ident,
        within=packet.within,
    )  # fmt: skip


WESP_IN_UDP = b"\0\0\0\2"  # RFC 5840 section 2.1


def classified(data: bytes, missing: int = 0) -> tuple[str, bytes, str | None]:
    """Classify a datagram on port 4500 (RFC 3948 section 2): kind, octets without the non-ESP marker, error.

    ``missing`` octets at its end are not in the capture.
    """
    if data == b"\xff" and not missing:
        return "keepalive", data, None
    if data[:4] == bytes(4):
        return _ike(data[4:])
    if data[:4] == WESP_IN_UDP:
        return "wesp", data[4:], None
    if len(data) <= 4:
        if missing:
            return "unreadable", data, None
        return "unreadable", data, f"expected a keepalive, IKE or ESP, found {counted(len(data), 'octet')}"
    return "esp", data, None


def _ike(data: bytes) -> tuple[str, bytes, str | None]:
    """``ikev1`` by the major version in the header (RFC 7296 section 3.1), else ``ike``."""
    if len(data) > VERSION and data[VERSION] >> 4 == 1:
        return "ikev1", data, None
    return "ike", data, None
