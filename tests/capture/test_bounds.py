# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading a capture costs what its size deserves: memory, time and lines are bounded."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner

from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import audit
from fynx_scapy.capture.follow import layers as layers_module
from fynx_scapy.capture.follow.layers import Layers
from fynx_scapy.capture.headers import gzipped
from fynx_scapy.capture.reading.blocks import batches
from fynx_scapy.cli import main
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_Proposal, IKEv2_SA, IKEv2_Transform
from tests.capture.build import esp, ipv4, ipv6, pcap, tcp, udp

RAW_IP = 101


def test_layers_that_are_dropped_hold_no_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parents and children hold each other. Only the garbage collector frees these, which takes long."""
    monkeypatch.setattr(layers_module, "MOST_OCTETS", 0)
    offer = IKEv2_SA(prop=[IKEv2_Proposal(trans=[IKEv2_Transform(transform_id=20)])])
    first, second = (bytes(IKEv2(init_SPI=bytes([n] * 8)) / offer) for n in (1, 2))
    layers = Layers()
    (payload,) = layers.outer(first, 0).payloads
    proposal = payload.prop[0]
    assert proposal.parent is payload
    assert proposal.trans[0].parent is proposal
    layers.outer(second, 0)
    assert proposal.parent is proposal.trans[0].parent is None


def test_requests_without_a_response_are_one_finding_of_a_report() -> None:
    heads = [bytes([1] * 8 + [2] * 8 + [0, 0x20, 37, 8]) + n.to_bytes(4) + (28).to_bytes(4) for n in range(9)]
    octets = pcap([ipv4(17, udp(500, 500, head)) for head in heads], RAW_IP)
    with Capture(io.BytesIO(octets)) as capture:
        done = audit(capture)
    assert len(done.find("ike.unanswered")) == 9
    (one,) = [each for each in done.grouped() if each.rule == "ike.unanswered"]
    assert (one.title, one.count) == ("INFORMATIONAL 0 has no response, and 8 like it", 9)


def test_a_gzip_bomb_ends_with_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzipped, "MOST_UNPACKED", 1 << 16)
    path = tmp_path / "bomb.pcap.gz"
    frame = ipv4(17, udp(500, 500, bytes([1] * 8 + [2] * 8 + [0, 0x20, 37, 8, 0, 0, 0, 0, 0, 0, 0, 28])))
    path.write_bytes(gzip.compress(pcap([frame], RAW_IP) + pcap([bytes(60_000)] * 150, RAW_IP)[24:]))
    done = CliRunner().invoke(main, ["dissect", str(path)])
    assert done.exit_code == 1
    assert done.stdout.count("INFORMATIONAL") == 1
    assert "gzip unpacks to more than 200 times its size" in done.stderr


def test_a_gzipped_capture_that_compresses_well_is_read() -> None:
    frames = [ipv4(50, esp(n)) for n in range(1, 2000)]
    found = list(batches(io.BytesIO(gzip.compress(pcap(frames, RAW_IP)))))
    assert (sum(len(batch.entries) for batch in found), found[-1].end) == (1999, None)


@pytest.mark.parametrize("command", ["audit", "capture", "dissect", "follow", "replay"])
def test_a_section_of_unknown_byte_order_is_no_capture(command: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.pcapng"
    path.write_bytes(bytes.fromhex("0a0d0d0a1c00000078563412") + bytes(16))
    done = CliRunner().invoke(main, [command, str(path)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "expected the byte-order magic of pcapng" in done.stderr


@pytest.mark.parametrize("command", ["audit", "capture", "dissect", "follow"])
def test_unreadable_frames_are_one_line(command: str, tmp_path: Path) -> None:
    path = tmp_path / "zeros.pcap"
    path.write_bytes(pcap([b""] * 9, RAW_IP))
    done = CliRunner().invoke(main, [command, str(path)])
    assert done.exit_code == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert errors == ["error: 9 packets: the headers do not fit into 0 octets (packets 1, 2, 3, 4, 5, …)"]


def test_extension_headers_in_an_ipv6_fragment() -> None:
    """Destination options behind the fragment header are part of what is fragmented (RFC 8200 section 4.5)."""
    message = bytes([1] * 8 + [2] * 8 + [0, 0x20, 37, 8, 0, 0, 0, 0, 0, 0, 0, 28])
    content = bytes([17, 0, 1, 4, 0, 0, 0, 0]) + udp(500, 500, message)
    first, last = (ipv6(44, struct.pack("!BxHI", 60, field, 77) + part) for field, part in (
        (1, content[:24]), (24, content[24:]),
    ))  # fmt: skip
    for frames in ([first, last], [last, first]):
        with Capture(io.BytesIO(pcap(frames, RAW_IP))) as capture:
            assert [each.data for each in capture.messages] == [message]
            assert not capture.problems
    with Capture(io.BytesIO(pcap([first], RAW_IP))) as capture:
        assert "fragment 0x4d of protocol 17" in capture.problems[0].text


def test_an_incomplete_tcp_segment_of_the_ike_port_is_a_loss() -> None:
    with Capture(io.BytesIO(pcap([ipv4(6, tcp(4500, 4500, 1, bytes(40)), fragment=0x2000)], RAW_IP))) as capture:
        assert "fragment 0x7 of protocol 6" in capture.problems[0].text
        assert capture.index.foreign == 0
