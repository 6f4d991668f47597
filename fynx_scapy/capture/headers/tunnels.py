# SPDX-License-Identifier: GPL-2.0-or-later
"""Tunnels in IP and in UDP that carry packets without encryption: GRE, VXLAN, GENEVE, GTP-U, L2TP, Teredo and others.

Each reader is given the octets behind the IP or UDP header, and returns what follows. What does not look like its
protocol is foreign: any program may use a port. IndexError means that the header does not fit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from fynx_scapy.capture.headers.kinds import (
    ETHERNET,
    IPV4,
    IPV6,
    MPLS,
    NOTHING,
    NSH,
    PPP,
    UDP,
    Next,
    NotRead,
    unpacked,
)
from fynx_scapy.capture.headers.layers import ERSPAN2, by_version

Reader = Callable[[bytes, int], Next]
FOREIGN = Next(NOTHING, 0)


def tunnel(protocol: int, payload: bytes) -> str:
    """The name of the tunnel that an IP packet with this protocol and payload may be. Empty: none."""
    return _row(protocol, payload)[0]


def beneath(protocol: int, payload: bytes) -> Next:
    """What a tunnel carries.

    Raises NotRead for a tunnel that is not looked into, and IndexError for a header that does not fit.
    """
    return _row(protocol, payload)[1](payload, 8 if protocol == UDP else 0)


def _row(protocol: int, payload: bytes) -> tuple[str, Reader]:
    if protocol != UDP:
        return PROTOCOLS.get(protocol, NO_TUNNEL)
    sport, dport = struct.unpack_from("!HH", payload) if len(payload) >= 8 else (0, 0)
    return PORTS.get(dport) or PORTS.get(sport, NO_TUNNEL)


def _starts(kind: int) -> Reader:
    """A reader for tunnels without a header."""
    return lambda data, at: Next(kind, at)


def _gre(data: bytes, at: int) -> Next:
    """RFC 2784, RFC 2890, RFC 1701; version 1 is PPTP's (RFC 2637 section 4.1)."""
    flags, kind = unpacked(data, at, 2), unpacked(data, at + 2, 2)
    checksum, routing, key, sequence = (bool(flags & bit) for bit in (0x8000, 0x4000, 0x2000, 0x1000))
    end = at + 4 + 4 * (checksum or routing) + 4 * key + 4 * sequence
    if flags & 7 == 1:
        end += 4 * bool(flags & 0x80)
        return Next(kind, end) if sequence else FOREIGN  # without a number it only acknowledges
    if flags & 7:
        raise NotRead("GRE of an unknown version")
    while routing:  # RFC 1701 section 2: entries of family, offset, length, ended by zeros
        family, size = unpacked(data, end, 2), unpacked(data, end + 3, 1)
        end += 4 + size
        routing = bool(family or size)
    if kind == ERSPAN2 and not sequence:
        return Next(ETHERNET, end)  # type I has no header: draft-foschiano-erspan section 4.1
    return Next(kind, end) if len(data) > end else FOREIGN  # a keepalive


def _etherip(data: bytes, at: int) -> Next:
    """RFC 3378 section 3: version 3, then the frame."""
    return Next(ETHERNET, at + 2) if unpacked(data, at, 2) >> 12 == 3 else FOREIGN


def _l2tp3(data: bytes, at: int) -> Next:
    """RFC 3931 section 4.1.1: only its control connection says how long the cookie is. Session 0 is that connection."""
    if unpacked(data, at, 4):
        raise NotRead("L2TPv3")
    return FOREIGN


def _l2tp(data: bytes, at: int) -> Next:
    """RFC 2661 section 3.1; version 3 is RFC 3931's."""
    flags = unpacked(data, at, 2)
    if flags & 0xB4F0 or flags & 0xF not in (2, 3):
        return FOREIGN  # a control message, or another program
    if flags & 0xF == 3:
        raise NotRead("L2TPv3")
    at += 6 + 2 * bool(flags & 0x4000) + 4 * bool(flags & 0x0800)
    if flags & 0x0200:
        at += 2 + unpacked(data, at, 2)
    return Next(PPP, at)


_GPE = {1: IPV4, 2: IPV6, 3: ETHERNET, 4: NSH, 5: MPLS}


def _vxlan(data: bytes, at: int) -> Next:
    """RFC 7348 section 5: the I flag, and the network's identifier. G is that of a group policy."""
    return Next(ETHERNET, at + 8) if unpacked(data, at, 8) >> 56 in (0x08, 0x88) else FOREIGN


def _vxlan_gpe(data: bytes, at: int) -> Next:
    """draft-ietf-nvo3-vxlan-gpe section 3: with P, the fourth octet says what follows."""
    head = unpacked(data, at, 8) >> 32
    kind = _GPE.get(head & 0xFF, NOTHING) if head >> 24 & 0x04 else ETHERNET
    return Next(kind, at + 8) if head >> 24 & 0x08 else FOREIGN


def _geneve(data: bytes, at: int) -> Next:
    """RFC 8926 section 3.4: version 0, length of the options, O for control, the type of what follows."""
    head = unpacked(data, at, 8)
    if head >> 62 or head >> 55 & 1:
        return FOREIGN
    return Next(head >> 32 & 0xFFFF, at + 8 + (head >> 56 & 0x3F) * 4)


_G_PDU = 255


def _gtp(data: bytes, at: int) -> Next:
    """3GPP TS 29.281 section 5.1: version 1, flags, message type; with flags, 4 octets and extension headers."""
    flags, message = unpacked(data, at, 1), unpacked(data, at + 1, 1)
    if flags >> 4 != 3 or message != _G_PDU:
        return FOREIGN  # GTP', another version, or signalling
    at += 8
    if flags & 7:
        at += 4
        following = unpacked(data, at - 1, 1) if flags & 4 else 0
        while following:
            size = unpacked(data, at, 1) * 4
            if not size:
                raise IndexError(at)
            at += size
            following = unpacked(data, at - 1, 1)
    found = by_version(data, at)
    if found.kind == NOTHING:
        raise NotRead("GTP-U without IP")
    return found


def _teredo(data: bytes, at: int) -> Next:
    """RFC 4380 section 5.1.1: authentication and origin indications, then IPv6."""
    if unpacked(data, at, 2) == 1:
        at += 13 + unpacked(data, at + 2, 1) + unpacked(data, at + 3, 1)
    if unpacked(data, at, 2) == 0:
        at += 8
    found = by_version(data, at)
    return found if found.kind == IPV6 else FOREIGN


def _lisp(data: bytes, at: int) -> Next:
    """RFC 9300 section 5.3: 8 octets, then IP."""
    return by_version(data, at + 8)


def _tzsp(data: bytes, at: int) -> Next:
    """MikroTik's and others' copies of packets: version 1, type, what is inside."""
    if unpacked(data, at, 4) >> 24 != 1:
        return FOREIGN
    raise NotRead("TZSP")


def _unread(name: str) -> Reader:
    def read(data: bytes, at: int) -> Next:
        raise NotRead(name)

    return read


PROTOCOLS: dict[int, tuple[str, Reader]] = {
    4: ("IP", _starts(IPV4)),
    41: ("IP", _starts(IPV6)),
    47: ("GRE", _gre),
    55: ("minimal encapsulation", _unread("minimal encapsulation in IP")),  # RFC 2004
    94: ("IP", _starts(IPV4)),
    97: ("EtherIP", _etherip),
    98: ("encapsulation header", _unread("the encapsulation header of RFC 1241")),
    115: ("L2TPv3", _l2tp3),
    137: ("MPLS", _starts(MPLS)),  # RFC 4023
    143: ("Ethernet", _starts(ETHERNET)),  # RFC 8986 section 10.1
}
"""IP protocol -> name and reader."""
PORTS: dict[int, tuple[str, Reader]] = {
    1701: ("L2TP", _l2tp),
    2152: ("GTP-U", _gtp),
    3544: ("Teredo", _teredo),
    4341: ("LISP", _lisp),
    4754: ("GRE", _gre),  # RFC 8086
    4789: ("VXLAN", _vxlan),
    4790: ("VXLAN-GPE", _vxlan_gpe),
    6081: ("GENEVE", _geneve),
    6635: ("MPLS", _starts(MPLS)),  # RFC 7510
    8472: ("VXLAN", _vxlan),  # Linux' default, and OTV
    37008: ("TZSP", _tzsp),
}
"""UDP port -> name and reader."""
NO_TUNNEL: tuple[str, Reader] = ("", _starts(NOTHING))
