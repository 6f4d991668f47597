# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy's sniff and rdpcap with plain payloads."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.sendrecv import sniff

from fynx_scapy.capture import Capture, IPsecSession, KeyLog, rdpcap
from fynx_scapy.errors import CaptureError
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH, IKEv2_Encrypted
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
    assert IKEv2 in session.process(request)
    assert session.process(Ether()) == Ether()


def test_a_damaged_capture_gives_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(lab("psk-ppk").read_bytes()[:3000])
    packets = rdpcap(path, KeyLog.beside(lab("psk-ppk")))
    assert len(packets) > 3
    assert "the file ends at offset 3000" in packets.problems[-1]
    path.write_bytes(b"nothing")
    with pytest.raises(CaptureError, match="neither pcap nor pcapng"):
        rdpcap(path)
