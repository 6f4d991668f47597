# SPDX-License-Identifier: GPL-2.0-or-later
"""Link headers, IP with fragments, UDP, and what a port carries."""

from __future__ import annotations

import struct

import pytest

from fynx_scapy.capture.headers.kinds import NotRead
from fynx_scapy.capture.reading.fragments import Fragments
from fynx_scapy.capture.reading.frames import Frame
from fynx_scapy.capture.reading.packets import Classifier, IpPacket, ip_packet
from fynx_scapy.errors import CaptureError
from tests.capture.build import ethernet, ike, ipv4, ipv6, udp

ESP = b"\x11\x22\x33\x44" + bytes(40)


def frame(data: bytes, linktype: int = 1, order: str = "<") -> Frame:
    return Frame(1, 0.0, linktype, data, 24, 0, "", order)


def packet(data: bytes, linktype: int = 101) -> IpPacket:
    found = ip_packet(frame(data, linktype))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("linktype", "prefix"),
    [
        (1, bytes(12) + b"\x08\x00"),
        (1, bytes(12) + b"\x81\x00\x00\x05\x08\x00"),
        (1, bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00"),
        (0, b"\x02\0\0\0"),
        (0, b"\0\0\0\x02"),
        (108, b"\0\0\0\x02"),
        (101, b""),
        (12, b""),
        (228, b""),
        (113, bytes(14) + b"\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
    ],
)
def test_link_headers(linktype: int, prefix: bytes) -> None:
    found = packet(prefix + ipv4(50, ESP), linktype)
    assert (found.src, found.dst, found.protocol, found.payload) == ("10.0.0.1", "10.0.0.2", 50, ESP)


def test_other_ethertypes_are_no_ip_and_other_links_not_read() -> None:
    assert ip_packet(frame(bytes(12) + b"\x08\x06" + bytes(28))) is None
    with pytest.raises(NotRead, match="link type 147"):
        ip_packet(frame(b"", 147))


def test_ethernet_padding_is_cut_off() -> None:
    assert packet(ethernet(ipv4(50, ESP)) + bytes(9), 1).payload == ESP


def test_length_zero_of_segmentation_offload_is_the_rest() -> None:
    data = bytearray(ipv4(50, ESP))
    data[2:4] = bytes(2)
    assert packet(bytes(data)).payload == ESP


def test_ipv6_extension_headers() -> None:
    # hop-by-hop, destination options of 16 octets, then UDP
    chain = bytes((60, 0)) + bytes(6) + bytes((17, 1)) + bytes(14) + udp(500, 500, b"x")
    found = packet(ipv6(0, chain))
    assert (found.protocol, found.src, found.payload) == (17, "fd00::1", udp(500, 500, b"x"))


def test_ipv6_fragments_are_joined() -> None:
    datagram = udp(500, 500, bytes(100))

    def piece(at: int, end: int, more: int) -> bytes:
        return ipv6(44, struct.pack("!BBHI", 17, 0, at | more, 99) + datagram[at:end])

    fragments = Fragments()
    assert fragments.add(packet(piece(64, 200, 0))) is None  # in any order
    whole = fragments.add(packet(piece(0, 64, 1)))
    assert whole is not None
    assert whole.payload == datagram


def test_ipv4_fragments_joined_and_reported() -> None:
    datagram = udp(4500, 4500, ESP)
    pieces = [packet(ipv4(17, datagram[:16], fragment=0x2000)), packet(ipv4(17, datagram[16:], fragment=2))]
    fragments = Fragments()
    assert fragments.add(pieces[0]) is None
    assert fragments.add(pieces[0]) is None  # twice in the capture
    assert list(fragments.incomplete()) == [pieces[0]]
    joined = fragments.add(pieces[1])
    assert joined is not None
    assert joined.payload == datagram
    assert not list(fragments.incomplete())


@pytest.mark.parametrize("data", [b"", b"\x45", ipv4(50, b"")[:15], bytes((0x41,)) + ipv4(50, b"")[1:], ipv6(0, b"")])
def test_headers_that_do_not_fit(data: bytes) -> None:
    for linktype, prefix in ((228, b""), (1, bytes(12) + (b"\x86\xdd" if data[:1] == b"\x60" else b"\x08\x00"))):
        try:
            found = ip_packet(frame(prefix + data, linktype))
        except CaptureError as error:
            assert "do not fit" in str(error)  # noqa: PT017
        else:
            assert found is None
            assert not data


def kinds(*datagrams: tuple[int, int, bytes]) -> list[str | None]:
    classify = Classifier()
    found = [classify(packet(ipv4(17, udp(*datagram)))) for datagram in datagrams]
    return [one.kind if one else None for one in found]


def test_ports() -> None:
    assert kinds((500, 500, ike())) == ["ike"]
    assert kinds((4500, 4500, bytes(4) + ike())) == ["ike"]
    assert kinds((4500, 500, ike())) == ["ike"]  # no marker with port 500
    assert kinds((4500, 4500, ESP)) == ["esp"]
    # A NAT may have turned one end's port into the other, and each end goes by its own.
    for ports in ((4500, 500), (500, 4500)):
        assert kinds((*ports, bytes(4) + ike()), (*ports, ESP), (*ports, b"\xff")) == ["ike", "esp", "keepalive"]
    assert kinds((40000, 4500, ESP)) == ["esp"]
    assert kinds((4500, 4500, b"\xff")) == ["keepalive"]
    assert kinds((4500, 4500, b"\x01\x02")) == ["unreadable"]
    assert kinds((500, 500, ike(version=0x10))) == ["ikev1"]
    assert kinds((53, 53, b"query")) == [None]


def test_other_ports_are_learnt_from_a_message_with_marker() -> None:
    assert kinds((10500, 10501, ESP)) == [None]
    assert kinds((10500, 10501, bytes(4) + ike()), (10500, 10501, ESP)) == ["ike", "esp"]
    assert kinds((848, 848, ike())) == ["ike"]
    assert kinds((7000, 7000, ike())) == ["ike"]


@pytest.mark.parametrize(("protocol", "kind"), [(50, "esp"), (51, "ah"), (108, "ipcomp"), (141, "wesp")])
def test_protocols(protocol: int, kind: str) -> None:
    found = Classifier()(packet(ipv4(protocol, ESP)))
    assert found is not None
    assert (found.kind, found.data, found.sport) == (kind, ESP, None)


def test_a_short_udp_header_is_reported() -> None:
    found = Classifier()(packet(ipv4(17, b"\x01\xf4\x01")))
    assert found is not None
    assert found.kind == "unreadable"
    assert "expected a UDP header of 8 octets, found 3" in str(found.error)
