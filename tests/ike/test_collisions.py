# SPDX-License-Identifier: GPL-2.0-or-later
"""Crossing exchanges end as their row says, in every order and with every fault (RFC 7296 sections 2.8, 2.25)."""

from __future__ import annotations

import itertools
import random

import pytest

from fynx_scapy.ike.events import ChildSaRekeyed, IkeSaRekeyed, MessageSent
from fynx_scapy.ike.sa import State
from fynx_scapy.layers.ikev2 import IKEv2_Nonce

from .crossing import ACTIONS, TABLE, WORDS, Crossing, every
from .pair import Pair

SAMPLE = random.Random(7).sample(list(every()), 400)


def test_every_pair_has_a_row_with_its_sentence():
    pairs = {frozenset(pair) for pair in itertools.product(ACTIONS, ACTIONS)}
    assert pairs == set(TABLE)
    assert all(row.sentence[:2] in ("1.", "2.") for row in TABLE.values())


@pytest.mark.parametrize("pair", [*itertools.product(ACTIONS, ACTIONS)], ids=lambda pair: " x ".join(pair))
def test_every_pair_crosses_as_the_table_says(pair):
    for word in WORDS[::30]:
        assert Crossing(*pair, word, None).run() == [], word


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


@pytest.mark.parametrize("seed", range(12))
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
