# SPDX-License-Identifier: GPL-2.0-or-later
"""Exchanges that wait for a next request: what never goes on has a ceiling, a time, and an end."""

from __future__ import annotations

import random

import pytest
from scapy.packet import Packet

from fynx_scapy.errors import ConfigError, LocalError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.core.chains import Chains
from fynx_scapy.ike.core.exchange import Exchange, link
from fynx_scapy.ike.events import ExchangeDropped
from fynx_scapy.ike.exchanges import Custom
from fynx_scapy.ike.message import Datagram, notify
from fynx_scapy.ladder import Ladder
from tests.ike.pair import Pair, alice
from tests.ike.rounds import FOLLOWUP, LINK, Chat, Opening, Plain, Talk, once, run, say, up, waiting
from tests.ike.rounds import registered as registered
from tools.stateful.invariants import hold


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
    waits = [end for end in other.of(Chains).exchanges if isinstance(end, Talk)]
    assert [end.name for end in waits] == [b"a"] * 3
    assert [end.heard for end in waits] == [[b"c"], [b"d"], [b"e"]]
    assert dropped(pair, who) == ["expected at most 3 waiting exchanges"] * 2
    run(pair, 11)
    assert waiting(other) == 0
    assert dropped(pair, who)[2:] == ["expected IKE_FOLLOWUP_KE within 10 s"] * 3
    assert [name for name, _ in Talk.errors] == ["refused"] * 5
    assert other.state is State.ESTABLISHED
    assert "the peer's UNKNOWN-240 was abandoned" in str(Ladder(pair.network.events, ("alice", "bob")))


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
        with pytest.raises(ConfigError, match=r"IkeConfig\.chain_"):
            alice(**wrong)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_peer_that_does_as_it_likes_leaves_nothing_behind(role, seed):
    chance = random.Random(f"{role} {seed}")
    pair, sa, other = up(role, chain_limit=4, chain_lifetime=5.0)
    us, victim = (pair.alice, pair.bob) if role == "alice" else (pair.bob, pair.alice)
    links: list[list[Packet]] = [[]]
    old: list[Datagram] = []
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
    begun: list[Exchange] = []
    for _ in range(200):
        sa, other = sa.newest, other.newest
        if not (sa.established and other.established):
            new = pair.alice.connect(alice(window=4, chain_limit=4, chain_lifetime=5.0), pair.network.now)
            run(pair, 1)
            sa, other = (next(one for one in end.sas.values() if one.spi_i == new.spi_i) for end in (us, victim))
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
