# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host says to the first message of Main Mode (RFC 2408, RFC 2409)."""

from __future__ import annotations

import struct

import pytest

from fynx_scapy.layers.ikeheader import HEADER_SIZE, IKE_HEADER
from fynx_scapy.scan import ikev1
from fynx_scapy.scan.answer import Answer
from tests.scan.hosts import Odd, scan_of

SPI = b"\1" * 8
CHOSEN = (
    "encryption AES-CBC, key length 256, hash SHA2-256, authentication pre-shared key, group MODP_2048, "
    "life type seconds, life duration 28800"
)


def message(first: int, *payloads: bytes, exchange: int = ikev1.MAIN_MODE) -> bytes:
    body = b"".join(payloads)
    return IKE_HEADER.pack(SPI, b"\2" * 8, first, 0x10, exchange, 0, 0, HEADER_SIZE + len(body)) + body


def notification(kind: int) -> bytes:
    """RFC 2408 section 3.14: DOI, protocol, SPI size, type."""
    return struct.pack("!BBHIBBH", 0, 0, 12, 1, 1, 0, kind)


def sa(spi: bytes = b"", following: int = 0) -> bytes:
    """An SA payload with our first transform."""
    transform = ikev1.main_mode(SPI)[HEADER_SIZE + 20 : HEADER_SIZE + 56]
    transform = b"\0" + transform[1:]
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(spi) + len(transform), 1, 1, len(spi), 1) + spi + transform
    return struct.pack("!BBHII", following, 0, 12 + len(proposal), 1, 1) + proposal


def test_the_request() -> None:
    """Every transform is numbered, and the lengths agree (RFC 2408 sections 3.4 to 3.6)."""
    wire = ikev1.main_mode(SPI)
    assert len(wire) == int.from_bytes(wire[24:28])
    assert wire[:8] == SPI
    assert (wire[16], wire[17], wire[18]) == (1, 0x10, 2)
    sa_length, proposal_length, number = (
        int.from_bytes(wire[30:32]), int.from_bytes(wire[42:44]), wire[47],
    )  # fmt: skip
    assert (sa_length, proposal_length) == (len(wire) - 28, len(wire) - 40)
    at, numbers = 48, []
    while at < len(wire):
        numbers.append(wire[at + 4])
        at += int.from_bytes(wire[at + 2 : at + 4])
    assert (at, numbers) == (len(wire), list(range(1, number + 1)))


@pytest.mark.parametrize(
    ("wire", "answers", "text", "chosen"),
    [
        (message(1, sa()), True, "accepts Main Mode", CHOSEN),
        (message(1, sa(spi=b"12345678")), True, "accepts Main Mode", CHOSEN),
        (message(1, sa()[:30]), True, "answers Main Mode with exchange 2", ""),
        (message(11, notification(14), exchange=5), True, "refuses Main Mode: NO-PROPOSAL-CHOSEN", ""),
        (message(11, notification(9999), exchange=5), True, "refuses Main Mode: notification 9999", ""),
        (message(0), True, "answers Main Mode with exchange 2", ""),
    ],
    ids=["accepted", "accepted with an SPI", "cut", "refused", "an unknown notification", "empty"],
)
def test_answers(wire: bytes, answers: bool, text: str, chosen: str) -> None:
    told = ikev1.read(Answer.read(wire))
    assert (told.answers, told.text, told.chosen) == (answers, text, chosen)


def test_vendor_ids_have_names() -> None:
    vendor = struct.pack("!BBH", 0, 0, 20) + bytes.fromhex("afcad71368a1f1c96b8696fc77570100")
    told = ikev1.read(Answer.read(message(1, sa(following=13), vendor)))
    assert told.vendors == ("Dead Peer Detection (RFC 3706), version 1.0",)


def test_a_host_with_ikev1_alone() -> None:
    """It answers no IKE_SA_INIT: that is a result, and no host that is not there."""
    host = Odd(lambda data: [data[:8] + message(1, sa())[8:]] if data[17] == ikev1.VERSION_1 else [])
    with scan_of(host) as scan:
        result = scan.run()
    assert (result.first_answer, result.as_dict()["ikev1"]["text"]) == ("", "accepts Main Mode")
    assert result.counts["half_open_left"] == 1
