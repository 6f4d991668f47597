# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy's sniff and rdpcap with plain payloads."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.sendrecv import sniff

from fynx_scapy.capture import Capture, IPsecSession, KeyLog, rdpcap
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import CaptureError
from fynx_scapy.esp import OutboundSa
from fynx_scapy.iana import TransformType
from fynx_scapy.keylog import EspKeys
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH, IKEv2_Encrypted
from tests.capture.build import ethernet, ipv4, pcap, udp
from tests.shared import shared


def lab(name: str) -> Path:
    return shared("captures/lab") / f"{name}.pcap"


def test_rdpcap_has_every_packet_in_the_clear() -> None:
    packets = rdpcap(lab("psk-gcm128-x25519"))
    assert len(packets) == 36
    assert packets.problems == []
    assert not any(IKEv2_Encrypted in packet for packet in packets)
    assert IKEv2_AUTH in packets[2]
    assert (packets[2][UDP].sport, packets[2][IKEv2].id) == (4500, 1)
    ping = packets[4]
    assert (ping[IP].dst, ping[IP].payload.dst, ping[ICMP].type) == ("10.9.0.2", "10.2.0.1", 8)
    assert float(packets[4].time) == pytest.approx(next(Capture(lab("psk-gcm128-x25519")).esp()).time)


def test_transport_mode_has_one_ip_header() -> None:
    packet = rdpcap(lab("k-transport-gcm"))[4]
    assert isinstance(packet[IP].payload, ICMP)
    assert packet[IP].proto == 1
    assert bytes(packet)  # lengths and checksums are computed anew


@pytest.mark.parametrize("name", ["psk-gcm128-x25519", "psk-ipv6", "cert-rsa-frag", "k-gcm128-esn"])
def test_sniff_gives_the_same(name: str) -> None:
    session = IPsecSession(KeyLog.beside(lab(name)))
    sniffed = sniff(offline=str(lab(name)), session=session, quiet=True)
    assert [bytes(packet) for packet in sniffed] == [bytes(packet) for packet in rdpcap(lab(name))]
    assert session.follower.ike_sas
    assert session.problems == []


def test_without_keys_packets_come_as_they_are() -> None:
    session = IPsecSession()
    sniffed = sniff(offline=str(lab("psk-gcm128-x25519")), session=session, quiet=True)
    plain = sniff(offline=str(lab("psk-gcm128-x25519")), quiet=True)
    assert [bytes(packet) for packet in sniffed] == [bytes(packet) for packet in plain]


def test_packets_that_were_built_and_not_read() -> None:
    session = IPsecSession()
    request = Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=500, dport=500) / IKEv2(init_SPI=b"12345678")
    assert IKEv2 in (session.process(request) or ())
    assert session.process(Ether()) == Ether()


def test_a_damaged_capture_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(lab("psk-ppk").read_bytes()[:3000])
    packets = rdpcap(path, KeyLog.beside(lab("psk-ppk")))
    assert len(packets) > 3
    assert "the file ends at offset 3000" in packets.problems[-1]
    path.write_bytes(b"nothing")
    with pytest.raises(CaptureError, match="expected pcap or pcapng"):
        rdpcap(path)


@pytest.mark.parametrize("next_header", [4, 41, 6, 17, 1, 58, 47, 51, 132, 59, 200])
@pytest.mark.parametrize("inner", [b"", b"E", b"`", b"E\0\0", bytes(5), bytes(19), bytes(21)], ids=bytes.hex)
def test_whatever_is_inside_reading_goes_on(tmp_path: Path, next_header: int, inner: bytes) -> None:
    """An inner packet, by a peer with the keys, that is shorter than its headers."""
    key = bytes(range(20))
    out = OutboundSa(spi=0x1234, encr=encryption(20, 128), key=key)
    sealed = out.seal(inner, next_header)
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([ethernet(ipv4(50, sealed)), ethernet(ipv4(50, out.seal(bytes(20), 59)))]))
    aes = Transform(TransformType.ENCR, 20, 128)
    keys = KeyLog(esp=[EspKeys(0x1234, "10.0.0.1", "10.0.0.2", aes, key)])
    packets = rdpcap(path, keys)
    assert len(packets) == 2
    contradicts = next_header in (4, 41) or (next_header == 47 and len(inner) < 4)
    assert [text.split(":")[0] for text in packets.problems] == ["packet 1"] * contradicts
    if inner and next_header != 59:
        assert bytes(packets[0][IP].payload).startswith(inner)


@pytest.mark.parametrize("frame", [b"", b"\0", bytes(13), ethernet(ipv4(17, b""))[:20], ethernet(ipv4(50, b""))])
def test_a_frame_shorter_than_its_headers(tmp_path: Path, frame: bytes) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([frame, ethernet(ipv4(17, udp(53, 53, b"x")))]))
    packets = rdpcap(path)
    assert UDP in packets[1]
    assert bytes(packets[0])[: len(frame)] == frame or not frame
