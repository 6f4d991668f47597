# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of single packets: bad ICVs, wrong and missing keys, fragments, damage, and foreign captures."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.capture.dissect import Dissection, dissect
from fynx_scapy.capture.reading.frames import frames
from fynx_scapy.capture.showing.text import line
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.protector import Protector
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import CaptureError
from fynx_scapy.esp import OutboundSa
from fynx_scapy.iana import Encr, Integ, TransformType
from fynx_scapy.keylog import EspKeys, IkeKeys, KeyLog
from tests.capture.build import ethernet, ike, ipv4, ipv6, pcap, stream, udp
from tests.shared import shared

GCM = Transform(TransformType.ENCR, Encr.ENCR_AES_GCM_16, 128)
CBC = Transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 128)
SHA1 = Transform(TransformType.INTEG, Integ.AUTH_HMAC_SHA1_96)
KEY = bytes(range(20))
WAYS = (("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1"))
INNER = ipv4(1, bytes(8), "10.1.0.1", "10.2.0.1")


def sealed(esn: bool = False, seq: int = 0) -> bytes:
    sa = OutboundSa(spi=0x1234, encr=encryption(GCM.id, 128), key=KEY, esn=esn, seq=seq)
    return sa.seal(INNER, 4)


def run(*packets: bytes, keys: KeyLog | None = None) -> tuple[list[dict[str, Any]], Dissection]:
    work = Dissection(keys or KeyLog())
    records = list(work.records(stream(pcap([ethernet(packet) for packet in packets])), "a.pcap"))
    assert json.loads(json.dumps(records)) == records
    assert all(line(record, 0) for record in records)
    return records, work


def esp_keys(key: bytes = KEY, src: str = "10.0.0.1", dst: str = "10.0.0.2", spi: int | None = 0x1234) -> EspKeys:
    return EspKeys(spi, src, dst, GCM, key)


def test_esp_opened_bare_and_in_udp_and_ipv6() -> None:
    packets = [
        ipv4(50, sealed()),
        ipv4(17, udp(4500, 4500, sealed(seq=1))),
        ipv6(17, udp(4500, 40000, sealed(seq=2))),
    ]
    records, work = run(*packets, keys=KeyLog(esp=[esp_keys()]))
    assert [(r["kind"], r["spi"], r["seq"], r["icv"], r["next_header"]) for r in records] == [
        ("esp", "00001234", seq, "ok", 4) for seq in (1, 2, 3)
    ]
    assert {record["inner"] for record in records} == {INNER.hex()}
    assert not work.failed
    assert "ESP 0x00001234 seq 1  10.1.0.1 > 10.2.0.1 ICMP, 28 octets  [icv ok]" in line(records[0], 1000)


@pytest.mark.parametrize(
    "rows",
    [
        [esp_keys(bytes(20)), esp_keys()],
        [esp_keys(bytes(20), "10.9.9.9", "10.9.9.8"), esp_keys(src="10.7.7.7")],
        [esp_keys(bytes(20)), esp_keys(src="10.0.*", dst="*", spi=None)],
    ],
)
def test_every_row_is_tried_whatever_its_addresses(rows: list[EspKeys]) -> None:
    records, work = run(ipv4(50, sealed()), ipv4(50, sealed()), keys=KeyLog(esp=rows))
    assert [record["icv"] for record in records] == ["ok", "ok"]  # the second is the same packet again: no replay check
    assert not work.failed


def test_esn_is_tried_where_nothing_says_it_and_its_high_half_is_followed() -> None:
    numbers = (0xFFFF_FFFE, 0xFFFF_FFFF, 0x1_0000_0000)
    packets = [ipv4(50, sealed(True, number)) for number in numbers]
    records, _ = run(*packets, keys=KeyLog(esp=[esp_keys()]))
    assert [(record["seq"], record["icv"]) for record in records] == [
        (0xFFFF_FFFF, "ok"), (0, "ok"), (1, "ok"),
    ]  # fmt: skip


def test_a_bad_icv() -> None:
    data = bytearray(sealed())
    data[-1] ^= 1
    records, work = run(ipv4(50, bytes(data)), keys=KeyLog(esp=[esp_keys()]))
    assert (records[0]["icv"], records[0]["decrypted"], records[0]["inner"]) == ("bad", False, None)
    assert records[0]["error"] == "the ICV does not verify with any known key (2 tried)"
    assert work.failed
    assert "[ICV BAD]" in line(records[0])


def test_an_icv_that_nobody_can_check_is_said_to_be_unchecked() -> None:
    keys = EspKeys(0x1234, "*", "*", CBC, bytes(16), None, b"", None, 12)
    sa = OutboundSa(spi=0x1234, encr=encryption(CBC.id, 128), key=bytes(16), iv=lambda size: bytes(size))
    records, work = run(ipv4(50, sa.seal(INNER, 4) + bytes(12)), keys=KeyLog(esp=[keys]))
    assert (records[0]["icv"], records[0]["decrypted"], records[0]["inner"]) == ("unchecked", True, INNER.hex())
    assert not work.failed
    assert "[icv unchecked]" in line(records[0])


def test_esp_without_integrity_is_unchecked_and_its_padding_tells_the_key() -> None:
    sa = OutboundSa(spi=0x1234, encr=encryption(CBC.id, 128), key=bytes(16), iv=lambda size: bytes(size))
    rows = [EspKeys(0x1234, "*", "*", CBC, key) for key in (bytes(range(16)), bytes(16))]
    packet = ipv4(50, sa.seal(INNER, 4))
    records, _ = run(packet, keys=KeyLog(esp=rows))
    assert (records[0]["icv"], records[0]["inner"], records[0]["error"]) == ("unchecked", INNER.hex(), None)
    records, work = run(packet, keys=KeyLog(esp=rows[:1]))
    assert not records[0]["decrypted"]
    assert records[0]["error"]
    assert work.failed


def test_esp_in_fragments() -> None:
    datagram = udp(4500, 4500, sealed())
    first, last = ipv4(17, datagram[:32], fragment=0x2000), ipv4(17, datagram[32:], fragment=4)
    records, _ = run(first, last, keys=KeyLog(esp=[esp_keys()]))
    assert [(record["number"], record["icv"]) for record in records] == [(2, "ok")]
    records, work = run(first)
    assert records[0]["kind"] == "fragment"
    assert "the other fragments are not in the capture" in records[0]["error"]
    assert work.failed
    lost_dns = ipv4(17, udp(53, 53, bytes(24)), fragment=0x2000, ident=8)
    records, work = run(ipv4(6, bytes(32), fragment=0x2000), lost_dns)
    assert not records
    assert work.foreign == 2


def test_short_and_strange_packets() -> None:
    records, work = run(
        ipv4(50, b"\0\0\1"),
        ipv4(51, b"\x04\x04" + bytes(6)),
        ipv4(51, bytes((4, 4, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 0, 9)) + bytes(12) + INNER),
        ipv4(17, udp(500, 500, b"short")),
        ipv4(17, udp(500, 500, ike(version=0x30))),
        ipv4(17, udp(500, 500, ike(version=0x10))),
        ipv4(17, udp(4500, 4500, b"\xff")),
        ipv4(17, udp(4500, 4500, b"")),
        ipv4(108, bytes(8)),
        ipv4(6, bytes(20)),
        b"\x4f" + bytes(19),
    )
    kinds = ["esp", "ah", "ah", "ike", "ike", "ikev1", "keepalive", "unreadable", "ipcomp", "unreadable"]
    assert [record["kind"] for record in records] == kinds
    assert [record["number"] for record in records] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert (records[2]["spi"], records[2]["seq"], records[2]["inner"]) == ("00001234", 9, INNER.hex())
    errors = [record["error"] for record in records]
    assert errors[0] == "expected an ESP header of 8 octets, found 3"
    assert errors[3] == "expected an IKE header of 28 octets, found 5"
    assert errors[4] == "expected major version 2, found 3"
    assert errors[9] == "packet 11 at offset 717: the headers do not fit into 34 octets"
    assert [n for n, error in enumerate(errors) if error is None] == [2, 5, 6, 8]
    assert work.failed
    assert work.foreign == 1


def test_malformed_payloads_are_shown_and_named() -> None:
    nonce = b"\0\0\0\x14" + bytes(16)
    records, _ = run(
        ipv4(17, udp(500, 500, ike(kind=40, body=b"\0\0\0\xff" + bytes(16)))),
        ipv4(17, udp(500, 500, ike(kind=40, body=nonce, length=99))),
        ipv4(17, udp(500, 500, ike(kind=200, body=b"\0\x80\0\x08yyyy"))),
    )
    assert records[0]["payloads"][0]["type"] == "Nonce"
    assert records[0]["payloads"][0]["malformed"] == records[0]["error"]
    assert "length 99, but" in records[1]["error"]
    unknown = records[2]["payloads"][0]
    assert (unknown["type"], unknown["critical"], unknown["load"]) == ("UNKNOWN-200", True, b"yyyy".hex())
    assert records[2]["error"] is None


def test_the_capture_cut_the_packet_short() -> None:
    data = bytearray(pcap([ethernet(ipv4(50, sealed()))[:-20]]))
    data[24 + 12 : 24 + 16] = (1500).to_bytes(4, "little")
    (record,) = Dissection(KeyLog(esp=[esp_keys()])).records(stream(bytes(data)), "a.pcap")
    assert (record["spi"], record["icv"], record["decrypted"]) == ("00001234", "unchecked", False)
    assert record["error"] == "the capture holds 44 of 64 octets"


def test_a_truncated_file(tmp_path: Path) -> None:
    whole = shared("captures/lab/psk-gcm128-x25519.pcap").read_bytes()
    path = tmp_path / "cut.pcap"
    path.write_bytes(whole[:3000])
    records = list(dissect(path, KeyLog.load(shared("captures/lab/psk-gcm128-x25519.esp_sa"))))
    assert [record["kind"] for record in records] == ["ike"] * 4 + ["esp"] * 6 + ["unreadable"]
    assert records[-1]["error"].startswith(f"{path}: packet 11 at offset ")
    assert records[-1]["number"] == 11
    with pytest.raises(CaptureError, match="cannot be opened"):
        list(dissect(tmp_path / "absent.pcap", KeyLog()))


def test_rows_suffice_where_the_sa_payloads_are_not_in_the_capture(tmp_path: Path) -> None:
    """The fallback: only what follows IKE_SA_INIT and IKE_AUTH, ESN among it."""
    for name in ("k-cbc-sha256-esn", "k-gcm128-esn", "psk-3des-sha1-modp2048"):
        source = shared(f"captures/lab/{name}.pcap")
        late = [frame.data for frame in frames(source) if frame.number > 4]
        work = Dissection(KeyLog.beside(source))
        records = list(work.records(stream(pcap(late)), name))
        opened = [record for record in records if record.get("icv") == "ok"]
        assert len(opened) == len(records) - sum(record["kind"] == "keepalive" for record in records)
        assert not work.failed


def test_two_sets_of_keys_for_one_spi_pair() -> None:
    source = shared("captures/lab/6.0-6-mlkem768-multike.pcap")
    log = KeyLog.beside(source)
    for keys in (log.ike, log.ike[::-1]):
        records = list(dissect(source, KeyLog(keys, log.esp)))
        sealed_ = [record for record in records if record.get("encrypted")]
        assert {record["icv"] for record in sealed_} == {"ok"}


def test_keys_of_the_wrong_size_for_what_was_negotiated() -> None:
    source = shared("captures/lab/psk-gcm128-x25519.pcap")
    right = KeyLog.beside(source).ike[0]
    wrong = IkeKeys(right.spi_i, right.spi_r, CBC, SHA1, bytes(16), bytes(16), bytes(20), bytes(20))
    records = [record for record in dissect(source, KeyLog([wrong])) if record.get("encrypted")]
    assert {record["icv"] for record in records if record["init_spi"] == right.spi_i.hex()} == {"bad"}


def test_the_published_inner_packets() -> None:
    """tcpdump's captures, whose authentication keys were never published: opened, and said to be unchecked."""
    expected = json.loads(shared("captures/external/tcpdump_expected.json").read_text())["files"]
    ciphers = {"3DES-CBC": Transform(TransformType.ENCR, Encr.ENCR_3DES)}
    ciphers["AES-CBC-256"] = Transform(TransformType.ENCR, Encr.ENCR_AES_CBC, 256)
    compared = 0
    for name, file in expected.items():
        if not file.get("packets"):
            continue
        keys = [
            EspKeys(int(spi, 16), "*", "*", ciphers[key["encr"]], bytes.fromhex(key["encr_key"]), unchecked_icv=12)
            for spi, key in file["keys"].items()
        ]
        records = {r["number"]: r for r in dissect(shared(f"captures/external/{name}"), KeyLog(esp=keys))}
        for packet in file["packets"]:
            outer, record = packet["layers"][0], records[packet["frame"]]
            assert (record["inner"], record["next_header"]) == (outer["inner_hex"], outer["next_header"])
            assert (record["icv"], record["decrypted"], record["seq"]) == ("unchecked", True, outer["seq"])
            compared += 1
    assert compared == 32


def test_the_published_ike_keys_whose_icv_does_not_verify() -> None:
    keys = json.loads(shared("captures/external/tcpdump_expected.json").read_text())["files"]["ikev2pI2.pcap"]["keys"]
    value: dict[str, Any] = {name: bytes.fromhex(keys[name]) for name in keys if name not in ("encr", "integ")}
    records = list(dissect(shared("captures/external/ikev2pI2.pcap"), KeyLog([IkeKeys(encr=CBC, integ=SHA1, **value)])))
    assert [record["icv"] for record in records] == ["unchecked", "bad"]


def test_the_complete_handshake_of_the_vectors() -> None:
    """Both sealed messages of the published handshake open with the keys derived for it."""
    vector = json.loads(shared("vectors/ikev2_psk_handshake_complete.json").read_text())
    messages = [bytes.fromhex(message["hex"]) for message in vector["messages"]]
    secret = {name: bytes.fromhex(value) for name, value in vector["derived"].items()}
    names: dict[str, Any] = {f"sk_{end}": secret[f"SK_{end}"] for end in ("ai", "ar", "ei", "er")}
    log = KeyLog([IkeKeys(messages[1][:8], messages[1][8:16], CBC, SHA1, **names)])
    packets = [
        ipv4(17, udp(500, 500, message), source, destination)
        for message, (source, destination) in zip(messages, itertools.cycle(WAYS), strict=False)
    ]
    records, work = run(*packets, keys=log)
    assert not work.failed
    assert [record["icv"] for record in records] == ["unchecked", "unchecked", "ok", "ok"]
    for record, plain, first in zip(records[2:], ("m3", "m4"), ("IDi", "IDr"), strict=True):
        inner = record["payloads"][-1]["payloads"]
        assert inner[0]["type"] == first
        assert vector["plaintext"][f"{plain}_first"] == {"IDi": 35, "IDr": 36}[first]
        assert inner[1]["load"] in vector["plaintext"][plain]


def test_a_name_from_the_wire_cannot_speak_to_the_terminal() -> None:
    body = b"\0\0\0\x12" + bytes((9, 0, 0, 0)) + bytes.fromhex("300831063104") + b"\x1b[2J"
    (record,), _ = run(ipv4(17, udp(500, 500, ike(kind=35, body=body))))
    assert line(record | {"error": "\x1b[2J\n"}, 0).isprintable()


EXTERNAL = "captures/external"


def test_external_captures_are_dissected_or_reported() -> None:
    log = KeyLog()
    seen = 0
    for path in sorted(shared(EXTERNAL).glob("*.pcap*")):
        work = Dissection(log)
        records = list(work.records(path))
        json.dumps(records)
        assert all(line(record, 0) for record in records)
        packets = len(list(frames(path)))
        numbers = [record["number"] for record in records]
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= set(range(1, packets + 1))
        # what is no record of its own is counted, or was a fragment of one
        assert len(records) + work.foreign <= packets
        if "oobr" not in path.name and "truncated" not in path.name:
            assert len(records) + work.foreign == packets, path.name
        seen += packets
    assert seen > 1000


@pytest.mark.parametrize("seed", range(4))
def test_damaged_captures_never_raise(seed: int) -> None:
    """Octets changed anywhere in real captures: records come out, or the reason why not."""
    source = shared("captures/lab/psk-gcm128-pfs-x25519.pcap")
    whole, log, rng = source.read_bytes(), KeyLog.beside(source), random.Random(seed)
    for _ in range(12):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 10, 300))):
            data[rng.randrange(24, len(data))] = rng.randrange(256)
        records = list(Dissection(log).records(stream(bytes(data)), "a.pcap"))
        assert records
        json.dumps(records)
        assert all(line(record, 0) for record in records)


def test_an_opened_message_with_damaged_payloads_inside() -> None:
    """What an authentic peer seals may be malformed all the same."""
    protector = Protector(encryption(GCM.id, 128), None, KEY, b"")
    spi_r = b"respond."
    body = b"\0\0\xff\xff" + bytes(12)
    plaintext = protector.pad(body)
    size = 28 + 4 + protector.overhead(len(body))
    head = ike(spi_r, kind=46, length=size) + bytes((40, 0)) + (size - 28).to_bytes(2, "big")
    message = head + protector.seal(head, plaintext, bytes(protector.iv_size))
    keys = KeyLog([IkeKeys(b"initiate", spi_r, GCM, None, KEY, KEY)])
    (record,), work = run(ipv4(17, udp(500, 500, message)), keys=keys)
    assert (record["icv"], record["decrypted"]) == ("ok", True)
    assert "65535" in record["error"]
    assert record["payloads"][0]["payloads"][0]["malformed"] == record["error"]
    assert work.failed
