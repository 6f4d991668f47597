# SPDX-License-Identifier: GPL-2.0-or-later
"""Exchanges of several rounds that change their type: what comes in between, what is lost, what is refused."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import LocalError, PeerError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.events import MessageSent, Retransmitted, SaDeleted
from fynx_scapy.ike.exchanges import Custom
from fynx_scapy.ike.exchanges.followup_ke import StateNotFound
from fynx_scapy.ike.message import Next, notify
from fynx_scapy.ike.wire.rules import ANYTHING, Round
from tests.ike.rounds import FOLLOWUP, LINK, Chat, Opening, Plain, Talk, heard, once, run, say, up, waiting
from tests.ike.rounds import registered as registered

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


class Free(Exchange):
    """An exchange of two rounds whose author has said nothing of rules."""

    def initiate(self):
        yield self.request(say(b"1"))
        self.heard = heard((yield self.request(say(b"2"))))

    def respond(self, request):
        request = yield self.response(say(b"one"), more=True)
        yield self.response(say(b"more than " + heard(request)))


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_an_exchange_without_rows_takes_anything(role):
    pair, sa, _ = up(role)
    exchange(242)(Free)
    free = sa.start(Free(sa))
    sa.liveness()
    run(pair, 1)
    assert (free.error, free.heard) == (None, b"more than 2")
