# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_SA_INIT that goes on in IKE_INTERMEDIATE (RFC 9242), and when an exchange may come."""

from __future__ import annotations

from typing import ClassVar

import pytest

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike import endpoint as endpoints
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.config import EndpointConfig
from fynx_scapy.ike.core.exchange import Exchange
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.events import ExchangeDropped, IkeSaFailed, MessageSent
from fynx_scapy.ike.exchanges import Custom, IkeAuth, IkeSaInit
from fynx_scapy.ike.message import Next
from fynx_scapy.ike.wire.rules import ANYTHING, ONE, P, Phase, Round, Rule
from tests.ike.pair import Pair, alice, bob
from tests.ike.rounds import heard, once, say
from tests.ike.rounds import registered as registered

INTERMEDIATE = ExchangeType.IKE_INTERMEDIATE


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


@pytest.fixture
def between(monkeypatch) -> None:
    Between.ends.clear()
    exchange(ExchangeType.IKE_SA_INIT, when=lambda request: True)(Between)
    monkeypatch.setattr(endpoints, "IkeSaInit", Between)


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


@pytest.mark.sample(2)
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
    assert "expected IKE_INTERMEDIATE as the next request, found IKE_AUTH" in failed.reason
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
