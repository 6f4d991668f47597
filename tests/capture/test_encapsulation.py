# SPDX-License-Identifier: GPL-2.0-or-later
"""Link types and tunnels: IPsec is found in each, and what is not looked into is counted."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.etherip import EtherIP
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.contrib.nsh import NSH
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.l2tp import L2TP
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from fynx_scapy.capture import Capture, KeyLog
from fynx_scapy.capture.headers.links import LINKS
from fynx_scapy.capture.reading.frames import Frame
from fynx_scapy.capture.reading.packets import MOST_NESTED, IpsecPacket
from fynx_scapy.capture.reading.walk import Walk
from tests.capture.build import esp, ethernet, ike, ipv4, ipv6, pcap, stream, udp

OUTER = {"src": "192.0.2.1", "dst": "192.0.2.2"}
PSK_ICMP = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / ICMP())
AH = struct.pack("!BBHII", 1, 4, 0, 0x77, 1) + bytes(12)
INSIDE: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "IKE": (ipv4(17, udp(500, 500, ike())), ("ike",)),
    "ESP": (ipv4(50, esp(1)), ("esp",)),
    "ESP in UDP": (ipv4(17, udp(4500, 4500, esp(1))), ("esp",)),
    "AH": (ipv4(51, AH + bytes(ICMP())), ("ah",)),
    "ESP in AH": (ipv4(51, b"\x32" + AH[1:] + esp(1)), ("ah", "esp")),
    "nothing": (PSK_ICMP, ()),
}
Around = Callable[[bytes], Packet | bytes]


def ether(layer: Packet, kind: int) -> Packet:
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=kind) / layer


def mac(inner: bytes) -> Packet:
    return ether(Raw(inner), 0x0800)


def gre(**fields: int) -> Packet:
    return IP(**OUTER) / GRE(**fields)


def inside_udp(port: int) -> Packet:
    return IP(**OUTER) / UDP(sport=50000, dport=port, chksum=0)


def attribute(kind: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def nflog(inner: bytes, order: str = "<", family: int = 2) -> bytes:
    head = struct.pack("!BBH", family, 0, 5) + attribute(1, struct.pack("!HBx", 0x0800, 0), order)
    return head + attribute(10, b"ipsec-in\0", order) + attribute(9, inner, order)


def pktap(inner: bytes) -> bytes:
    return struct.pack("<III", 108, 1, 1) + bytes(96) + bytes(mac(inner))


LINK_TYPES: dict[str, tuple[int, Around]] = {
    "NULL": (0, lambda p: b"\x02\0\0\0" + p),
    "LOOP": (108, lambda p: b"\0\0\0\x02" + p),
    "PPP": (9, lambda p: bytes(PPP(proto=0x21)) + p),
    "PPP with HDLC's address": (9, lambda p: b"\xff\x03\0\x21" + p),
    "PPP, compressed protocol": (9, lambda p: b"\x21" + p),
    "PPP_SERIAL": (50, lambda p: HDLC() / PPP(proto=0x21) / Raw(p)),
    "PPP_SERIAL with Cisco's HDLC": (50, lambda p: b"\x0f\0\x08\0" + p),
    "PPP_ETHER": (51, lambda p: PPPoE() / PPP(proto=0x21) / Raw(p)),
    "C_HDLC": (104, lambda p: b"\x8f\0\x08\0" + p),
    "Frame Relay": (107, lambda p: b"\x18\x41\x03\xcc" + p),
    "ENC": (109, lambda p: struct.pack("<I", 2) + struct.pack("!II", 0x1234, 0xC00) + p),
    "ENC, big-endian": (109, lambda p: struct.pack("!III", 2, 0x1234, 0xC00) + p),
    "SLL": (113, lambda p: CookedLinux(proto=0x0800) / Raw(p)),
    "SLL with a VLAN": (113, lambda p: CookedLinux(proto=0x8100) / Dot1Q(vlan=5, type=0x0800) / Raw(p)),
    "SLL2": (276, lambda p: CookedLinuxV2(proto=0x0800) / Raw(p)),
    "pflog": (117, lambda p: bytes((61, 2)) + bytes(62) + p),
    "pppd": (166, lambda p: b"\0\x03\0\x21" + p),
    "PPP with direction": (204, lambda p: b"\x01\xff\x03\0\x21" + p),
    "C_HDLC with direction": (205, lambda p: b"\x01\x0f\0\x08\0" + p),
    "PPI": (192, lambda p: struct.pack("<BBHI", 0, 0, 8, 1) + bytes(mac(p))),
    "IPNET": (226, lambda p: struct.pack("!BBHIIIII", 1, 2, 0, len(p), 1, 1, 0, 0) + p),
    "NFLOG": (239, nflog),
    "NFLOG of a bridge": (239, lambda p: nflog(p, family=7)),
    "PKTAP": (258, pktap),
    "LLC in ATM": (100, lambda p: b"\xaa\xaa\x03\0\0\0\x08\0" + p),
    "raw": (101, lambda p: p),
}
LAYERS: dict[str, Around] = {
    "Ethernet": mac,
    "802.1Q": lambda p: ether(Dot1Q(vlan=5, type=0x0800) / Raw(p), 0x8100),
    "QinQ": lambda p: ether(Dot1AD(vlan=5, type=0x8100) / Dot1Q(vlan=6, type=0x0800) / Raw(p), 0x88A8),
    "QinQ 0x9100": lambda p: ether(Dot1Q(vlan=5, type=0x8100) / Dot1Q(vlan=6, type=0x0800) / Raw(p), 0x9100),
    "QinQ 0x9200": lambda p: ether(Dot1Q(vlan=5, type=0x0800) / Raw(p), 0x9200),
    "802.1ah": lambda p: ether(Raw(b"\0\0\0\x05") / mac(p), 0x88E7),
    "LLC and SNAP": lambda p: Dot3() / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x0800) / Raw(p),
    "LLC of IP": lambda p: Dot3() / LLC(dsap=6, ssap=6, ctrl=3) / Raw(p),
    "a VLAN of LLC": lambda p: ether(
        Raw(struct.pack("!HH", 5, len(p) + 8)) / LLC() / SNAP(code=0x0800) / Raw(p), 0x8100
    ),
    "PPPoE": lambda p: ether(PPPoE() / PPP(proto=0x21) / Raw(p), 0x8864),
    "PPPoE in a VLAN": lambda p: ether(Dot1Q(vlan=7, type=0x8864) / PPPoE() / PPP(proto=0x21) / Raw(p), 0x8100),
    "MPLS": lambda p: ether(MPLS(label=0x45678, s=1) / Raw(p), 0x8847),
    "MPLS, two labels": lambda p: ether(MPLS(label=16, s=0) / MPLS(label=17, s=1) / Raw(p), 0x8847),
    "MPLS pseudowire": lambda p: ether(MPLS(label=16, s=1) / Raw(bytes(4)) / mac(p), 0x8847),
    "MPLS pseudowire without control word": lambda p: ether(MPLS(label=16, s=1) / mac(p), 0x8847),
    "MACsec, not encrypted": lambda p: ether(Raw(b"\x20\0" + bytes(12) + b"\x08\0" + p), 0x88E5),
    "GRE": lambda p: mac(bytes(gre(proto=0x0800) / Raw(p))),
    "GRE with checksum, key and sequence": lambda p: mac(
        bytes(gre(proto=0x0800, chksum_present=1, key_present=1, seqnum_present=1) / Raw(p))
    ),
    "GRE of Ethernet": lambda p: mac(bytes(gre(proto=0x6558) / mac(p))),
    "GRE of MPLS": lambda p: mac(bytes(gre(proto=0x8847) / MPLS(s=1) / Raw(p))),
    "GRE of NSH": lambda p: mac(bytes(gre(proto=0x894F) / NSH(nextproto=1) / Raw(p))),
    "PPTP": lambda p: mac(
        bytes(IP(proto=47, **OUTER) / Raw(struct.pack("!HHHHI", 0x3001, 0x880B, len(p) + 1, 5, 1) + b"\x21" + p))
    ),
    "ERSPAN I": lambda p: mac(bytes(gre(proto=0x88BE) / mac(p))),
    "ERSPAN II": lambda p: mac(bytes(gre(proto=0x88BE, seqnum_present=1) / ERSPAN_II() / mac(p))),
    "ERSPAN III": lambda p: mac(bytes(gre(proto=0x22EB, seqnum_present=1) / ERSPAN_III() / mac(p))),
    "IP in IP": lambda p: mac(bytes(IP(proto=4, **OUTER) / Raw(p))),
    "IP in IPv6": lambda p: ether(IPv6(src="fd00::9", dst="fd00::8", nh=4) / Raw(p), 0x86DD),
    "IP in IPv6 with options": lambda p: ether(Raw(ipv6(60, b"\x04\0" + bytes(6) + p)), 0x86DD),
    "EtherIP": lambda p: mac(bytes(IP(proto=97, **OUTER) / EtherIP() / mac(p))),
    "MPLS in IP": lambda p: mac(bytes(IP(proto=137, **OUTER) / MPLS(s=1) / Raw(p))),
    "VXLAN": lambda p: mac(bytes(inside_udp(4789) / VXLAN(vni=42, flags=8) / mac(p))),
    "VXLAN of Linux": lambda p: mac(bytes(inside_udp(8472) / VXLAN(vni=42, flags=8) / mac(p))),
    "VXLAN-GPE": lambda p: mac(bytes(inside_udp(4790) / Raw(b"\x0c\0\0\x01" + bytes(4) + p))),
    "GENEVE": lambda p: mac(bytes(inside_udp(6081) / GENEVE(vni=42, proto=0x0800) / Raw(p))),
    "GENEVE with options": lambda p: mac(
        bytes(inside_udp(6081) / GENEVE(vni=42, proto=0x6558, options=[GeneveOptions(data=bytes(8))]) / mac(p))
    ),
    "GTP-U": lambda p: mac(bytes(inside_udp(2152) / GTP_U_Header(teid=5, gtp_type=255) / Raw(p))),
    "GTP-U with an extension": lambda p: mac(
        bytes(inside_udp(2152) / GTP_U_Header(teid=5, gtp_type=255, E=1) / GTPPDUSessionContainer(QFI=1) / Raw(p))
    ),
    "L2TP": lambda p: mac(
        bytes(inside_udp(1701) / L2TP(hdr=0, tunnel_id=1, session_id=2) / Raw(b"\xff\x03\0\x21" + p))
    ),
    "Teredo": lambda p: mac(bytes(inside_udp(3544) / Raw(bytes(8) + ipv6(4, p)))),
    "LISP": lambda p: mac(bytes(inside_udp(4341) / Raw(bytes(8) + p))),
    "GRE in UDP": lambda p: mac(bytes(inside_udp(4754) / GRE(proto=0x0800) / Raw(p))),
    "MPLS in UDP": lambda p: mac(bytes(inside_udp(6635) / MPLS(s=1) / Raw(p))),
    "GRE in VXLAN in a VLAN": lambda p: ether(
        Dot1Q(type=0x0800) / inside_udp(4789) / VXLAN(flags=8) / mac(bytes(gre(proto=0x0800) / Raw(p))), 0x8100
    ),
}
ALL: dict[str, tuple[int, Around]] = LINK_TYPES | {name: (1, around) for name, around in LAYERS.items()}


def read(data: Packet | bytes, linktype: int = 1, missing: int = 0) -> tuple[Walk, list[IpsecPacket]]:
    walk = Walk()
    order = ">" if bytes(data)[:3] == bytes(3) and linktype == 109 else "<"
    return walk, list(walk.frame(Frame(1, 0.0, linktype, bytes(data), 24, missing, "", order)))


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", ALL)
def test_ipsec_is_found_in_every_encapsulation(name: str) -> None:
    linktype, around = ALL[name]
    for what, (inner, kinds) in INSIDE.items():
        walk, found = read(around(inner), linktype)
        assert (what, [packet.kind for packet in found]) == (what, list(kinds))
        assert [packet.error for packet in found] == [None] * len(kinds)
        assert {(packet.src, packet.dst) for packet in found} <= {("10.0.0.1", "10.0.0.2")}
        assert walk.foreign == (not kinds)
        assert not walk.losses


@pytest.mark.parametrize("name", ALL)
def test_ipv6_is_found_where_a_type_says_so(name: str) -> None:
    linktype, around = ALL[name]
    _, found = read(around(ipv6(50, esp(1))), linktype)
    contradicts = found and found[0].error and "has version 6, but the header before it says IPv4" in found[0].error
    assert contradicts or [(packet.kind, packet.src) for packet in found] == [("esp", "fd00::1")]


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", ALL)
def test_no_cut_raises_anything_or_is_silent(name: str) -> None:
    linktype, around = ALL[name]
    whole = bytes(around(INSIDE["ESP"][0]))
    for size in range(len(whole)):
        walk, found = read(whole[:size], linktype, len(whole) - size)
        assert walk.foreign + len(found) + len(walk.losses) == 1
        assert all(packet.fault for packet in found)


@pytest.mark.parametrize("name", LAYERS)
def test_fragments_inside(name: str) -> None:
    datagram, walk = udp(4500, 4500, esp(1)), Walk()
    for offset in (0, 2):
        piece = ipv4(17, datagram[offset * 8 :][: 16 if not offset else None], fragment=offset or 0x2000)
        found = list(walk.frame(Frame(1, 0.0, 1, bytes(LAYERS[name](piece)))))
    assert [(packet.kind, packet.data) for packet in found] == [("esp", esp(1))]
    assert not walk.foreign


def test_big_endian_captures_of_nflog() -> None:
    walk = Walk()
    (found,) = walk.frame(Frame(1, 0.0, 239, nflog(INSIDE["ESP"][0], ">"), order=">"))
    assert found.kind == "esp"


UNREAD: dict[str, Packet | bytes] = {
    "encrypted MACsec": ether(Raw(b"\x2c\0" + bytes(40)), 0x88E5),
    "MPLS pseudowire": ether(MPLS(s=1) / Raw(b"\x22" * 40), 0x8847),
    "Cisco MetaData": ether(Raw(bytes(40)), 0x8909),
    "L2TPv3": mac(ipv4(115, b"\0\0\0\x05" + bytes(40))),
    "PPP multilink": ether(PPPoE() / PPP(proto=0x3D) / Raw(bytes(8)), 0x8864),
    "encrypted PPP": ether(PPPoE() / PPP(proto=0x53) / Raw(bytes(8)), 0x8864),
    "GTP-U without IP": mac(bytes(inside_udp(2152) / GTP_U_Header(teid=5, gtp_type=255) / Raw(bytes(20)))),
    "ERSPAN of an unknown version": mac(bytes(gre(proto=0x88BE, seqnum_present=1) / Raw(bytes(20)))),
    "TZSP": mac(bytes(inside_udp(37008) / Raw(b"\x01\0\0\x01\x01" + bytes(20)))),
    "minimal encapsulation in IP": mac(ipv4(55, bytes(20))),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_not_looked_into_is_counted(name: str) -> None:
    walk, found = read(UNREAD[name])
    assert (found, walk.foreign) == ([], 0)
    assert [(loss.what, loss.text) for loss in walk.losses] == [("headers", f"1 packet not looked into: {name}")]


FOREIGN: dict[str, Packet | bytes] = {
    "ARP": ether(Raw(bytes(28)), 0x0806),
    "spanning tree": Dot3() / LLC(dsap=0x42, ssap=0x42, ctrl=3) / Raw(bytes(35)),
    "PPPoE discovery": ether(Raw(b"\x11\x09\0\0\0\0"), 0x8863),
    "LCP": ether(PPPoE() / PPP(proto=0xC021) / Raw(bytes(8)), 0x8864),
    "a pseudowire's channel": ether(MPLS(s=1) / Raw(b"\x10\0\0\x21" + bytes(20)), 0x8847),
    "a GRE keepalive": mac(bytes(gre(proto=0))),
    "GTP-U's echo": mac(bytes(inside_udp(2152) / Raw(b"\x32\x01\0\x04" + bytes(8)))),
    "L2TP control": mac(bytes(inside_udp(1701) / Raw(b"\xc8\x02\0\x0c" + bytes(8)))),
    "L2TPv3 control": mac(ipv4(115, bytes(20))),
    "an answer to the port of VXLAN": mac(
        bytes(IP(**OUTER) / UDP(sport=53, dport=4789) / Raw(b"\x5a\x5a\x81\x80" * 9))
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_ip_is_foreign(name: str) -> None:
    walk, found = read(FOREIGN[name])
    assert (found, walk.foreign, walk.losses) == ([], 1, [])


def nested(layers: int, inner: bytes, protocol: int = 4) -> bytes:
    for _ in range(layers):
        inner = ipv4(protocol, inner)
    return ethernet(inner)


def test_nesting_has_a_ceiling() -> None:
    _, found = read(nested(MOST_NESTED, ipv4(50, esp(1))))
    assert [(packet.kind, packet.within) for packet in found] == [("esp", ("IP",) * MOST_NESTED)]
    for layers in (MOST_NESTED + 1, 3000):
        walk, found = read(nested(layers, ipv4(50, esp(1))))
        assert not found
        text = "1 packet not looked into: more than 8 tunnels inside each other"
        assert [loss.text for loss in walk.losses] == [text]
    ah = b"\x32" + AH[1:]
    for _ in range(2000):
        ah = b"\x33" + AH[1:] + ah
    walk, found = read(ethernet(ipv4(51, ah)))
    assert [packet.kind for packet in found] == ["ah"] * (MOST_NESTED + 1)
    assert [loss.count for loss in walk.losses] == [1]


def test_headers_before_ip_have_a_ceiling() -> None:
    walk, found = read(bytes(12) + b"\x81\0\0\x05" * 3000 + b"\x08\0" + ipv4(50, esp(1)))
    assert not found
    assert [loss.text for loss in walk.losses] == ["1 packet not looked into: more than 32 headers before IP"]


def test_unread_link_types_are_one_loss_each() -> None:
    with Capture(stream(pcap([bytes(16)] * 3, 227)), KeyLog()) as capture:
        assert [loss.text for loss in capture.losses] == ["3 packets of link type 227 are not read: CAN"]
        assert [problem.text for problem in capture.problems] == ["3 packets of link type 227 are not read: CAN"]
        assert (capture.index.packets, capture.index.foreign, capture.failed) == (3, 0, True)
    for linktype, text in ((65000, ""), (105, ": IEEE 802.11"), (150, ": private use")):
        walk, _ = read(bytes(16), linktype)
        assert [loss.text for loss in walk.losses] == [f"1 packet of link type {linktype} is not read{text}"]


def test_kinds_of_unread_headers_are_bounded() -> None:
    walk = Walk()
    for linktype in range(1000, 3000):
        assert not list(walk.frame(Frame(1, 0.0, linktype, bytes(9))))
    assert len(walk.losses) < 100
    assert sum(loss.count for loss in walk.losses) == 2000


def test_every_link_type_of_the_fast_way_is_read() -> None:
    from fynx_scapy.capture.headers.ordinary import LINKS as FAST

    assert FAST.keys() <= LINKS.keys()
