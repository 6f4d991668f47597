# SPDX-License-Identifier: GPL-2.0-or-later
"""protect and unprotect on Scapy packets: both modes, both families, UDP encapsulation."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from fynx_scapy.errors import LocalError, MalformedError, ReplayError
from fynx_scapy.esp import EspParts
from fynx_scapy.esp.scapy import protect, unprotect
from fynx_scapy.layers.esp import ESP
from tests.esp.suites import SPI, SUITES, Suite, inbound, octets_of, outbound

OUTER = {4: IP(src="192.0.2.1", dst="192.0.2.2"), 6: IPv6(src="2001:db8::1", dst="2001:db8::2")}
INNER = {
    4: IP(src="10.1.0.1", dst="10.2.0.1", tos=0xB8, ttl=7) / UDP(sport=9, dport=10) / b"inside",
    6: IPv6(src="fd00::1", dst="fd00::2", tc=0xB8, hlim=7) / ICMPv6EchoRequest(data=b"inside"),
}


def kinds(packet: Packet) -> list[str]:
    return [layer.__name__ for layer in packet.layers()]


@pytest.mark.sample(4)
@pytest.mark.parametrize("suite", SUITES, ids=str)
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_there_and_back_with_every_transform(suite: Suite, mode: str) -> None:
    sender, receiver = outbound(suite, mode=mode), inbound(suite, mode=mode)
    packet = protect(sender, INNER[4], outer=OUTER[4] if mode == "tunnel" else None)
    assert (packet[ESP].spi, packet[ESP].seq) == (SPI, 1)
    assert octets_of(unprotect(receiver, packet)) == bytes(INNER[4])


@pytest.mark.parametrize(
    ("inside", "outside", "udp"), list(itertools.product((4, 6), (4, 6), (None, (4500, 4500), (4500, 1027))))
)
def test_tunnel_mode(inside: int, outside: int, udp: tuple[int, int] | None) -> None:
    packet = protect(outbound(), INNER[inside], outer=OUTER[outside], udp=udp)
    assert isinstance(packet, (IP, IPv6)[outside == 6])
    assert (packet.src, packet.dst) == (OUTER[outside].src, OUTER[outside].dst)
    assert (ESP in packet, UDP in packet) == (True, udp is not None)
    again = packet.copy()  # lengths and checksums are what Scapy computes
    for layer in (again, again.payload) if udp else (again,):
        for name in {"len", "plen", "chksum"} & set(layer.fields):
            if not (isinstance(layer, UDP) and name == "chksum" and outside == 4):
                layer.delfieldval(name)
    assert bytes(again) == bytes(packet)
    opened = unprotect(inbound(), packet)
    assert kinds(opened) == kinds(type(INNER[inside])(bytes(INNER[inside])))
    assert octets_of(opened) == bytes(INNER[inside])


def test_udp_checksum_is_zero_over_ipv4() -> None:
    """RFC 3948 section 2.1; over IPv6 there is one, see the packets compared above."""
    assert protect(outbound(), INNER[4], outer=OUTER[4], udp=(4500, 4500))[UDP].chksum == 0
    assert protect(outbound(), INNER[4], outer=OUTER[6], udp=(4500, 4500))[UDP].chksum != 0


@pytest.mark.requirements("3948-2.1-03", negative=True)
def test_a_udp_checksum_over_ipv4_is_taken() -> None:
    packet = IP(bytes(protect(outbound(), INNER[4], outer=OUTER[4], udp=(4500, 4500))))
    del packet[UDP].chksum
    sent = IP(bytes(packet))
    assert sent[UDP].chksum != 0
    assert octets_of(unprotect(inbound(), sent)) == bytes(INNER[4])


@pytest.mark.parametrize("udp", [None, (4500, 4500)])
@pytest.mark.parametrize("version", [4, 6])
def test_transport_mode_keeps_the_header(version: int, udp: tuple[int, int] | None) -> None:
    packet = protect(outbound(mode="transport"), INNER[version], udp=udp)
    assert (packet.src, packet.dst) == (INNER[version].src, INNER[version].dst)
    assert EspParts.take_apart(outbound(), bytes(packet[ESP])).next_header == (17 if version == 4 else 58)
    assert octets_of(unprotect(inbound(mode="transport"), packet)) == bytes(INNER[version])


def test_transport_mode_keeps_ip_options() -> None:
    packet = IP(dst="10.2.0.1", src="10.1.0.1", options=[IPOption_RR(routers=["0.0.0.0"])]) / UDP() / b"x"
    sealed = protect(outbound(mode="transport"), packet)
    assert sealed.options == IP(bytes(packet)).options
    assert octets_of(unprotect(inbound(mode="transport"), sealed)) == bytes(packet)


def test_transport_mode_behind_ipv6_extension_headers() -> None:
    """RFC 4303 section 3.1.1: behind hop-by-hop and routing headers; the last destination options are protected."""
    outside = (IPv6ExtHdrHopByHop(), IPv6ExtHdrRouting(addresses=["2001:db8::7"]))
    packet = IPv6(src="fd00::1", dst="fd00::2") / outside[0] / outside[1] / IPv6ExtHdrDestOpt() / UDP() / b"x"
    sealed = protect(outbound(mode="transport"), packet)
    assert kinds(sealed)[:4] == ["IPv6", "IPv6ExtHdrHopByHop", "IPv6ExtHdrRouting", "ESP"]
    assert EspParts.take_apart(outbound(), bytes(sealed[ESP])).next_header == 60
    assert octets_of(unprotect(inbound(mode="transport"), sealed)) == bytes(packet)


def test_transport_mode_without_ip_gives_the_upper_layer() -> None:
    for inner in (UDP(dport=5) / b"x", TCP(dport=5), ICMP(), ICMPv6EchoRequest(data=b"x"), IPv6ExtHdrDestOpt() / UDP()):
        carrier = IPv6() if "6" in type(inner).__name__ else IP()
        sealed = protect(outbound(mode="transport"), carrier / inner)
        opened = unprotect(inbound(mode="transport"), bytes(sealed[ESP]))
        assert type(opened) is type(inner)
        assert octets_of(opened) == bytes(carrier / inner)[len(carrier) :]


def test_link_layer_is_left_behind_and_its_padding_cut() -> None:
    packet = Ether(bytes(Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02") / INNER[4]) + bytes(12))
    sealed = protect(outbound(), packet, outer=OUTER[4])
    assert isinstance(sealed, IP)
    frame = Ether(bytes(Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02") / sealed) + bytes(6))
    assert octets_of(unprotect(inbound(), frame)) == bytes(INNER[4])


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_dummy_packets_are_nothing(mode: str) -> None:
    sender, receiver = outbound(mode=mode), inbound(mode=mode)
    assert unprotect(receiver, sender.seal_dummy(40)) is None
    assert receiver.dummies == 1


def test_what_the_outer_template_sets_wins() -> None:
    packet = protect(
        outbound(), INNER[4], outer=IP(src="192.0.2.1", dst="192.0.2.2", ttl=3, tos=0x28, flags="DF", id=77)
    )
    assert (packet.ttl, packet.tos, str(packet.flags), packet.id) == (3, 0x28, "DF", 77)
    six = protect(outbound(), INNER[4], outer=IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=3, tc=0x28, fl=9))
    assert (six.hlim, six.tc, six.fl) == (3, 0x28, 9)


def test_congestion_marks_come_through_and_dscp_does_not() -> None:
    inner = IP(src="10.1.0.1", dst="10.2.0.1", tos=0xB9) / UDP()
    packet = protect(outbound(), inner, outer=OUTER[4])
    assert packet.tos == 0xB9
    packet.tos = 0x2B  # a router on the way: another DSCP, Congestion Experienced
    del packet.chksum
    opened = unprotect(inbound(), packet)
    assert opened.tos == 0xBB
    assert opened.chksum == IP(bytes(IP(src="10.1.0.1", dst="10.2.0.1", tos=0xBB) / UDP())).chksum


def test_tfc_padding() -> None:
    packet = protect(outbound(), INNER[4], outer=OUTER[4], tfc_pad=500)
    assert len(packet) > len(INNER[4]) + 500
    assert octets_of(unprotect(inbound(), packet)) == bytes(INNER[4])
    with pytest.raises(LocalError):
        protect(outbound(mode="transport"), IP() / TCP(), tfc_pad=5)
    with pytest.raises(LocalError):
        protect(outbound(mode="transport"), IP() / TCP(), tfc_pad=5, icv=b"")


def test_any_field_can_be_wrong_on_purpose() -> None:
    packet = protect(outbound(), INNER[4], outer=OUTER[4], spi=1, seq=9, padding=b"\7\7", pad_length=1, next_header=99)
    parts = EspParts.take_apart(outbound(), bytes(packet[ESP]))
    assert (parts.spi, parts.seq, parts.pad_length, parts.next_header) == (1, 9, 1, 99)
    assert protect(outbound(), INNER[4], outer=OUTER[4], icv=b"\xee" * 16).original.endswith(b"\xee" * 16)
    tfc = protect(outbound(), INNER[4], outer=OUTER[4], tfc_pad=8, iv=bytes(8))
    assert octets_of(unprotect(inbound(), tfc)) == bytes(INNER[4])
    with pytest.raises(LocalError, match="no field nonsense"):
        protect(outbound(), INNER[4], outer=OUTER[4], nonsense=1)


def test_what_protect_cannot_do() -> None:
    with pytest.raises(LocalError, match="IP or IPv6"):
        protect(outbound(), Raw(b"octets"), outer=OUTER[4])
    with pytest.raises(LocalError, match="needs outer"):
        protect(outbound(), INNER[4])
    with pytest.raises(LocalError, match="leave out outer"):
        protect(outbound(mode="transport"), INNER[4], outer=OUTER[4])
    with pytest.raises(LocalError, match="at most 65535 octets, found"):
        protect(outbound(), IP() / bytes(65_500), outer=OUTER[4])


FRAGMENTS = [
    IP(src="10.1.0.1", dst="10.2.0.1", flags="MF") / bytes(24),
    IP(src="10.1.0.1", dst="10.2.0.1", frag=3) / bytes(24),
    IPv6(src="fd00::1", dst="fd00::2") / IPv6ExtHdrFragment(m=1, nh=17) / bytes(24),
    IPv6(src="fd00::1", dst="fd00::2") / IPv6ExtHdrFragment(offset=3, nh=17) / bytes(24),
]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=["v4 first", "v4 later", "v6 first", "v6 later"])
@pytest.mark.requirements("4303-3.4.1-01", negative=True)
def test_fragments(fragment: Packet) -> None:
    """RFC 4303 sections 3.3.4 and 3.4.1: no fragment in transport mode, none to be opened; a tunnel carries them."""
    with pytest.raises(LocalError, match="reassemble"):
        protect(outbound(mode="transport"), fragment)
    with pytest.raises(MalformedError, match="reassemble"):
        unprotect(inbound(), fragment)
    assert octets_of(unprotect(inbound(), protect(outbound(), fragment, outer=OUTER[4]))) == bytes(fragment)


def test_what_unprotect_refuses() -> None:
    packet = protect(outbound(), INNER[4], outer=OUTER[4])
    receiver = inbound()
    unprotect(receiver, packet)
    with pytest.raises(ReplayError):
        unprotect(receiver, packet)
    with pytest.raises(MalformedError, match="expected ESP or UDP"):
        unprotect(inbound(), IP() / TCP())
    with pytest.raises(MalformedError):
        unprotect(inbound(), IP() / UDP(sport=4500, dport=4500) / b"\xff")
    with pytest.raises(MalformedError):
        unprotect(inbound(), b"")
    with pytest.raises(MalformedError, match="expected next header 4 for IPv4, found 41"):
        unprotect(inbound(), protect(outbound(), INNER[4], outer=OUTER[4], next_header=41))
    with pytest.raises(MalformedError, match="expected an IPv4 or IPv6 packet"):
        unprotect(inbound(), protect(outbound(mode="transport"), INNER[4]))


@given(
    st.sampled_from([(4, b"\x45"), (4, b"\x4f"), (41, b"\x60"), (17, b""), (6, b""), (0, b""), (60, b""), (58, b"")]),
    st.binary(max_size=90),
)
def test_odd_contents_raise_only_our_errors(kind: tuple[int, bytes], octets: bytes) -> None:
    """The peer may seal anything: what Scapy cannot read comes as Raw."""
    next_header, start = kind
    for mode, carrier in (("tunnel", OUTER[4]), ("transport", OUTER[4]), ("transport", OUTER[6]), ("transport", None)):
        esp = outbound().seal(start + octets, next_header)
        packet = carrier.copy() / Raw(esp) if carrier else esp
        if isinstance(packet, IP):
            packet.proto = 50
        elif isinstance(packet, IPv6):
            packet.nh = 50
        try:
            opened = unprotect(inbound(mode=mode), packet)
        except MalformedError:
            assert mode == "tunnel"
            continue
        assert isinstance(opened, Packet)
