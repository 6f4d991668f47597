# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows larger than one: requests and answers that overtake each other (RFC 7296 section 2.3)."""

from __future__ import annotations

import itertools
import random

import pytest

from fynx_scapy.errors import ConfigError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.config import Retransmission
from fynx_scapy.ike.events import MessageDropped, MessageReceived, MessageSent, PeerNotified, Retransmitted
from fynx_scapy.ike.exchanges import Exchange
from fynx_scapy.ike.exchanges.informational import Informational, Liveness
from fynx_scapy.ike.message import Datagram, notify
from fynx_scapy.ike.sa import IkeSa, State
from fynx_scapy.net.memory import Network
from fynx_scapy.net.wire import Wire
from tests.ike.pair import Pair, alice, bob


def connected(ours: int = 3, theirs: int = 3, **changes) -> tuple[Pair, IkeSa]:
    """Alice promises ``ours``, Bob ``theirs``."""
    pair = Pair(bob(window=theirs, **changes))
    sa = pair.connect(alice(window=ours))
    assert sa.established
    return pair, sa


def begin(sa: IkeSa, count: int) -> list[Exchange]:
    return [sa.liveness() for _ in range(count)]


def sent(pair: Pair) -> list[Datagram]:
    """What Alice has sent, as it arrives at Bob."""
    return [datagram.turned() for datagram in pair.alice.datagrams()]


def ask(pair: Pair, *requests: Datagram) -> list[Datagram]:
    """Bob's answers to these requests, as they arrive at Alice."""
    for request in requests:
        pair.bob.receive(request, pair.network.now)
    return [datagram.turned() for datagram in pair.bob.datagrams()]


def ident(datagram: Datagram) -> int:
    return int.from_bytes(datagram.data[20:24])


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (3, 1), (1, 3), (2, 5)])
@pytest.mark.requirements("7296-2.3-01", "7296-2.3-02", "7296-2.3-05")
def test_each_end_sends_what_the_other_promised_to_keep(ours, theirs):
    pair, sa = connected(ours, theirs)
    # HDR, SK {IDi, ..., N(SET_WINDOW_SIZE)}  -->   <--  HDR, SK {IDr, ..., N(SET_WINDOW_SIZE)}
    assert (sa.requests.size, pair.bobs.requests.size) == (theirs, ours)
    assert (sa.answers.size, pair.bobs.answers.size) == (ours, theirs)
    begin(sa, 8)
    begin(pair.bobs, 8)
    assert len(sa.requests.pending) == theirs
    assert len(pair.bobs.requests.pending) == ours
    pair.network.run()
    assert not sa.requests.pending
    assert not sa.requests.waiting
    for who in ("alice", "bob"):
        said = [e.data for e in pair.of("bob" if who == "alice" else "alice", PeerNotified) if e.notify_type == 16385]
        assert said == (
            [(ours if who == "alice" else theirs).to_bytes(4)] if (ours if who == "alice" else theirs) > 1 else []
        )


@pytest.mark.requirements("7296-2.3-i01")
def test_the_window_is_one_until_both_are_authenticated():
    pair = Pair(bob(window=9))
    sa = pair.alice.connect(alice(window=9), 0.0)
    waiting = begin(sa, 3)
    pair.network.run(lambda: sa.established)
    assert [event.header.id for event in pair.of("alice", MessageSent)][:2] == [0, 1]
    pair.network.run()
    assert all(exchange.done and exchange.error is None for exchange in waiting)


@pytest.mark.sample(3)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("back", list(itertools.permutations(range(3))))
@pytest.mark.requirements("7296-2.2-i02")
def test_requests_and_answers_may_come_in_any_order(order, back):
    pair, sa = connected()
    exchanges = begin(sa, 3)
    requests = sent(pair)
    answers = ask(pair, *(requests[n] for n in order))
    assert [ident(a) for a in answers] == [ident(requests[n]) for n in order]
    assert pair.bobs.answers.expected == ident(requests[-1]) + 1
    for n in back:
        pair.alice.receive(answers[n], pair.network.now)
    assert all(exchange.done and exchange.error is None for exchange in exchanges)
    assert len([e for e in pair.bob.events() if isinstance(e, MessageReceived)]) == 3


@pytest.mark.requirements("7296-2.3-05", "7296-2.3-06")
def test_request_x_waits_for_the_answers_up_to_x_minus_n():
    pair, sa = connected()
    begin(sa, 6)
    requests = sent(pair)
    assert [ident(r) for r in requests] == [2, 3, 4]
    answers = ask(pair, *requests)
    # "it MUST wait until it has received responses to all requests up through request X-N"
    for answer in answers[1:]:
        pair.alice.receive(answer, pair.network.now)
        assert not sent(pair)
    pair.alice.receive(answers[0], pair.network.now)
    assert [ident(r) for r in sent(pair)] == [5, 6, 7]


@pytest.mark.requirements("7296-2.1-04", "7296-2.1-05", "7296-2.3-08", negative=True)
def test_the_answers_of_a_whole_window_are_kept():
    pair, sa = connected()
    begin(sa, 9)
    first = sent(pair)
    # The last one overtakes: what is let go is still the lowest message ID.
    answers = {ident(a): a for a in ask(pair, first[2], first[1], first[0])}
    for answer in answers.values():
        pair.alice.receive(answer, pair.network.now)
    second = sent(pair)
    ask(pair, second[0])
    assert sorted(pair.bobs.answers.kept) == [3, 4, 5]
    pair.bob.events()
    for request in first[1:]:
        assert ask(pair, request) == [answers[ident(request)]]
    assert [type(e) for e in pair.bob.events()] == [Retransmitted] * 2
    assert not ask(pair, first[0])
    assert [type(e) for e in pair.bob.events()] == [MessageDropped]


@pytest.mark.requirements("7296-2.3-09", negative=True)
def test_the_window_has_an_end():
    pair, sa = connected(theirs=2)
    sa.requests.size = 4
    begin(sa, 4)
    requests = sent(pair)
    assert not ask(pair, requests[3], requests[2])
    assert [ident(a) for a in ask(pair, requests[1])] == [3]
    # The window begins at the lowest request that is missing, however many came behind it.
    assert not ask(pair, requests[2])
    assert [ident(a) for a in ask(pair, requests[0], requests[2], requests[3])] == [2, 4, 5]


@pytest.mark.parametrize(
    ("data", "size"),
    [(b"\0\0\0\1", 3), (b"\0\0\0\0", 3), (b"\0\0\0\7", 7), (b"\xff\xff\xff\xff", 1024), (b"\7", 3), (b"", 3)],
)
@pytest.mark.requirements("7296-2.3-01", negative=True)
def test_a_window_only_grows(data, size):
    pair, sa = connected()
    pair.bobs.start(Informational(pair.bobs, notify(NotifyType.SET_WINDOW_SIZE, data)))
    pair.network.run()
    assert sa.requests.size == size


def test_a_promise_in_the_clear_promises_nothing():
    pair = Pair()
    pair.bob.taps.add(
        "payloads",
        lambda message: message.payloads.append(notify(NotifyType.SET_WINDOW_SIZE, b"\0\0\0\5")),
        when=lambda message: not message.encrypted,
    )
    assert pair.connect().requests.size == 1


@pytest.mark.parametrize("theirs", [1, 5])
@pytest.mark.requirements("7296-2.3-i02")
def test_after_a_rekey_the_window_is_one_until_it_is_promised_anew(theirs):
    pair, sa = connected(3, theirs)
    sa.requests.size = 5
    said = len(pair.of("alice", MessageSent))
    sa.rekey()
    pair.network.run()
    (new,) = [s for s in pair.alice.sas.values() if s.established]
    (other,) = [s for s in pair.bob.sas.values() if s.established]
    assert (new.requests.size, other.requests.size) == (theirs, 3)
    sent = pair.of("alice", MessageSent)[said:]
    promises = [e for e in sent if any(getattr(n, "type", 0) == NotifyType.SET_WINDOW_SIZE for n in e.payloads)]
    # HDR(new IKE SA, 0), SK {N(SET_WINDOW_SIZE)}  -->
    assert [(e.header.init_SPI, e.header.id) for e in promises] == [(new.spi_i, 0)]


@pytest.mark.requirements("7296-2.8-06")
def test_the_delete_of_the_ike_sa_is_the_last_request():
    pair, sa = connected()
    exchanges = begin(sa, 2)
    last = sa.delete_ike()
    late = sa.requests.start(Liveness(sa))
    requests = sent(pair)
    assert len(requests) == 2
    for answer in ask(pair, *requests):
        pair.alice.receive(answer, pair.network.now)
    pair.network.run()
    assert all(exchange.error is None for exchange in [*exchanges, last])
    assert late.error is not None
    assert sa.state is State.CLOSED


def test_a_rekey_of_the_ike_sa_has_the_window_to_itself():
    pair, sa = connected()
    begin(sa, 1)
    rekey = sa.rekey()
    behind = sa.create_child()
    assert len(sa.requests.pending) == 1
    pair.network.run()
    assert rekey.error is behind.error is None
    assert behind.sa is not sa
    assert len(pair.alice.children) == len(pair.bob.children) == 2


def test_two_requests_are_never_about_the_same_child_sa():
    pair, sa = connected()
    (child,) = sa.children.values()
    sa.rekey_child(child)
    sa.delete_child(child)
    other = sa.create_child()
    assert len(sa.requests.pending) == 1
    pair.network.run()
    assert other.error is None
    assert len(pair.alice.children) - len(pair.bob.children) == 0
    pair.network.run(pair.network.now + 60)
    assert {c.outbound.spi for _, c in pair.alice.children.values()} == set(pair.bob.children)


@pytest.mark.requirements("7296-2.8-08")
def test_many_child_sas_at_once_over_a_bad_wire():
    for seed in range(6):
        network = Network(seed=seed, wire=Wire(loss=0.2, duplication=0.2, reordering=0.5, jitter=1.0))
        pair = Pair(bob(window=4), network=network, seed=seed)
        sa = pair.connect(alice(window=4, retransmission=Retransmission(tries=30)))
        assert sa.established
        exchanges = [sa.create_child() for _ in range(9)]
        network.run()
        assert all(exchange.error is None for exchange in exchanges), seed
        assert {c.outbound.spi for _, c in pair.alice.children.values()} == set(pair.bob.children)
        assert len(pair.bob.children) == 10


# -- INVALID_MESSAGE_ID -----------------------------------------------------------------------------------------------


def ahead(pair: Pair, sa: IkeSa) -> Datagram:
    """A request that is a good deal ahead of Bob's window."""
    sa.requests.next_id += 100
    sa.requests.pending.clear()
    begin(sa, 1)
    (request,) = sent(pair)
    return request


@pytest.mark.requirements("7296-2.3-09", "7296-2.3-10", negative=True)
def test_a_message_id_ahead_of_the_window_is_complained_of_and_not_too_often():
    pair, sa = connected(invalid_message_id=10.0)
    now = pair.network.now
    request = ahead(pair, sa)
    pair.bob.receive(request, now)
    # <--  HDR, SK {N(INVALID_MESSAGE_ID)}, a request of its own
    pair.bob.receive(ahead(pair, sa), now + 9)
    pair.bob.receive(ahead(pair, sa), now + 11)
    said = [e for e in pair.bob.events() if isinstance(e, MessageSent)]
    assert [e.payloads[0].type for e in said] == [NotifyType.INVALID_MESSAGE_ID] * 2
    assert bytes(said[0].payloads[0].notify) == request.data[20:24]
    assert not int(said[0].header.flags) & 0x20
    assert all(e.encrypted for e in said)


def test_nobody_is_told_unless_it_is_configured_authentic_and_ahead():
    pair, sa = connected()
    ask(pair, ahead(pair, sa))
    assert not [e for e in pair.bob.events() if isinstance(e, MessageSent)]
    pair, sa = connected(invalid_message_id=0.0)
    sa.liveness()
    old = sent(pair)
    for answer in ask(pair, *old):
        pair.alice.receive(answer, pair.network.now)
    pair.bobs.answers.clear()
    request = ahead(pair, sa)
    forged = Datagram(request.data[:-1] + bytes([request.data[-1] ^ 1]), request.local, request.remote)
    clear = request.data[:16] + b"\0" + request.data[17:24] + (28).to_bytes(4)
    pair.bob.events()
    for datagram in (*old, forged, Datagram(clear, request.local, request.remote)):
        pair.bob.receive(datagram, pair.network.now)
    assert not [e for e in pair.bob.events() if isinstance(e, MessageSent)]


def test_an_invalid_message_id_is_told_and_changes_nothing():
    pair, sa = connected()
    pair.bobs.start(Informational(pair.bobs, notify(NotifyType.INVALID_MESSAGE_ID, random.Random(1).randbytes(4))))
    pair.network.run()
    assert pair.of("alice", PeerNotified)[-1].notify_type == NotifyType.INVALID_MESSAGE_ID
    assert sa.established


@pytest.mark.parametrize("size", [0, 1025, -1])
def test_windows_that_are_none(size):
    with pytest.raises(ConfigError, match="window to be a whole number of requests from 1 to 1024"):
        alice(window=size)
