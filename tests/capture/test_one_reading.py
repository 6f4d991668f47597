# SPDX-License-Identifier: GPL-2.0-or-later
"""Every command opens the same messages, every reader knows the same conversations, and nothing is lost silently."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from scapy.layers.inet import IP, TCP
from scapy.packet import Packet
from scapy.utils import wrpcap

from fynx_scapy.capture import Capture, process, rdpcap
from fynx_scapy.capture import index as index_module
from fynx_scapy.capture.audit import audit
from fynx_scapy.capture.dissect import Dissection, dissect
from fynx_scapy.capture.follow import inner as inner_module
from fynx_scapy.capture.follow.exchanges import AUTH, DELETE_IKE, INFORMATIONAL, INIT, REKEY_IKE
from fynx_scapy.capture.reading import fragments as fragments_module
from fynx_scapy.capture.reading import reassembly as reassembly_module
from fynx_scapy.capture.reading import streams as streams_module
from fynx_scapy.capture.reading.frames import Frame
from fynx_scapy.capture.reading.packets import IpPacket
from fynx_scapy.capture.replay.player import play
from fynx_scapy.capture.replay.raw import shots
from fynx_scapy.capture.replay.recording import load
from fynx_scapy.cli import main
from fynx_scapy.commands.losses import _unopened
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import CaptureError
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.iana import TransformType
from fynx_scapy.ike.message import Datagram, DatagramKind, has_marker
from fynx_scapy.keylog import EspKeys, KeyLog
from fynx_scapy.layers.ikev2 import IKEv2
from fynx_scapy.net.memory import Network
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.session import Session
from tests.capture.build import esp, ethernet, framed, ike, ipv4, pcap, stream, tcp, udp
from tests.shared import shared

PSK = "a key of the test"


@dataclass
class Recorded:
    """One conversation twice: in UDP as it was, and in TCP (RFC 9329); their keys."""

    udp: Path
    tcp: Path
    keys: Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("reading")
    recorder, network = Recorder(), Network(seed=1)
    recorder.watch(network, "own")
    sent: list[tuple[float, Datagram]] = []
    network.observe(lambda time, datagram, _: sent.append((time, datagram)))
    s = Session(network=network, psk=PSK, seed=1)
    s.connect()
    s.rekey_ike()
    s.ping()
    s.delete()
    found = Recorded(folder / "udp.pcapng", folder / "tcp.pcap", folder / "own.keys")
    recorder.save_capture(found.udp)
    recorder.keys().save(found.keys)
    wrpcap(str(found.tcp), list(segments(sent)))
    return found


def segments(sent: list[tuple[float, Datagram]]) -> Iterator[Packet]:
    """The datagrams in two TCP streams, as RFC 9329 section 3 frames them."""
    numbers: dict[str, int] = {}
    client = sent[0][1].local.host
    for time, datagram in sent:
        src, dst = datagram.local.host, datagram.remote.host
        ours = src == client
        prefix = b"IKETCP" if ours and src not in numbers else b""
        marker = bytes(4) if datagram.kind is DatagramKind.IKE else b""
        data = prefix + framed(marker + datagram.data)
        ports = {"sport": 40000, "dport": 4500} if ours else {"sport": 4500, "dport": 40000}
        segment = IP(src=src, dst=dst) / TCP(**ports, seq=numbers.setdefault(src, 1000), flags="PA") / data
        segment.time = 1000 + time
        numbers[src] += len(data)
        yield segment


def fynx(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.output


# -- one reader


def test_every_reader_sees_the_same_messages_in_tcp(recorded: Recorded) -> None:
    keys = KeyLog.load(recorded.keys)
    with Capture(recorded.udp, keys) as one, Capture(recorded.tcp, keys) as other:
        titles = [(message.title, message.text) for message in one.messages]
        assert [(message.title, message.text) for message in other.messages] == titles
        assert one.icvs == other.icvs == {"opened": 2, "bad": 0, "closed": 0}
    records = list(dissect(recorded.tcp, keys))
    assert len([record for record in records if record["kind"] == "ike"]) == len(titles)
    assert all(record["icv"] == "ok" for record in records if record["kind"] == "esp" or record.get("encrypted"))
    assert len([packet for packet in rdpcap(recorded.tcp, keys) if IKEv2 in packet]) == len(titles)


def test_follow_opens_what_is_in_tcp(recorded: Recorded) -> None:
    status, said = fynx("follow", recorded.tcp, "--keys", recorded.keys, "--psk", PSK)
    assert status == 0
    assert "8 of 8 protected messages decrypted\n2 of 2 ESP packets decrypted" in said
    assert said == fynx("follow", recorded.udp, "--keys", recorded.keys, "--psk", PSK)[1]


def test_replay_holds_a_conversation_that_was_in_tcp(recorded: Recorded) -> None:
    recording = load(recorded.tcp, KeyLog.load(recorded.keys))
    assert [step.kind for step in recording.steps] == [INIT, AUTH, REKEY_IKE, DELETE_IKE, DELETE_IKE]
    assert recording.losses == ()
    assert play(recording, psk=PSK).ok
    with pytest.raises(CaptureError, match="no UDP datagram of the initiator in conversation 1"):
        shots(recorded.tcp)


def test_ports_of_ones_own_are_read_by_all(tmp_path: Path) -> None:
    path = tmp_path / "ports.pcap"
    init = bytearray(ike())
    init[18] = 34  # IKE_SA_INIT
    path.write_bytes(
        pcap([ethernet(ipv4(17, udp(500, 500, bytes(init)))), ethernet(ipv4(17, udp(5500, 5500, esp(1))))])
    )
    ports = frozenset((5500,))
    assert [record["kind"] for record in Dissection(KeyLog(), ports).records(path)] == ["ike", "esp"]
    assert Capture(path, KeyLog(), ports=ports).index.kinds == {"ike": 1, "esp": 1}
    assert [shot.number for shot in shots(path, ports=ports)] == [1, 2]
    assert [shot.number for shot in shots(path)] == [1]
    assert len(load(path, KeyLog(), ports=ports).steps) == 1


def test_follow_names_what_it_cannot_read(recorded: Recorded, tmp_path: Path) -> None:
    """Packets that the capture has cut were left out without a word, with exit status 0."""
    cut = bytearray(pcap([ethernet(ipv4(50, esp(1)))]))
    struct.pack_into("<I", cut, 24 + 8, len(cut) - 24 - 16 - 8)
    path = tmp_path / "cut.pcap"
    path.write_bytes(bytes(cut[:-8]))
    status, said = fynx("follow", path)
    assert status == 1
    assert "error: packet 1, offset 24: the capture holds 32 of 40 octets" in said


# -- one transcript


def test_a_rekeyed_ike_sa_goes_to_the_conversation_that_it_came_of(tmp_path: Path) -> None:
    """Two conversations between the same hosts: the first one's IKE SA is rekeyed after the second one began."""
    sessions, keys, packets = [], KeyLog(), []
    for seed in (3, 4):
        network, recorder = Network(seed=seed), Recorder()
        recorder.watch(network, "one")
        network.observe(lambda time, datagram, _: packets.append(datagram))
        sessions.append((Session(network=network, psk=PSK, seed=seed), recorder))
    (first, _), (second, _) = sessions
    first.connect()
    second.connect()
    first.rekey_ike()
    second.liveness()  # the last word before the first one's new IKE SA is seen
    first.liveness()
    for _, recorder in sessions:
        keys.update(recorder.keys())
    path = tmp_path / "two.pcap"
    keys.save(path.with_suffix(".keys"))
    path.write_bytes(pcap([framed_in_udp(datagram) for datagram in packets]))
    with Capture(path, keys) as capture:
        assert [len(conversation.spis) for conversation in capture.conversations] == [2, 1]
        assert [len(facts.ike_sas) for facts in audit(capture).facts.conversations] == [2, 1]
    assert [step.kind for step in load(path, keys, 1).steps] == [INIT, AUTH, REKEY_IKE, DELETE_IKE, INFORMATIONAL]
    assert [step.kind for step in load(path, keys, 2).steps] == [INIT, AUTH, INFORMATIONAL]
    # Raw replay tells them apart too: nobody sends messages of the other one.
    numbers = [[shot.number for shot in shots(path, "initiator", number)] for number in (1, 2)]
    assert numbers == [[1, 3, 9, 11, 15], [5, 7, 13]]


def framed_in_udp(datagram: Datagram) -> bytes:
    local, remote = datagram.local, datagram.remote
    marker = bytes(4) if has_marker(local.port, remote.port) else b""
    return ethernet(ipv4(17, udp(local.port, remote.port, marker + datagram.data), local.host, remote.host))


def test_an_exchange_is_classified_once(recorded: Recorded) -> None:
    with Capture(recorded.udp, KeyLog.load(recorded.keys)) as capture:
        assert capture.transcript is capture.transcript
        assert [exchange.kind for exchange in capture.exchanges] == [INIT, AUTH, REKEY_IKE, DELETE_IKE, DELETE_IKE]
        (conversation,) = capture.conversations
        first, successor = conversation.history.ike_sas.values()
        assert (first.ended and first.ended.how, successor.rekeys) == ("rekeyed", first.spi_i)
        assert [child.spi_i for child in conversation.history.children] == [sa.spi_i for sa in capture.child_sas]
        assert [facts.spi_i for facts in audit(capture).facts.conversations[0].ike_sas] == [
            first.spi_i,
            successor.spi_i,
        ]


# -- nothing is lost silently


def losses(frames: list[bytes], keys: KeyLog | None = None) -> list[tuple[str, int]]:
    """What a capture says that it has left out; each is a problem too, and is said by the audit."""
    capture = Capture(stream(pcap(frames)), keys or KeyLog())
    found = audit(capture)
    named = [finding.title for finding in found.findings if finding.rule == "left.out"]
    assert named == [f"left out: {loss.text}" for loss in capture.losses]
    assert [problem.text for problem in capture.problems if not problem.number][-len(named) :] == [
        loss.text for loss in capture.losses
    ]
    assert capture.failed
    return [(loss.what, loss.count) for loss in capture.losses]


def test_flows_beyond_the_limit(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_FLOWS", 1)
    status, said = fynx("capture", recorded.udp, "--no-decrypt")
    assert status == 1
    assert "1 packet of ESP and AH flows beyond the limit of 1" in said
    assert losses([ethernet(ipv4(50, esp(1, spi))) for spi in (0x101, 0x102, 0x102)]) == [("flows", 2)]


def test_inner_flows_beyond_the_limit(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_module, "MOST_INNER_FLOWS", 1)
    with Capture(recorded.udp, KeyLog.load(recorded.keys)) as capture:
        assert capture.losses == []
        assert len(capture.inner_flows) == 1
        assert [(loss.what, loss.count) for loss in capture.losses] == [("inner flows", 1)]
        assert capture.as_dict()["losses"] == [loss.as_dict() for loss in capture.losses]


def segment(at: int, data: bytes, sport: int = 40000) -> bytes:
    return ethernet(ipv4(6, tcp(sport, 4500, 1000 + at, data)))


BODY = framed(bytes(4) + ike())


def test_octets_of_tcp_that_belong_to_no_message() -> None:
    assert losses([segment(0, b"\x11" * 33), segment(33, BODY)]) == [("tcp octets", 33)]
    # Two segments that could have been the prefix, and are not.
    assert losses([segment(0, b"IKE"), segment(3, b"UDP" + bytes(5))]) == [("tcp octets", 11)]


def test_octets_of_tcp_behind_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "MOST_WAITING", 50)
    found = losses([segment(0, b"IKETCP" + BODY), segment(500, b"\x11" * 60), segment(560, BODY)])
    assert found == [("tcp octets", 60)]


def test_tcp_streams_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "MOST_STREAMS", 1)
    assert losses([segment(0, b"IKETCP" + BODY[:9], sport) for sport in (40000, 40001)])[0] == ("tcp streams", 1)


def test_ip_fragments_beyond_those_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments_module, "MOST_FRAGMENTED", 1)
    joined = fragments_module.Fragments()
    monkeypatch.setattr(joined, "_lost", joined._lost.__class__(maxlen=1))
    for ident in range(4):
        packet = IpPacket(Frame(1, 0.0, 1, b""), "a", "b", 50, bytes(8), 0, True, ident)
        joined.add(packet)
    assert [(loss.what, loss.count) for loss in joined.losses()] == [("fragments", 2)]
    assert len(list(joined.incomplete())) == 2


def test_problems_beyond_those_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_PROBLEMS", 2)
    assert losses([ethernet(ipv4(50, b"short"))] * 5) == [("problems", 3)]


AES, KEY = Transform(TransformType.ENCR, 20, 128), bytes(20)


def test_ike_inside_esp_is_counted() -> None:
    out = OutboundSa(spi=0x1234, encr=encryption(AES.id, 128), key=KEY)
    inside = [out.seal(ipv4(17, udp(500, 500, ike())), 4), out.seal(ipv4(1, bytes(40)), 4)]
    keys = KeyLog(esp=[EspKeys(0x1234, "10.0.0.1", "10.0.0.2", AES, KEY)])
    assert losses([ethernet(ipv4(50, packet)) for packet in inside], keys) == [("nested", 1)]


def test_fragmented_messages_that_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    path = shared("captures/lab/cert-rsa-frag.pcap")
    monkeypatch.setattr(reassembly_module, "MOST_OCTETS", 1000)
    with Capture(path) as capture:
        assert capture.losses == []
        capture.follow()
        (loss,) = capture.losses
        assert (loss.what, loss.count) == ("messages", 2)
        assert (
            capture.problems[-1].text
            == loss.text
            == "2 fragmented IKE messages dropped: too many at a time, or too long"
        )
    work = Dissection(KeyLog.beside(path))
    assert [record["error"] for record in work.records(path) if record["kind"] == "lost"] == [loss.text]
    assert (work.losses, work.failed) == ([loss], True)


def test_rdpcap_tells_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([segment(0, b"\x11" * 33), segment(33, BODY), segment(33 + len(BODY), BODY[:9])]))
    assert [text.split(";")[0] for text in rdpcap(path).problems] == [
        "a TCP stream ends inside a message, with 9 octets left over", "33 octets of TCP outside any message",
    ]  # fmt: skip


def test_a_folder_of_captures_tells_what_is_lost(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_module, "MOST_INNER_FLOWS", 1)
    results = process(recorded.udp, KeyLog.load(recorded.keys), workers=1)
    assert results.captures[0]["problems"] == 1
    assert [row["text"] for row in results.tables["problems"]] == [
        "1 decrypted packet of inner flows beyond the limit of 1"
    ]


def test_replay_tells_what_is_lost(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_FLOWS", 1)
    recording = load(recorded.udp, KeyLog.load(recorded.keys))
    assert recording.losses == ("1 packet of ESP and AH flows beyond the limit of 1",)
    report = play(recording, psk=PSK)
    assert (report.ok, report.as_dict()["losses"]) == (False, list(recording.losses))
    assert shots(recorded.udp).losses == recording.losses


def test_an_initiator_that_has_moved_is_still_the_initiator() -> None:
    """RFC 4555: its requests from the new address were the responder's in a replay, and had no answer."""
    steps = load(shared("captures/lab/psk-mobike.pcap")).steps
    assert all(step.response for step in steps)
    informational = [(step.request.numbers[0], step.ours) for step in steps if step.kind == INFORMATIONAL]
    assert informational[:3] == [(11, True), (13, True), (15, True)]


def test_a_udp_length_that_contradicts_ip_is_read_alike_in_place(tmp_path: Path) -> None:
    session, recorder = Session(psk=PSK, esp_proposals="aes128-sha256", seed=3), Recorder()
    recorder.watch(session.network, "own")
    session.connect()
    for _ in range(3):
        session.ping()
    frames = []
    for packet in recorder.packets():
        if packet.proto == 50:
            octets = bytes(packet.payload)
            whole = ipv4(17, udp(4500, 4500, octets), packet.src, packet.dst)
            if octets[7] == 3:  # UDP holds 5 octets less than IP
                whole = whole[:24] + struct.pack("!H", 3 + len(octets)) + whole[26:]
            frames.append(ethernet(whole))
        else:
            frames.append(ethernet(bytes(packet)))
    path = tmp_path / "short.pcap"
    path.write_bytes(pcap(frames))
    keys = recorder.keys()
    closed = [record for record in dissect(path, keys) if record["kind"] == "esp" and record["icv"] != "ok"]
    with Capture(path, keys) as capture:
        assert capture.tally.icvs == {"opened": 4, "bad": 0, "closed": 2}
    assert [record["number"] for record in closed] == [9, 10]


def test_a_bad_message_beside_a_cut_one_in_a_segment_is_lost_too() -> None:
    # One segment completes a message of unknown version, and begins another one that the snap length cut.
    data = b"IKETCP" + framed(bytes(4) + ike(body=b"\0\0\0\1", kind=41), bytes(4) + ike(body=bytes(40)))
    frame = ethernet(ipv4(6, tcp(40000, 4500, 1000, data)))
    with Capture(stream(pcap([frame], snaplen=len(frame) - 20)), KeyLog()) as capture:
        (lost,) = _unopened(capture, Counter())
    assert lost == (1, "IKEv2 Notify: length 1 is less than its header at offset 30")


def test_a_first_fragment_of_ipsec_in_tcp_is_lost_and_one_of_another_port_is_not() -> None:
    whole = tcp(40000, 4500, 1000, b"IKETCP" + framed(bytes(4) + ike()))
    other = tcp(40000, 80, 1000, bytes(56))
    assert losses_of_fragment(ipv4(6, whole[:56], fragment=0x2000)) == (1, 0)
    assert losses_of_fragment(ipv4(6, other[:56], fragment=0x2000)) == (0, 1)
    assert losses_of_fragment(ipv4(6, whole[56:], fragment=7)) == (0, 1)


def losses_of_fragment(packet: bytes) -> tuple[int, int]:
    """How many problems a capture of one packet has, and how many packets that are not IPsec."""
    with Capture(stream(pcap([ethernet(packet)])), KeyLog()) as capture:
        return len(capture.problems), capture.index.foreign
