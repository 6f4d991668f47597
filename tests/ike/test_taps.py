# SPDX-License-Identifier: GPL-2.0-or-later
"""Taps: any field of any message can be overridden, and only the fault under test fails."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.events import IkeSaFailed, IntegrityFailed, MessageSent
from fynx_scapy.ike.message import Outgoing
from fynx_scapy.ike.path.nat import detection_hash
from fynx_scapy.layers.ikev2 import IKEv2_IDi, IKEv2_Notify
from tests.ike.pair import ALICE, Pair


def is_init(message) -> bool:
    return message.header.exch_type == ExchangeType.IKE_SA_INIT


def test_an_explicit_value_beats_a_computed_one():
    pair = Pair()

    def spoil(message):
        for payload in message.payloads:
            if isinstance(payload, IKEv2_Notify) and payload.type == NotifyType.NAT_DETECTION_SOURCE_IP:
                payload.notify = b"not a hash at all..."

    pair.alice.taps.add("payloads", spoil, when=is_init)
    sa = pair.connect()
    assert sa.established
    assert pair.bobs.nat_before_peer
    assert not pair.bobs.nat_before_us
    assert pair.of("alice", MessageSent)[0].changed == ("payloads",)


def test_nat_detection_hashes_use_the_spis_that_are_really_sent():
    pair = Pair()

    def other_spi(message):
        message.header.init_SPI = b"ANOTHER1"

    pair.alice.taps.add("payloads", other_spi, when=is_init)
    pair.alice.connect(__import__("tests.ike.pair", fromlist=["alice"]).alice(), 0.0)
    pair.network.run(0.005)
    sent = pair.of("alice", MessageSent)[0]
    hashes = [bytes(p.notify) for p in sent.payloads if isinstance(p, IKEv2_Notify)]
    assert detection_hash(b"ANOTHER1", bytes(8), sent.local) in hashes


def test_auth_covers_the_identity_that_a_tap_put_there():
    pair = Pair()

    def rename(message):
        message.payloads[0] = IKEv2_IDi(IDtype=2, ID=b"mallory")

    pair.alice.taps.add("payloads", rename, when=lambda message: message.encrypted)
    pair.connect()
    # Bob refuses for want of a policy, not because AUTH is bad.
    assert "no configuration for IDi mallory" in pair.of("bob", IkeSaFailed)[0].reason


def test_signed_octets_cover_the_message_as_the_wire_tap_left_it():
    pair = Pair()
    pair.alice.taps.add(
        "wire", lambda message, octets: octets[:19] + bytes([octets[19] | 0x40]) + octets[20:], when=is_init
    )
    sa = pair.connect()
    assert sa.established
    assert pair.of("alice", MessageSent)[0].wire[0][19] & 0x40


@pytest.mark.requirements("7296-3.14-05", negative=True)
def test_plaintext_can_be_changed_and_is_sealed_well():
    pair = Pair()
    seen = []

    def lengthen(message, octets):
        seen.append(octets)
        # Twelve octets of padding more; the pad length says so.
        return octets[:-1] + bytes(12) + bytes([octets[-1] + 12])

    pair.alice.taps.add("plaintext", lengthen)
    assert pair.connect().established
    assert len(seen) == 1


def test_wire_changes_after_sealing_break_the_icv():
    pair = Pair()
    pair.alice.taps.add(
        "wire", lambda message, octets: octets[:-1] + bytes([octets[-1] ^ 1]), when=lambda m: m.encrypted
    )
    sa = pair.connect()
    assert not sa.established
    assert pair.of("bob", IntegrityFailed)


def test_explicit_lengths_and_next_payloads_are_sent_as_they_are():
    pair = Pair()

    def spoil(message):
        message.header.length = 1234
        message.header.next_payload = 99
        message.sk.next_payload = 77
        message.sk.length = 5
        message.sk.flags = 0x80

    pair.alice.taps.add("payloads", spoil, when=lambda message: message.encrypted)
    pair.connect()
    wire = pair.of("alice", MessageSent)[1].wire[0]
    assert int.from_bytes(wire[24:28]) == 1234
    assert wire[16] == 99
    assert wire[28:32] == b"\x4d\x80\x00\x05"


@pytest.mark.requirements("7296-3.14-03")
def test_an_iv_can_be_chosen():
    pair = Pair()

    def choose(message):
        message.iv = b"eightivs"

    pair.alice.taps.add("payloads", choose, when=lambda message: message.encrypted)
    assert pair.connect().established
    assert pair.of("alice", MessageSent)[1].wire[0][32:40] == b"eightivs"


def test_a_message_can_be_sent_in_the_clear():
    pair = Pair()

    def clear(message):
        message.encrypted = False

    pair.alice.taps.add("payloads", clear, when=lambda message: message.encrypted)
    sa = pair.connect()
    assert not sa.established
    assert pair.of("alice", MessageSent)[1].plaintext is None


def test_a_tap_is_taken_out_again():
    pair = Pair()
    calls: list[Outgoing] = []
    remove = pair.alice.taps.add("payloads", calls.append)
    pair.connect()
    assert len(calls) == 2
    remove()
    remove()
    pair.alice.sas[next(iter(pair.alice.sas))].delete_ike()
    pair.network.run()
    assert len(calls) == 2


def test_of_two_taps_that_are_alike_each_is_taken_out_by_its_own_function():
    pair = Pair()
    calls: list[object] = []
    first, second = (pair.alice.taps.add("payloads", calls.append) for _ in range(2))
    first()
    first()
    pair.connect()
    # HDR, SAi1, KEi, Ni  -->      HDR, SK {IDi, ...}  -->
    assert len(calls) == 2
    second()
    assert not pair.alice.taps.used


def test_a_stage_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="payloads, plaintext, parts, wire, datagrams"):
        Pair().alice.taps.add("cipher", print)


def test_a_stranger_s_answer_passes_the_taps_too():
    pair = Pair()

    def spoil(message):
        message.header.version = 0x2F

    pair.bob.taps.add("payloads", spoil)
    from fynx_scapy.ike.message import Address, Datagram
    from fynx_scapy.layers.ikev2 import IKEv2, build_message

    lost = build_message(IKEv2(init_SPI=b"A" * 8, resp_SPI=b"B" * 8, exch_type=37, flags=8), [])
    pair.bob.receive(Datagram(lost, Address("192.0.2.2", 500), Address(ALICE, 500)), 0.0)
    (answer,) = pair.bob.datagrams()
    assert answer.data[17] == 0x2F
