# SPDX-License-Identifier: GPL-2.0-or-later
"""Exchanges of several rounds that change their type: what comes in between, what is lost, what never goes on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import ClassVar

import pytest

from fynx_scapy.errors import LocalError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike import endpoint as endpoints
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.config import ConfigError, EndpointConfig
from fynx_scapy.ike.core.chains import Chains
from fynx_scapy.ike.core.exchange import _RESPONDERS, Exchange, exchange, link
from fynx_scapy.ike.events import ExchangeDropped, IkeSaFailed, MessageReceived, MessageSent, Retransmitted, SaDeleted
from fynx_scapy.ike.exchanges import Custom, IkeAuth, IkeSaInit, RekeyIke
from fynx_scapy.ike.exchanges.followup_ke import StateNotFound
from fynx_scapy.ike.message import Next, notify
from fynx_scapy.ike.wire.rules import ANYTHING, ONE, P, Phase, Round, Rule
from fynx_scapy.ladder import Ladder
from fynx_scapy.layers.ikev2 import IKEv2_VendorID
from tests.ike.pair import Pair, alice, bob
from tests.stateful.invariants import hold

FOLLOWUP, INTERMEDIATE = ExchangeType.IKE_FOLLOWUP_KE, ExchangeType.IKE_INTERMEDIATE
LINK = NotifyType.ADDITIONAL_KEY_EXCHANGE
TWO = (2, 2)
OURS = range(240, 244)
"""Private exchange types, of which nothing but what is here is registered."""


def say(text: bytes) -> IKEv2_VendorID:
    return IKEv2_VendorID(vendorID=text)


def heard(message) -> bytes:
    return bytes(message.one(IKEv2_VendorID).vendorID)


class Talk(Exchange):
    """Several rounds. Both ends note what they heard; ``ends`` are the responders, ``errors`` what the hooks got."""

    ends: ClassVar[list[Talk]] = []
    errors: ClassVar[list[tuple[str, str]]] = []
    fails_in = 0
    given_up = 0

    def __init__(self, sa, name: bytes = b"a"):
        super().__init__(sa)
        self.name = name
        self.heard: list[bytes] = []

    def took(self, request) -> None:
        self.heard.append(heard(request))
        if len(self.heard) == self.fails_in:
            raise PeerError(NotifyType.TEMPORARY_FAILURE, reason="not now")

    def failed(self, error) -> None:
        self.errors.append(("failed", str(error)))

    def refused(self, error) -> None:
        self.given_up += 1
        self.errors.append(("refused", str(error)))


class Chat(Talk):
    """Three rounds: the first has a type of its own, the others are IKE_FOLLOWUP_KE, linked as RFC 9370 says."""

    rules = (
        Round(Rule({P.V: ONE, P.N: (0, 0)}), Rule({P.V: ONE, P.N: ONE})),
        Round(Rule({P.V: ONE, P.N: ONE}), Rule({P.V: ONE, P.N: ONE}), exchange_type=FOLLOWUP),
        Round(Rule({P.V: TWO, P.N: ONE}), Rule({P.V: ONE, P.N: (0, 0)}), exchange_type=FOLLOWUP),
    )

    def initiate(self):
        # HDR(240), SK {V}  -->   <--  HDR(240), SK {V, N(link1)}
        answer = yield self.request(say(self.name + b"1"))
        self.heard.append(heard(answer))
        # HDR(IKE_FOLLOWUP_KE), SK {V, N(link1)}  -->   <--  HDR(IKE_FOLLOWUP_KE), SK {V, N(link2)}
        answer = yield self.request(say(self.name + b"2"), *link(answer), exchange_type=FOLLOWUP)
        self.heard.append(heard(answer))
        # HDR(IKE_FOLLOWUP_KE), SK {V, V, N(link2)}  -->   <--  HDR(IKE_FOLLOWUP_KE), SK {V}
        last = [say(self.name + b"3"), say(b"goodbye"), *link(answer)]
        answer = yield self.request(*last, exchange_type=FOLLOWUP)
        self.heard.append(heard(answer))

    def respond(self, request):
        self.ends.append(self)
        draw = self.sa.endpoint.randomness.octets
        self.took(request)
        request = yield self.response(say(heard(request).upper()), then=FOLLOWUP, link=draw(8))
        self.took(request)
        request = yield self.response(say(heard(request).upper()), link=draw(8))
        self.took(request)
        yield self.response(say(heard(request).upper()))


class Plain(Talk):
    """Two rounds of one type, without a link."""

    rules = (Round(Rule({P.V: ONE}), Rule({P.V: ONE})),)

    def initiate(self):
        for number in b"12":
            answer = yield self.request(say(self.name + bytes([number])))
            self.heard.append(heard(answer))

    def respond(self, request):
        self.ends.append(self)
        self.took(request)
        request = yield self.response(say(heard(request).upper()), more=True)
        self.took(request)
        yield self.response(say(heard(request).upper()))


class Opening(Talk):
    """The first round of `Chat`, by somebody who never goes on."""

    exchange_type = 240
    rules = Chat.rules

    def initiate(self):
        self.link = link((yield self.request(say(self.name))))


class Between(IkeSaInit):
    """IKE_SA_INIT that goes on in two rounds of IKE_INTERMEDIATE (RFC 9242), which derive nothing."""

    rules = (*IkeSaInit.rules, Round(Rule({P.V: ONE}), Rule({P.V: ONE}), exchange_type=INTERMEDIATE))
    ends: ClassVar[list[Between]] = []
    skips = refuses = False

    def __init__(self, sa):
        super().__init__(sa)
        self.heard: list[bytes] = []

    def initiate(self):
        yield from super().initiate()
        for text in () if self.skips else (b"one", b"two"):
            # HDR, SK {V}  -->   <--  HDR, SK {V}
            self.heard.append(heard((yield self.request(say(text), exchange_type=INTERMEDIATE))))

    def respond(self, request):
        self.ends.append(self)
        yield from super().respond(request)
        request = yield Next(INTERMEDIATE)
        self.heard.append(heard(request))
        if self.refuses:
            raise PeerError(NotifyType.NO_PROPOSAL_CHOSEN, reason="not this one")
        request = yield self.response(say(b"ONE"), more=True)
        self.heard.append(heard(request))
        yield self.response(say(b"TWO"))


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    before = {kind: list(rows) for kind, rows in _RESPONDERS.items()}
    for kind in OURS:
        _RESPONDERS.pop(kind, None)
    exchange(240)(Chat)
    exchange(241)(Plain)
    Talk.ends.clear()
    Talk.errors.clear()
    Between.ends.clear()
    yield
    _RESPONDERS.clear()
    _RESPONDERS.update(before)


@pytest.fixture
def between(monkeypatch) -> None:
    exchange(ExchangeType.IKE_SA_INIT, when=lambda request: True)(Between)
    monkeypatch.setattr(endpoints, "IkeSaInit", Between)


def up(role: str = "alice", window: int = 4, **changes) -> tuple[Pair, object, object]:
    """A pair, the IKE SA of the end that begins, and the other's."""
    pair = Pair(bob(window=window, **changes))
    ends = {"alice": pair.connect(alice(window=window, **changes)), "bob": pair.bobs}
    pair.alice.now = pair.bob.now = pair.network.now
    return pair, ends.pop(role), *ends.values()


def waiting(sa) -> int:
    return len(sa.of(Chains))


def run(pair: Pair, seconds: float) -> None:
    pair.network.run(until=pair.network.now + seconds)
    pair.alice.now = pair.bob.now = pair.network.now


def once(endpoint, kind: int, number: int, response: bool, what) -> None:
    """``what`` is done to the datagrams of one message of that type, the ``number``-th, when it leaves first."""
    seen = []

    def tap(message, datagrams, attempt):
        header = datagrams[0].data
        if header[18] != kind or bool(header[19] & 0x20) != response or attempt:
            return datagrams
        seen.append(message)
        return what(datagrams) if len(seen) == number else datagrams

    endpoint.taps.add("datagrams", tap)


# What comes in between


@pytest.mark.parametrize("role", ["alice", "bob"])
@pytest.mark.parametrize(("kind", "rounds"), [(Chat, 3), (Plain, 2)])
def test_an_exchange_goes_on_whatever_comes_between_its_rounds(role, kind, rounds):
    pair, sa, _ = up(role)
    talk = sa.start(kind(sa))
    others = [sa.liveness(), sa.inform(notify(40960)), sa.create_child()]
    pair.network.run()
    assert [talk.error, *(other.error for other in others)] == [None] * 4
    assert talk.heard == [b"A1", b"A2", b"A3"][:rounds]
    (end,) = Talk.ends
    assert end.heard == [b"a1", b"a2", b"a3"][:rounds]
    assert len(sa.children) == 2


def test_rounds_take_their_message_ids_as_they_go_and_their_types():
    pair, sa, _ = up()
    sa.start(Chat(sa))
    sa.liveness()
    pair.network.run()
    sent = [(e.header.exch_type, e.header.id) for e in pair.of("alice", MessageSent) if e.header.id >= 2]
    # The second round begins once the first is answered: the liveness check has taken the message ID between.
    assert sent == [(240, 2), (37, 3), (44, 4), (44, 5)]


@pytest.mark.parametrize("role", ["alice", "bob"])
@pytest.mark.parametrize("late", [b"a", b"b"])
def test_two_chains_at_once_each_hear_their_own(role, late):
    pair, sa, _ = up(role)
    one, two = (sa.start(Chat(sa, name)) for name in (b"a", b"b"))
    # The second round of one of them is lost at first, so that the other overtakes it.
    once(sa.endpoint, FOLLOWUP, 1 + (late == b"b"), False, lambda datagrams: [])
    pair.network.run()
    assert (one.heard, two.heard) == ([b"A1", b"A2", b"A3"], [b"B1", b"B2", b"B3"])
    assert [end.heard for end in Talk.ends] == [[b"a1", b"a2", b"a3"], [b"b1", b"b2", b"b3"]]
    assert len(pair.of(role, Retransmitted)) == 1


def test_a_window_of_one_holds_further_rounds_back_and_drops_none():
    pair, sa, _ = up(window=1)
    talks = [sa.start(Chat(sa, name)) for name in (b"a", b"b")]
    pair.network.run()
    assert [talk.heard for talk in talks] == [[b"A1", b"A2", b"A3"], [b"B1", b"B2", b"B3"]]


def test_a_round_that_the_window_holds_back_goes_before_what_has_not_begun():
    pair, sa, _ = up(window=2)
    once(pair.alice, ExchangeType.INFORMATIONAL, 1, False, lambda datagrams: [])
    sa.liveness()
    talk = sa.start(Chat(sa))
    last = sa.inform(notify(40960))
    run(pair, 0.1)
    # Message 2 is not answered yet, so that message 4 must wait.
    assert [held[0] for held in sa.requests.held] == [talk]
    assert talk in sa.requests.in_flight
    pair.network.run()
    assert (talk.heard, last.error) == ([b"A1", b"A2", b"A3"], None)
    assert [e.header.exch_type for e in pair.of("alice", MessageSent) if e.header.id >= 2] == [37, 240, 44, 37, 44]


def test_a_tap_that_writes_another_link_does_not_break_the_chain():
    pair, sa, _ = up()

    def tap(message):
        for note in message.notifies(LINK):
            note.notify = b"another"

    pair.bob.taps.add("payloads", tap)
    talk = sa.start(Chat(sa))
    pair.network.run()
    assert talk.heard == [b"A1", b"A2", b"A3"]


# What is lost


@pytest.mark.parametrize("times", [0, 2], ids=["lost", "twice"])
@pytest.mark.parametrize("response", [False, True], ids=["request", "response"])
@pytest.mark.parametrize(("kind", "number"), [(240, 1), (FOLLOWUP, 1), (FOLLOWUP, 2)])
def test_each_round_survives_loss_and_duplication(kind, number, response, times):
    pair, sa, other = up()
    once(pair.bob if response else pair.alice, kind, number, response, lambda datagrams: datagrams * times)
    talk = sa.start(Chat(sa))
    pair.network.run()
    assert (talk.error, talk.heard) == (None, [b"A1", b"A2", b"A3"])
    (end,) = Talk.ends
    assert end.heard == [b"a1", b"a2", b"a3"]
    assert bool(pair.of("alice", Retransmitted)) == (times == 0)
    assert waiting(other) == 0


def test_a_peer_that_dies_between_two_rounds_ends_the_exchange():
    pair, sa, _ = up()
    pair.bob.taps.add("datagrams", lambda message, datagrams, attempt: [] if datagrams[0].data[18] == 44 else datagrams)
    talk = sa.start(Chat(sa))
    pair.network.run()
    assert talk.error is not None
    assert talk.error.code == "timeout"
    assert talk.heard == [b"A1"]
    assert sa.state is State.CLOSED


# What is refused


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_temporary_failure_ends_the_exchange_in_any_round(number, role, monkeypatch):
    monkeypatch.setattr(Chat, "fails_in", number)

    def initiate(self, base=Chat.initiate):
        steps = base(self)
        answer = next(steps)
        while True:
            got = yield answer
            if (error := got.error()) is not None:
                raise PeerError(error.type)
            answer = steps.send(got)

    monkeypatch.setattr(Chat, "initiate", initiate)
    pair, sa, other = up(role)
    talk = sa.start(Chat(sa))
    pair.network.run()
    assert isinstance(talk.error, PeerError)
    assert talk.error.notify_type == NotifyType.TEMPORARY_FAILURE
    assert [name for name, _ in Talk.errors] == ["refused", "failed"]
    assert (waiting(other), other.state, sa.state) == (0, State.ESTABLISHED, State.ESTABLISHED)


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_an_unknown_link_is_answered_with_state_not_found_and_the_chain_waits_on(role):
    pair, sa, other = up(role)
    opening = sa.start(Opening(sa))
    run(pair, 0.1)
    wrong = [sa.start(Custom(sa, FOLLOWUP, say(b"x"), *more)) for more in ([notify(LINK, b"unknown")], [])]
    run(pair, 0.1)
    for one in wrong:
        assert [note.type for note in one.answer.notifies()] == [NotifyType.STATE_NOT_FOUND]
        assert bytes(one.answer.notify(NotifyType.STATE_NOT_FOUND).notify or b"") == b""
    assert (waiting(other), other.state, sa.state) == (1, State.ESTABLISHED, State.ESTABLISHED)
    right = sa.start(Custom(sa, FOLLOWUP, say(b"x"), *opening.link))
    run(pair, 0.1)
    assert heard(right.answer) == b"X"


def test_an_exchange_with_a_second_type_of_its_own_refuses_it_by_a_subclass():
    @exchange(242)
    class Lost(StateNotFound):
        pass

    pair, sa, _ = up()
    lost = sa.start(Custom(sa, 242, say(b"x")))
    pair.network.run()
    assert lost.answer.has_notify(NotifyType.STATE_NOT_FOUND)
    assert sa.state is State.ESTABLISHED


def test_rows_hold_in_every_round_and_break_the_chain():
    pair, sa, other = up()
    opening = sa.start(Opening(sa))
    run(pair, 0.1)
    # HDR(IKE_FOLLOWUP_KE), SK {N(link)}  -->  without the V that the row asks for
    sa.start(Custom(sa, FOLLOWUP, *opening.link))
    run(pair, 0.1)
    assert Talk.errors[0][0] == "refused"
    assert "expected 1 V in IKE_FOLLOWUP_KE request" in Talk.errors[0][1]
    assert (waiting(other), other.state) == (0, State.CLOSED)


def test_an_exchange_may_say_itself_which_request_it_waits_for():
    class Own(Talk):
        rules = (Round(ANYTHING, ANYTHING),)

        def respond(self, request):
            name = heard(request)
            self.ends.append(self)
            request = yield self.response(say(b"yes"), refers=lambda request: heard(request) == name)
            yield self.response(say(name + b" again"))

    exchange(243)(Own)
    pair, sa, _ = up()
    said = []
    for name in (b"a", b"b", b"b", b"a"):
        said.append(sa.start(Custom(sa, 243, say(name))))
        run(pair, 0.1)
    assert [heard(one.answer) for one in said] == [b"yes", b"yes", b"b again", b"a again"]
    assert len(Talk.ends) == 2


def test_a_second_answer_to_one_request_is_a_fault_of_ours():
    @exchange(243)
    class Twice(Exchange):
        rules = (Round(ANYTHING, ANYTHING),)

        def respond(self, request):
            yield self.response(say(b"one"))
            yield self.response(say(b"two"))

    pair, sa, other = up()
    asked = sa.start(Custom(sa, 243))
    pair.network.run()
    assert heard(asked.answer) == b"one"
    assert other.state is State.CLOSED
    (deleted,) = [event for event in pair.of("bob", SaDeleted) if not event.child_spis]
    assert "Twice gave a second answer to one request" in deleted.reason


def test_an_initiator_waits_for_no_request():
    class Wrong(Exchange):
        exchange_type = 243
        rules = (Round(ANYTHING, ANYTHING),)

        def initiate(self):
            yield Next()

    _, sa, _ = up()
    begun = sa.start(Wrong(sa))
    assert isinstance(begun.error, LocalError)
    assert sa.state is State.ESTABLISHED


@pytest.mark.parametrize("step", ["nothing", "next"])
def test_a_responder_that_gives_no_answer_is_told_apart_from_the_peers_fault(step):
    @exchange(243)
    class Silent(Exchange):
        rules = (Round(ANYTHING, ANYTHING),)

        def respond(self, request):
            if step == "next":
                yield Next()

    pair, sa, other = up()
    asked = sa.start(Custom(sa, 243))
    pair.network.run()
    assert asked.answer.has_notify(NotifyType.INVALID_SYNTAX)
    assert other.state is State.CLOSED


# What never goes on


def dropped(pair: Pair, who: str) -> list[str]:
    found = pair.of(who, ExchangeDropped)
    assert all(event.exchange == 240 for event in found)
    return [event.reason for event in found]


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_chains_that_are_opened_and_left_have_a_ceiling_and_a_time(role):
    pair, sa, other = up(role, chain_limit=3, chain_lifetime=10.0)
    for name in (b"a", b"b", b"c", b"d", b"e"):
        sa.start(Opening(sa, name))
    run(pair, 0.1)
    who = "bob" if role == "alice" else "alice"
    assert waiting(other) == 3
    assert [end.name for end in other.of(Chains).exchanges] == [b"a"] * 3
    assert [end.heard for end in other.of(Chains).exchanges] == [[b"c"], [b"d"], [b"e"]]
    assert dropped(pair, who) == ["more than 3 exchanges wait"] * 2
    run(pair, 11)
    assert waiting(other) == 0
    assert dropped(pair, who)[2:] == ["expected IKE_FOLLOWUP_KE within 10 s"] * 3
    assert [name for name, _ in Talk.errors] == ["refused"] * 5
    assert other.state is State.ESTABLISHED
    assert "240 of the peer's goes no further" in str(Ladder(pair.network.events, ("alice", "bob")))


def test_a_round_that_comes_too_late_is_told_that_the_state_is_gone():
    pair, sa, _ = up()
    opening = sa.start(Opening(sa))
    run(pair, 21)
    late = sa.start(Custom(sa, FOLLOWUP, say(b"x"), *opening.link))
    run(pair, 0.1)
    assert late.answer.has_notify(NotifyType.STATE_NOT_FOUND)


@pytest.mark.parametrize("role", ["alice", "bob"])
@pytest.mark.parametrize("by_peer", [False, True])
def test_a_deleted_ike_sa_takes_its_chains_with_it(role, by_peer):
    pair, sa, other = up(role)
    sa.start(Opening(sa))
    run(pair, 0.1)
    timers = len(other.endpoint.timers)
    (sa if by_peer else other).delete_ike()
    run(pair, 1)
    assert waiting(other) == 0
    assert dropped(pair, "bob" if role == "alice" else "alice") == ["the IKE SA ended"]
    assert [name for name, _ in Talk.errors] == ["refused"]
    assert len(other.endpoint.timers) <= timers


@pytest.mark.parametrize("role", ["alice", "bob"])
@pytest.mark.parametrize("by_peer", [False, True])
def test_a_rekeyed_ike_sa_takes_its_chains_with_it(role, by_peer):
    pair, sa, other = up(role)
    opening = sa.start(Opening(sa))
    run(pair, 0.1)
    (sa if by_peer else other).rekey()
    run(pair, 1)
    assert waiting(other) == waiting(other.newest) == 0
    assert dropped(pair, "bob" if role == "alice" else "alice") == ["the IKE SA was rekeyed"]
    new = sa.newest
    late = new.start(Custom(new, FOLLOWUP, say(b"x"), *opening.link))
    run(pair, 1)
    assert late.answer.has_notify(NotifyType.STATE_NOT_FOUND)


@pytest.mark.parametrize("role", ["alice", "bob"])
@pytest.mark.parametrize("step", ["delete_ike", "rekey"])
def test_an_ike_sa_that_ends_between_two_rounds_ends_the_initiators_exchange_too(role, step):
    pair, sa, other = up(role)
    once(sa.endpoint, FOLLOWUP, 1, False, lambda datagrams: [])
    talk = sa.start(Chat(sa))
    run(pair, 0.1)
    getattr(other, step)()
    run(pair, 1)
    assert isinstance(talk.error, LocalError)
    assert talk.heard == [b"A1"]


def test_limits_of_waiting_are_checked():
    for wrong in ({"chain_limit": 0}, {"chain_lifetime": 0.0}, {"chain_lifetime": float("nan")}):
        with pytest.raises(ConfigError, match="expected a chain_"):
            alice(**wrong)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_peer_that_does_as_it_likes_leaves_nothing_behind(role, seed):
    chance = random.Random(f"{role} {seed}")
    pair, sa, other = up(role, chain_limit=4, chain_lifetime=5.0)
    us, victim, links, old = sa.endpoint, other.endpoint, [[]], []
    pair.network.intercept(lambda now, datagram: old.append(datagram))

    def go_on() -> None:
        payloads = [*[say(b"x")] * chance.choice((0, 1, 1, 1, 2, 2)), *chance.choice(links)]
        begun.append(sa.start(Custom(sa, chance.choice((FOLLOWUP,) * 9 + (240, 241)), *payloads)))

    does = [
        *[lambda: begun.append(sa.start(Opening(sa)))] * 3,
        *[go_on] * 6,
        lambda: begun.append(sa.start(Chat(sa))),
        lambda: begun.append(sa.start(Plain(sa))),
        lambda: links.append([notify(LINK, chance.randbytes(8))]),
        lambda: pair.network.inject(chance.choice(old)) if old else None,
        lambda: sa.liveness(),
        lambda: chance.choice((sa, sa, other)).create_child(),
        lambda: chance.choice((sa, sa, other)).rekey(),
        lambda: chance.choice((sa, other)).delete_ike() if chance.random() < 0.3 else None,
    ]
    begun: list = []
    for _ in range(200):
        sa, other = sa.newest, other.newest
        if not (sa.established and other.established):
            sa = pair.alice.connect(alice(window=4, chain_limit=4, chain_lifetime=5.0), pair.network.now)
            run(pair, 1)
            sa, other = (next(one for one in end.sas.values() if one.spi_i == sa.spi_i) for end in (us, victim))
        chance.choice(does)()
        run(pair, chance.choice((0.0, 0.01, 0.01, 0.02, 0.1, 1.0, 3.0)))
        hold(victim)
        links += [answer for one in begun if (answer := link(one.answer) if one.answer else [])]
        begun.clear()
        del links[1:-6]
    run(pair, 600)
    assert not any(waiting(one) for one in victim.sas.values())
    # Each one that was begun here came to its end, or was told once that it would not.
    over = [len(end.heard) == (2 if isinstance(end, Plain) else 3) for end in Talk.ends]
    assert [end.given_up for end in Talk.ends] == [int(not ended) for ended in over]
    assert 3 < sum(over) < len(over) - 10


# CREATE_CHILD_SA that goes on


class Slow(Talk):
    """CREATE_CHILD_SA that goes on in IKE_FOLLOWUP_KE, and rekeys what ``about`` says, but makes nothing."""

    rules = (Round(ANYTHING, ANYTHING), Round(ANYTHING, ANYTHING, exchange_type=FOLLOWUP))
    about: frozenset[int] = frozenset()

    @property
    def subjects(self):
        return self.about

    def initiate(self):
        answer = yield self.request(say(b"1"), notify(40961))
        yield self.request(say(b"2"), *link(answer), exchange_type=FOLLOWUP)

    def respond(self, request):
        yield self.response(say(b"1"), link=b"slow", then=FOLLOWUP)
        yield self.response(say(b"2"))


class SlowIke(Slow):
    replaces_ike = alone = True


class SlowChild(Slow):
    touches_children = makes_child = True


def slow(kind: type[Slow]) -> type[Slow]:
    return exchange(ExchangeType.CREATE_CHILD_SA, when=lambda request: request.has_notify(40961))(kind)


def answered(pair: Pair, who: str) -> list[int]:
    """The notifies in the responses to CREATE_CHILD_SA that one end got."""
    found = [e for e in pair.of(who, MessageReceived) if e.header.exch_type == 36 and e.header.flags & 0x20]
    return [note.type for event in found for note in event.payloads if note.payload_type == P.N]


@pytest.mark.parametrize("following", [False, True])
def test_the_peers_rekey_of_a_child_sa_waits_while_our_own_goes_on(following):
    pair, sa, other = up()
    (child,), (theirs,) = sa.children.values(), other.children.values()
    kind = slow(SlowChild)
    # The request of one round is lost, and the peer wants to rekey the same SA before it comes again.
    once(pair.alice, FOLLOWUP if following else 36, 1, False, lambda datagrams: [])
    begun = kind(sa)
    begun.about = frozenset((child.inbound.spi,))
    sa.start(begun)
    run(pair, 0.1)
    assert begun.followed_up is following
    other.rekey_child(theirs)
    run(pair, 0.1)
    assert answered(pair, "bob") == [NotifyType.TEMPORARY_FAILURE] * following
    pair.network.run()
    assert begun.error is None


def test_the_peers_rekey_of_the_ike_sa_waits_while_our_own_goes_on():
    pair, sa, other = up()
    once(pair.alice, FOLLOWUP, 1, False, lambda datagrams: [])
    begun = sa.start(slow(SlowIke)(sa))
    run(pair, 0.1)
    other.rekey()
    run(pair, 0.1)
    assert answered(pair, "bob") == [NotifyType.TEMPORARY_FAILURE]
    assert (begun.done, sa.successor) == (False, None)
    pair.network.run()
    assert begun.error is None


@pytest.mark.parametrize(("kind", "what"), [(SlowChild, "rekey"), (SlowIke, "create_child")])
def test_a_responders_chain_counts_as_in_flight(kind, what):
    pair, sa, other = up()
    once(pair.alice, FOLLOWUP, 1, False, lambda datagrams: [])
    begun = slow(kind)(sa)
    begun.alone = False
    sa.start(begun)
    run(pair, 0.1)
    assert waiting(other) == 1
    if what == "rekey":
        rekey = RekeyIke(sa)
        rekey.alone = False
        sa.start(rekey)
    else:
        sa.create_child()
    run(pair, 0.1)
    assert NotifyType.TEMPORARY_FAILURE in answered(pair, "alice")


# Before both ends are authenticated


def types(pair: Pair) -> list[tuple[int, int]]:
    return [(e.header.exch_type, e.header.id) for e in pair.of("alice", MessageSent)]


HANDSHAKE = [(34, 0), (INTERMEDIATE, 1), (INTERMEDIATE, 2), (35, 3)]


def test_ike_sa_init_goes_on_in_ike_intermediate(between):
    pair = Pair()
    sa = pair.connect()
    assert types(pair) == HANDSHAKE
    assert (sa.state, pair.bobs.state) == (State.ESTABLISHED, State.ESTABLISHED)
    assert [end.heard for end in Between.ends] == [[b"one", b"two"]]
    # The window opens behind IKE_AUTH, whatever came before it.
    assert pair.bobs.authenticated_by == 3


def test_a_retry_of_ike_sa_init_does_not_count_as_a_round_of_what_follows(between):
    pair = Pair(endpoint=EndpointConfig(cookie_threshold=0))
    sa = pair.connect()
    assert types(pair) == [(34, 0), *HANDSHAKE]
    assert sa.state is State.ESTABLISHED


@pytest.mark.parametrize("times", [0, 2], ids=["lost", "twice"])
@pytest.mark.parametrize("response", [False, True], ids=["request", "response"])
@pytest.mark.parametrize(("kind", "number"), [(34, 1), (INTERMEDIATE, 1), (INTERMEDIATE, 2), (35, 1)])
def test_each_round_before_ike_auth_survives_loss_and_duplication(between, kind, number, response, times):
    pair = Pair()
    once(pair.bob if response else pair.alice, kind, number, response, lambda datagrams: datagrams * times)
    sa = pair.connect()
    assert (sa.state, pair.bobs.state) == (State.ESTABLISHED, State.ESTABLISHED)
    assert [end.heard for end in Between.ends] == [[b"one", b"two"]]
    assert types(pair) == HANDSHAKE


def test_a_nonce_that_a_tap_wrote_holds_before_the_next_round_is_opened(between):
    pair = Pair()

    def tap(message):
        for payload in message.payloads:
            if payload.payload_type == P.Nonce:
                payload.nonce = b"another nonce " * 3

    pair.bob.taps.add("payloads", tap)
    assert pair.connect().state is State.ESTABLISHED


def test_ike_auth_does_not_get_around_the_rounds_before_it(between, monkeypatch):
    monkeypatch.setattr(Between, "skips", True)
    pair = Pair()
    sa = pair.connect()
    assert (sa.state, types(pair)[1]) == (State.CLOSED, (35, 1))
    (failed,) = pair.of("bob", IkeSaFailed)
    assert "expected the IKE_INTERMEDIATE that is to come next, found IKE_AUTH" in failed.reason
    assert [event.exchange for event in pair.of("bob", ExchangeDropped)] == [34]


@pytest.mark.parametrize("fatal", [True, False])
def test_nobody_gets_around_a_round_by_having_it_refused(between, monkeypatch, fatal):
    monkeypatch.setattr(Between, "refuses", True)
    monkeypatch.setattr(Between, "failed", lambda self, error: None)
    pair = Pair(bob(invalid_syntax_is_fatal=fatal))
    sa = pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run(until=1)
    pair.alice.now = pair.network.now
    sa.start(IkeAuth(sa))
    pair.network.run(until=2)
    (failed,) = pair.of("bob", IkeSaFailed)
    assert failed.notify_type == NotifyType.NO_PROPOSAL_CHOSEN
    assert not sa.established


def test_a_half_open_ike_sa_takes_its_chain_with_it(between, monkeypatch):
    monkeypatch.setattr(Between, "skips", True)
    pair = Pair(bob(chain_lifetime=1.0))
    pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run(until=29)
    # Before both ends are authenticated half_open_lifetime counts alone.
    assert not pair.of("bob", ExchangeDropped)
    pair.network.run(until=31)
    assert [event.reason for event in pair.of("bob", ExchangeDropped)] == ["the IKE SA ended"]
    assert not pair.bob.sas


# When an exchange may come


@pytest.mark.parametrize("own", [True, False], ids=["the exchange says so", "the row says so"])
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("established", [True, False])
def test_an_exchange_or_its_row_says_when_it_may_come(phase, established, own):
    class Timely(Exchange):
        rules = (Round(ANYTHING, ANYTHING, phase=None if own else phase),)

        def respond(self, request):
            yield self.response()

    Timely.phase = phase if own else Phase.ANY if phase is not Phase.ANY else Phase.ESTABLISHED
    exchange(243)(Timely)
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0, authenticate=established)
    pair.network.run(until=1)
    pair.alice.now = pair.network.now
    asked = sa.start(Custom(sa, 243))
    pair.network.run(until=2)
    taken = phase is Phase.ANY or (phase is Phase.ESTABLISHED) == established
    assert asked.answer.has_notify(NotifyType.INVALID_SYNTAX) is not taken
