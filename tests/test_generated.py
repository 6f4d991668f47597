# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages that are drawn from the code are those that the code draws now."""

from __future__ import annotations

import pytest

from fynx_scapy.errors import LocalError
from fynx_scapy.ike.basics.states import TRANSITIONS, State, change
from tests.ike.pair import Pair, alice
from tools.generate import DOCS, PAGES


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_what_the_code_draws(page):
    assert (DOCS / page).read_text() == PAGES[page](), f"docs/{page} is out of date: run scripts/docs"


@pytest.mark.parametrize("old", State)
@pytest.mark.parametrize("new", State)
def test_no_ike_sa_takes_a_way_that_is_not_in_the_table(old, new):
    if old is new or (old, new) in TRANSITIONS:
        assert change(old, new) is new
    else:
        with pytest.raises(RuntimeError, match=f"expected a transition of the table, found {old.value} to {new.value}"):
            change(old, new)


def test_the_table_is_held_against_each_change():
    pair = Pair()
    sa = pair.connect()
    sa.delete_ike()
    pair.network.run()
    assert sa.state is State.CLOSED
    with pytest.raises(RuntimeError):
        sa.state = State.ESTABLISHED


def test_every_state_is_reached_and_all_but_the_last_are_left():
    assert {new for _, new in TRANSITIONS} == set(State) - {State.CONNECTING}
    assert {old for old, _ in TRANSITIONS} == set(State) - {State.CLOSED}


def test_one_that_is_deleted_before_it_is_up_comes_up_and_goes():
    pair = Pair()
    sa = pair.alice.connect(alice(), 0.0)
    sa.delete_ike()
    before = sa.state
    pair.network.run()
    assert before is State.CONNECTING
    assert sa.state is State.CLOSED
    assert not any(other.established for other in pair.bob.sas.values())


def test_a_half_open_one_of_somebody_else_is_not_ours_to_delete():
    pair = Pair()
    pair.alice.connect(alice(), 0.0, authenticate=False)
    pair.network.run(1.0)
    with pytest.raises(LocalError):
        pair.bobs.delete_ike()


def test_a_delete_that_waits_for_a_rekey_deletes_the_successor_too():
    pair = Pair()
    sa = pair.connect()
    sa.endpoint.now = pair.network.now
    # HDR, SK {SA, Ni, KEi}  -->   <--  HDR, SK {SA, Nr, KEr}
    sa.rekey()
    # HDR, SK {D}  -->
    sa.delete_ike()
    before = sa.state
    pair.network.run()
    assert before is State.DELETING
    assert sa.state is State.CLOSED
    for end in (pair.alice, pair.bob):
        assert {other.state for other in end.sas.values()} == {State.CLOSED}
        assert not any(other.children for other in end.sas.values())
