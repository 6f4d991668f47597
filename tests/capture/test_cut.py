# SPDX-License-Identifier: GPL-2.0-or-later
"""What the snap length of a capture cut: it is said, and nothing is judged by what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.capture import Capture
from fynx_scapy.capture.audit import audit
from fynx_scapy.capture.audit.rules import Status
from fynx_scapy.capture.dissect import Dissection, dissect
from fynx_scapy.capture.index import Index
from fynx_scapy.keylog import KeyLog
from fynx_scapy.layers.ikev2 import IKEv2, IKEv2_KE, IKEv2_Nonce, IKEv2_Notify
from tests.capture.build import esp, ethernet, ike, ipv4, pcap, stream, udp
from tests.shared import shared

INIT = bytes(
    IKEv2(init_SPI=b"initiate", exch_type=34, flags=8)
    / IKEv2_KE(group=31, ke=bytes(32))
    / IKEv2_Nonce(nonce=bytes(32))
    / IKEv2_Notify(type=16430)
)
PROTECTED = ike(b"response", kind=46, body=b"\0\0" + (64).to_bytes(2) + bytes(60))
AH = b"\x11\4\0\0\0\0\1\1\0\0\0\1" + bytes(52)
CARRIERS = {
    "port 500": (ipv4(17, udp(500, 500, INIT)), 28, INIT, "ike"),
    "port 4500": (ipv4(17, udp(4500, 4500, bytes(4) + INIT)), 32, INIT, "ike"),
    "another port": (ipv4(17, udp(7000, 7001, INIT)), 28, INIT, "ike"),
    "port 4500 mapped to 500": (ipv4(17, udp(4500, 500, bytes(4) + INIT)), 32, INIT, "ike"),
    "SK": (ipv4(17, udp(500, 500, PROTECTED)), 28, PROTECTED, "ike"),
    "ESP": (ipv4(50, esp(1, size=80)), 20, esp(1, size=80), "esp"),
    "ESP in UDP": (ipv4(17, udp(4500, 4500, esp(1, size=80))), 28, esp(1, size=80), "esp"),
    "AH": (ipv4(51, AH), 20, AH, "ah"),
}


def records(data: bytes) -> list[dict[str, Any]]:
    return list(Dissection(KeyLog()).records(stream(data), "a.pcap"))


@pytest.mark.parametrize("name", CARRIERS)
def test_at_every_length_the_capture_is_named_and_not_the_peer(name: str) -> None:
    packet, before, message, kind = CARRIERS[name]
    # Less does not tell IKE on any port, nor ESP from a keepalive.
    least = {"another port": 28, "ESP in UDP": 5}.get(name, 0)
    for held in range(least, len(message)):
        capture = pcap([ethernet(packet)], snaplen=14 + before + held)
        (record,) = records(capture)
        text = f"the capture holds {held} of {len(message)} octets"
        assert (record["kind"], record["missing"], record["error"]) == (kind, len(message) - held, text), held
        problems = [problem.text for problem in Index().scan(stream(capture), "a.pcap").problems]
        assert problems == [text]


def test_payloads_before_the_cut_are_read_and_the_cut_one_says_so() -> None:
    (record,) = records(pcap([ethernet(CARRIERS["port 500"][0])], snaplen=14 + 28 + 28 + 40 + 10))
    whole, nonce = record["payloads"]
    assert (whole["type"], whole["group"]) == ("KE", "CURVE25519")
    assert (nonce["type"], nonce["cut"], "malformed" in nonce) == ("Nonce", "the capture holds 10 of 36 octets", False)
    (protected,) = records(pcap([ethernet(CARRIERS["SK"][0])], snaplen=14 + 28 + 28 + 30))
    assert (protected["encrypted"], protected["payloads"][0]["cut"]) == (True, "the capture holds 30 of 64 octets")


def test_what_is_wrong_within_the_captured_octets_is_still_the_peers() -> None:
    wrong = INIT[:30] + (3).to_bytes(2) + INIT[32:]  # a payload shorter than its header
    (record,) = records(pcap([ethernet(ipv4(17, udp(500, 500, wrong)))], snaplen=14 + 28 + 60))
    assert record["error"].startswith(f"the capture holds 60 of {len(wrong)} octets; IKEv2 Key Exchange: length 3")
    lie = INIT[:24] + (9999).to_bytes(4) + INIT[28:]
    (record,) = records(pcap([ethernet(ipv4(17, udp(500, 500, lie)))], snaplen=14 + 28 + 60))
    assert f"length 9999, but {len(INIT)} octets" in record["error"]


@pytest.mark.parametrize("held", [10, 30, 38])
def test_headers_that_are_cut(held: int) -> None:
    packet = ethernet(ipv4(17, udp(500, 500, INIT)))
    (record,) = records(pcap([packet], snaplen=held))
    assert "the capture holds" in record["error"]
    assert "expected" not in record["error"]


@pytest.mark.parametrize("name", ["snap.pcap", "snap96.pcap"])
def test_the_audit_blames_no_peer(name: str) -> None:
    path = shared(f"cases/C23-snaplen/{name}")
    assert all(record["error"].startswith("the capture holds") for record in dissect(path))
    with Capture(path) as capture:
        assert not [each.title for each in audit(capture).findings if each.status is Status.FAILED]
