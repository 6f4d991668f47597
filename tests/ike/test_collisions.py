# SPDX-License-Identifier: GPL-2.0-or-later
"""Crossing exchanges end as their row says, in every order and with every fault (RFC 7296 sections 2.8, 2.25)."""

from __future__ import annotations

import itertools
import random

import pytest

from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.events import ChildSaRekeyed, IkeSaRekeyed, MessageSent, PeerNotified
from fynx_scapy.ike.sa import State
from fynx_scapy.layers.ikev2 import IKEv2_Delete, IKEv2_Nonce
from tests.ike.pair import Pair
from tools.crossing import ACTIONS, TABLE, WORDS, Crossing, every

SAMPLE = random.Random(7).sample(list(every()), 400)


def test_every_pair_has_a_row_with_its_sentence():
    pairs = {frozenset(pair) for pair in itertools.product(ACTIONS, ACTIONS)}
    assert pairs == set(TABLE)
    assert all(row.sentence[:2] in ("1.", "2.") for row in TABLE.values())


@pytest.mark.slow
@pytest.mark.parametrize("pair", [*itertools.product(ACTIONS, ACTIONS)], ids=lambda pair: " x ".join(pair))
def test_every_pair_crosses_as_the_table_says(pair: tuple[str, str]) -> None:
    west, east = pair
    for word in WORDS[::30]:
        assert Crossing(west, east, word, None).run() == [], word


@pytest.mark.slow
def test_a_sample_of_all_runs_with_faults():
    for west, east, word, fault in SAMPLE:
        assert Crossing(west, east, word, fault).run() == [], (west, east, word, fault)


def nonces(pair: Pair) -> dict[str, set[bytes]]:
    """Of the two crossing exchanges, by who began: both nonces."""
    found: dict[str, set[bytes]] = {"alice": set(), "bob": set()}
    for name, event in pair.network.events:
        if isinstance(event, MessageSent) and event.header.exch_type == 36:
            own = next((bytes(p.nonce) for p in event.payloads if isinstance(p, IKEv2_Nonce)), None)
            if own is not None:
                answer = bool(int(event.header.flags) & 0x20)
                found["alice" if (name == "alice") != answer else "bob"].add(own)
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.requirements("7296-2.8.1-03")
def test_the_child_sa_with_the_lowest_nonce_is_closed_by_its_creator(seed):
    pair = Pair(seed=seed)
    sa, other = pair.connect(), pair.bobs
    sa.rekey_child(*sa.children.values())
    other.rekey_child(*other.children.values())
    pair.network.run()
    both = nonces(pair)
    winner = "alice" if min(both["bob"]) < min(both["alice"]) else "bob"
    made = next(e.new_spi for e in pair.of(winner, ChildSaRekeyed) if not e.by_peer)
    endpoint = pair.network.hosts[winner].endpoint
    assert [spi for spi, (_, child) in endpoint.children.items() if not child.gone] == [made]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.requirements("7296-2.8.1-i01")
def test_the_winner_alone_deletes_what_both_have_replaced(seed):
    pair = Pair(seed=seed)
    sa, other = pair.connect(), pair.bobs
    old = next(iter(sa.children.values()))
    spis = {"alice": old.inbound.spi.to_bytes(4), "bob": old.outbound.spi.to_bytes(4)}
    sa.rekey_child(*sa.children.values())
    other.rekey_child(*other.children.values())
    pair.network.run()
    both = nonces(pair)
    winner = "alice" if min(both["bob"]) < min(both["alice"]) else "bob"
    asked = [
        who
        for who in ("alice", "bob")
        for event in pair.of(who, MessageSent)
        if not int(event.header.flags) & 0x20
        for payload in event.payloads
        if isinstance(payload, IKEv2_Delete) and spis[who] in payload.SPI
    ]
    assert asked == [winner]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.requirements("7296-2.8.2-01")
def test_the_ike_sa_without_the_lowest_nonce_inherits_the_child_sas(seed):
    pair = Pair(seed=seed)
    sa, other = pair.connect(), pair.bobs
    sa.rekey()
    other.rekey()
    pair.network.run()
    both = nonces(pair)
    winner = "alice" if min(both["bob"]) < min(both["alice"]) else "bob"
    made = next(e.new_spi_i for e in pair.of(winner, IkeSaRekeyed) if not e.by_peer)
    assert sa.successor.spi_i == other.successor.spi_i == made
    assert len(sa.successor.children) == len(other.successor.children) == 1
    pair.network.run(pair.network.now + 100)
    assert [s.state for s in pair.alice.sas.values()] == [State.ESTABLISHED]


# An answer is lost, and its sender goes on from what the other end does not know yet


def lose_first(endpoint, exchange_type: int, *, response: bool, spi_i: bytes = b"") -> None:
    """The first transmission of such messages (on that IKE SA) gets lost; the next one arrives."""

    def lose(message, datagrams, attempt):
        return [] if attempt == 0 else datagrams

    def picked(message) -> bool:
        header = message.header
        return (
            header.exch_type == exchange_type
            and bool(int(header.flags) & 0x20) == response
            and header.init_SPI.startswith(spi_i)
        )

    endpoint.taps.add("datagrams", lose, picked)


def rekeyed_by_bob_unknown_to_him() -> Pair:
    """Bob rekeys the Child SA, and Alice's answer is lost: only she has the new one."""
    pair = Pair()
    pair.connect()
    lose_first(pair.alice, ExchangeType.CREATE_CHILD_SA, response=True)
    pair.bobs.rekey_child(*pair.bobs.children.values())
    pair.network.run(lambda: len(pair.alice.children) == 2)
    return pair


def settle(pair: Pair) -> None:
    pair.network.run(pair.network.now + 100)


def held(pair: Pair) -> tuple[list[int], list[int]]:
    """The Child SAs of both ends, each by the SPI that Alice receives on."""
    return (
        [child.inbound.spi for _, child in pair.alice.children.values()],
        [child.outbound.spi for _, child in pair.bob.children.values()],
    )


def test_a_rekey_of_a_child_sa_that_is_still_on_its_way_is_put_off():
    pair = rekeyed_by_bob_unknown_to_him()
    (sa,) = pair.alice.sas.values()
    # HDR, SK {N(REKEY_SA, new), …}  -->   <--  HDR, SK {N(TEMPORARY_FAILURE)}
    sa.rekey_child(list(sa.children.values())[-1])
    settle(pair)
    told = [event.notify_type for event in pair.of("alice", PeerNotified) if event.notify_type < 16384]
    assert told == [NotifyType.TEMPORARY_FAILURE]
    ours, theirs = held(pair)
    assert ours == theirs
    assert len(ours) == 1


def test_a_delete_of_a_child_sa_that_is_still_on_its_way_holds():
    pair = rekeyed_by_bob_unknown_to_him()
    (sa,) = pair.alice.sas.values()
    # HDR, SK {D(new)}  -->   <--  HDR, SK {}      and only then does Bob learn that there was one
    sa.delete_child(list(sa.children.values())[-1])
    settle(pair)
    assert held(pair) == ([], [])


def test_an_end_that_waits_for_its_own_rekey_sees_by_its_use_which_ike_sa_inherits():
    pair = Pair()
    sa, other = pair.connect(), pair.bobs
    lose_first(pair.bob, ExchangeType.CREATE_CHILD_SA, response=False)
    other.rekey()
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}     on the new one: HDR, SK {D(ESP)}  -->
    sa.rekey()
    (child,) = sa.children.values()
    lose_first(pair.alice, ExchangeType.INFORMATIONAL, response=False, spi_i=sa.spi_i)
    pair.network.run(lambda: sa.successor is not None)
    assert other.successor is None
    sa.successor.delete_child(child)
    settle(pair)
    assert held(pair) == ([], [])
    assert len(pair.alice.sas) == len(pair.bob.sas) == 1


def test_a_successor_that_is_rekeyed_before_it_inherits_passes_its_heirs_on():
    pair = Pair()
    sa, other = pair.connect(), pair.bobs
    lose_first(pair.alice, ExchangeType.CREATE_CHILD_SA, response=False, spi_i=sa.spi_i)
    sa.rekey()
    lose_first(pair.bob, ExchangeType.INFORMATIONAL, response=False, spi_i=sa.spi_i)
    # <--  HDR, SK {SA, Ni, KEi}   HDR, SK {SA, Nr, KEr}  -->     and on the new one: HDR, SK {SA, Ni, KEi}  -->
    other.rekey()
    pair.network.run(lambda: other.successor is not None)
    assert sa.successor is None
    sa.peer_rekeyed.sa.rekey()
    # <--  HDR, SK {D(IKE)}     on the old one, which arrives last
    settle(pair)
    ours, theirs = held(pair)
    assert ours == theirs
    assert len(ours) == 1
    assert len(pair.alice.sas) == len(pair.bob.sas) == 1
    assert next(iter(pair.alice.sas.values())).children
