# SPDX-License-Identifier: GPL-2.0-or-later
"""Link types: where their header ends, and what follows (https://www.tcpdump.org/linktypes.html).

Each reader is given a frame's octets and the byte order of its file, which some link headers use. IndexError means that
the header does not fit.
"""

from __future__ import annotations

from collections.abc import Callable

from fynx_scapy.capture.headers.kinds import (
    ETHERNET,
    IP_BY_VERSION,
    IPV4,
    IPV6,
    LLC,
    NOTHING,
    PPP,
    PPPOE,
    LinkNotRead,
    Next,
    NotRead,
    unpacked,
)
from fynx_scapy.capture.headers.layers import typed

FAMILIES = {2: IPV4, 10: IPV6, 24: IPV6, 26: IPV6, 28: IPV6, 30: IPV6}
"""Address families. The value for IPv6 differs by system."""


def beneath_link(linktype: int, data: bytes, order: str) -> Next:
    """What follows the link header. Raises NotRead for a link type that is not read, and IndexError."""
    reader = LINKS.get(linktype)
    if reader is None:
        raise LinkNotRead(linktype, NAMES.get(linktype, ""))
    return reader(data, order)


def _starts(kind: int, at: int = 0) -> Callable[[bytes, str], Next]:
    """A reader for links whose header has a fixed length and says nothing of what follows."""
    return lambda data, order: Next(kind, at)


def _host(data: bytes, at: int, order: str) -> int:
    """Four octets in the byte order of the machine that captured."""
    number = unpacked(data, at, 4)
    return number if order == ">" else int.from_bytes(number.to_bytes(4), "little")


def _loopback(data: bytes, order: str) -> Next:
    """BSD loopback: an address family, in either byte order."""
    family = _host(data, 0, order)
    if family > 0xFFFF:
        family = int.from_bytes(family.to_bytes(4), "little")
    return Next(FAMILIES.get(family, NOTHING), 4)


def _enc(data: bytes, order: str) -> Next:
    """enc0 of OpenBSD and FreeBSD: address family, SPI and flags, before the packet inside IPsec."""
    found = _loopback(data, order)
    unpacked(data, 4, 8)
    return Next(found.kind, 12)


def _cooked(data: bytes, order: str) -> Next:
    """Linux "any": ARPHRD type, and the protocol at its end; 1 and 4 stand for frames without ethertype."""
    kind = unpacked(data, 14, 2)
    return Next(LLC if kind == 4 else kind if kind >= 0x0600 else NOTHING, 16)


def _cooked2(data: bytes, order: str) -> Next:
    kind = unpacked(data, 0, 2)
    unpacked(data, 2, 18)
    return Next(LLC if kind == 4 else kind if kind >= 0x0600 else NOTHING, 20)


_NFLOG_PACKET_HEADER, _NFLOG_PAYLOAD = 1, 9


def _nflog(data: bytes, order: str) -> Next:
    """Netfilter's log: address family, version, resource, then attributes of length, type and value."""
    family, kind = unpacked(data, 0, 1), IP_BY_VERSION
    swap = "little" if order == "<" else "big"
    at = 4
    while at < len(data):
        length, name = (int.from_bytes(unpacked(data, start, 2).to_bytes(2), swap) for start in (at, at + 2))  # type: ignore[arg-type]
        name &= 0x7FFF
        if length < 4:
            raise IndexError(at)
        if name == _NFLOG_PACKET_HEADER and family not in FAMILIES:
            kind = unpacked(data, at + 4, 2)  # a bridge's frame: the ethertype
        if name == _NFLOG_PAYLOAD:
            return Next(kind, at + 4)
        at += length + -length % 4
    return Next(NOTHING, at)


def _ppp_frames(data: bytes, order: str) -> Next:
    """PPP in HDLC framing (RFC 1662), or Cisco HDLC with an ethertype (RFC 1547 section 4.3.1)."""
    return Next(PPP, 0) if unpacked(data, 0, 1) not in (0x0F, 0x8F) else _hdlc(data, order)


def _hdlc(data: bytes, order: str) -> Next:
    return typed(data, 2)


def _behind_direction(reader: Callable[[bytes, str], Next], size: int = 1) -> Callable[[bytes, str], Next]:
    """A reader for links that say the direction before the header of another link."""

    def read(data: bytes, order: str) -> Next:
        found = reader(data[size:], order)
        return Next(found.kind, found.at + size)

    return read


def _ipnet(data: bytes, order: str) -> Next:
    """Solaris' ipnet: version, address family, hook, length, interfaces and zones, 24 octets."""
    unpacked(data, 0, 24)
    return Next(FAMILIES.get(data[1], NOTHING), 24)


def _ieee1394(data: bytes, order: str) -> Next:
    return typed(data, 16)


def _pflog(data: bytes, order: str) -> Next:
    """pflog of the BSDs: its length without the padding to 4 octets, the address family."""
    size, family = unpacked(data, 0, 1), unpacked(data, 1, 1)
    return Next(FAMILIES.get(family, NOTHING), size + -size % 4)


def _frame_relay(data: bytes, order: str) -> Next:
    """RFC 2427 section 3: address (2 octets), control 03, NLPID."""
    if unpacked(data, 2, 1) != 0x03:
        return typed(data, 2)  # Cisco's encapsulation
    kind = {0xCC: IPV4, 0x8E: IPV6}.get(unpacked(data, 3, 1))
    if kind is None:
        raise NotRead("Frame Relay")
    return Next(kind, 4)


def _wrapped(size_at: int, link_at: int) -> Callable[[bytes, str], Next]:
    """A reader for headers that have their own length and the link type of what follows, in little-endian order."""

    def read(data: bytes, order: str) -> Next:
        width = 4 if size_at == 0 else 2
        size = int.from_bytes(unpacked(data, size_at, width).to_bytes(width), "little")
        link = int.from_bytes(unpacked(data, link_at, 4).to_bytes(4), "little")
        if size < link_at + 4 or size > len(data):
            raise IndexError(size)
        if LINKS.get(link) in (_PKTAP, _PPI):
            raise NotRead("PKTAP or PPI inside another")
        found = beneath_link(link, data[size:], order)
        return Next(found.kind, found.at + size)

    return read


_PKTAP, _PPI = _wrapped(0, 8), _wrapped(2, 4)

RAW = _starts(IP_BY_VERSION)
LINKS: dict[int, Callable[[bytes, str], Next]] = {
    0: _loopback,
    1: _starts(ETHERNET),
    9: _starts(PPP),
    12: RAW,
    14: RAW,
    50: _ppp_frames,
    51: _starts(PPPOE),
    100: _starts(LLC),  # LLC in ATM, RFC 2684
    101: RAW,
    104: _hdlc,
    107: _frame_relay,
    108: _loopback,
    109: _enc,
    113: _cooked,
    117: _pflog,
    138: _ieee1394,
    166: _behind_direction(_starts(PPP), 2),  # pppd: the direction replaces the address
    192: _PPI,
    204: _behind_direction(_starts(PPP)),
    205: _behind_direction(_hdlc),
    226: _ipnet,
    228: RAW,
    229: RAW,
    239: _nflog,
    240: _starts(ETHERNET, 4),  # netANALYZER
    258: _PKTAP,
    276: _cooked2,
}
NAMES = {
    -1: "an interface whose description cannot be read",
    6: "Token Ring",
    8: "SLIP",
    10: "FDDI",
    13: "SLIP",
    19: "Linux ATM",
    99: "Symantec Enterprise Firewall",
    105: "IEEE 802.11",
    106: "Linux ATM",
    119: "IEEE 802.11 with Prism header",
    121: "HiPPI",
    122: "Fibre Channel",
    123: "SunATM",
    127: "IEEE 802.11 with radiotap header",
    143: "DOCSIS",
    144: "Linux IrDA",
    163: "IEEE 802.11 with AVS header",
    165: "BACnet",
    169: "GPRS LLC",
    177: "Linux LAPD",
    178: "Juniper Ethernet",
    187: "Bluetooth",
    189: "USB",
    195: "IEEE 802.15.4",
    201: "Bluetooth",
    220: "USB",
    227: "CAN",
    249: "USB",
    251: "Bluetooth",
    252: "Wireshark's upper PDUs",
    253: "Linux netlink",
    256: "Bluetooth",
    **dict.fromkeys(range(147, 163), "private use"),
}
"""Link types that are not read, and in what frames they are. Others are told by their number."""
