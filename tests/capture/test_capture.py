# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture: conversations, exchanges, messages, SAs, flows, and what is made of them."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fynx_scapy.capture import Capture, Conversation, KeyLog
from fynx_scapy.capture.dissect import dissect
from fynx_scapy.capture.reading.frames import frames
from fynx_scapy.capture.showing.export import PcapngWriter
from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.errors import CaptureError, ConfigError
from fynx_scapy.esp import OutboundSa
from fynx_scapy.iana import Encr, TransformType
from fynx_scapy.keylog import EspKeys
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_AUTH, IKEv2_IDi
from tests.capture.build import enhanced, ethernet, interface, ipv4, option, pcap, section, stream, udp
from tests.shared import shared

# Capture -> of each conversation: messages, exchanges, IKE SAs; then how many ESP flows
LAB = {
    "6.0-6-mlkem768-multike": "23 10 2 / 4",
    "6.0-6-rawesp": "14 7 2 / 4",
    "cert-ecdsa": "14 7 2 / 4",
    "cert-ed25519": "14 7 2 / 4",
    "cert-rsa": "16 7 2 / 4",
    "cert-rsa-frag": "12 3 1 / 2",
    "cross-libreswan-gcm": "16 6 2 / 2",
    "eap-mschapv2-vip": "23 11 2 / 4",
    "eap-tls": "21 10 1 / 2",
    "k-cbc-sha256-esn": "10 5 1 / 4",
    "k-gcm128-esn": "10 5 1 / 4",
    "k-gmac": "10 5 1 / 4",
    "k-ipcomp": "10 5 1 / 4",
    "k-tfc": "10 5 1 / 4",
    "k-transport-gcm": "10 5 1 / 4",
    "psk-3des-sha1-modp2048": "14 7 2 / 4",
    "psk-aesxcbc-modp2048": "14 7 2 / 4",
    "psk-auth-failed": "4 2 1 / 0",
    "psk-cbc128-sha256-modp2048": "14 7 2 / 4",
    "psk-cbc256-sha512-ecp521": "14 7 2 / 4",
    "psk-ccm128-ecp256": "14 7 2 / 4",
    "psk-chacha20-x25519": "14 7 2 / 4",
    "psk-child-no-proposal": "6 3 1 / 0",
    "psk-childless": "8 4 1 / 2",
    "psk-cookie": "2 1 1 | 2 1 1 | 2 1 1 | 8 4 1 / 2",  # three that are left half open, to make the responder ask
    "psk-ctr128-sha256-ecp256": "14 7 2 / 4",
    "psk-dpd-loss": "14 6 1 / 2",
    "psk-esn-refused": "6 3 1 / 0",
    "psk-frag-intermediate": "20 7 2 / 4",
    "psk-gcm128-pfs-x25519": "14 7 2 / 4",
    "psk-gcm128-x25519": "14 7 2 / 4",
    "psk-gcm256-ecp384": "14 7 2 / 4",
    "psk-invalid-ke": "16 8 2 / 4",
    "psk-ipv6": "12 5 1 / 4",
    "psk-mobike": "23 11 1 / 4",
    "psk-multi-proposal": "6 3 1 / 2",
    "psk-no-proposal": "2 1 1 / 0",
    "psk-null-esp": "14 7 2 / 4",
    "psk-ppk": "14 7 2 / 4",
    "psk-reauth": "6 3 1 | 6 3 1 / 4",
    "psk-rekey-by-responder": "14 7 2 / 4",
    "psk-rekey-collision": "18 9 2 / 4",
    "psk-ts-narrowing": "6 3 1 / 2",
    "psk-ts-unacceptable": "6 3 1 / 0",
}


def lab(name: str) -> Path:
    return shared("captures/lab") / f"{name}.pcap"


def described(conversation: Conversation) -> str:
    return f"{len(conversation)} {len(conversation.exchanges)} {len(conversation.spis)}"


@pytest.mark.parametrize("name", LAB)
def test_the_lab(name: str) -> None:
    capture = Capture(lab(name))
    assert f"{' | '.join(map(described, capture.conversations))} / {len(capture.flows)}" == LAB[name]
    assert {(c.initiator, c.responder) for c in capture.conversations} <= {
        ("10.9.0.1", "10.9.0.2"),
        ("fd09::1", "fd09::2"),
    }
    assert all(conversation.complete for conversation in capture.conversations)
    assert sum(map(len, capture.conversations)) == len(capture.messages) == capture.index.kinds["ike"]
    assert sum(flow.packets for flow in capture.flows) == capture.index.kinds["esp"]
    assert all(flow.missing == flow.replays == flow.reordered == 0 for flow in capture.flows)
    told = json.loads(lab(name).with_suffix(".keys.json").read_text())["ike_spis"]
    found = [tuple(spi.hex() for spi in pair) for c in capture.conversations for pair in c.spis if any(pair[1])]
    if name not in ("psk-cookie", "psk-no-proposal"):  # the half-open SAs were not the initiator's own
        assert found == [tuple(pair) for pair in told]


def test_every_lab_capture_is_here() -> None:
    assert {path.stem for path in shared("captures/lab").glob("*.pcap")} == LAB.keys()


@pytest.mark.parametrize("name", ["psk-gcm128-x25519", "psk-ipv6", "k-tfc", "cert-rsa-frag", "psk-mobike"])
def test_messages_and_packets_are_those_of_dissect(name: str) -> None:
    capture, records = Capture(lab(name)), list(dissect(lab(name)))
    ike = [(r["number"], r["exchange"], r["request"], r["message_id"], r["icv"]) for r in records if r["kind"] == "ike"]
    assert [(m.number, m.exchange, m.request, m.message_id, m.icv) for m in capture.messages] == ike
    esp = [(r["number"], r["spi"], r["seq"], r["next_header"], r["inner"]) for r in records if r["kind"] == "esp"]
    for _ in range(2):  # each pass is the same as the one before
        found = [
            (p.number, f"{p.spi:08x}", p.sequence, p.next_header, p.payload and p.payload.hex()) for p in capture.esp()
        ]
        assert found == esp


def test_successors_come_of_the_ike_sa_before() -> None:
    (conversation,) = Capture(
        lab("psk-gcm128-x25519"), KeyLog.load(lab("psk-gcm128-x25519").with_suffix(".keys.json"))
    ).conversations
    first, second = conversation.sas
    assert (first.spi_i, second.spi_i) == (conversation.spis[0][0], conversation.spis[1][0])
    assert second.parent is first
    assert [child.number for child in first.children] == [4, 16]


def test_exchanges_by_either_end_with_retransmissions() -> None:
    (conversation,) = Capture(lab("psk-mobike")).conversations
    asked = [(e.name, e.message_id) for e in conversation.exchanges if not e.by_initiator]
    assert ("CREATE_CHILD_SA", 0) in asked
    # The request went unanswered on the path that broke, and once more on the other one.
    again = next(e for e in conversation.exchanges if e.message_id == 3 and e.by_initiator)
    assert (len(again.requests), len(again.responses), again.retransmissions) == (2, 1, 1)
    (lossy,) = Capture(lab("psk-dpd-loss")).conversations
    assert max(exchange.retransmissions for exchange in lossy.exchanges) >= 2


def test_a_message_is_layers() -> None:
    (conversation,) = Capture(lab("psk-gcm128-x25519")).conversations
    request = conversation.exchanges[1].requests[0]
    assert type(request.layers[0]) is IKEv2_IDi
    assert isinstance(request.packet, IKEv2)
    assert IKEv2_AUTH in request.packet
    assert request.text.startswith("HDR, SK {IDi, N(INITIAL_CONTACT), IDr, AUTH, SA, TSi, TSr")
    assert (request.encrypted, request.icv, request.errors) == (True, "ok", [])


def test_without_keys_everything_but_the_inside_is_there() -> None:
    capture = Capture(lab("psk-gcm128-x25519"), KeyLog())
    assert capture.icvs == {"opened": 0, "bad": 0, "closed": 22}
    assert capture.inner_flows == []
    assert capture.conversations[0].exchanges[1].requests[0].text == "HDR, SK {…}"
    assert "SK {…}" in str(capture.ladder())


@pytest.mark.parametrize("source", [5, None, ["a.pcap"]])
def test_what_is_no_source_is_one_clear_error(source: Any) -> None:
    with pytest.raises(ConfigError, match="expected the path of a capture or a binary stream, found "):
        Capture(source)


def test_without_keys_the_file_is_read_once() -> None:
    passes: list[int | None] = []
    keys = KeyLog(psk="it verifies AUTH and decrypts nothing")
    capture = Capture(lab("psk-gcm128-x25519"), keys, progress=passes.append)
    assert capture.icvs["closed"] == sum(flow.packets for flow in capture.flows)
    assert passes.count(None) == 1, "so many passes have ended"


def test_inner_flows() -> None:
    capture = Capture(lab("psk-gcm128-x25519"))
    assert capture.icvs == {"opened": 22, "bad": 0, "closed": 0}
    assert [(f.src, f.dst, f.protocol, f.packets) for f in capture.inner_flows] == [
        ("10.1.0.1", "10.2.0.1", 1, 11), ("10.2.0.1", "10.1.0.1", 1, 11),
    ]  # fmt: skip
    transport = Capture(lab("k-transport-gcm"))
    assert [(f.src, f.dst, f.protocol) for f in transport.inner_flows] == [
        ("10.9.0.1", "10.9.0.2", 1), ("10.9.0.2", "10.9.0.1", 1),
    ]  # fmt: skip


def test_bad_icvs_are_counted_and_change_nothing_else(tmp_path: Path) -> None:
    data = bytearray(lab("psk-gcm128-x25519").read_bytes())
    sound = Capture(lab("psk-gcm128-x25519"))
    last = next(entry for entry in reversed(list(frames(lab("psk-gcm128-x25519")))) if entry.number == 34)
    data[last.offset + 16 + len(last.data) - 1] ^= 1
    bent = Capture(stream(bytes(data)), sound.keys)
    assert bent.icvs == {"opened": 21, "bad": 1, "closed": 0}


def test_from_a_pipe_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from fynx_scapy.capture import Capture; "
        "c = Capture(sys.stdin.buffer, sys.argv[1]); print(c.icvs, len(c.messages), c.save_decrypted(sys.argv[2]))"
    )
    keys, out = lab("psk-ppk").with_suffix(".keys.json"), tmp_path / "plain.pcapng"
    feed = subprocess.Popen(["cat", lab("psk-ppk")], stdout=subprocess.PIPE)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, keys, out],
        stdin=feed.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert feed.stdout is not None
    feed.stdout.close()
    feed.wait()
    assert (done.stdout, done.stderr) == ("{'opened': 22, 'bad': 0, 'closed': 0} 14 36\n", "")


def test_errors_say_what_and_where(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"nothing\.pcap: cannot be opened: No such file"):
        Capture(tmp_path / "nothing.pcap").index  # noqa: B018 -- reading is the test
    (tmp_path / "a.txt").write_text("not a capture at all")
    with pytest.raises(CaptureError, match=r"a\.txt: header: expected pcap or pcapng"):
        Capture(tmp_path / "a.txt").conversations  # noqa: B018 -- reading is the test
    with pytest.raises(ConfigError, match="expected one of the tables messages"):
        Capture(lab("psk-ppk")).to_pandas("nonsense")
    with pytest.raises(ConfigError, match="expected esp to be"):
        Capture(lab("psk-ppk")).ladder("nonsense")


def test_no_key_in_any_picture() -> None:
    capture = Capture(lab("psk-gcm128-x25519"))
    shown = [repr(capture), capture._repr_html_(), repr(capture.opener), repr(capture.sas), repr(capture.keys)]
    secrets = [key.hex() for entry in capture.keys.ike for key in (entry.sk_ei, entry.sk_er, entry.sk_d) if key]
    assert secrets
    assert not any(secret in text or repr(bytes.fromhex(secret)) in text for secret in secrets for text in shown)


# -- pictures and tables ----------------------------------------------------------------------------------------------


def test_the_ladder_in_every_form() -> None:
    capture = Capture(lab("psk-reauth"))
    ladders = capture.ladder()
    assert len(ladders) == 2
    first = str(ladders[0]).splitlines()
    assert first[0].split() == ["initiator", "10.9.0.1", "responder", "10.9.0.2"]
    assert first[1].startswith("    1    0.000000 IKE_SA_INIT request 0      HDR, SA, KE, Ni, ")
    assert any("ESP " in line and "seq 1–3, 3 packets" in line and line.endswith("==>") for line in first)
    assert str(ladders) == f"{ladders[0]}\n\n{ladders[1]}"
    assert ladders._repr_html_().count('class="ladder"') == 2
    assert all(picture.startswith("<svg ") and picture.endswith("</svg>") for picture in ladders.svg())
    esp = [row for row in capture.conversations[0].ladder("packets").rows if row.is_esp]
    assert {row.text.split(", ")[2] for row in esp} >= {"10.1.0.1 > 10.2.0.1 ICMP"}
    assert not any(row.is_esp for row in capture.conversations[0].ladder("none").rows)


def test_what_a_notebook_shows() -> None:
    capture = Capture(lab("psk-ppk"))
    assert "<td>10.9.0.1</td>" in capture._repr_html_()
    assert "CREATE_CHILD_SA" in capture.conversations[0]._repr_html_()


def test_names_from_a_capture_are_harmless(tmp_path: Path) -> None:
    """An identity or vendor's text may hold markup or an escape sequence."""
    capture = Capture(lab("psk-ppk"))
    ladder = capture.conversations[0].ladder()
    ladder.rows[0].text = "<script>"
    assert "<script>" not in ladder._repr_html_()


def test_tables() -> None:
    capture = Capture(lab("psk-gcm128-x25519"))
    messages = capture.to_pandas()
    assert list(messages[messages.exchange == "IKE_AUTH"].icv) == ["ok", "ok"]
    assert str(messages.time.dtype).startswith("datetime64")
    assert capture.to_pandas("packets").inner_src.value_counts().to_dict() == {"10.1.0.1": 11, "10.2.0.1": 11}
    assert capture.to_pandas("flows").packets.sum() == 22
    assert capture.to_pandas("inner_flows").packets.sum() == 22
    assert len(capture.to_pandas("exchanges")) == 7


def test_a_table_leaves_out_a_time_that_no_calendar_has() -> None:
    """The offset of an interface is 64 bits of seconds."""
    ike = bytes(IKEv2(init_SPI=b"A" * 8, exch_type=34, flags=8))
    where = option("<", 14, (2**62).to_bytes(8, "little"))
    data = section() + interface(options=where) + enhanced(ethernet(ipv4(17, udp(500, 500, ike))), 1)
    messages = Capture(io.BytesIO(data), KeyLog()).to_pandas()
    assert [str(time) for time in messages.time] == ["NaT"]


# -- the decrypted capture --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["psk-gcm128-x25519", "psk-ipv6", "k-transport-gcm", "cert-rsa-frag", "psk-cookie"])
def test_the_decrypted_capture_holds_everything_in_the_clear(name: str, tmp_path: Path) -> None:
    capture, out = Capture(lab(name)), tmp_path / "plain.pcapng"
    count = capture.save_decrypted(out)
    assert count == len(capture.messages) + capture.icvs["opened"]
    written = list(frames(out))
    inner = list(capture.inner())
    tunnel = [frame.data for frame in written if "tunnel mode" in frame.comment]
    assert tunnel == [packet.payload for packet in inner if packet.is_ip]
    again = Capture(out, KeyLog())
    assert not again.problems
    # SKF comes whole with its last fragment; the fragments before stay as they were.
    clear = [message for message in capture.messages if message.opened.fragment is None]
    texts = {message.number: message.text.replace("SK {", "").replace("}", "").removesuffix(", ") for message in clear}
    numbers = [int(frame.comment.split(":")[0].removeprefix("packet ")) for frame in written]
    found = {numbers[message.number - 1]: message.text for message in again.messages}
    assert {number: found[number] for number in texts} == texts
    assert "HDR, IDi, CERT" in " ".join(found.values()) or name != "cert-rsa-frag"
    assert not [message.errors for message in again.messages if message.errors]


def test_an_unwritable_place_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Capture(lab("psk-ppk")).save_decrypted(tmp_path / "no" / "plain.pcapng")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("time", "stamp"), [(None, 0), (1.5, 1_500_000_000), (-1.0, 0), (2.0**33, 2**33 * 10**9), (1e300, 2**64 - 1)]
)
def test_a_time_that_no_packet_can_have_is_written_as_the_nearest(time: float | None, stamp: int) -> None:
    """A capture may name any moment, by its resolution and offset; a block that we write has 64 bits of nanoseconds."""
    file = io.BytesIO()
    writer, begin = PcapngWriter(file), len(file.getvalue())
    writer.write(time, bytes(20), "")
    high, low = struct.unpack_from("<2I", file.getvalue(), begin + 12)
    assert high << 32 | low == stamp


# -- sequence numbers of 64 bits --------------------------------------------------------------------------------------


def test_esn_is_followed_in_every_pass() -> None:
    encr = encryption(Encr.ENCR_AES_GCM_16, 128, esp=True)
    sa = OutboundSa(spi=0x1000, encr=encr, key=bytes(20), esn=True, seq=2**32 - 5)
    inner = ipv4(1, bytes(8), "10.1.0.1", "10.2.0.1")
    packets = [sa.seal(inner, 4) for _ in range(10)]
    data = pcap([ethernet(ipv4(17, udp(4500, 4500, packet))) for packet in packets])
    row = EspKeys(0x1000, "*", "*", Transform(TransformType.ENCR, Encr.ENCR_AES_GCM_16, 128), bytes(20), esn=True)
    capture = Capture(stream(data), KeyLog(esp=[row]))
    for _ in range(3):
        assert [packet.icv for packet in capture.esp()] == ["ok"] * 10
    (flow,) = capture.flows
    assert (flow.lowest, flow.highest) == (2**32 - 4, 2**32 + 5)
    assert [struct.unpack("!I", packet[4:8])[0] for packet in packets][-1] == 5
