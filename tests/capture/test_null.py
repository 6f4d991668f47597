# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP read as NULL encryption, if that is asked for and the packets look like it (RFC 5879)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

from fynx_scapy.capture import Follower, KeyLog
from fynx_scapy.capture.follow.tries.null import ICV_SIZES, NullReader
from fynx_scapy.cli import main
from tests.shared import shared

SRC, DST = "192.0.2.1", "192.0.2.2"
SRC6, DST6 = "2001:db8::1", "2001:db8::2"


def esp(payload: bytes, next_header: int, icv: int, seq: int = 1) -> bytes:
    pad = -(len(payload) + 2) % 4
    body = payload + bytes(range(1, pad + 1)) + bytes((pad, next_header))
    return bytes.fromhex("00001234") + seq.to_bytes(4) + body + bytes([0xA5, 0x17, 0xC3, seq & 255] * 8)[:icv]


def transport(packet: Any) -> bytes:
    """What follows the IP header of a packet, with its checksum."""
    return bytes(type(packet)(bytes(packet)).payload)


PAYLOADS = {
    "IPv4": (bytes(IP(src="10.1.0.1", dst="10.2.0.1") / UDP() / b"hello"), 4, SRC, DST),
    "IPv6": (bytes(IPv6(src="fd00::1", dst="fd00::2") / UDP() / b"hello"), 41, SRC, DST),
    "TCP": (transport(IP(src=SRC, dst=DST) / TCP() / b"hello"), 6, SRC, DST),
    "UDP": (transport(IP(src=SRC, dst=DST) / UDP() / b"hello"), 17, SRC, DST),
    "ICMP": (transport(IP(src=SRC, dst=DST) / ICMP() / b"hello"), 1, SRC, DST),
    "ICMPv6": (transport(IPv6(src=SRC6, dst=DST6) / ICMPv6EchoRequest(data=b"hello")), 58, SRC6, DST6),
    "TCP on IPv6": (transport(IPv6(src=SRC6, dst=DST6) / TCP() / b"odd"), 6, SRC6, DST6),
}


@pytest.mark.parametrize("icv", sorted(ICV_SIZES))
@pytest.mark.parametrize("name", PAYLOADS)
def test_what_the_payload_says_finds_the_icv(name: str, icv: int) -> None:
    payload, next_header, src, dst = PAYLOADS[name]
    reader = NullReader()
    opened = reader.open(esp(payload, next_header, icv), src, dst)
    assert (opened.plaintext, opened.next_header, opened.icv, opened.keyed) == (payload, next_header, "unchecked", True)
    assert f"to {dst} was read as NULL encryption with an ICV of {icv} octets: a guess" in reader.guesses[0]
    # and then of any protocol
    assert reader.open(esp(b"anything at all.", 47, icv, 2), src, dst).next_header == 47


@pytest.mark.parametrize("name", PAYLOADS)
def test_aes_gmac_has_an_iv_before_the_payload(name: str) -> None:
    payload, next_header, src, dst = PAYLOADS[name]
    packet = esp(payload, next_header, 16)
    reader = NullReader()
    opened = reader.open(packet[:8] + bytes.fromhex("0000000000000001") + packet[8:], src, dst)
    assert (opened.plaintext, opened.next_header, opened.icv) == (payload, next_header, "unchecked")
    assert "as NULL encryption with AES-GMAC and an ICV of 16 octets: a guess" in reader.guesses[0]


@given(packet=st.binary(max_size=200))
def test_any_octets_are_left_closed_or_opened_without_an_exception(packet: bytes) -> None:
    reader = NullReader()
    assert not reader.open(b"\0\0\x12\x34\0\0\0\1" + packet, SRC, DST).error
    assert not reader.found or packet[:1] >= b"\x04"


def test_it_is_not_tried_unless_asked_for() -> None:
    packet = esp(*PAYLOADS["IPv4"][:2], 12)
    assert Follower(KeyLog()).esp(packet, SRC, DST).plaintext is None
    follower = Follower(KeyLog(esp_null=True))
    assert follower.esp(packet, SRC, DST).plaintext == PAYLOADS["IPv4"][0]
    assert len(follower.guesses) == 1


def test_a_key_comes_first_and_its_fault_is_no_guess() -> None:
    row = '"IPv4","*","*","0x1234","AES-GCM with 16 octet ICV [RFC4106]","0x' + "11" * 20 + '","NULL",""'
    log = KeyLog(esp_null=True)
    log.parse(row)
    follower = Follower(log)
    assert follower.esp(esp(*PAYLOADS["IPv4"][:2], 12), SRC, DST).icv == "bad"
    assert follower.guesses == []


GUESS = "was read as NULL encryption with an ICV of 16 octets: a guess, which no key confirms"


@pytest.mark.parametrize("command", ["dissect", "capture", "decrypt", "audit", "follow"])
def test_every_command_says_that_it_is_a_guess(command: str, tmp_path: Path) -> None:
    more = ["-o", str(tmp_path / "plain.pcapng")] if command == "decrypt" else []
    capture = str(shared("cases/K12-null-any128/null.pcapng"))
    done = CliRunner().invoke(main, [command, capture, "--esp-null", *more], catch_exceptions=False)
    assert done.stderr.count(GUESS) == 2
    assert "no key for ESP SA" not in done.stderr


def test_null_encryption_with_an_icv_whose_key_is_unknown() -> None:
    folder = shared("cases/K12-null-any128")
    arguments = ["dissect", str(folder / "null.pcapng"), "--keys", str(folder / "row.esp_sa"), "--json"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    opened = [record for record in records if record["kind"] == "esp" and record["decrypted"]]
    assert [(record["spi"], record["icv"], record["next_header"]) for record in opened] == [
        ("ff453f2d", "unchecked", 4)
    ] * 3
