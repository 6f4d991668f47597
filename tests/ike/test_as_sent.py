# SPDX-License-Identifier: GPL-2.0-or-later
"""An answer is held against what was sent, taps included, not against the configuration (RFC 7296 section 2.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scapy.packet import Packet

from fynx_scapy import ChildFields
from fynx_scapy.crypto.ke import key_exchange
from fynx_scapy.iana import KeMethod, NotifyType, ProtocolId
from fynx_scapy.ike.child.setup import answer_child
from fynx_scapy.ike.config import ChildConfig
from fynx_scapy.ike.events import ChildSaFailed, ConfigurationReceived, IkeSaFailed, KeyExchangeRejected
from fynx_scapy.ike.exchanges import Exchange, create_child
from fynx_scapy.ike.message import Outgoing, notify
from fynx_scapy.ike.sa import IkeSa
from fynx_scapy.ike.terms.cp import ConfigReply, ConfigRequest
from fynx_scapy.ike.terms.identity import Identity
from fynx_scapy.ike.terms.proposals import Proposal
from fynx_scapy.ike.terms.selectors import Selector
from fynx_scapy.layers.ikev2 import (
    IKEv2_CP,
    IKEv2_IDr,
    IKEv2_KE,
    IKEv2_Nonce,
    IKEv2_SA,
    IKEv2_TSr,
    build_payloads,
    first_type,
    parse_payloads,
)
from tests.ike.pair import ALICE, BOB, Pair, alice, bob

PFS = "aes128gcm16-x25519"
STEPS: dict[str, Callable[[IkeSa], Exchange]] = {
    "rekey of the IKE SA": lambda sa: sa.rekey(),
    "another Child SA": lambda sa: sa.create_child(),
    "rekey of a Child SA": lambda sa: sa.rekey_child(next(iter(sa.children.values()))),
}


def pair(**changes) -> Pair:
    child = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24", proposals=PFS)
    return Pair(bob(**({"children": (child,)} | changes)))


def asker(**changes):
    return alice(**({"children": (ChildConfig(proposals=PFS),)} | changes))


def at(stage: str, change: Callable[[list[Packet]], None]) -> tuple[str, Callable[..., Any]]:
    """A tap of a stage that changes the payloads of a message: its layers, or what its octets hold."""
    if stage == "payloads":
        return stage, lambda message: change(message.payloads)

    def octets(message: Outgoing, data: bytes) -> bytes:
        skip = 0 if message.encrypted else 28
        size = len(build_payloads(message.payloads))
        payloads = parse_payloads(first_type(message.payloads), data[skip : skip + size])
        change(payloads)
        changed = build_payloads(payloads)
        assert len(changed) == size
        return data[:skip] + changed + data[skip + size :]

    return stage, octets


def requests(message: Outgoing) -> bool:
    return not int(message.header.flags) & 0x20


def renumber(payloads: list[Packet]) -> None:
    """Proposals from number 3 on, as macOS has them in a rekey."""
    for payload in payloads:
        if isinstance(payload, IKEv2_SA):
            for number, proposal in enumerate(payload.prop, 3):
                proposal.proposal = number


def other_nonce(payloads: list[Packet]) -> None:
    for payload in payloads:
        if isinstance(payload, IKEv2_Nonce):
            payload.nonce = b"N" * len(payload.nonce)


def works(found: Pair, sa) -> bool:
    """Whether both ends have the same keys, in their newest IKE SA and in each Child SA."""
    sa = sa.successor or sa
    theirs = found.bob.sas[sa.spi_r if sa.initiator else sa.spi_i]
    others = {child.outbound.spi: child for child in theirs.children.values()}
    for child in sa.children.values():
        packet = child.outbound.seal(b"abc", 59)
        assert others[child.inbound.spi].inbound.open(packet)[0] == b"abc"
    assert sa.established
    assert sa.children
    return sa.keys == theirs.keys


@pytest.mark.parametrize("change", [renumber, other_nonce])
@pytest.mark.parametrize("stage", ["payloads", "wire"])
def test_ike_sa_init(change, stage):
    # HDR, SAi1(proposals from 3), KEi, Ni  -->   <--  HDR, SAr1(3), KEr, Nr
    found = pair()
    found.alice.taps.add(*at(stage, change), when=lambda message: requests(message) and not message.encrypted)
    assert works(found, found.connect(asker()))


@pytest.mark.parametrize("stage", ["payloads", "plaintext"])
def test_ike_auth(stage):
    # HDR, SK {IDi, AUTH, SAi2(proposals from 3), TSi, TSr}  -->   <--  HDR, SK {IDr, AUTH, SAr2(3), TSi, TSr}
    found = pair()
    found.alice.taps.add(*at(stage, renumber), when=lambda message: requests(message) and message.encrypted)
    assert works(found, found.connect(asker()))


@pytest.mark.sample(3)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("change", [renumber, other_nonce])
@pytest.mark.parametrize("stage", ["payloads", "plaintext"])
@pytest.mark.parametrize("beginner", ["alice", "bob"])
def test_create_child_sa(step, change, stage, beginner):
    # HDR, SK {SA(proposals from 3), Ni, [KEi], …}  -->   <--  HDR, SK {SA(3), Nr, [KEr], …}
    found = pair()
    sa = found.connect(asker())
    begun, end = (sa, found.alice) if beginner == "alice" else (found.bobs, found.bob)
    end.taps.add(*at(stage, change), when=requests)
    exchange = STEPS[step](begun)
    found.network.run()
    assert exchange.done
    assert exchange.error is None
    assert works(found, sa)


def test_a_wire_tap_that_seals_anew_is_read_too():
    found = pair()
    sa = found.connect(asker())

    def reseal(message: Outgoing, data: bytes) -> bytes:
        protector = sa.envelope._outbound
        content = protector.unpad(protector.open(data[:32], data[32:]))
        payloads = parse_payloads(data[28], content)
        other_nonce(payloads)
        return data[:32] + protector.seal(data[:32], protector.pad(build_payloads(payloads)), b"iv-of-8.")

    found.alice.taps.add("wire", reseal, when=requests)
    child = sa.create_child()
    found.network.run()
    assert child.error is None
    assert works(found, sa)


def test_a_wire_that_nobody_can_open_changes_nothing():
    found = pair()
    sa = found.connect(asker())
    remove = found.alice.taps.add("wire", lambda message, data: data[:-1] + bytes([data[-1] ^ 1]))
    exchange = sa.create_child()
    remove()
    assert exchange.sa.requests.pending
    (pending,) = sa.requests.pending.values()
    assert pending.message.sent.get(IKEv2_Nonce).nonce == pending.message.get(IKEv2_Nonce).nonce


def test_a_responder_s_nonce_is_the_one_that_was_sent():
    # HDR, SAi1, KEi, Ni  -->   <--  HDR, SAr1, KEr, Nr(another one)
    found = pair()
    found.bob.taps.add(*at("wire", other_nonce), when=lambda message: not message.encrypted)
    sa = found.connect(asker())
    assert sa.nonce_r == b"N" * 32
    assert works(found, sa)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("stage", ["payloads", "plaintext"])
@pytest.mark.parametrize("beginner", ["alice", "bob"])
def test_a_responder_s_nonce_in_create_child_sa(step, stage, beginner):
    # HDR, SK {SA, Ni, [KEi], …}  -->   <--  HDR, SK {SA, Nr(another one), [KEr], …}
    found = pair()
    sa = found.connect(asker())
    begun, other = (sa, found.bob) if beginner == "alice" else (found.bobs, found.alice)
    other.taps.add(*at(stage, other_nonce), when=lambda message: not requests(message))
    exchange = STEPS[step](begun)
    found.network.run()
    assert exchange.error is None
    assert works(found, sa)


@pytest.mark.requirements("7296-3.3.1-03", "7296-3.3.6-05", negative=True)
def test_what_the_configuration_has_and_was_not_sent_is_refused():
    # <--  HDR, SAr1(1) though the proposals were sent from 3 on
    found = pair()
    found.alice.taps.add(*at("payloads", renumber), when=lambda message: not message.encrypted)
    found.bob.taps.add("payloads", first_number, when=lambda message: not message.encrypted)
    sa = found.connect(asker())
    assert not sa.established
    (failed,) = found.of("alice", IkeSaFailed)
    assert "(3, 4, 5), found 1" in failed.reason


def first_number(message: Outgoing) -> None:
    for payload in message.all(IKEv2_SA):
        payload.prop[0].proposal = 1


def test_transforms_that_only_a_tap_offers_may_be_chosen():
    # HDR, SAi1(AES-256), KEi, Ni  -->   while the configuration has AES-128
    found = pair(proposals="aes256gcm16-prfsha384-x25519")

    def offer(message: Outgoing) -> None:
        message.one(IKEv2_SA).prop = [Proposal.parse("aes256gcm16-prfsha384-x25519", ProtocolId.IKE).layer(7)]

    found.alice.taps.add("payloads", offer, when=lambda message: not message.encrypted)
    sa = found.connect(asker(proposals="aes128gcm16-prfsha256-x25519"))
    assert str(sa.suite) == "aes256gcm16-prfsha384-x25519"
    assert works(found, sa)


def test_the_group_that_was_sent_is_the_one_that_was_refused():
    # HDR, SAi1, KEi(a tap says ECP-256), Ni  -->   <--  HDR, N(INVALID_KE_PAYLOAD, X25519)
    found = pair(proposals="aes128gcm16-prfsha256-x25519")

    def say_ecp256(message: Outgoing) -> None:
        message.one(IKEv2_KE).group = 19
        remove()

    remove = found.alice.taps.add("payloads", say_ecp256)
    sa = found.connect(asker(proposals="aes128gcm16-prfsha256-x25519-ecp256"))
    (event,) = found.of("alice", KeyExchangeRejected)
    assert (event.sent, event.wanted) == (KeMethod.ECP_256, KeMethod.CURVE25519)
    assert works(found, sa)


def test_a_ke_payload_of_a_tap_leads_to_no_secret():
    found = pair(proposals="aes128gcm16-prfsha256-ecp256")

    def other(message: Outgoing) -> None:
        message.one(IKEv2_KE).group = 19
        message.one(IKEv2_KE).ke = key_exchange(KeMethod.ECP_256).private(bytes(39) + b"\5").public

    found.alice.taps.add("payloads", other, when=lambda message: not message.encrypted)
    sa = found.connect(asker(proposals="aes128gcm16-prfsha256-x25519-ecp256"))
    assert not sa.established
    assert "expected the private value for the KE payload" in found.of("alice", IkeSaFailed)[0].reason


def test_an_spi_that_a_tap_wrote_is_the_one_of_the_child_sa():
    found = pair()

    def own_spi(message: Outgoing) -> None:
        for proposal in message.one(IKEv2_SA).prop:
            proposal.SPI = b"tapd"

    found.alice.taps.add("payloads", own_spi, when=lambda message: requests(message) and message.encrypted)
    sa = found.connect(asker())
    assert list(sa.children) == [int.from_bytes(b"tapd")]
    assert works(found, sa)
    # Again the same one: the peer has it for another Child SA of ours already.
    again = sa.create_child()
    found.network.run()
    assert "NO_PROPOSAL_CHOSEN" in str(again.error)
    assert len(sa.children) == 1


@pytest.mark.parametrize("spi", [b"tapped!!", None])
def test_an_spi_that_a_tap_wrote_is_the_one_of_the_new_ike_sa(spi):
    found = pair()
    sa = found.connect(asker())

    def own_spi(message: Outgoing) -> None:
        for payload in message.all(IKEv2_SA):
            for proposal in payload.prop:
                proposal.SPI = spi or sa.spi_i

    found.alice.taps.add("payloads", own_spi, when=requests)
    exchange = sa.rekey()
    found.network.run()
    if spi is None:
        assert "expected an unused SPI of 8 octets" in str(exchange.error)
        assert found.alice.sas[sa.spi_i] is sa
    else:
        assert sa.successor.spi_i == spi
        assert works(found, sa)


@pytest.mark.parametrize(("asked", "stands"), [("10.2.0.0/16", True), ("10.2.0.128/25", False)])
def test_selectors_are_held_against_those_that_were_sent(asked, stands):
    # HDR, SK {…, TSr(of a tap)}  -->   <--  HDR, SK {…, TSr(10.2.0.0/24)}
    found = pair()

    def selectors(message: Outgoing) -> None:
        for payload in message.all(IKEv2_TSr):
            payload.traffic_selector = [Selector.of(asked).layer()]

    def whole(message: Outgoing) -> None:
        for payload in message.all(IKEv2_TSr):
            payload.traffic_selector = [Selector.of("10.2.0.0/24").layer()]

    found.alice.taps.add("payloads", selectors, when=requests)
    found.bob.taps.add("payloads", whole)
    config = asker(children=(ChildConfig(proposals=PFS, remote_ts="10.2.0.0/25" if stands else "10.2.0.0/24"),))
    sa = found.connect(config)
    assert bool(sa.children) == stands
    assert bool(found.of("alice", ChildSaFailed)) != stands


def test_an_impossible_selector_of_a_tap_leaves_the_others(monkeypatch):
    # HDR, SK {…, TSr(10.2.0.0/24, 10.2.0.9-10.2.0.1)}  -->   <--  HDR, SK {…, TSr(10.2.0.0/24)}
    found = pair()
    sa = found.connect(asker())
    good, bad = Selector.of("10.2.0.0/24").layer(), Selector.of("10.2.0.9").layer()
    bad.ending_address_v4 = "10.2.0.1"

    def add(message: Outgoing) -> None:
        message.one(IKEv2_TSr).traffic_selector = [good, bad]

    def lenient(end, request, *args, **options):
        request.one(IKEv2_TSr).traffic_selector = [good]
        return answer_child(end, request, *args, **options)

    monkeypatch.setattr(create_child, "answer_child", lenient)
    found.alice.taps.add("payloads", add, when=requests)
    exchange = sa.create_child()
    found.network.run()
    assert exchange.error is None
    assert works(found, sa)


@pytest.mark.parametrize("by_tap", [True, False])
def test_a_cfg_reply_answers_the_request_that_was_sent(by_tap):
    found = pair(cp_reply=ConfigReply(pool="10.1.0.0/24"))
    request = ConfigRequest()

    def add(message: Outgoing) -> None:
        message.payloads.insert(-3, request.payload())

    def remove(message: Outgoing) -> None:
        message.payloads[:] = [payload for payload in message.payloads if not isinstance(payload, IKEv2_CP)]

    def reply(message: Outgoing) -> None:
        message.payloads.insert(-3, IKEv2_CP(CFGType=2, attributes=request.payload().attributes))

    found.alice.taps.add("payloads", add if by_tap else remove, when=lambda message: requests(message))
    if not by_tap:
        found.bob.taps.add("payloads", reply, when=lambda message: message.encrypted)
    sa = found.connect(asker(cp_request=None if by_tap else request))
    assert bool(found.of("alice", ConfigurationReceived)) == by_tap
    assert sa.established


@pytest.mark.parametrize("by_tap", [True, False])
def test_transport_mode_is_agreed_when_it_was_asked_for(by_tap):
    child: ChildFields = {"local_ts": ALICE, "remote_ts": BOB, "proposals": PFS}
    theirs = ChildConfig(local_ts=BOB, remote_ts=ALICE, proposals=PFS, mode="transport")
    found = pair(children=(theirs,))

    def add(message: Outgoing) -> None:
        message.payloads.append(notify(NotifyType.USE_TRANSPORT_MODE))

    def remove(message: Outgoing) -> None:
        kind = NotifyType.USE_TRANSPORT_MODE
        message.payloads[:] = [p for p in message.payloads if p not in list(message.notifies(kind))]

    def when(message: Outgoing) -> bool:
        return requests(message) and message.encrypted

    found.alice.taps.add("payloads", add if by_tap else remove, when=when)
    if not by_tap:
        found.bob.taps.add("payloads", add, when=lambda message: message.encrypted)
    sa = found.connect(asker(children=(ChildConfig(**child).replace(mode="tunnel" if by_tap else "transport"),)))
    assert [c.hosts is not None for c in sa.children.values()] == ([True] if by_tap else [])
    if not by_tap:
        assert "transport mode was not requested" in found.of("alice", ChildSaFailed)[0].reason


@pytest.mark.parametrize("by_tap", [True, False])
def test_fragments_go_through_when_that_was_asked_for(by_tap):
    theirs = ChildConfig(local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24", proposals=PFS, fragments=True)
    found = pair(children=(theirs,))
    kind = NotifyType.NON_FIRST_FRAGMENTS_ALSO

    def add(message: Outgoing) -> None:
        message.payloads.append(notify(kind))

    def remove(message: Outgoing) -> None:
        message.payloads[:] = [p for p in message.payloads if p not in list(message.notifies(kind))]

    found.alice.taps.add(
        "payloads", add if by_tap else remove, when=lambda message: requests(message) and message.encrypted
    )
    if not by_tap:
        found.bob.taps.add("payloads", add, when=lambda message: message.encrypted)
    sa = found.connect(asker(children=(ChildConfig(proposals=PFS, fragments=not by_tap),)))
    assert [child.options.fragments for child in sa.children.values()] == [by_tap]


def test_the_identity_that_a_tap_asks_for_may_answer():
    # HDR, SK {IDi, IDr(robert), AUTH, …}  -->   <--  HDR, SK {IDr(robert), AUTH, …}
    found = pair(local_id="robert")

    def robert(message: Outgoing) -> None:
        for payload in message.all(IKEv2_IDr):
            payload.ID = Identity.of("robert").wire_value

    found.alice.taps.add("payloads", robert, when=requests)
    sa = found.connect(asker())
    assert works(found, sa)
    assert str(sa.remote_id) == "robert"


def test_who_was_not_asked_for_may_not_answer():
    found = pair(local_id="robert")
    found.alice.taps.add("payloads", without_idr, when=requests)
    assert not found.connect(asker()).established


def without_idr(message: Outgoing) -> None:
    message.payloads[:] = [payload for payload in message.payloads if not isinstance(payload, IKEv2_IDr)]


def test_an_offer_that_a_tap_took_out_has_no_answer():
    # HDR, SK {IDi, AUTH}  -->   <--  HDR, SK {IDr, AUTH, SAr2, TSi, TSr}
    found = pair()
    held: list[Packet] = []

    def drop(message: Outgoing) -> None:
        held[:] = [p for p in message.payloads if p.payload_type in (33, 44, 45)]
        message.payloads[:] = [p for p in message.payloads if p not in held]

    def answer(message: Outgoing) -> None:
        message.payloads += held

    found.alice.taps.add("payloads", drop, when=lambda message: requests(message) and message.encrypted)
    found.bob.taps.add("payloads", answer, when=lambda message: message.encrypted)
    sa = found.connect(asker())
    assert not sa.children


def test_octets_without_a_form_leave_the_layers():
    found = pair()
    found.alice.taps.add("wire", lambda message, data: data[:40], when=lambda message: not message.encrypted)
    sa = found.alice.connect(asker(), 0.0)
    (pending,) = sa.requests.pending.values()
    assert pending.message.sent.get(IKEv2_SA) is pending.message.get(IKEv2_SA)
