# SPDX-License-Identifier: GPL-2.0-or-later
"""Message IDs, windows, retransmission and the response cache (RFC 7296 sections 2.1 to 2.4)."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import Timeout
from fynx_scapy.ike.config import Retransmission
from fynx_scapy.ike.events import (
    IntegrityFailed,
    MessageDropped,
    MessageReceived,
    MessageSent,
    PeerDead,
    Retransmitted,
)
from fynx_scapy.ike.exchanges.informational import Liveness
from fynx_scapy.ike.message import Datagram
from fynx_scapy.ike.sa import State
from fynx_scapy.ike.wire.taps import Delayed
from fynx_scapy.net.memory import Network
from fynx_scapy.net.wire import Wire
from tests.ike.pair import ALICE, BOB, Pair, alice


def captured(pair: Pair) -> list[Datagram]:
    found: list[Datagram] = []
    pair.network.observe(lambda now, datagram, fate: found.append(datagram))
    return found


@pytest.mark.requirements("7296-2.1-06", "7296-2.1-07", "7296-2.4-08")
def test_retransmissions_are_identical_and_back_off():
    pair = Pair()
    sent = captured(pair)
    pair.network.wire.loss = 1.0
    sa = pair.connect(alice(retransmission=Retransmission(timeout=2.0, base=2.0, tries=3)))
    assert sa.state is State.CLOSED
    assert len({datagram.data for datagram in sent}) == 1
    times = [0.0] + [event.time for event in pair.of("alice", Retransmitted)]
    assert times == pytest.approx([0, 2, 6, 14])
    assert pair.of("alice", PeerDead)[0].attempts == 4
    assert pair.of("alice", PeerDead)[0].time == pytest.approx(30)


@pytest.mark.parametrize("nth", range(4))
@pytest.mark.requirements("7296-1-i02", "7296-2.1-06")
def test_every_message_of_the_handshake_may_be_lost_once(nth):
    pair = Pair()
    count = 0

    def lose(now, datagram):
        nonlocal count
        count += 1
        return () if count == nth + 1 else None

    pair.network.intercept(lose)
    sa = pair.connect()
    assert sa.established
    assert pair.bobs.established
    assert len(pair.bob.children) == 1


@pytest.mark.parametrize("nth", range(4))
@pytest.mark.requirements("7296-2.1-02", negative=True)
def test_every_message_of_the_handshake_may_come_twice(nth):
    pair = Pair()
    count = 0

    def double(now, datagram):
        nonlocal count
        count += 1
        return (datagram, datagram) if count == nth + 1 else None

    pair.network.intercept(double)
    assert pair.connect().established
    # 7296-2.1-02: the answer comes again, and nothing is done twice.
    assert len(pair.bob.sas) == 1
    assert len(pair.bob.children) == 1
    assert len(pair.of("bob", MessageReceived)) == 2


@pytest.mark.requirements("7296-2.1-02", "7296-2.3-08", negative=True)
def test_a_retransmitted_request_is_answered_from_the_cache():
    pair = Pair()
    sent = captured(pair)
    sa = pair.connect()
    request = [d for d in sent if d.local.host == ALICE][-1]
    answer = [d for d in sent if d.local.host == BOB][-1]
    pair.network.inject(request)
    pair.network.run()
    assert sent[-1] == answer
    assert pair.of("bob", Retransmitted)[0].request is False
    assert sa.established


def test_handshakes_survive_a_bad_wire():
    for seed in range(20):
        network = Network(seed=seed, wire=Wire(loss=0.3, duplication=0.1, reordering=0.3, jitter=3.0))
        pair = Pair(seed=seed, network=network)
        sa = pair.connect(alice(retransmission=Retransmission(tries=30)))
        assert sa.established, seed
        assert pair.bobs.established, seed
        assert sa.keys == pair.bobs.keys


@pytest.mark.requirements("7296-2.3-09", negative=True)
def test_a_request_outside_the_window_is_not_answered():
    pair = Pair()
    sa = pair.connect()
    sa.requests.next_id += 5
    # 7296-2.3-09: silence, and the window stays where it was.
    exchange = sa.start(Liveness(sa))
    pair.network.run(lambda: bool(pair.of("bob", MessageDropped)))
    assert "message ID 2, found 7" in pair.of("bob", MessageDropped)[0].reason
    assert not exchange.done
    assert pair.bobs.answers.expected == 2


@pytest.mark.requirements("7296-2.3-02", "7296-2.2-i01")
def test_requests_wait_for_room_in_the_window():
    pair = Pair()
    sa = pair.connect()
    first, second = sa.start(Liveness(sa)), sa.start(Liveness(sa))
    assert len(sa.requests.pending) == 1
    pair.network.run()
    assert first.done
    assert second.done
    assert [e.header.id for e in pair.of("alice", MessageSent)] == [0, 1, 2, 3]


@pytest.mark.requirements("7296-3.14-06", negative=True)
def test_a_changed_octet_anywhere_changes_nothing():
    pair = Pair()
    sa = pair.connect()
    sent = captured(pair)
    # 7296-3.14-06: no bit of a protected message may be flipped unseen.
    exchange = sa.start(Liveness(sa))
    pair.network._flights.clear()
    pair.network._collect()
    pair.network._flights.clear()
    good = sent[-1]
    expected = pair.bobs.answers.expected
    for at in range(len(good.data)):
        spoilt = bytearray(good.data)
        spoilt[at] ^= 1
        pair.bob.receive(Datagram(bytes(spoilt), good.remote, good.local), pair.network.now)
        assert pair.bobs.answers.expected == expected, at
        assert pair.bobs.established
        assert any(isinstance(e, IntegrityFailed | MessageDropped) for e in pair.bob.events()), at
    pair.bob.datagrams()
    pair.bob.receive(good.turned(), pair.network.now)
    pair.network.run()
    assert exchange.done
    assert exchange.error is None


@pytest.mark.requirements("7296-2.1-i01", "7296-2.4-05")
def test_a_dead_peer_is_noticed_by_liveness():
    pair = Pair()
    sa = pair.connect()
    pair.network.wire.loss = 1.0
    exchange = sa.start(Liveness(sa))
    pair.network.run()
    assert isinstance(exchange.error, Timeout)
    assert sa.state is State.CLOSED
    assert not pair.alice.children
    assert pair.of("alice", PeerDead)


def test_taps_on_datagrams_see_each_attempt():
    pair = Pair()
    attempts = []

    def once(message, datagrams, attempt):
        attempts.append(attempt)
        return [] if attempt == 0 else [Delayed(datagrams[0], 0.5)]

    pair.alice.taps.add("datagrams", once, when=lambda message: message.header.id == 1)
    sa = pair.connect()
    assert sa.established
    assert attempts == [0, 1]


def test_everything_closed_is_let_go():
    pair = Pair()
    sa = pair.connect()
    sa.delete_ike()
    pair.network.run()
    pair.network.run(pair.network.now + 120)
    for endpoint in (pair.alice, pair.bob):
        assert not endpoint.sas
        assert not endpoint.children
        assert not endpoint.router.initial
        assert len(endpoint.timers) == 0


def test_half_open_sas_do_not_pile_up():
    pair = Pair()
    for _ in range(5):
        pair.alice.connect(alice(), pair.network.now, authenticate=False)
    pair.network.run()
    assert pair.bob.half_open == 5
    pair.network.run(pair.network.now + 200)
    assert pair.bob.half_open == 0
    assert not pair.bob.sas
