# SPDX-License-Identifier: GPL-2.0-or-later
"""What an endpoint sends in one go, where what it receives goes, and what it counts."""

from __future__ import annotations

from typing import Any

import pytest

from fynx_scapy.esp.tunnel import with_traffic_class
from fynx_scapy.ike.basics.counts import DropReason
from fynx_scapy.ike.basics.inbox import Inbox
from fynx_scapy.ike.config import ChildConfig, EndpointConfig
from fynx_scapy.ike.events import EspReceived, EspSent, Event, MessageDropped
from fynx_scapy.ike.message import Address, Burst, Datagram, DatagramKind
from fynx_scapy.ike.terms.lifetime import Lifetime, Limits
from fynx_scapy.net.echo import echo_request
from fynx_scapy.net.memory import Network
from tests.ike.pair import ALICE, BOB, Pair, alice, bob

PING, OTHER = echo_request("10.1.0.1", "10.2.0.1"), echo_request("10.1.0.1", "10.2.0.7")
HERE, THERE = Address(ALICE, 0), Address(BOB, 0)


def packets(number: int, dscp: int = 0) -> list[bytes]:
    """Echo requests that differ, with this DSCP."""
    return [bytes([0x45, dscp << 2]) + PING[2:-1] + bytes([at]) for at in range(number)]


@pytest.fixture
def pair() -> Pair:
    """Two endpoints with a Child SA, on a network that keeps no events."""
    pair = Pair(network=Network(seed=1, history=0))
    pair.connect()
    return pair


# Out


def test_packets_that_follow_one_another_are_one_burst(pair: Pair) -> None:
    for packet in packets(3):
        assert pair.alice.send(packet, 1.0)
    (burst,) = pair.alice.output()
    assert isinstance(burst, Burst)
    assert (burst.local, burst.remote, burst.kind, burst.tos, len(burst)) == (HERE, THERE, DatagramKind.ESP, 0, 3)
    assert pair.alice.output() == []


def test_another_traffic_class_begins_another_burst_and_the_order_stays(pair: Pair) -> None:
    sent = [*packets(2), *packets(2, dscp=46), *packets(1)]
    for packet in sent[:3]:
        pair.alice.send(packet, 1.0)
    # HDR, SK {}  -->
    next(iter(pair.alice.sas.values())).liveness()
    for packet in sent[3:]:
        pair.alice.send(packet, 1.0)
    output = pair.alice.output()
    kinds = [(len(item), item.tos) if isinstance(item, Burst) else item.kind for item in output]
    assert kinds == [(2, 0), (1, 46 << 2), DatagramKind.IKE, (1, 46 << 2), (1, 0)]


def test_datagrams_are_the_same_taken_apart(pair: Pair) -> None:
    pair.alice.send_many([*packets(2), *packets(1, dscp=46)], 1.0)
    datagrams = pair.alice.datagrams()
    assert [(d.local, d.remote, d.kind, d.tos) for d in datagrams] == [
        (HERE, THERE, DatagramKind.ESP, tos) for tos in (0, 0, 46 << 2)
    ]
    assert [int.from_bytes(datagram.data[4:8]) for datagram in datagrams] == [1, 2, 3]


def test_send_many_tells_how_many_were_taken_and_counts_the_rest(pair: Pair) -> None:
    stranger = echo_request("10.9.0.1", "10.9.0.2")
    assert pair.alice.send_many([PING, stranger, b"no packet", PING], 1.0) == 2
    assert pair.alice.counts.drops == {DropReason.NO_POLICY: 1, DropReason.INNER_MALFORMED: 1}


def test_a_full_queue_takes_no_sequence_numbers_and_lets_ike_through() -> None:
    pair = Pair(network=Network(seed=1, history=0))
    pair.alice._outbox.most = 5
    sa = pair.connect()
    assert pair.alice.send_many(packets(8), 1.0) == 5
    assert not pair.alice.send(PING, 1.0)
    sa.liveness()
    burst, message = pair.alice.output()
    assert isinstance(burst, Burst)
    assert isinstance(message, Datagram)
    assert len(burst) == 5
    assert pair.alice.counts.drops == {DropReason.OUTBOX_FULL: 4}
    assert next(iter(sa.children.values())).outbound.seq == 5


def limited(**limits: int) -> Pair:
    """A Pair whose Child SA may not be used any more beyond a hard limit."""
    lifetime = Lifetime(hard=Limits(**limits), soft=Limits())
    child = ChildConfig(lifetime=lifetime)
    theirs = ChildConfig(lifetime=lifetime, local_ts=child.remote_ts, remote_ts=child.local_ts)
    pair = Pair(bob(children=(theirs,)), network=Network(seed=1, history=0))
    pair.connect(alice(children=(child,)))
    return pair


@pytest.mark.parametrize(("limit", "sent"), [({"packets": 5}, 5), ({"bytes": 5 * 32}, 5), ({"bytes": 5 * 36}, 5)])
def test_a_batch_ends_where_the_lifetime_does(limit: dict[str, int], sent: int) -> None:
    # Each packet is 32 octets long, and 36 with its padding.
    pair = limited(**limit)
    assert pair.alice.send_many(packets(8), 1.0) == sent
    assert len(pair.alice.datagrams()) == sent
    assert pair.alice.counts.drops == {DropReason.NO_POLICY: 8 - sent}
    assert not pair.alice.send(PING, 1.0)


def test_what_one_child_sa_may_not_carry_any_more_goes_on_another() -> None:
    pair = Pair(network=Network(seed=1, history=0))
    sa = pair.connect()
    # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
    lifetime = Lifetime(hard=Limits(packets=3), soft=Limits())
    sa.create_child(ChildConfig(name="one host", remote_ts="10.2.0.1", lifetime=lifetime))
    pair.network.run()
    net, host = sa.children.values()
    # The end of the one is the end of what is remembered of the other, in the middle of the batch.
    assert pair.alice.send_many([PING] * 5 + [OTHER] * 2, 1.0) == 7
    assert (host.expired, host.outbound.packets, net.outbound.packets) == (True, 3, 4)
    assert not pair.alice.counts.drops


def test_a_batch_ends_with_the_sequence_numbers(pair: Pair) -> None:
    (child,) = next(iter(pair.alice.sas.values())).children.values()
    child.outbound.seq = child.outbound.limit - 3
    assert pair.alice.send_many(packets(5), 1.0) == 3
    assert pair.alice.counts.drops == {DropReason.NO_POLICY: 2}


def test_a_batch_is_sealed_for_each_child_sa_and_keeps_its_order() -> None:
    pair = Pair(network=Network(seed=1, history=0))
    sa = pair.connect()
    # HDR, SK {SA, Ni, TSi, TSr}  -->   <--  HDR, SK {SA, Nr, TSi, TSr}
    sa.create_child(ChildConfig(name="one host", local_ts="10.1.0.1", remote_ts="10.2.0.7"))
    pair.network.run()
    mixed = [PING[:-1] + bytes([at]) if at % 3 else OTHER[:-1] + bytes([at]) for at in range(20)]
    assert pair.alice.send_many(mixed, 1.0) == 20
    bursts = pair.alice.output()
    assert [len(burst) for burst in bursts if isinstance(burst, Burst)] == [20]
    for burst in bursts:
        assert isinstance(burst, Burst)
        pair.bob.receive_burst(burst.turned(), 1.0)
    received = pair.bob.packets()
    assert sorted(received) == sorted(mixed)
    for target in (PING, OTHER):
        assert [p for p in received if p[16:20] == target[16:20]] == [p for p in mixed if p[16:20] == target[16:20]]
    assert {child.outbound.packets for child in sa.children.values()} == {7, 13}


# In


def test_a_burst_ends_where_the_lifetime_does() -> None:
    pair = limited(packets=5)
    (child,) = next(iter(pair.alice.sas.values())).children.values()
    burst = Burst([child.outbound.seal(packet, 4) for packet in packets(8)], THERE, HERE, DatagramKind.ESP)
    pair.bob.receive_burst(burst, 1.0)
    assert pair.bob.packets() == packets(8)[:5]
    assert pair.bob.counts.drops == {DropReason.EXPIRED: 3}


def test_a_burst_of_several_child_sas_and_of_none(pair: Pair) -> None:
    (child,) = next(iter(pair.alice.sas.values())).children.values()
    sealed = [child.outbound.seal(packet, 4) for packet in packets(6)]
    sealed[1:1] = [b"", b"\0", b"\0\0\1\1" + bytes(60)]
    sealed.insert(7, sealed[0][:20])
    sealed.append(child.outbound.seal_dummy(40))
    sealed.append(child.outbound.seal(echo_request("10.9.0.1", "10.2.0.1"), 4))
    pair.bob.receive_burst(Burst(sealed, THERE, HERE, DatagramKind.ESP), 2.0)
    assert pair.bob.packets() == packets(6)
    drops = {DropReason.UNKNOWN_ESP_SPI: 3, DropReason.ESP_MALFORMED: 1, DropReason.ESP_SELECTORS: 1}
    assert (pair.bob.counts.drops, pair.bob.counts.esp_packets_in) == (drops, 7)
    assert pair.bobs.last_heard == 2.0


@pytest.mark.requirements("7296-2.24-01")
def test_congestion_outside_is_told_inside(pair: Pair) -> None:
    (child,) = next(iter(pair.alice.sas.values())).children.values()
    capable = with_traffic_class(PING, 2)
    burst = Burst([child.outbound.seal(capable, 4) for _ in range(3)], THERE, HERE, DatagramKind.ESP, tos=3)
    pair.bob.receive_burst(burst, 1.0)
    assert pair.bob.packets() == [with_traffic_class(PING, 3)] * 3


def test_a_burst_is_received_like_its_datagrams(pair: Pair) -> None:
    sent = packets(5)
    pair.alice.send_many(sent, 1.0)
    (burst,) = pair.alice.output()
    assert isinstance(burst, Burst)
    burst.packets.insert(2, burst.packets[0])  # a replay
    burst.packets.append(b"\0\0\1\1" + bytes(60))  # of no Child SA
    pair.bob.receive_burst(burst.turned(), 1.0)
    assert pair.bob.packets() == sent
    counts = pair.bob.counts
    assert (counts.esp_packets_in, counts.replays, counts.drops[DropReason.UNKNOWN_ESP_SPI]) == (5, 1, 1)
    assert counts.esp_bytes_in == pair.alice.counts.esp_bytes_out == 5 * len(burst.packets[0])


def test_an_ike_sa_with_an_inbox_fills_it_and_its_successors_do(pair: Pair) -> None:
    inbox = pair.bobs.inbox = Inbox()
    pair.alice.send(PING, 1.0)
    pair.network.run()
    assert (inbox.drain(), list(pair.network.hosts["bob"].inbox)) == ([PING], [])
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}
    next(iter(pair.alice.sas.values())).rekey()
    pair.network.run()
    pair.alice.send(PING, 1.0)
    pair.network.run()
    assert inbox.drain() == [PING]


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_an_inbox_is_inherited_at_a_reauthentication_by_us(pair: Pair, who: str) -> None:
    end = getattr(pair, who)
    old = next(iter(end.sas.values()))
    old.inbox = Inbox()
    new = old.reauthenticate()
    assert new.inbox is old.inbox


def test_a_full_inbox_refuses_and_counts(pair: Pair) -> None:
    called: list[int] = []
    inbox = pair.bobs.inbox = Inbox(3, on_packet=lambda: called.append(len(inbox)))
    sent = packets(5)
    pair.alice.send_many(sent, 1.0)
    pair.network.run()
    assert called == [1, 2, 3]
    assert (inbox.drain(), inbox.dropped, inbox.octets) == (sent[:3], 2, 0)
    assert pair.bob.counts.drops == {DropReason.INBOX_FULL: 2}


def test_an_inbox_is_bounded_by_octets_too() -> None:
    inbox = Inbox(100, 10)
    assert [inbox.put(bytes(4)) for _ in range(3)] == [True, True, False]
    assert inbox.take() == bytes(4)
    assert inbox.put_many([bytes(7), bytes(6), bytes(1)]) == 1
    assert (len(inbox), inbox.octets, inbox.dropped) == (2, 10, 3)
    assert (inbox.drain(), inbox.take()) == ([bytes(4), bytes(6)], None)


def test_many_packets_are_taken_at_once() -> None:
    inbox, sent = Inbox(), [bytes(number) for number in range(1, 6)]
    inbox.put_many(sent)
    assert inbox.take_many(2) == sent[:2]
    assert (len(inbox), inbox.octets) == (3, 12)
    assert inbox.take_many(0) == []
    assert inbox.take_many(9) == sent[2:]
    assert (len(inbox), inbox.octets) == (0, 0)


def test_every_queue_has_a_ceiling_of_octets() -> None:
    pair = Pair(network=Network(seed=1, history=0), endpoint=EndpointConfig(queue_octets=400))
    pair.alice._outbox.most_octets = 1000
    sa = pair.connect()
    sent = packets(50)
    taken = pair.alice.send_many(sent, 1.0)
    datagrams = pair.alice.datagrams()
    size = len(datagrams[0].data)
    assert taken == len(datagrams) == -(-1000 // size)  # the last one may begin below the ceiling and end above it
    for datagram in datagrams:
        pair.bob.receive(datagram.turned(), 1.0)
    assert pair.bob.packets() == sent[: 400 // len(PING)]
    # HDR, SK {}  -->, again and again
    sa.liveness()
    (pending,) = sa.requests.pending.values()
    for _ in range(50):
        sa.retransmit(pending.kept)
    assert sum(len(datagram.data) for datagram in pair.alice.datagrams()) <= 1000


# The kinds of Child SAs, and what happens to them


def exchange(pair: Pair, sent: list[bytes]) -> list[bytes]:
    """Send packets from Alice to Bob in one batch, and return what comes out there."""
    now = pair.network.now
    assert pair.alice.send_many(sent, now) == len(sent)
    for item in pair.alice.output():
        if isinstance(item, Burst):
            pair.bob.receive_burst(item.turned(), now)
        else:
            pair.bob.receive(item.turned(), now)
    return pair.bob.packets()


def between(config: ChildConfig, **changes: Any) -> Pair:
    """Two endpoints with a Child SA of this configuration at both ends."""
    theirs = config.replace(local_ts=config.remote_ts, remote_ts=config.local_ts)
    pair = Pair(bob(children=(theirs,), **changes), network=Network(seed=1, history=0))
    pair.connect(alice(children=(config,), **changes))
    return pair


def test_transport_mode_takes_batches_without_fragments() -> None:
    pair = between(ChildConfig(mode="transport", local_ts=ALICE, remote_ts=BOB))
    sent = [echo_request(ALICE, BOB, sequence=number) for number in range(5)]
    assert exchange(pair, sent) == sent
    fragment = sent[0][:6] + b"\0\5" + sent[0][8:]
    assert pair.alice.send_many([sent[0], fragment, sent[1]], 1.0) == 2
    assert pair.alice.counts.drops == {DropReason.INNER_MALFORMED: 1}


def test_a_batch_is_padded_as_configured() -> None:
    pair = between(ChildConfig(tfc_length=500))
    sent = packets(4)
    assert pair.alice.send_many(sent, 1.0) == 4
    (burst,) = pair.alice.output()
    assert isinstance(burst, Burst)
    assert {len(packet) for packet in burst.packets} == {8 + 8 + 500 + 2 + 2 + 16}
    pair.bob.receive_burst(burst.turned(), 1.0)
    assert pair.bob.packets() == sent


def test_taps_see_each_packet_of_a_batch(pair: Pair) -> None:
    seen: list[bytes] = []
    pair.alice.taps.add("parts", lambda message: seen.append(message.parts.payload))
    pair.alice.taps.add("datagrams", lambda message, datagrams, attempt: list(datagrams) * 2)
    sent = packets(3)
    assert pair.alice.send_many(sent, 1.0) == 3
    assert seen == sent
    assert len(pair.alice.datagrams()) == 6


def test_a_peer_that_moves_in_a_burst_is_followed_by_the_next_packet() -> None:
    pair = between(ChildConfig(), force_encapsulation=True)
    bobs = pair.bobs
    bobs.nat_before_peer, bobs.nat_before_us = True, False
    assert exchange(pair, packets(3)) == packets(3)
    assert exchange(pair, packets(3)) == packets(3)
    answer = echo_request("10.2.0.1", "10.1.0.1")
    pair.bob.send(answer, 1.0)
    (before,) = pair.bob.output()
    pair.alice.send_many(packets(3), 1.0)
    (burst,) = pair.alice.output()
    assert isinstance(burst, Burst)
    moved = Address("198.51.100.7", 40_000)
    # The NAT of Alice gives her another address.
    pair.bob.receive_burst(Burst(burst.packets, burst.remote, moved, burst.kind), 2.0)
    assert pair.bob.packets() == packets(3)
    pair.bob.send(answer, 2.0)
    (after,) = pair.bob.output()
    assert (before.remote, after.remote) == (burst.local, moved)
    # A copy of the burst from elsewhere changes nothing.
    pair.bob.receive_burst(Burst(burst.packets, burst.remote, Address("203.0.113.9", 9), burst.kind), 3.0)
    assert (pair.bobs.remote, pair.bob.counts.replays) == (moved, 3)


@pytest.mark.parametrize("kind", ["child", "ike"])
def test_no_packet_is_lost_in_a_rekey_between_batches(pair: Pair, kind: str) -> None:
    sent = received = 0
    inbox = pair.network.hosts["bob"].inbox
    for number in range(40):
        sa = next(sa for sa in pair.alice.sas.values() if sa.established)
        if number % 8 == 4:
            # HDR, SK {…}  -->  while packets are under way
            if kind == "ike":
                sa.rekey()
            else:
                sa.rekey_child(next(child for child in sa.children.values() if not child.deleting))
        sent += pair.alice.send_many(packets(10), pair.network.now)
        pair.network.run(pair.network.now + 0.013)
    pair.network.run()
    received = len(inbox)
    assert (sent, received) == (400, 400)
    assert not pair.bob.counts.drops


# Events of ESP packets


def test_no_event_is_made_of_an_esp_packet_that_nobody_wants() -> None:
    network = Network(seed=1, history=0)
    events: list[Event] = []
    network.subscribe(lambda host, event: events.append(event), esp=False)
    pair = Pair(network=network)
    pair.connect()

    def esp() -> list[type[Event]]:
        events.clear()
        pair.alice.send(PING, network.now)
        network.run()
        return [type(event) for event in events if isinstance(event, EspSent | EspReceived)]

    assert esp() == []
    with network.subscribe(lambda host, event: None):
        # the ping, and the answer
        assert esp() == [EspSent, EspReceived, EspSent, EspReceived]
    assert esp() == []


def test_a_network_that_keeps_events_keeps_those_of_esp_packets() -> None:
    pair = Pair()
    pair.connect()
    pair.alice.send(PING, pair.network.now)
    pair.network.run()
    assert len(pair.of("alice", EspSent)) == len(pair.of("alice", EspReceived)) == 1


# Drops


@pytest.mark.parametrize(
    ("datagram", "code"),
    [
        (Datagram(b"short", HERE, THERE), DropReason.MALFORMED),
        (Datagram(bytes(16) + bytes([0, 0x20, 37, 8]) + bytes(4) + (28).to_bytes(4), HERE, THERE), "unknown-ike-spi"),
        (Datagram(bytes(16) + bytes([0, 0x30, 34, 8]) + bytes(4) + (28).to_bytes(4), HERE, THERE), "version"),
        (Datagram(bytes(16) + bytes([0, 0x20, 34, 8]) + bytes(4) + (28).to_bytes(4), HERE, THERE), "invalid-initial"),
        (Datagram(b"\0\0\1\1" + bytes(20), HERE, THERE, DatagramKind.ESP), DropReason.UNKNOWN_ESP_SPI),
    ],
)
def test_what_is_dropped_is_counted_and_told_by_its_reason(pair: Pair, datagram: Datagram, code: Any) -> None:
    pair.bob.events()
    pair.bob.receive(datagram, 1.0)
    (event,) = (event for event in pair.bob.events() if isinstance(event, MessageDropped))
    assert event.code == code
    assert pair.bob.counts.drops == {code: 1}


def test_an_icv_that_does_not_verify_is_counted(pair: Pair) -> None:
    pair.alice.send(PING, 1.0)
    (sent,) = pair.alice.datagrams()
    pair.bob.receive(Datagram(sent.data[:-1] + bytes([sent.data[-1] ^ 1]), THERE, HERE, DatagramKind.ESP), 1.0)
    next(iter(pair.alice.sas.values())).liveness()
    (request,) = pair.alice.datagrams()
    broken = request.data[:-1] + bytes([request.data[-1] ^ 1])
    pair.bob.receive(Datagram(broken, request.remote, request.local), 1.0)
    assert pair.bob.counts.drops == {DropReason.ESP_INTEGRITY: 1, DropReason.INTEGRITY: 1}
    assert pair.bob.counts.integrity_failures == 2


def test_packets_that_nobody_fetches_are_counted() -> None:
    pair = Pair(network=Network(seed=1, history=0), endpoint=EndpointConfig(queue_limit=2))
    pair.connect()
    pair.alice.send_many(packets(5), 1.0)
    for datagram in pair.alice.datagrams():
        pair.bob.receive(datagram.turned(), 1.0)
    assert len(pair.bob.packets()) == 2
    assert pair.bob.counts.drops == {DropReason.INBOX_FULL: 3}
