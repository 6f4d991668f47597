# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorder: packets as they would lie in a capture, each with a comment, and keys that open them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.utils import rdpcap

from fynx_scapy import scenarios
from fynx_scapy.capture.dissect import Dissection, dissect
from fynx_scapy.esp.ip import checksum
from fynx_scapy.harness import run
from fynx_scapy.iana import Encr, Integ
from fynx_scapy.ike.events import ChildSaInstalled, KeysDerived
from fynx_scapy.ike.exchanges.informational import Liveness
from fynx_scapy.ike.message import Address, Datagram, DatagramKind
from fynx_scapy.keylog import KeyLog
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.recorder import EPOCH, Recorder, frame
from fynx_scapy.session import Session
from tests import tshark
from tests.plain import PLAIN_NAMES


def comments(recorder: Recorder) -> list[str]:
    return [packet.comments[0].decode() for packet in recorder.packets()]


def recorded(**arguments: object) -> tuple[Session, Recorder]:
    s = Session(seed=1, **arguments)  # type: ignore[arg-type]
    recorder = Recorder()
    recorder.watch(s.network, "here")
    return s, recorder


def test_every_packet_says_what_it_is() -> None:
    s, recorder = recorded()
    s.connect()
    s.ping()
    said = comments(recorder)
    assert said[0].startswith("here: initiator -> responder, IKE_SA_INIT request 0: HDR, SA, KE, Ni, N(NAT_DETECTION_")
    assert said[3] == "here: responder -> initiator, IKE_AUTH response 1: HDR, SK {IDr, AUTH, SA, TSi, TSr}"
    assert said[4].startswith("here: initiator -> responder, ESP: SPI ")
    assert len(said) == 6


def test_the_fate_of_a_packet_is_said() -> None:
    s, recorder = recorded()
    s.connect()
    lose = s.client.taps.add("datagrams", lambda _message, datagrams, attempt: datagrams * (2 if attempt else 1))
    s.network.wire.loss = 1.0
    exchange = s.sa.start(Liveness(s.sa))
    s.network.run(1.0)
    s.network.wire.loss = 0.0
    s.network.run(lambda: exchange.done)
    lose()
    said = comments(recorder)[4:]
    assert said[0] == "here: initiator -> responder, INFORMATIONAL request 2: HDR, SK {} [lost]"
    assert said[1] == "here: initiator -> responder, INFORMATIONAL request 2: HDR, SK {} [transmission 2]"
    assert said[2] == "here: initiator -> responder, INFORMATIONAL request 2: HDR, SK {} [transmission 3]"


def test_what_nobody_sent_is_there_too() -> None:
    s, recorder = recorded()
    s.network.inject(Datagram(b"\1" * 30, Address("203.0.113.9", 500), Address("192.0.2.2", 500)))
    s.network.run()
    assert comments(recorder) == [
        "here: 203.0.113.9 -> responder, 30 octets that neither end has sent "
        "[dropped: expected 16843009 octets as the IKE header says, found 30]"
    ]


@pytest.mark.parametrize(
    ("source", "destination", "layer"), [("192.0.2.1", "192.0.2.2", IP), ("2001:db8::1", "2001:db8::2", IPv6)]
)
def test_frames(source: str, destination: str, layer: type) -> None:
    ike = frame(Datagram(b"x" * 28, Address(source, 4500), Address(destination, 4500), tos=0xB8), 7)
    again = layer(bytes(ike))
    assert (again.src, again.dst) == (source, destination)
    assert (again.tos if layer is IP else again.tc) == 0xB8
    assert bytes(again[UDP])[8:] == bytes(4) + b"x" * 28  # the non-ESP marker stands on port 4500
    udp = bytes(again[UDP])
    addresses = bytes(again)[12:20] if layer is IP else bytes(again)[8:40]
    assert checksum(addresses + len(udp).to_bytes(4) + (17).to_bytes(4) + udp) == 0
    esp = layer(bytes(frame(Datagram(b"y" * 40, Address(source, 0), Address(destination, 0), DatagramKind.ESP))))
    assert (esp.proto if layer is IP else esp.nh) == 50
    assert bytes(esp.payload) == b"y" * 40
    inside = frame(Datagram(b"y" * 40, Address(source, 4500), Address(destination, 4500), DatagramKind.ESP_IN_UDP))
    assert bytes(layer(bytes(inside))[UDP])[8:] == b"y" * 40


def test_times_go_on_from_network_to_network(tmp_path: Path) -> None:
    recorder = Recorder()
    for seed in (1, 2):
        s = Session(seed=seed)
        recorder.watch(s.network, f"number {seed}")
        s.connect()
    recorder.save_capture(tmp_path / "two.pcapng")
    times = [float(packet.time) - EPOCH for packet in rdpcap(str(tmp_path / "two.pcapng"))]
    assert [round(time, 6) for time in times] == [0.0, 0.01, 0.02, 0.03, 1.03, 1.04, 1.05, 1.06]


def test_both_ip_versions_in_one_file(tmp_path: Path) -> None:
    recorder = Recorder()
    for local, remote in (("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")):
        s = Session(seed=local, local=local, remote=remote)
        recorder.watch(s.network, "both")
        s.connect()
        s.ping()
    recorder.save_capture(tmp_path / "both.pcapng")
    recorder.keys().save(tmp_path / "both.keys")
    records = list(dissect(tmp_path / "both.pcapng"))
    assert [record["icv"] for record in records] == ["unchecked", "unchecked", *["ok"] * 4] * 2
    assert {record["src"] for record in records} == {"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"}


def test_keys_of_a_failed_handshake_are_kept(tmp_path: Path) -> None:
    s, recorder = recorded(peer={"psk": "another"})
    s.connect()
    keys = recorder.keys()
    assert (len(keys.ike), len(keys.esp)) == (1, 0)  # both ends derived the same
    derived = next(event for _, event in s.events if isinstance(event, KeysDerived))
    assert keys.ike[0].sk_er == derived.keys.sk_er
    recorder.save_capture(tmp_path / "x.pcapng")
    records = list(dissect(tmp_path / "x.pcapng", keys))
    assert records[3]["payloads"][0]["payloads"][0]["notify_type"] == "AUTHENTICATION_FAILED"


def test_keys_of_both_directions() -> None:
    s, recorder = recorded(esp_proposals="aes128-sha256-esn")
    s.connect()
    esp = recorder.keys().esp
    assert [(keys.src, keys.dst) for keys in esp] in (
        [("192.0.2.2", "192.0.2.1"), ("192.0.2.1", "192.0.2.2")],
        [("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1")],
    )
    child = next(event for _, event in s.events if isinstance(event, ChildSaInstalled))
    assert {keys.spi for keys in esp} == {child.inbound.spi, child.outbound.spi}
    assert all(keys.esn and len(keys.key) == 16 and len(keys.auth_key) == 32 for keys in esp)
    assert child.encr_key_in.hex() not in repr(esp) + repr(recorder)


def test_behind_a_nat_esp_travels_in_udp(tmp_path: Path) -> None:
    s, recorder = recorded()
    s.network.add_nat(Nat(["192.0.2.1"], "198.51.100.1"))
    s.connect()
    s.ping()
    recorder.save_capture(tmp_path / "nat.pcapng")
    records = list(dissect(tmp_path / "nat.pcapng", recorder.keys()))
    assert [(r["kind"], r["sport"]) for r in records][-2:] == [("esp", 4500), ("esp", 4500)]
    assert {record["icv"] for record in records[2:]} == {"ok"}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of all scenarios, with its key tables."""
    folder = tmp_path_factory.mktemp("run")
    recorder = Recorder()
    for name in PLAIN_NAMES:
        run(scenarios.load(name), seed=7, watch=recorder.watch)
    recorder.save_capture(folder / "run.pcapng")
    recorder.keys().save(folder / "run.keys")
    return folder / "run.pcapng"


MADE_UP = "octets that neither end has sent"
NEAR_THE_END = "sequence_exhaustion (64-bit"  # begins where nobody who only looks on can know the upper half


@pytest.mark.slow
def test_we_open_all_that_we_wrote(whole_run: Path) -> None:
    dissection = Dissection(KeyLog.beside(whole_run))
    *records, last = dissection.records(whole_run)
    packets = rdpcap(str(whole_run))
    assert len(records) == len(packets) > 200
    assert "fragmented IKE messages never completed" in last["error"], "scenarios keep fragments back"
    comments = {record["number"]: packets[record["number"] - 1].comments[0].decode() for record in records}
    counts = Counter((record["kind"], record.get("icv")) for record in records)
    # What a scenario forges is open to nobody: it has a wrong ICV, or SPIs that are none.
    bad = [comments[record["number"]] for record in records if record.get("icv") == "bad"]
    assert "esp_ping (IPv4): initiator -> responder, 120 octets that neither end has sent" in bad
    assert [comment for comment in bad if MADE_UP not in comment and NEAR_THE_END not in comment] == []
    sealed = [record for record in records if record.get("encrypted", record["kind"] == "esp")]
    closed = [comments[record["number"]] for record in sealed if record["icv"] == "unchecked"]
    assert [comment for comment in closed if MADE_UP not in comment] == []
    assert counts["ike", "ok"] > 80
    assert counts["esp", "ok"] > 50
    spis = Counter(keys.spi_i for keys in KeyLog.load(whole_run.with_suffix(".keys") / "keys.json").ike)
    # Scenarios that count their SPIs up share some.
    assert max(count for spi, count in spis.items() if spi[:4] != bytes(4)) == 1


# What Wireshark 4.0 has no algorithm for, and ESN, whose upper half its ICV check leaves out.
NOT_IN_IKE = {Encr.ENCR_CHACHA20_POLY1305, Encr.ENCR_CAMELLIA_CBC, Integ.AUTH_AES_XCBC_96, Integ.AUTH_AES_CMAC_96}
IN_ESP = {
    Encr.ENCR_NULL, Encr.ENCR_3DES, Encr.ENCR_AES_CBC, Encr.ENCR_AES_CTR,
    Encr.ENCR_AES_GCM_8, Encr.ENCR_AES_GCM_12, Encr.ENCR_AES_GCM_16,
}  # fmt: skip
SK = ("46", "53")
FIELDS = (
    "frame.comment", "ip.proto", "isakmp.ispi", "isakmp.nextpayload", "isakmp.enc.decrypted", "esp.spi",
    "esp.icv_good", "esp.contained_data", "esp.protocol", "udp.checksum.status", "ip.checksum.status",
    "_ws.expert.message",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_opens_what_it_has_ciphers_for(whole_run: Path, tmp_path: Path) -> None:
    for table in ("ikev2_decryption_table", "esp_sa"):
        shutil.copy(whole_run.with_suffix(".keys") / table, tmp_path / table)
    command = ["tshark", "-n", "-r", str(whole_run), "-T", "fields", "-E", "occurrence=a", "-E", "separator=|"]
    for option in ("esp.enable_encryption_decode", "esp.enable_authentication_check", "ip.check_checksum"):
        command += ["-o", f"{option}:TRUE"]
    command += ["-o", "udp.check_checksum:TRUE", *(word for name in FIELDS for word in ("-e", name))]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    packets = [dict(zip(FIELDS, line.split("|"), strict=True)) for line in done.stdout.splitlines()]
    keys = KeyLog.load(whole_run.with_suffix(".keys") / "keys.json")
    ike, esp = {entry.spi_i.hex(): entry for entry in keys.ike}, {entry.spi: entry for entry in keys.esp}
    counts: Counter[str] = Counter()
    for packet in packets:
        comment = packet["frame.comment"]
        if MADE_UP in comment:
            counts["made up"] += 1
            continue
        assert "Bad" not in packet["_ws.expert.message"], packet
        if packet["isakmp.ispi"]:
            assert packet["udp.checksum.status"] == "1", comment
            if packet["isakmp.nextpayload"].partition(",")[0] not in SK:
                counts["plain"] += 1
                continue
            entry = ike[packet["isakmp.ispi"]]
            knows = not {entry.encr.id} & NOT_IN_IKE and not ({entry.integ.id} if entry.integ else set()) & NOT_IN_IKE
            assert bool(packet["isakmp.enc.decrypted"]) is knows, comment
            assert "incorrect" not in packet["_ws.expert.message"]
            counts["SK opened" if knows else "SK without a cipher"] += 1
            continue
        if not packet["esp.spi"]:
            # A keepalive (RFC 3948 section 2.3).
            counts["keepalive"] += 1
            continue
        key = esp[int(packet["esp.spi"], 16)]
        if key.encr.id not in IN_ESP or (key.integ and key.integ.id == Integ.AUTH_AES_XCBC_96):
            counts["ESP without a cipher"] += 1
            continue
        # An IP packet, or the random octets of the one dummy packet, or what transport mode protects.
        if not comment.startswith("transport_"):
            assert packet["esp.protocol"] in ("0x04", "0x29") or "esp_ping (IPv4)" in comment
            assert packet["esp.contained_data"][0] in "46" or "64 octets inside" in comment
        if not key.esn:
            assert packet["esp.icv_good"] == tshark.true(), comment
            counts["ESP opened, ICV good"] += 1
        else:
            counts["ESP opened"] += 1
    print(dict(counts))
    assert sum(counts.values()) == len(packets)
    assert counts["SK opened"] > 60
    assert counts["ESP opened, ICV good"] > 30
