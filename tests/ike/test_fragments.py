# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragmentation, both directions (RFC 7383)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fynx_scapy.errors import Closing, ConfigError, LocalError
from fynx_scapy.iana import ExchangeType, NotifyType, PayloadType
from fynx_scapy.ike.config import IkeChanges, IkeConfig, Retransmission
from fynx_scapy.ike.events import (
    IntegrityFailed,
    MessageDropped,
    MessageReceived,
    MessageSent,
    Retransmitted,
    SaDeleted,
)
from fynx_scapy.ike.exchanges.informational import Informational
from fynx_scapy.ike.extensions.fragmentation import Fragmentation
from fynx_scapy.ike.message import Datagram, Header, Outgoing, notify
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.ike.wire.envelope import Envelope
from fynx_scapy.ike.wire.fragments import split
from fynx_scapy.ike.wire.taps import Taps
from fynx_scapy.layers.ikev2 import IKEv2_Encrypted_Fragment, IKEv2_VendorID, parse_message
from fynx_scapy.net.memory import Network
from fynx_scapy.net.wire import Wire
from fynx_scapy.session import Session
from tests.examples import examples
from tests.ike.pair import ALICE, BOB, Pair, alice, bob

SUITES = ("aes128gcm16-prfsha256-x25519", "aes128-sha256-prfsha256-x25519", "chacha20poly1305-prfsha256-x25519",
          "aes256ctr-sha512-prfsha512-x25519", "aes128ccm8-prfsha256-x25519")  # fmt: skip
SMALL: IkeChanges = {"fragment_size": 200}


def small_pair(network: Network | None = None, seed: int = 1, **changes) -> Pair:
    return Pair(bob(**(SMALL | changes)), network=network, seed=seed)


def connected(**changes) -> tuple[Pair, IkeSa]:
    pair = small_pair(**changes)
    sa = pair.connect(alice(**(SMALL | changes)))
    assert sa.established
    return pair, sa


def held(pair: Pair, octets: int = 900) -> tuple[Informational, list[Datagram]]:
    """A request of Alice's in fragments, as they arrive at Bob, none of which has left."""
    (sa,) = pair.alice.sas.values()
    exchange = Informational(sa, big(octets))
    sa.start(exchange)
    return exchange, [datagram.turned() for datagram in pair.alice.datagrams()]


def big(octets: int) -> IKEv2_VendorID:
    return IKEv2_VendorID(vendorID=random.Random(octets).randbytes(octets))


def numbers(datagram: Datagram) -> tuple[int, int]:
    skf = parse_message(datagram.data)[1][-1]
    assert isinstance(skf, IKEv2_Encrypted_Fragment)
    return skf.frag_number, skf.frag_total


def hand(pair: Pair, *datagrams: Datagram) -> list[Any]:
    """Hand datagrams to Bob. Returns what he says about them."""
    for datagram in datagrams:
        pair.bob.receive(datagram, pair.network.now)
    return pair.bob.events()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("hosts", [(ALICE, BOB), ("2001:db8::1", "2001:db8::2")])
@pytest.mark.requirements("7383-2.5-01", "7383-2.5-02", "7383-2.5-03", "7383-2.5-07", "7383-2.5.1-01")
def test_a_handshake_in_fragments(suite, hosts, monkeypatch):
    monkeypatch.setattr("tests.ike.pair.ALICE", hosts[0])
    monkeypatch.setattr("tests.ike.pair.BOB", hosts[1])
    pair = small_pair(proposals=suite)
    sizes = []
    pair.network.observe(
        lambda now, d, fate: sizes.append((d.data[18], len(d.wire) + 8 + (40 if ":" in hosts[0] else 20)))
    )
    sa = pair.connect(alice(proposals=suite, remote=(hosts[1], 500), **SMALL))
    # HDR, SKF(NextPld=IDi, 1/m) {...}, SKF(0, 2/m) {...}, ...  -->
    # <--  HDR, SKF(NextPld=IDr, 1/m) {...}, ...
    assert sa.established
    assert pair.bobs.established
    for who in ("alice", "bob"):
        sent, other = pair.of(who, MessageSent)[1], pair.of("bob" if who == "alice" else "alice", MessageReceived)[1]
        assert len(sent.wire) > 1
        assert other.wire == sent.wire
        assert [layer.octets()[4:] for layer in other.payloads] == [layer.octets()[4:] for layer in sent.payloads]
        for number, wire in enumerate(sent.wire, 1):
            # 7383-2.5: the numbers count, the header is that of the message, the first alone names a payload.
            header, (skf,) = parse_message(wire)
            assert (skf.frag_number, skf.frag_total) == (number, len(sent.wire))
            assert bool(skf.next_payload) == (number == 1)
            assert (header.next_payload, header.id, header.length) == (PayloadType.SKF, 1, len(wire))
    assert max(size for kind, size in sizes if kind == ExchangeType.IKE_AUTH) <= 200


@pytest.mark.requirements("7383-2.3-03", "7383-2.4-01")
def test_it_is_announced_by_default_and_used_only_when_both_do():
    for ours, theirs in ((True, True), (True, False), (False, True)):
        pair = Pair(bob(fragmentation=theirs, **SMALL))
        sa = pair.connect(alice(fragmentation=ours, **SMALL))
        assert sa.established
        both = ours and theirs
        answer = pair.of("bob", MessageSent)[0].payloads
        assert (NotifyType.IKEV2_FRAGMENTATION_SUPPORTED in [getattr(n, "type", 0) for n in answer]) == both
        assert {len(e.wire) > 1 for who in ("alice", "bob") for e in pair.of(who, MessageSent)[1:]} == {both}
    assert IkeConfig(auth="x").fragmentation


@pytest.mark.requirements("7383-2.5.1-03")
def test_over_ipv6_no_datagram_has_more_than_1280_octets():
    session = Session(local="2001:db8::1", remote="2001:db8::2", seed=1)
    sizes = []
    session.network.observe(lambda now, datagram, fate: sizes.append(len(datagram.wire) + 8 + 40))
    session.connect()
    session.request("INFORMATIONAL", big(3000))
    assert 1200 < max(sizes) <= 1280


def test_what_fits_is_not_fragmented():
    pair = Pair()
    assert pair.connect().established
    assert all(len(event.wire) == 1 for who in ("alice", "bob") for event in pair.of(who, MessageSent))


def test_fragments_after_a_rekey():
    pair, sa = connected()
    sa.rekey()
    pair.network.run()
    (new,) = [s for s in pair.alice.sas.values() if s.established]
    exchange = new.start(Informational(new, big(700)))
    pair.network.run()
    assert exchange.done
    assert exchange.error is None
    assert len(pair.of("alice", MessageSent)[-1].wire) > 3


def test_taps_see_the_message_whole_and_each_fragment_once():
    pair, sa = connected()
    plain, wires = [], []
    pair.alice.taps.add("plaintext", lambda message, octets: plain.append(octets))
    pair.alice.taps.add("wire", lambda message, octets: wires.append(octets))
    sa.start(Informational(sa, big(500)))
    pair.network.run()
    assert len(plain) == 1
    assert len(plain[0]) == 4 + 500 + 1
    assert tuple(wires) == pair.of("alice", MessageSent)[-1].wire
    assert pair.of("bob", MessageReceived)[-1].plaintext == plain[0]


def test_a_message_whose_padding_a_tap_spoilt_is_split_as_it_is():
    pair, sa = connected()
    pair.alice.taps.add("plaintext", lambda message, octets: octets[:-1] + b"\xff" if len(octets) < 256 else octets)
    exchange = Informational(sa, big(200))
    sa.start(exchange)
    pair.network.run()
    received = pair.of("bob", MessageReceived)[-1]
    assert received.payloads[0].vendorID == exchange.payloads[0].vendorID
    assert received.payloads[-1].malformed


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 900), st.integers(160, 400), st.integers(0, 2**32))
@pytest.mark.requirements("7383-2.6-02", "7383-2.6-03", negative=True)
def test_any_split_in_any_order_with_duplicates_and_garbage(octets, size, seed):
    rng = random.Random(seed)
    pair, _ = _ready(size)
    exchange, fragments = held(pair, octets)
    stream = [*fragments, *rng.choices(fragments, k=4)]
    for fragment in rng.choices(fragments, k=4):
        data = bytearray(fragment.data)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        stream.append(Datagram(bytes(data), fragment.local, fragment.remote))
    stream += [Datagram(rng.randbytes(rng.randrange(120)), fragments[0].local, fragments[0].remote) for _ in range(2)]
    rng.shuffle(stream)
    got = [e for e in hand(pair, *stream) if isinstance(e, MessageReceived)]
    assert len(got) == 1
    assert got[0].payloads[0].vendorID == exchange.payloads[0].vendorID
    assert sorted(got[0].wire) == sorted(fragment.data for fragment in fragments)
    assert not pair.bobs.fragments
    pair.network.run()
    assert exchange.done
    assert exchange.error is None


_PAIRS: dict[int, tuple[Pair, IkeSa]] = {}


def _ready(size: int) -> tuple[Pair, IkeSa]:
    """One established pair per fragment size."""
    if size not in _PAIRS:
        _PAIRS[size] = connected(fragment_size=size)
        _PAIRS[size][0].network.run()
    return _PAIRS[size]


@pytest.mark.parametrize("suite", SUITES)
def test_chunks_fill_their_messages_and_none_is_too_long(suite):
    pair = Pair(bob(proposals=suite))
    sa = pair.connect(alice(proposals=suite))
    protector = sa.envelope._outbound
    assert protector is not None
    for size in range(140, 300, 7):
        for length in (0, 1, 100, 999, 1000):
            for outer in (0, 20, 1000):
                content = random.Random(length).randbytes(length)
                chunks = split(content, size, protector, outer)
                assert b"".join(chunks) == content
                sizes = [36 + protector.overhead(len(chunk)) for chunk in chunks]
                assert sizes[0] + min(outer, 20) <= size or not chunks[0]
                assert all(octets <= size for octets in sizes[1:])
                # No room is wasted: one octet more would need another block.
                assert all(36 + protector.overhead(len(c) + 1) > size for c in chunks[1:-1])


def test_room_that_is_no_room():
    pair = Pair()
    protector = pair.connect().envelope._outbound
    assert protector is not None
    with pytest.raises(LocalError, match="expected messages of more than"):
        split(b"x" * 100, 60, protector)
    with pytest.raises(LocalError, match="65535 fragments"):
        split(b"x" * 70000, 62, protector)
    with pytest.raises(ConfigError, match="from 160 to 65535"):
        alice(fragment_size=100)


# -- loss and retransmission ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", range(8))
@pytest.mark.parametrize("fault", ["lost", "twice"])
@pytest.mark.requirements("7383-2.6-02", negative=True)
def test_each_fragment_of_a_handshake_may_be_lost_or_come_twice(nth, fault):
    pair = small_pair()
    count = -1

    def third_party(now, datagram):
        nonlocal count
        count += datagram.data[18] == ExchangeType.IKE_AUTH
        if count != nth or datagram.data[18] != ExchangeType.IKE_AUTH:
            return None
        return () if fault == "lost" else (datagram, datagram)

    pair.network.intercept(third_party)
    sent = []
    pair.network.observe(lambda now, d, fate: sent.append(d.data))
    sa = pair.connect(alice(**SMALL))
    assert sa.established
    assert pair.bobs.established
    assert len(pair.of("bob", MessageReceived)) == 2
    # A retransmission is the same octets: no fragment is sealed twice.
    assert len(set(sent)) == 2 + sum(len(pair.of(who, MessageSent)[1].wire) for who in ("alice", "bob"))


def test_handshakes_in_fragments_survive_a_bad_wire():
    for seed in range(12):
        network = Network(seed=seed, wire=Wire(loss=0.3, duplication=0.1, reordering=0.3, jitter=3.0))
        pair = small_pair(network, seed)
        sa = pair.connect(alice(retransmission=Retransmission(tries=30), half_open_lifetime=1e9, **SMALL))
        assert sa.established, seed
        exchange = sa.start(Informational(sa, big(1000)))
        pair.network.run()
        assert exchange.done, seed
        assert exchange.error is None, seed
        assert sa.keys == pair.bobs.keys
        assert not sa.fragments


@pytest.mark.requirements("7383-2.6.1-02", negative=True)
def test_only_fragment_1_brings_the_answer_again():
    pair, _ = connected()
    _, fragments = held(pair)
    hand(pair, *fragments)
    answer = [d.data for d in pair.bob.datagrams()]
    assert answer
    # 7383-2.6.1: "otherwise, it MUST be ignored"
    for fragment in fragments[1:]:
        events = hand(pair, fragment)
        assert [type(event) for event in events] == [MessageDropped]
        assert not pair.bob.datagrams()
    events = hand(pair, fragments[0])
    assert [type(event) for event in events] == [Retransmitted]
    assert [d.data for d in pair.bob.datagrams()] == answer


@pytest.mark.requirements("7383-2.6.1-02", negative=True)
def test_a_request_that_is_split_anew_is_still_a_retransmission():
    pair, sa = connected()
    _, fragments = held(pair)
    hand(pair, *fragments)
    answer = [d.data for d in pair.bob.datagrams()]
    again = resealed(sa, pair, big(900), 300)
    assert len(again) < len(fragments)
    assert [type(event) for event in hand(pair, again[0])] == [Retransmitted]
    assert [d.data for d in pair.bob.datagrams()] == answer
    forged = Datagram(again[0].data[:-1] + b"\0", again[0].local, again[0].remote)
    assert [type(event) for event in hand(pair, forged)] == [IntegrityFailed]
    assert not pair.bob.datagrams()


def resealed(sa: IkeSa, pair: Pair, payload, size: int, message_id: int | None = None, **fields) -> list[Datagram]:
    """Another set of fragments of a request of Alice's, as it arrives at Bob."""
    envelope = Envelope(Taps(), sa.endpoint.randomness.octets)
    envelope.protect(sa.suite, sa.keys, initiator=True)
    message = Outgoing([payload], **fields)
    number = sa.requests.next_id - 1 if message_id is None else message_id
    for name, value in {"init_SPI": sa.spi_i, "resp_SPI": sa.spi_r, "exch_type": 37, "flags": 8, "id": number}.items():
        setattr(message.header, name, value)
    envelope._ivs = 10_000 + size
    wires, _ = envelope.seal(message, size)
    return [Datagram(wire, sa.remote, sa.local) for wire in wires]


# -- sets that do not fit together ------------------------------------------------------------------------------------


@pytest.mark.requirements("7383-2.6-01", "7383-2.6-04", negative=True)
def test_a_larger_total_starts_over_and_a_smaller_one_is_ignored():
    pair, sa = connected()
    exchange, small = held(pair, 900)
    large = resealed(sa, pair, exchange.payloads[0], 400)
    assert len(large) < len(small)
    # 7383-2.6: fragments of two sets are never mixed.
    hand(pair, *large[:-1])
    assert pair.bobs.fragments.octets == sum(len(d.data) for d in large[:-1])
    hand(pair, small[0])
    assert pair.bobs.fragments.octets == len(small[0].data)
    assert isinstance(hand(pair, large[-1])[0], MessageDropped)
    events = hand(pair, *small[1:])
    assert [e.payloads[0].vendorID for e in events if isinstance(e, MessageReceived)] == [exchange.payloads[0].vendorID]


def test_the_whole_message_ends_a_reassembly():
    pair, sa = connected()
    exchange, fragments = held(pair, 900)
    (whole,) = resealed(sa, pair, exchange.payloads[0], 5000)
    hand(pair, *fragments[:2])
    assert any(isinstance(event, MessageReceived) for event in hand(pair, whole))
    assert not pair.bobs.fragments


@pytest.mark.parametrize(("number", "total"), [(0, 1), (1, 0), (2, 1), (0, 0)])
@pytest.mark.requirements("7383-2.6-01", "7383-2.5-04", "7383-2.5-05", "7383-2.5-06", negative=True)
def test_numbers_that_cannot_be_right(number, total):
    pair, _ = connected()
    _, fragments = held(pair)
    data = fragments[0].data[:32] + number.to_bytes(2) + total.to_bytes(2) + fragments[0].data[36:]
    (event,) = hand(pair, Datagram(data, fragments[0].local, fragments[0].remote))
    assert "Fragment Number" in event.reason
    assert not pair.bobs.fragments


def test_an_skf_that_ends_before_its_numbers():
    pair, _ = connected()
    _, fragments = held(pair)
    data = fragments[0].data[:24] + (34).to_bytes(4) + b"\x2b\0\0\6\0\1"
    (event,) = hand(pair, Datagram(data, fragments[0].local, fragments[0].remote))
    assert isinstance(event, MessageDropped)


@pytest.mark.requirements("7383-2.6-03", negative=True)
def test_nothing_is_stored_before_its_icv_has_verified():
    pair, _ = connected()
    _, fragments = held(pair)
    timers = len(pair.bob.timers)
    for fragment in fragments:
        for at in (28, 33, 35, 40, len(fragment.data) - 1):
            data = bytearray(fragment.data)
            data[at] ^= 0x10
            assert isinstance(
                hand(pair, Datagram(bytes(data), fragment.local, fragment.remote))[0], IntegrityFailed | MessageDropped
            )
    assert not pair.bobs.fragments
    assert len(pair.bob.timers) == timers
    assert any(isinstance(event, MessageReceived) for event in hand(pair, *fragments))


UNANNOUNCED = {
    "by the receiver": "we did not announce fragmentation",
    "by the sender": "the peer did not announce fragmentation",
}


@pytest.mark.parametrize("receiver", ["alice", "bob"])
@pytest.mark.parametrize("kind", ["request", "answer"])
@pytest.mark.parametrize("by", UNANNOUNCED)
@pytest.mark.requirements("7383-2.4-01", negative=True)
def test_fragments_that_one_end_did_not_announce_are_dropped(receiver, kind, by):
    """RFC 7383 section 2.3: both ends announce it in IKE_SA_INIT, or there are no fragments."""
    sender = "bob" if receiver == "alice" else "alice"
    silent = receiver if by == "by the receiver" else sender

    def hush(message):
        message.payloads[:] = [
            p for p in message.payloads if getattr(p, "type", 0) != NotifyType.IKEV2_FRAGMENTATION_SUPPORTED
        ]

    pair = Pair()
    # Bob would not announce it to an Alice who does not: a tap lets each end tell what the other is not to know.
    getattr(pair, silent).taps.add("payloads", hush, when=lambda m: not m.encrypted)
    if silent == "alice":
        pair.bob.taps.add(
            "payloads",
            lambda m: m.payloads.append(notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)),
            when=lambda m: not m.encrypted,
        )
    sa = pair.connect()
    assert sa.established
    ends = {"alice": sa, "bob": pair.bobs}
    ends[sender].of(Fragmentation).peer = True
    ends[sender].config = ends[sender].config.replace(**SMALL)
    answers: list[Datagram] = []
    if kind == "request":
        ends[sender].start(Informational(ends[sender], big(900)))
    else:
        getattr(pair, sender).taps.add("payloads", lambda m: m.payloads.append(big(900)))
        ends[receiver].liveness()
    pair.network.observe(lambda now, d, fate: answers.append(d))
    pair.network.run(pair.network.now + 1.0)
    assert any(d.data[16] == PayloadType.SKF for d in answers)
    dropped = pair.of(receiver, MessageDropped)
    assert dropped
    assert all(UNANNOUNCED[by] in event.reason for event in dropped)
    assert not ends[receiver].fragments
    assert ends[receiver].established


def test_fragments_outside_the_window_are_not_stored():
    pair, sa = connected()
    events = hand(pair, *resealed(sa, pair, big(900), 300, sa.requests.next_id + 1))
    assert {type(event) for event in events} == {MessageDropped}
    assert not pair.bobs.fragments


def test_memory_is_bounded():
    pair, _ = connected(reassembly_limit=2000)
    exchange, fragments = held(pair, 4000)
    sa = pair.bobs
    for fragment in fragments:
        pair.bob.receive(fragment, pair.network.now)
        assert sa.fragments.octets <= 2000
    # 7383-5: "In either case, the receiver SHOULD drop the connection and discard all the received fragments."
    assert sa.state is State.CLOSED
    assert (
        "octets of fragments"
        in next(e for e in pair.bob.events() if isinstance(e, SaDeleted) and not e.child_spis).reason
    )
    assert not exchange.done


def test_a_peer_that_never_authenticates_stores_no_more():
    pair = small_pair(reassembly_limit=300)
    sa = pair.connect(alice(**SMALL))
    assert not sa.established
    assert not pair.bob.children
    assert all(not s.fragments for s in pair.bob.sas.values())


@pytest.mark.requirements("7383-2.6-05", "7383-2.6-i01", negative=True)
def test_an_incomplete_request_is_forgotten_in_time():
    pair, _ = connected(retransmission=Retransmission(timeout=1, base=1, tries=2))
    _, fragments = held(pair)
    pair.network.wire.loss = 1.0
    hand(pair, *fragments[:-1])
    assert len(pair.bobs.fragments) == 1
    pair.network.run(pair.network.now + 2.9)
    assert len(pair.bobs.fragments) == 1
    pair.network.run(pair.network.now + 0.2)
    # "The responder in this case acts as if no request message was received."
    assert not pair.bobs.fragments
    assert pair.bobs.established


def test_closing_lets_fragments_go():
    pair, _ = connected()
    _, fragments = held(pair)
    hand(pair, *fragments[:-1])
    sa = pair.bobs
    sa.closed("for the test", Closing.BY_US)
    assert not sa.fragments
    pair.network.run(pair.network.now + 600)
    assert len(pair.bob.timers) == 0


# -- payloads before SKF ----------------------------------------------------------------------------------------------


@pytest.mark.requirements("7383-2.5.3-01")
def test_unprotected_payloads_go_before_the_first_fragment():
    pair, sa = connected()
    payload = notify(NotifyType.INITIAL_CONTACT)
    fragments = resealed(sa, pair, big(600), 250, sa.requests.next_id, outer=[payload])
    kinds = [[type(layer).__name__ for layer in parse_message(d.data)[1]] for d in fragments]
    # 7383-2.5.3: HDR(MID=n), PLD0, SKF(NextPld=PLD1, 1/m) {...}, then HDR(MID=n), SKF(0, 2/m) {...}
    assert kinds[0] == ["IKEv2_Notify", "IKEv2_Encrypted_Fragment"]
    assert set(map(tuple, kinds[1:])) == {("IKEv2_Encrypted_Fragment",)}
    assert all(len(d.data) <= 250 for d in fragments)
    (got,) = [e for e in hand(pair, *reversed(fragments)) if isinstance(e, MessageReceived)]
    assert [type(layer).__name__ for layer in got.payloads] == ["IKEv2_Notify", "IKEv2_VendorID"]
    assert got.payloads[0].type == NotifyType.INITIAL_CONTACT


def test_unprotected_payloads_before_a_later_fragment_are_refused():
    pair, sa = connected()
    _, second, *_ = resealed(sa, pair, big(600), 250, sa.requests.next_id)
    note = bytes((PayloadType.SKF, 0, 0, 8, 0, 0, 0x40, 0))
    data = second.data[:16] + bytes((PayloadType.N,)) + second.data[17:24]
    data += (len(second.data) + 8).to_bytes(4) + note + second.data[28:]
    (event,) = hand(pair, Datagram(data, second.local, second.remote))
    assert "first fragment only" in event.reason
    assert not pair.bobs.fragments


def test_the_message_as_if_it_had_not_been_fragmented():
    pair, sa = connected()
    payload = big(600)
    for outer in ([], [notify(NotifyType.INITIAL_CONTACT)]):
        fragments = resealed(sa, pair, payload, 250, sa.requests.next_id, outer=list(outer))
        joined = [pair.bobs.fragments.open(d, Header.parse(d.data)) for d in fragments]
        assert joined[:-1] == [None] * (len(fragments) - 1)
        (whole,) = resealed(sa, pair, payload, 5000, sa.requests.next_id, outer=list(outer))
        plain = pair.bobs.envelope.open(whole, Header.parse(whole.data))
        message = joined[-1]
        assert message is not None
        assert plain.plaintext is not None
        assert message.plaintext == plain.plaintext
        assert message.header_fields == plain.header_fields
        assert len(message.wire) == len(plain.wire)
        assert (
            message.wire[: len(plain.wire) - 24 - len(plain.plaintext)]
            == plain.wire[: len(plain.wire) - 24 - len(plain.plaintext)]
        )
