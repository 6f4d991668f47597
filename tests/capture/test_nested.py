# SPDX-License-Identifier: GPL-2.0-or-later
"""IPsec inside IPsec is opened by every reader alike: ESP, AH and WESP in each other. And what contradicts itself."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from scapy.utils import rdpcap as scapy_rdpcap

from fynx_scapy.capture import Capture, Dissection, KeyLog, rdpcap
from fynx_scapy.capture.dissect import flat
from fynx_scapy.capture.headers.ipsec import never_first, never_sent
from fynx_scapy.capture.index import Index
from fynx_scapy.capture.reading.packets import MOST_NESTED
from fynx_scapy.capture.showing.text import line
from fynx_scapy.cli import main
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.esp import OutboundSa
from fynx_scapy.iana import Encr, Integ, TransformType
from fynx_scapy.keylog import EspKeys
from tests.capture.build import esp, ethernet, ike, ipv4, ipv6, pcap, stream, tcp, udp
from tests.shared import shared

AES = Transform(TransformType.ENCR, Encr.ENCR_AES_GCM_16, 128)
PING = ipv4(1, bytes(range(40)), "192.0.2.1", "192.0.2.2")
NULL = Transform(TransformType.ENCR, Encr.ENCR_NULL)
SHA = Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA2_256_128)


class Sa:
    """An outbound SA with its row of keys; addresses do not matter."""

    def __init__(self, spi: int, esn: bool = False, seq: int = 0) -> None:
        key = spi.to_bytes(4) * 5
        self.row = EspKeys(spi, "*", "*", AES, key, esn=esn)
        self.out = OutboundSa(spi=spi, encr=encryption(AES.id, 128), key=key, esn=esn, seq=seq)

    def __call__(self, inner: bytes, following: int = 4) -> bytes:
        """An ESP packet."""
        return self.out.seal(inner, following)


def ah(following: int, content: bytes, spi: int = 0x77, sequence: int = 1) -> bytes:
    return struct.pack("!BBHII", following, 4, 0, spi, sequence) + bytes(12) + content


def capture(frames: list[bytes], *sas: Sa) -> Capture:
    return Capture(stream(pcap([ethernet(frame) for frame in frames])), KeyLog(esp=[sa.row for sa in sas]))


def records(frames: list[bytes], *sas: Sa) -> list[dict[str, Any]]:
    work = Dissection(KeyLog(esp=[sa.row for sa in sas]))
    return list(work.records(stream(pcap([ethernet(frame) for frame in frames])), "a"))


def chain(record: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(each["kind"], each.get("next_header")) for each in flat(record)]


A, B, C = 0x1001, 0x1002, 0x1003


def nestings() -> dict[str, tuple[bytes, list[tuple[str, Any]], list[Sa]]]:
    a, b, c = Sa(A), Sa(B), Sa(C)
    return {
        "ESP in ESP": (ipv4(50, a(ipv4(50, b(PING)))), [("esp", 4), ("esp", 4)], [a, b]),
        "ESP in ESP, transport mode": (ipv4(50, a(b(PING), 50)), [("esp", 50), ("esp", 4)], [a, b]),
        "three ESP": (ipv4(50, a(ipv4(50, b(ipv4(50, c(PING)))))), [("esp", 4)] * 3, [a, b, c]),
        "ESP in UDP in ESP": (ipv4(50, a(ipv4(17, udp(4500, 4500, b(PING))))), [("esp", 4), ("esp", 4)], [a, b]),
        "ESP in GRE in ESP": (
            ipv4(50, a(ipv4(47, b"\0\0\x08\0" + ipv4(50, b(PING))))), [("esp", 4), ("esp", 4)], [a, b],
        ),
        "ESP in IPv6 in ESP": (ipv6(50, a(ipv6(50, b(PING)), 41)), [("esp", 41), ("esp", 4)], [a, b]),
        "ESP in AH": (ipv4(51, ah(50, a(PING))), [("ah", 50), ("esp", 4)], [a]),
        "ESP in AH, tunnel mode": (ipv4(51, ah(4, ipv4(50, a(PING)))), [("ah", 4), ("esp", 4)], [a]),
        "ESP in UDP in AH": (ipv4(51, ah(17, udp(4500, 4500, a(PING)))), [("ah", 17), ("esp", 4)], [a]),
        "AH in ESP": (ipv4(50, a(ipv4(51, ah(4, PING)))), [("esp", 4), ("ah", 4)], [a]),
        "ESP in AH in ESP": (ipv4(50, a(ah(50, b(PING)), 51)), [("esp", 51), ("ah", 50), ("esp", 4)], [a, b]),
        "AH in AH": (ipv4(51, ah(51, ah(4, PING, 0x78))), [("ah", 51), ("ah", 4)], []),
        "AH": (ipv4(51, ah(4, PING)), [("ah", 4)], []),
        "ESP in WESP": (ipv4(141, b"\0\0\0\x20" + a(PING)), [("wesp", None), ("esp", 4)], [a]),
        "ESP in WESP in UDP": (
            ipv4(17, udp(4500, 4500, b"\0\0\0\x02\0\0\0\x20" + a(PING))), [("wesp", None), ("esp", 4)], [a],
        ),
        "ESP in padded WESP": (ipv6(141, b"\0\0\0\x30" + bytes(4) + a(PING)), [("wesp", None), ("esp", 4)], [a]),
        "WESP in ESP": (
            ipv4(50, a(ipv4(141, b"\0\0\0\x20" + b(PING)))), [("esp", 4), ("wesp", None), ("esp", 4)], [a, b],
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", nestings())
def test_it_is_opened_to_the_innermost_by_every_reader(name: str, tmp_path: Path) -> None:
    frame, kinds, sas = nestings()[name]
    (record,) = records([frame], *sas)
    assert chain(record) == kinds
    assert [each["error"] for each in flat(record)] == [None] * len(kinds)
    assert list(flat(record))[-1]["inner"] == PING.hex()
    with capture([frame], *sas) as found:
        (inner,) = found.inner()
        assert (inner.payload, inner.next_header, inner.number, inner.protocol) == (PING, 4, 1, kinds[-1][0])
        esp_packets = sum(kind == "esp" for kind, _ in kinds)
        assert found.icvs == {"opened": esp_packets, "bad": 0, "closed": 0}
        assert [(flow.src, flow.packets) for flow in found.inner_flows] == [("192.0.2.1", 1)]
        assert (found.losses, found.problems, found.failed) == ([], [], False)
        assert found.save_decrypted(tmp_path / "plain.pcapng") == 1
    assert [bytes(packet) for packet in scapy_rdpcap(str(tmp_path / "plain.pcapng"))] == [PING]


def test_without_the_inner_key_it_is_not_decrypted_as_any_esp() -> None:
    outer, inner = Sa(A), Sa(B)
    frame = ipv4(50, outer(ipv4(50, inner(PING), "192.0.2.7", "192.0.2.8")))
    work = Dissection(KeyLog(esp=[outer.row]))
    (record,) = work.records(stream(pcap([ethernet(frame)])), "a")
    assert [each["decrypted"] for each in flat(record)] == [True, False]
    name = "ESP SA 0x00001002 192.0.2.7 > 192.0.2.8"
    assert dict(work.closed) == {name: 1}
    with capture([frame], outer) as found:
        assert found.icvs == {"opened": 1, "bad": 0, "closed": 1}
        assert dict(found.tally.closed) == {name: 1}
        assert [packet.payload for packet in found.inner()] == [ipv4(50, outer_esp(record), "192.0.2.7", "192.0.2.8")]


def outer_esp(record: dict[str, Any]) -> bytes:
    return bytes.fromhex(record["inner"])[20:]


def test_fragments_inside_esp() -> None:
    outer, inner = Sa(A), Sa(B)
    packet = inner(PING)
    pieces = [ipv4(50, packet[:32], fragment=0x2000), ipv4(50, packet[32:], fragment=4)]
    with capture([ipv4(50, outer(piece)) for piece in pieces], outer, inner) as found:
        assert found.icvs == {"opened": 3, "bad": 0, "closed": 0}
        assert PING in [packet.payload for packet in found.inner()]
    with capture([ipv4(50, outer(pieces[0]))], outer, inner) as found:
        assert found.tally.icvs["opened"] == 1
        assert ["the other fragments are not in the capture" in text for _, _, text in found.problems] == [True]


def test_many_packets_and_two_passes_with_esn() -> None:
    outer, inner = Sa(A, esn=True, seq=(1 << 32) - 3), Sa(B, esn=True, seq=(1 << 32) - 4)
    frames = [ipv4(50, outer(ipv4(50, inner(PING)))) for _ in range(8)]
    with capture(frames, outer, inner) as found:
        assert found.icvs == {"opened": 16, "bad": 0, "closed": 0}
        assert [packet.payload for packet in found.inner()] == [PING] * 8
        assert [packet.payload for packet in found.inner()] == [PING] * 8


def test_depth_has_a_ceiling_and_is_counted() -> None:
    sas = [Sa(0x2000 + number) for number in range(MOST_NESTED + 3)]
    packet = PING
    for sa in sas:
        packet = ipv4(50, sa(packet))
    with capture([packet], *sas) as found:
        assert found.icvs["opened"] == MOST_NESTED + 1
        text = "inside ESP: 1 packet not looked into: more than 8 tunnels inside each other"
        assert [loss.text for loss in found.losses] == [text]
    assert [record["error"] for record in records([packet], *sas)] == [None, text]


def test_ike_inside_ah_is_read_and_inside_esp_counted() -> None:
    (record,) = records([ipv4(51, ah(17, udp(500, 500, ike())))])
    assert [(each["kind"], each["src"]) for each in flat(record)] == [("ah", "10.0.0.1"), ("ike", "10.0.0.1")]
    sa = Sa(A)
    frame = ipv4(50, sa(ipv4(17, udp(500, 500, ike()))))
    text = "1 packet not looked into: IKE inside ESP"
    assert [record["error"] for record in records([frame], sa)] == [None, text]
    with capture([frame], sa) as found:
        assert found.icvs["opened"] == 1
        assert [loss.text for loss in found.losses] == [text]


def test_what_has_no_ipsec_inside_is_left_alone() -> None:
    sa = Sa(A)
    inner = [
        (ipv4(17, udp(53, 53, bytes(20))), 4), (ipv4(6, tcp(80, 80, 1, bytes(20))), 4), (udp(53, 5000, bytes(9)), 17),
        (bytes(20), 1), (ipv4(17, bytes(24), fragment=0x2000), 4), (ipv4(108, bytes(24)), 4), (bytes(24), 108),
        (ipv6(58, bytes(20)), 41), (bytes(30), 59), (PING + bytes(100), 4), (ipv4(47, b"\0\0\x08\0" + PING), 4),
    ]  # fmt: skip
    frames = [ipv4(50, sa(content, following)) for content, following in inner]
    found = records(frames, sa)
    assert [record["error"] for record in found] == [None] * len(inner)
    assert not any("inside" in record for record in found)
    with capture(frames, sa) as opened:
        assert opened.icvs["opened"] == len(inner)
        assert (opened.losses, opened.problems, opened.failed) == ([], [], False)


WESP = b"\x04\x0c\x10\0"  # next header, HdrLen, TrailerLen, flags: ESP-NULL with an ICV of 16 octets


def null_esp(following: int = 4) -> bytes:
    out = OutboundSa(spi=A, encr=encryption(NULL.id, esp=True), key=b"", integ=integrity(SHA.id), auth_key=bytes(32))
    return out.seal(PING, following)


def test_wesp_shows_what_esp_does_not_encrypt() -> None:
    frame = ipv4(141, WESP + null_esp())
    (record,) = records([frame])
    assert chain(record) == [("wesp", None), ("esp", 4)]
    (esp_record,) = record["inside"]
    assert (esp_record["inner"], esp_record["decrypted"], esp_record["icv"]) == (PING.hex(), True, "unchecked")
    with capture([frame]) as found:
        assert [packet.payload for packet in found.inner()] == [PING]
        assert (found.icvs, dict(found.tally.closed)) == ({"opened": 1, "bad": 0, "closed": 0}, {})


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"\x06\x0c\x10\0", "next header 6 in WESP, but 4 in ESP"),
        (b"\x04\x0d\x10\0", "a WESP header's lengths of 13 and 16 octets do not fit"),
        (b"\x04\xfc\x10\0", "a WESP header's lengths of 252 and 16 octets do not fit"),
        (b"\x04\x0c\xff\0", "a WESP header's lengths of 12 and 255 octets do not fit"),
        (b"\x04\x0c\x10\x40", "expected WESP version 0, found 1"),
        (b"\x04\0\0\x20", "expected zeros"),
        (b"\0\0", "expected an ESP packet in WESP"),
    ],
)
def test_wesp_that_contradicts_itself(header: bytes, text: str) -> None:
    frame = ipv4(141, (header + null_esp()) if len(header) == 4 else header + bytes(2))
    (record,) = records([frame])
    assert text in record["error"]
    assert [text in problem.text for problem in Index().scan(stream(pcap([ethernet(frame)]))).problems] == [True]


CONTRADICTIONS = {
    "version 6 under 4": (ipv6(58, bytes(8)), 4, "next header 4 (IPv4), but the inner packet has version 6"),
    "version 4 under 41": (PING, 41, "next header 41 (IPv6), but the inner packet has version 4"),
    "version 0": (bytes(40), 4, "next header 4 (IPv4), but the inner packet has version 0"),
    "nothing": (b"", 4, "next header 4 (IPv4), but nothing follows"),
    "too short": (PING[:12], 4, "next header 4 (IPv4), but 12 octets follow"),
    "cut": (PING[:-8], 4, "next header 4 (IPv4), but the inner packet has 52 of its 60 octets"),
    "cut IPv6": (ipv6(58, bytes(8))[:-1], 41, "next header 41 (IPv6), but the inner packet has 47 of its 48 octets"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_next_header_that_contradicts_its_content(name: str) -> None:
    content, following, text = CONTRADICTIONS[name]
    sa = Sa(A)
    frames = [ipv4(50, sa(PING)), *(ipv4(50, sa(content, following)) for _ in range(3))]
    found = records(frames, sa)
    assert [(record["decrypted"], record["icv"], record["error"]) for record in found] == [
        (True, "ok", None), *[(True, "ok", text)] * 3,
    ]  # fmt: skip
    assert f"!! {text}" in line(found[1])
    with capture(frames, sa) as opened:
        assert opened.icvs == {"opened": 4, "bad": 0, "closed": 0}
        assert dict(opened.tally.faults) == {f"ESP SA 0x00001001 10.0.0.1 > 10.0.0.2: {text}": 3}
        assert [packet.error for packet in opened.esp()] == [None, text, text, text]
        assert opened.failed
    for frame in (ipv4(51, ah(following, content)),):
        (record,) = records([frame])
        assert record["error"] == text
        assert [problem.text for problem in Index().scan(stream(pcap([ethernet(frame)]))).problems] == [text]


def test_spi_0_and_sequence_number_0() -> None:
    frames = [ipv4(50, esp(1, 0)), ipv4(50, esp(2, 0)), ipv4(50, esp(0, 0x500)), ipv4(50, esp(1, 0x500))]
    frames += [ipv4(51, ah(1, bytes(8), 0, 0)), ipv4(50, esp(0, 0x500))]
    spi, first = never_sent("esp", 0), never_first("esp")
    in_ah = f"{never_sent('ah', 0)}; {never_first('ah')}"
    assert [record["error"] for record in records(frames)] == [spi, spi, first, None, in_ah, first]
    with capture(frames) as found:
        assert [(problem.number, problem.text) for problem in found.problems] == [
            (1, f"2 packets of ESP from 10.0.0.1 to 10.0.0.2: {spi}"),
            (3, f"2 packets of ESP SA 0x00000500 10.0.0.1 > 10.0.0.2: {first}"),
            (5, f"1 packet of AH from 10.0.0.1 to 10.0.0.2: {never_sent('ah', 0)}"),
            (5, f"1 packet of AH SA 0x00000000 10.0.0.1 > 10.0.0.2: {never_first('ah')}"),
        ]
        assert [(flow.spi, flow.zeros, flow.packets) for flow in found.flows] == [(0, 0, 2), (0x500, 2, 3), (0, 1, 1)]


def test_the_sequence_number_0_after_2_to_the_32_is_none() -> None:
    numbers = (0xFFFFFFFE, 0xFFFFFFFF, 0, 1)
    frames = [ipv4(50, esp(number)) for number in numbers]
    assert [record["error"] for record in records(frames)] == [None] * 4
    with capture(frames) as found:
        assert (found.problems, found.flows[0].zeros) == ([], 0)


def test_a_reserved_spi_is_named() -> None:
    (record,) = records([ipv4(50, esp(1, 200))])
    assert record["error"] is None
    assert "ESP 0x000000c8 (reserved) seq 1" in line(record)


COMMANDS = ("dissect", "capture", "audit", "follow", "decrypt")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_alike(command: str, tmp_path: Path) -> None:
    a, b = Sa(A), Sa(B)
    cases = {
        "good": ([ipv4(50, a(ipv4(50, b(PING)))), ipv4(51, ah(4, PING))], 0, ""),
        "closed": ([ipv4(50, a(ipv4(50, Sa(C)(PING))))], 1, "no key for ESP SA 0x00001003"),
        "contradiction": ([ipv4(50, a(ipv6(58, bytes(8)), 4))], 1, "but the inner packet has version 6"),
        "SPI 0": ([ipv4(50, esp(1, 0))], 1, "SPI 0 must not be on the wire"),
        "zero": ([ipv4(50, a(ipv4(50, bytes(4 - 2) + b"\x10\x09" + bytes(40))))], 1, "sequence number 0"),
        "short": ([ipv4(50, a(ipv4(50, bytes(5))))], 1, "expected an ESP header of 8 octets, found 5"),
        "IKE": ([ipv4(50, a(ipv4(17, udp(500, 500, ike()))))], 1, "IKE inside ESP"),
    }
    keys = tmp_path / "a.keys"
    KeyLog(esp=[a.row, b.row, Sa(0x1234).row]).save(keys)
    for name, (frames, status, text) in cases.items():
        path = tmp_path / f"{name}.pcap"
        path.write_bytes(pcap([ethernet(frame) for frame in frames]))
        options = ["-o", str(tmp_path / f"{name}.pcapng")] if command == "decrypt" else []
        result = CliRunner().invoke(main, [command, str(path), "--keys", str(keys), *options])
        assert (name, result.exit_code) == (name, status), result.output
        assert text in result.stderr, name


def test_ah_over_icmp_in_a_public_capture(tmp_path: Path) -> None:
    path = shared("cases/C03-ah-inner/PcapPlusPlus-ipsec.pcapng")
    with Capture(path, KeyLog()) as found:
        assert [(each.number, each.protocol, (each.payload or b"")[9]) for each in found.inner()] == [(3, "ah", 1)]
        assert found.save_decrypted(tmp_path / "plain.pcapng") == 1
    result = CliRunner().invoke(main, ["dissect", str(path)])
    assert "AH 0x646adc80 seq 8  192.168.12.1 > 192.168.12.2 ICMP, 100 octets" in result.output


def test_rdpcap_has_the_innermost(tmp_path: Path) -> None:
    a, b = Sa(A), Sa(B)
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([ethernet(ipv4(50, a(ipv4(50, b(PING))))), ethernet(ipv4(51, ah(50, b(PING))))]))
    for packet in rdpcap(path, KeyLog(esp=[a.row, b.row])):
        assert packet.lastlayer().underlayer is not None
        assert "192.0.2.1" in packet.summary()
