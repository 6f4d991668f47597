# SPDX-License-Identifier: GPL-2.0-or-later
"""EspParts agrees with the fast path, and can set every field of a packet to a wrong value."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6

from fynx_scapy.errors import IntegrityError, LocalError, MalformedError
from fynx_scapy.esp import EspParts
from tests.esp.suites import CBC, GCM, IMPLICIT, SPI, SUITES, Suite, inbound, outbound
from tests.examples import examples

INNER = bytes(IP(src="10.1.0.1", dst="10.2.0.1") / UDP() / b"payload")
each_suite = pytest.mark.parametrize("suite", SUITES, ids=str)


@pytest.mark.sample(3)
@each_suite
@settings(max_examples=examples(15))
@given(
    payload=st.one_of(st.binary(max_size=70), st.just(INNER)),
    next_header=st.integers(0, 255),
    esn=st.booleans(),
    start=st.one_of(st.integers(0, 100), st.integers((1 << 32) - 3, (1 << 32) + 3)),
)
def test_both_doors_agree(suite: Suite, payload: bytes, next_header: int, esn: bool, start: int) -> None:
    if not esn:
        start %= 1 << 31
    hot, crafting = (outbound(suite, esn=esn, seq=start) for _ in range(2))
    for _ in range(2):
        packet = hot.seal(payload, next_header)
        assert EspParts(payload, next_header).build(crafting) == packet
    assert (hot.seq, hot.packets, hot.bytes) == (crafting.seq, crafting.packets, crafting.bytes)
    parts = EspParts.take_apart(inbound(suite, esn=esn, highest=start), packet)
    assert (parts.spi, parts.seq, parts.next_header) == (SPI, start + 2, next_header)
    assert parts.payload + parts.tfc == payload
    assert parts.build(crafting) == packet  # everything is assigned: nothing is computed
    again = dataclasses.replace(parts, padding=None, pad_length=None, icv=None)
    assert again.build(crafting) == packet
    opened = inbound(suite, esn=esn, highest=start).open(packet)
    assert opened == (parts.payload + (parts.tfc if next_header == 59 else b""), next_header)


@pytest.mark.sample(3)
@each_suite
@settings(max_examples=examples(15))
@given(
    spi=st.integers(0, 0xFFFF_FFFF),
    seq=st.integers(0, (1 << 64) - 1),
    blocks=st.integers(0, 6),
    pad_length=st.integers(0, 255),
    next_header=st.integers(0, 255),
    fill=st.integers(0, 255),
)
def test_every_field_arrives_as_assigned(
    suite: Suite, spi: int, seq: int, blocks: int, pad_length: int, next_header: int, fill: int
) -> None:
    sender = outbound(suite, esn=True)
    size = 8 if sender.implicit_iv else sender.encr.iv_size
    iv = seq.to_bytes(8, "big") if sender.implicit_iv else bytes((fill,)) * size
    padding = bytes((fill,)) * (sender.align * (blocks + 1) - 2)
    pad_length = min(pad_length, len(padding))
    packet = EspParts(b"", next_header, spi, seq, iv, b"", padding, pad_length).build(sender)
    assert packet[:8] == spi.to_bytes(4, "big") + (seq % (1 << 32)).to_bytes(4, "big")
    if not sender.implicit_iv:
        assert packet[8 : 8 + size] == iv
    parts = EspParts.take_apart(inbound(suite, esn=True), packet, seq=seq)
    assert (parts.spi, parts.seq, parts.iv) == (spi, seq, iv)
    assert (parts.pad_length, parts.next_header) == (pad_length, next_header)
    assert parts.padding is not None
    assert parts.payload + parts.tfc + parts.padding == padding
    assert sender.seq == 0  # an assigned number leaves the counter alone


@each_suite
def test_a_wrong_icv_is_sent_as_assigned(suite: Suite) -> None:
    sender = outbound(suite)
    icv = bytes(sender.icv_size)
    packet = EspParts(INNER, 4, icv=icv).build(sender)
    assert packet.endswith(icv)
    if icv:
        with pytest.raises(IntegrityError):
            inbound(suite).open(packet)
        with pytest.raises(IntegrityError):
            EspParts.take_apart(inbound(suite), packet)
    short = EspParts(INNER, 4, icv=b"\x01").build(sender)
    assert len(short) == len(packet) - sender.icv_size + 1


def test_next_header_is_read_off_the_payload() -> None:
    sender, receiver = outbound(), inbound()
    for payload, expected in ((INNER, 4), (bytes(IPv6()), 41), (b"", 59)):
        assert receiver.open(EspParts(payload).build(sender)) == (payload, expected)
    with pytest.raises(LocalError, match="next_header"):
        EspParts(b"\x10rest").build(sender)


def test_tfc_of_any_content() -> None:
    packet = EspParts(INNER, 4, tfc=b"secret filler").build(outbound())
    assert EspParts.take_apart(inbound(), packet).tfc == b"secret filler"
    assert inbound().open(packet) == (INNER, 4)


def test_taking_apart_moves_nothing() -> None:
    sender, receiver = outbound(), inbound()
    packet = sender.seal(INNER, 4)
    assert EspParts.take_apart(receiver, packet) == EspParts.take_apart(sender, packet)
    assert EspParts.take_apart(receiver, packet) == EspParts.take_apart(receiver, packet)  # no replay check
    assert (receiver.highest, receiver.packets) == (0, 0)
    assert receiver.open(packet) == (INNER, 4)


def test_the_sender_can_take_its_own_esn_packets_apart() -> None:
    sender = outbound(CBC, esn=True, seq=(3 << 32) + 5)
    assert EspParts.take_apart(sender, sender.seal(INNER, 4)).seq == (3 << 32) + 6


def test_a_repeated_nonce_is_possible_on_purpose() -> None:
    sender = outbound(IMPLICIT[0])
    parts = EspParts(INNER, 4, seq=1)
    assert parts.build(sender) == parts.build(sender)
    with_iv = EspParts(INNER, 4, iv=bytes(8))
    assert with_iv.build(outbound(GCM))[8:16] == bytes(8)


@pytest.mark.parametrize(
    ("suite", "fields"),
    [
        (CBC, {"padding": b""}),
        (CBC, {"iv": b"short"}),
        (GCM, {"iv": bytes(12)}),
        (GCM, {"pad_length": 256}),
        (GCM, {"padding": bytes(256)}),
        (GCM, {"next_header": -1}),
        (GCM, {"spi": 1 << 32}),
        (GCM, {"seq": 1 << 32}),
        (GCM, {"seq": -1}),
    ],
)
def test_what_no_packet_can_hold(suite: Suite, fields: dict[str, Any]) -> None:
    sender = outbound(suite)
    whole: dict[str, Any] = {"payload": INNER, "next_header": 4}
    with pytest.raises(LocalError):
        EspParts(**(whole | fields)).build(sender)
    assert sender.packets == 0


@each_suite
def test_malformed_packets_are_not_taken_apart(suite: Suite) -> None:
    packet = outbound(suite).seal(INNER, 4)
    for length in range(len(packet)):
        try:
            EspParts.take_apart(inbound(suite), packet[:length])
        except (MalformedError, IntegrityError):
            continue
        assert not outbound(suite).icv_size


def test_a_pad_length_beyond_the_payload() -> None:
    packet = EspParts(b"", 99, padding=b"\x01\x02", pad_length=3).build(outbound())
    with pytest.raises(MalformedError, match="pad length up to 2, found 3"):
        EspParts.take_apart(inbound(), packet)
