# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers between a link or tunnel and IP: Ethernet, VLAN tags, LLC and SNAP, PPP, PPPoE, MPLS, MACsec, NSH, ERSPAN.

Each reader is given the octets and the offset of its header, and returns what follows. IndexError means that the header
does not fit.
"""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.capture.headers.kinds import (
    ETHERNET,
    IP_BY_VERSION,
    IPV4,
    IPV6,
    LLC,
    MPLS,
    MPLS_UPSTREAM,
    NOTHING,
    NSH,
    PPP,
    PPPOE,
    SMALLEST_ETHERTYPE,
    Next,
    NotRead,
    unpacked,
)

ARP = 0x0806
MOST_HEADERS = 32
"""How many headers between a frame, or a tunnel, and IP are looked through."""


def ip_below(data: bytes, found: Next) -> Next | None:
    """Where IP begins, and its version's ethertype. None if there is no IP.

    Raises NotRead for a header that is not looked into, and IndexError for one that does not fit.
    """
    for _ in range(MOST_HEADERS):
        if found.kind in (IPV4, IPV6):
            return found
        reader = READERS.get(found.kind)
        if reader is None:
            if found.kind in UNREAD:
                raise NotRead(UNREAD[found.kind])
            return None
        found = reader(data, found.at)
    raise NotRead(f"more than {MOST_HEADERS} headers before IP")


def typed(data: bytes, at: int) -> Next:
    """An ethertype, or the length of a frame with LLC (IEEE 802.3 section 3.2.6)."""
    kind = unpacked(data, at, 2)
    return Next(kind if kind >= SMALLEST_ETHERTYPE else LLC, at + 2)


def by_version(data: bytes, at: int) -> Next:
    """IPv4 or IPv6, as the first octet says."""
    version = unpacked(data, at, 1) >> 4
    return Next({4: IPV4, 6: IPV6}.get(version, NOTHING), at)


def _ethernet(data: bytes, at: int) -> Next:
    return typed(data, at + 12)


def _vlan(data: bytes, at: int) -> Next:
    """IEEE 802.1Q section 9.3: the tag, then the type of what is tagged."""
    return typed(data, at + 2)


def _vn_tag(data: bytes, at: int) -> Next:
    return typed(data, at + 4)


def _service_tag(data: bytes, at: int) -> Next:
    """IEEE 802.1Q section 9.7 (802.1ah): the I-TAG's 4 octets, then the customer's frame."""
    return Next(ETHERNET, at + 4)


def _macsec(data: bytes, at: int) -> Next:
    """IEEE 802.1AE section 9.3: flags, length, packet number and, with SC, the channel. E or C: it is encrypted."""
    flags = unpacked(data, at, 1)
    if flags & 0x0C:
        raise NotRead("encrypted MACsec")
    return typed(data, at + (14 if flags & 0x20 else 6))


def _llc(data: bytes, at: int) -> Next:
    """IEEE 802.2 and SNAP (RFC 1042): DSAP, SSAP, control, then an organization and its type."""
    saps, control = unpacked(data, at, 2), unpacked(data, at + 2, 1)
    if saps == 0x0606 and control == 0x03:
        return Next(IPV4, at + 3)
    if saps != 0xAAAA or control != 0x03:
        return Next(NOTHING, at)  # spanning tree, IS-IS, IPX and others
    organization, kind = unpacked(data, at + 3, 3), unpacked(data, at + 6, 2)
    if organization == 0x0080C2:
        raise NotRead("a bridged frame in SNAP")  # RFC 2684 section 5.2
    if organization not in (0, 0x0000F8):
        return Next(NOTHING, at)
    return Next(kind, at + 8) if kind >= SMALLEST_ETHERTYPE else Next(NOTHING, at)


def _pppoe(data: bytes, at: int) -> Next:
    """RFC 2516 section 4: version and type, code (0 in a session), session, length."""
    return Next(PPP if unpacked(data, at, 2) == 0x1100 else NOTHING, at + 6)


PPP_PROTOCOLS = {0x21: IPV4, 0x57: IPV6, 0x281: MPLS, 0x283: MPLS_UPSTREAM, 0x31: ETHERNET}
UNREAD_PPP = {
    0x2D: "PPP with Van Jacobson compression",
    0x2F: "PPP with Van Jacobson compression",
    0x3D: "PPP multilink",
    0x53: "encrypted PPP",
    0x55: "encrypted PPP",
    0xFB: "compressed PPP",
    0xFD: "compressed PPP",
}


def _ppp(data: bytes, at: int) -> Next:
    """RFC 1661 section 2, with or without address and control (RFC 1662). A protocol may be one octet: an odd one."""
    if unpacked(data, at, 2) == 0xFF03:
        at += 2
    size = 1 if unpacked(data, at, 1) & 1 else 2
    protocol = unpacked(data, at, size)
    if protocol in UNREAD_PPP:
        raise NotRead(UNREAD_PPP[protocol])
    kind = PPP_PROTOCOLS.get(protocol, NOTHING)
    # RFC 3518 section 4.2: flags, and the type of the MAC header, before a bridged frame
    return Next(kind, at + size + (2 if kind == ETHERNET else 0))


def _mpls(data: bytes, at: int) -> Next:
    """RFC 3032: labels, the last with its S bit. What follows has no type; RFC 4385 and 4928 say how to tell."""
    while not unpacked(data, at, 4) & 0x100:
        at += 4
    at += 4
    first = unpacked(data, at, 1) >> 4
    if first in (4, 6):
        return by_version(data, at)
    if first == 1:
        return Next(NOTHING, at)  # a pseudowire's associated channel
    starts = (at + 4, at) if first == 0 else (at,)  # the control word of a pseudowire (RFC 4385 section 3)
    for plausible in (_has_type, _has_length):
        for start in starts:
            if plausible(data, start):
                return Next(ETHERNET, start)
    raise NotRead("MPLS pseudowire")


def _has_type(data: bytes, at: int) -> bool:
    """Whether an Ethernet frame may begin here: its type is one that we know."""
    kind = unpacked(data, at + 12, 2)
    return kind in (IPV4, IPV6, ARP) or (kind >= SMALLEST_ETHERTYPE and kind in READERS)


def _has_length(data: bytes, at: int) -> bool:
    """Whether a frame with LLC may begin here."""
    return 3 <= unpacked(data, at + 12, 2) <= len(data) - at - 14


_NSH = {1: IPV4, 2: IPV6, 3: ETHERNET, 4: NSH, 5: MPLS}


def _nsh(data: bytes, at: int) -> Next:
    """RFC 8300 section 2.2: the length in 4 octets, and what follows."""
    size = (unpacked(data, at, 2) & 0x3F) * 4
    return Next(_NSH.get(unpacked(data, at + 3, 1), NOTHING), at + max(size, 8))


def _erspan2(data: bytes, at: int) -> Next:
    """draft-foschiano-erspan section 4.2: version 1, in 8 octets."""
    if unpacked(data, at, 8) >> 60 != 1:
        raise NotRead("ERSPAN of an unknown version")
    return Next(ETHERNET, at + 8)


def _erspan3(data: bytes, at: int) -> Next:
    """Section 4.3: version 2, in 12 octets, the type of frame and O among the last; with O, 8 octets more."""
    last = unpacked(data, at, 12)
    if last >> 92 != 2:
        raise NotRead("ERSPAN of an unknown version")
    kind = {0: ETHERNET, 2: IP_BY_VERSION}.get(last >> 10 & 0x1F)
    if kind is None:
        raise NotRead("ERSPAN of an unknown frame type")
    return Next(kind, at + (20 if last & 1 else 12))


def _wccp(data: bytes, at: int) -> Next:
    """draft-wilson-wrec-wccp-v2: version 1 is the bare packet; version 2 has a header of 4 octets."""
    return Next(IPV4, at if unpacked(data, at, 1) >> 4 == 4 else at + 4)


ERSPAN2, ERSPAN3 = 0x88BE, 0x22EB
READERS: dict[int, Callable[[bytes, int], Next]] = {
    ETHERNET: _ethernet,
    LLC: _llc,
    IP_BY_VERSION: by_version,
    0x8100: _vlan,
    0x88A8: _vlan,
    0x9100: _vlan,
    0x9200: _vlan,
    0x9300: _vlan,
    0x8926: _vn_tag,
    0x88E7: _service_tag,
    0x88E5: _macsec,
    0x8870: _llc,  # jumbo frames
    PPPOE: _pppoe,
    PPP: _ppp,
    MPLS: _mpls,
    MPLS_UPSTREAM: _mpls,
    NSH: _nsh,
    ERSPAN2: _erspan2,
    ERSPAN3: _erspan3,
    0x883E: _wccp,
}
UNREAD = {
    0x6559: "Frame Relay",
    0x876B: "compressed TCP/IP",
    0x8881: "3GPP2 A10",
    0x8909: "Cisco MetaData",
    0x22F3: "TRILL",
    0x8903: "FabricPath",
}
"""Ethertypes that may carry IP and are not looked into."""
