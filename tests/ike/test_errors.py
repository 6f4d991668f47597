# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong is answered, dropped or ignored exactly as RFC 7296 says (sections 2.5 and 2.21)."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.packet import Packet

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType
from fynx_scapy.ike.events import IkeSaFailed, MessageDropped, MessageReceived, MessageSent, SaDeleted
from fynx_scapy.ike.exchanges.custom import Custom
from fynx_scapy.ike.exchanges.informational import Liveness
from fynx_scapy.ike.message import PROCESSED, Address, Datagram, Header, Message
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.ike.wire.rules import Rule, check
from fynx_scapy.layers.ikev2 import (
    IKEv2,
    IKEv2_Encrypted,
    IKEv2_Encrypted_Fragment,
    IKEv2_GSA,
    IKEv2_GSPM,
    IKEv2_IDg,
    IKEv2_KD,
    IKEv2_Nonce,
    IKEv2_Notify,
    IKEv2_Payload,
    IKEv2_VendorID,
    build_message,
    parse_message,
)
from fynx_scapy.layers.ikev2.header import PAYLOADS
from tests.ike.pair import ALICE, BOB, Pair, alice, bob

STRANGER = Address("198.51.100.9", 500)


def strange(pair: Pair, *payloads, **header) -> list[tuple[Packet, list[Packet]]]:
    """Send Bob a message of a stranger's; returns the headers and payloads of what he answers."""
    fields: dict[str, Any] = {"init_SPI": b"A" * 8, "flags": 0x08}
    message = build_message(IKEv2(**(fields | header)), list(payloads))
    pair.bob.receive(Datagram(message, Address(BOB, 500), STRANGER), pair.network.now)
    answers = []
    for datagram in pair.bob.datagrams():
        assert datagram.remote == STRANGER
        answers.append(parse_message(datagram.data))
    return answers


def unknown(kind: int = 200, critical: bool = True) -> IKEv2_Payload:
    return IKEv2_Payload(payload_type=kind, flags=0x80 if critical else 0, load=b"\x01\x02")


@pytest.mark.requirements("7296-1.5-i02", "7296-2.21.4-03", "7296-2.21.4-04", negative=True)
def test_a_request_on_unknown_spis_is_answered_in_the_clear():
    (answer,) = strange(Pair(), resp_SPI=b"B" * 8, exch_type="INFORMATIONAL", id=7)
    header, payloads = answer
    assert (header.init_SPI, header.resp_SPI, header.id) == (b"A" * 8, b"B" * 8, 7)
    assert int(header.flags) == 0x20
    assert [n.type for n in payloads] == [NotifyType.INVALID_IKE_SPI]


@pytest.mark.requirements("7296-2.21.4-01", "7296-3.1-11", negative=True)
def test_a_response_on_unknown_spis_is_never_answered():
    assert strange(Pair(), resp_SPI=b"B" * 8, exch_type="INFORMATIONAL", flags=0x28) == []


@pytest.mark.requirements("7296-2.5-02", negative=True)
def test_a_higher_major_version_is_told_the_highest_that_we_speak():
    (answer,) = strange(Pair(), version=0x30, exch_type="IKE_SA_INIT")
    assert answer[0].version == 0x20
    assert [n.type for n in answer[1]] == [NotifyType.INVALID_MAJOR_VERSION]
    assert strange(Pair(), version=0x10, exch_type=2) == []


@pytest.mark.requirements("7296-2.5-01", "7296-2.5-06", "7296-3.1-09", "7296-3.2-06", negative=True)
def test_a_higher_minor_version_and_reserved_bits_are_accepted():
    pair = Pair()

    def spoil(message):
        message.header.version = 0x2F
        message.header.flags = int(message.header.flags) | 0xC7
        for payload in message.payloads:
            payload.flags = int(payload.flags or 0) | 0x7F

    # 7296-2.5-06: reserved fields are ignored on receipt.
    pair.alice.taps.add("payloads", spoil)
    assert pair.connect().established


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.requirements("7296-2.5-08", "7296-2.5-i01", "7296-2.21.2-03", negative=True)
def test_an_unknown_critical_payload_is_named_in_the_answer(encrypted):
    pair = Pair()
    pair.alice.taps.add("payloads", lambda m: m.payloads.insert(1, unknown()), when=lambda m: m.encrypted == encrypted)
    # 7296-2.5-08
    sa = pair.connect()
    assert sa.state is State.CLOSED
    failed = pair.of("alice", IkeSaFailed)[0]
    assert failed.notify_type == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD
    answer = pair.of("bob", MessageSent)[-1]
    assert [bytes(n.notify) for n in answer.payloads] == [b"\xc8"]
    assert not pair.bob.children


def ends(pair: Pair, beginner: str) -> tuple[IkeSa, IkeSa]:
    sa = pair.connect(alice(fragment_size=200))
    return (sa, pair.bobs) if beginner == "alice" else (pair.bobs, sa)


UNPROCESSED = {
    "GSPM": lambda flags: IKEv2_GSPM(flags=flags, load=b"\x01"),
    "IDg": lambda flags: IKEv2_IDg(flags=flags, IDtype="ID_FQDN", ID=b"group"),
    "IDg that cannot be read": lambda flags: raw(PayloadType.IDg, flags, b"\x01"),
    "GSA": lambda flags: IKEv2_GSA(flags=flags),
    "GSA that cannot be read": lambda flags: raw(PayloadType.GSA, flags, b"\x01\xff\xff"),
    "KD": lambda flags: IKEv2_KD(flags=flags),
    "KD that cannot be read": lambda flags: raw(PayloadType.KD, flags, b"\x01\x01\x00\xff"),
    "55": lambda flags: raw(55, flags, b""),
    "1": lambda flags: raw(1, flags, b"\x01"),
    "255": lambda flags: raw(255, flags, b"\x01\x02"),
}
EVERY_UNPROCESSED = pytest.mark.parametrize("payload", UNPROCESSED.values(), ids=UNPROCESSED)


def raw(kind: int, flags: int, load: bytes) -> IKEv2_Payload:
    return IKEv2_Payload(payload_type=kind, flags=flags, load=load)


@pytest.mark.sample(3)
@pytest.mark.parametrize("beginner", ["alice", "bob"])
@EVERY_UNPROCESSED
@pytest.mark.requirements("7296-2.5-08", "7296-2.5-i01", negative=True)
def test_a_critical_payload_that_is_not_processed_is_named(payload, beginner):
    """Section 2.5: that there is a layer for it does not make it understood."""
    pair = Pair()
    sa, other = ends(pair, beginner)
    # HDR, SK {N, GSA(critical)}  -->   <--  HDR, SK {N(UNSUPPORTED_CRITICAL_PAYLOAD, 51)}
    layer = payload(0x80)
    exchange = sa.start(Custom(sa, ExchangeType.INFORMATIONAL, IKEv2_Notify(type="INITIAL_CONTACT"), layer))
    pair.network.run()
    (refusal,) = exchange.answer.payloads
    assert refusal.type == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD
    assert bytes(refusal.notify) == bytes([layer.payload_type])
    assert other.established


@EVERY_UNPROCESSED
def test_a_critical_payload_that_is_not_processed_ends_ike_sa_init(payload):
    pair = Pair()
    pair.alice.taps.add("payloads", lambda m: m.payloads.append(payload(0x80)), when=lambda m: not m.encrypted)
    assert pair.connect().state is State.CLOSED
    assert pair.of("alice", IkeSaFailed)[0].notify_type == NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD
    assert not pair.bob.sas


@EVERY_UNPROCESSED
@pytest.mark.requirements("7296-2.5-07", "7296-2.5-09", negative=True)
def test_a_payload_that_is_not_processed_is_skipped_whatever_is_in_it(payload):
    pair = Pair()
    for end in (pair.alice, pair.bob):
        # "Skipped payloads are expected to have valid Next Payload and Payload Length fields", no more.
        end.taps.add("payloads", lambda m: m.payloads.insert(1, payload(0x7F)))
    sa = pair.connect()
    assert sa.established
    assert sa.children
    assert pair.bobs.established
    exchange = pair.bobs.liveness()
    pair.network.run()
    assert exchange.done
    assert exchange.error is None


@pytest.mark.parametrize("kind", [55, PayloadType.GSA])
@pytest.mark.requirements("7296-3.2-i02", negative=True)
def test_a_skipped_payload_that_says_a_wrong_length_is_malformed(kind):
    pair = Pair()
    sa = pair.connect()
    payload = IKEv2_Payload(payload_type=kind, length=400, load=b"\x01")
    exchange = sa.start(Custom(sa, ExchangeType.INFORMATIONAL, payload))
    pair.network.run()
    assert [n.type for n in exchange.answer.payloads] == [NotifyType.INVALID_SYNTAX]


INFORMATION = Rule({PayloadType.SA: (2, 2)})


@pytest.mark.parametrize("kind", sorted(PROCESSED - {0, PayloadType.SK, PayloadType.SKF}))
@pytest.mark.requirements("7296-3.2-03", "7296-3.2-05", negative=True)
def test_the_critical_bit_of_every_type_of_rfc_7296_is_ignored(kind):
    pair = Pair()
    pair.connect()
    asked = pair.of("bob", MessageReceived)[-1]
    payload = PAYLOADS[kind](flags=0x80)
    there = Address(BOB, 500)
    message = Message(Header.parse(asked.wire[0]), asked.header, [payload], b"", b"", there, there)
    with pytest.raises(PeerError) as caught:
        check(message, INFORMATION)
    assert caught.value.notify_type == NotifyType.INVALID_SYNTAX


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.requirements("7296-2.5-07", "7296-2.5-09", negative=True)
def test_an_unknown_payload_that_is_not_critical_is_skipped(encrypted):
    pair = Pair()
    pair.alice.taps.add(
        "payloads", lambda m: m.payloads.insert(1, unknown(critical=False)), when=lambda m: m.encrypted == encrypted
    )
    assert pair.connect().established


@pytest.mark.requirements("7296-3.2-03", "7296-3.2-05", negative=True)
def test_the_critical_bit_of_known_payloads_is_ignored():
    pair = Pair()

    def critical(message):
        for payload in message.payloads:
            payload.flags = 0x80

    pair.alice.taps.add("payloads", critical)
    pair.bob.taps.add("payloads", critical)
    # 7296-3.2-03
    assert pair.connect().established


@pytest.mark.requirements("7296-2.5-11", negative=True)
def test_payloads_may_come_in_any_order():
    pair = Pair()
    pair.alice.taps.add("payloads", lambda message: message.payloads.reverse())
    pair.bob.taps.add("payloads", lambda message: message.payloads.reverse())
    # 7296-2.5-11
    assert pair.connect().established


@pytest.mark.parametrize("size", [0, 15, 257])
@pytest.mark.requirements("7296-3.9-01", "7296-2.10-01", negative=True)
def test_a_nonce_of_the_wrong_size_makes_no_sa(size):
    pair = Pair()

    def spoil(message):
        for payload in message.payloads:
            if isinstance(payload, IKEv2_Nonce):
                payload.nonce = bytes(size)

    pair.alice.taps.add("payloads", spoil)
    # 7296-3.9-01, 3.10.1: INVALID_SYNTAX is not sent in the clear.
    sa = pair.connect()
    assert sa.state is State.CLOSED
    assert not pair.bob.sas
    assert "nonce" in pair.of("bob", MessageDropped)[0].reason


def test_an_invalid_public_value_makes_no_sa():
    pair = Pair()

    def spoil(message):
        for payload in message.payloads:
            if type(payload).__name__ == "IKEv2_KE":
                payload.ke = bytes(32)

    pair.alice.taps.add("payloads", spoil)
    assert pair.connect().state is State.CLOSED
    assert not pair.bob.sas


@pytest.mark.requirements("7296-2.21.3-01", "7296-2.21.3-i01", negative=True)
def test_a_malformed_request_inside_sk_is_fatal_in_both_peers():
    pair = Pair()
    sa = pair.connect()
    pair.alice.taps.add("payloads", lambda m: m.payloads.append(IKEv2_Notify(type="INITIAL_CONTACT", length=400)))
    # HDR, SK {N(broken)}  -->   <--  HDR, SK {N(INVALID_SYNTAX)}     (section 2.21.3)
    exchange = sa.start(Liveness(sa))
    pair.network.run()
    assert [n.type for n in exchange.answer.payloads] == [NotifyType.INVALID_SYNTAX]
    assert pair.bobs.state is State.CLOSED
    assert "INVALID_SYNTAX" in pair.of("bob", SaDeleted)[-1].reason


SEALED = {
    "SK": [IKEv2_Encrypted(load=bytes(40))],
    "SKF": [IKEv2_Encrypted_Fragment(frag_number=1, frag_total=2, load=bytes(40))],
    "SK holding SK": [IKEv2_Encrypted(next_payload=46, load=bytes(IKEv2_Encrypted(load=bytes(40))))],
    "empty SK": [IKEv2_Encrypted(load=b"")],
    "N, SK": [IKEv2_Notify(type="INITIAL_CONTACT"), IKEv2_Encrypted(load=bytes(40))],
    "unknown, SKF": [unknown(critical=False), IKEv2_Encrypted_Fragment(load=bytes(40))],
    "critical SK": [IKEv2_Encrypted(flags=0x80, load=bytes(40))],
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.parametrize("size", ["whole", "in fragments"])
@pytest.mark.parametrize("inner", SEALED)
@pytest.mark.requirements("7296-3.1-01", negative=True)
def test_sk_inside_sk_is_invalid_syntax(beginner, size, inner):
    pair = Pair(bob(fragment_size=200))
    sa, other = ends(pair, beginner)
    before = [IKEv2_VendorID(vendorID=bytes(500))] if size == "in fragments" else []
    # HDR, SK {SK {...}}  -->   <--  HDR, SK {N(INVALID_SYNTAX)}
    exchange = sa.start(Custom(sa, ExchangeType.INFORMATIONAL, *before, *(p.copy() for p in SEALED[inner])))
    pair.network.run()
    assert (len(pair.of(beginner, MessageSent)[-1].wire) > 1) == bool(before)
    assert [n.type for n in exchange.answer.payloads] == [NotifyType.INVALID_SYNTAX]
    assert other.state is State.CLOSED
    assert "inside SK" in pair.of("bob" if beginner == "alice" else "alice", SaDeleted)[-1].reason


@pytest.mark.parametrize("beginner", ["alice", "bob"])
@pytest.mark.requirements("7296-3.1-01", negative=True)
def test_an_answer_with_sk_inside_sk_is_not_taken(beginner):
    pair = Pair()
    sa, other = ends(pair, beginner)
    other.endpoint.taps.add("payloads", lambda message: message.payloads.append(IKEv2_Encrypted(load=bytes(40))))
    exchange = sa.start(Liveness(sa))
    pair.network.run()
    assert "inside SK" in str(exchange.error)


@pytest.mark.requirements("7296-3.10.1-04", "7296-2.21.3-i01", negative=True)
def test_an_exchange_that_nobody_knows_is_fatal_in_both_peers():
    pair = Pair()
    sa = pair.connect()
    exchange = sa.start(Custom(sa, 240))
    pair.network.run()
    assert [n.type for n in exchange.answer.payloads] == [NotifyType.INVALID_SYNTAX]
    assert (sa.state, pair.bobs.state) == (State.CLOSED, State.CLOSED)


@pytest.mark.requirements("7296-2.21.3-01", negative=True)
def test_a_create_child_sa_without_its_payloads_is_invalid_syntax():
    pair = Pair()
    sa = pair.connect()
    exchange = sa.start(Custom(sa, ExchangeType.CREATE_CHILD_SA))
    pair.network.run()
    assert [n.type for n in exchange.answer.payloads] == [NotifyType.INVALID_SYNTAX]


@pytest.mark.parametrize(
    "kind", [NotifyType.INVALID_IKE_SPI, NotifyType.AUTHENTICATION_FAILED, NotifyType.NO_PROPOSAL_CHOSEN]
)
@pytest.mark.requirements("7296-2.4-04", "7296-2.21.4-05", negative=True)
def test_an_unprotected_error_never_tears_down_an_established_sa(kind):
    pair = Pair()
    sa = pair.connect()
    exchange = sa.start(Liveness(sa))
    header = IKEv2(init_SPI=sa.spi_i, resp_SPI=sa.spi_r, exch_type="INFORMATIONAL", flags=0x20, id=2)
    forged = build_message(header, [IKEv2_Notify(type=int(kind))])
    # 7296-2.4-04, 2.21.4
    pair.alice.receive(Datagram(forged, Address(ALICE, 500), Address(BOB, 500)), pair.network.now)
    assert sa.established
    pair.network.run()
    assert exchange.done
    assert exchange.error is None


@pytest.mark.requirements("7296-3.1-i03", negative=True)
def test_a_message_shorter_than_its_header_and_one_with_a_wrong_length_are_dropped_with_a_reason():
    pair = Pair()
    for data in (b"", b"\0" * 27, build_message(IKEv2(init_SPI=b"A" * 8, exch_type=34, length=99), [])):
        pair.bob.receive(Datagram(data, Address(BOB, 500), STRANGER), 0.0)
        (event,) = pair.bob.events()
        assert isinstance(event, MessageDropped)
        assert event.reason
        assert event.offset == 0
    assert pair.bob.datagrams() == []


@pytest.mark.requirements("7296-1-01", "7296-1-i03", "7296-1.4-01", negative=True)
def test_informational_before_authentication_is_refused():
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run()
    exchange = sa.start(Liveness(sa))
    pair.network.run()
    assert [n.type for n in exchange.answer.payloads] == [NotifyType.INVALID_SYNTAX]
    assert not pair.bobs.established


def test_a_second_ike_auth_is_refused():
    pair = Pair()
    sa = pair.connect()
    exchange = sa.start(Custom(sa, ExchangeType.INFORMATIONAL, encrypted=False))
    pair.network.run(lambda: bool(pair.of("bob", MessageDropped)))
    assert "inside SK" in pair.of("bob", MessageDropped)[0].reason
    assert not exchange.done


def test_padding_that_does_not_fit_is_answered_like_any_other_malformed_request():
    pair = Pair()
    sa = pair.connect()
    pair.alice.taps.add("plaintext", lambda message, octets: octets[:-1] + b"\xff")
    exchange = sa.start(Liveness(sa))
    pair.network.run()
    assert [n.type for n in exchange.answer.payloads] == [NotifyType.INVALID_SYNTAX]
    assert pair.bobs.state is State.CLOSED
