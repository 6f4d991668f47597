# SPDX-License-Identifier: GPL-2.0-or-later
"""The search finds exactly the combinations that a policy accepts, whatever an answer says of the choice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from fynx_scapy.crypto.transforms import Transform
from fynx_scapy.scan.catalogue import GROUPS, INTEGS, KE, NORMAL, PRFS, Box
from fynx_scapy.scan.search import Point, Reply, Search, inside
from tests.examples import examples

WHOLE: Box = (NORMAL[:9], PRFS[:5], INTEGS[:4], GROUPS[:6])
TELLS = ("everything", "the group", "nothing")


def proposals() -> st.SearchStrategy[list[Box]]:
    part = st.tuples(*(st.lists(st.sampled_from(v), min_size=1, max_size=3, unique=True).map(tuple) for v in WHOLE))
    return st.lists(part, max_size=4)


class Policy:
    """A responder's policy. ``tells`` is what its answers say of its choice."""

    def __init__(self, policy: Sequence[Box], tells: str = "nothing") -> None:
        self.policy, self.tells, self.asked = policy, tells, 0

    def ask(self, offer: Sequence[Box]) -> Reply:
        self.asked += 1
        for own, box in itertools.product(self.policy, offer):
            both = [[value for value in mine if value in theirs] for mine, theirs in zip(own, box, strict=True)]
            if all(both):
                chosen = tuple(values[0] for values in both)
                told = {"everything": chosen, "the group": chosen[-1:], "nothing": ()}
                return Reply(True, told[self.tells])
        return Reply(False)

    def combinations(self) -> set[Point]:
        return {point for box in self.policy for point in itertools.product(*box)}


@given(proposals(), st.sampled_from(TELLS))
@settings(max_examples=examples(25))
def test_exactly_what_is_accepted(policy: list[Box], tells: str) -> None:
    """With every combination tried, the result is exact: proposals that overlap, hold one another, or are equal."""
    peer = Policy(policy, tells)
    found = Search(peer.ask, checks=10_000).run(WHOLE)
    assert {point for each in found for point in itertools.product(*each.box)} == peer.combinations()
    assert all(each.certain for each in found)


@given(proposals(), st.sampled_from(TELLS))
@settings(max_examples=examples(12))
def test_no_transform_is_missed(policy: list[Box], tells: str) -> None:
    """With few combinations tried, every transform is still right, and so is every combination that is there."""
    peer = Policy(policy, tells)
    found = Search(peer.ask, checks=4).run(WHOLE)
    assert {value for each in found for values in each.box for value in values} == {
        value for box in policy for values in box for value in values
    }
    assert all(any(inside(point, each.box) for each in found) for point in peer.combinations())


def test_two_proposals_are_two() -> None:
    """AES with SHA-2 and 3DES with SHA-1: nothing else goes together, and that is seen with a few tries."""
    first: Box = (NORMAL[:3], PRFS[:2], INTEGS[:2], GROUPS[:4])
    second: Box = (NORMAL[6:7], PRFS[3:4], INTEGS[3:4], GROUPS[4:6])
    peer = Policy([first, second])
    found = Search(peer.ask, checks=8).run(WHOLE)
    assert [each.box for each in found] == [first, second]
    assert peer.asked < 110
    assert (found[0].combinations, found[0].certain, found[1].certain) == (48, False, True)


def test_a_known_combination_saves_the_search_for_one() -> None:
    policy: Box = (NORMAL[5:6], PRFS[4:5], INTEGS[2:3], GROUPS[5:6])
    asked = []
    for known in (None, tuple(values[0] for values in policy)):
        peer = Policy([policy])
        assert [each.box for each in Search(peer.ask).run(WHOLE, known)] == [policy]
        asked.append(peer.asked)
    assert asked[1] < asked[0]


@pytest.mark.parametrize("tells", TELLS)
def test_few_questions(tells: str) -> None:
    """What an answer tells of the choice saves questions, and a policy that accepts nothing takes one."""
    peer = Policy([(NORMAL[:3], PRFS[:3], INTEGS[:3], GROUPS[:5])], tells)
    Search(peer.ask, checks=8).run(WHOLE)
    assert peer.asked <= {"everything": 35, "the group": 42, "nothing": 48}[tells]
    nothing = Policy([])
    assert Search(nothing.ask).run(WHOLE) == []
    assert nothing.asked == 1


def test_an_answer_that_names_what_was_not_offered_ends() -> None:
    """A responder that accepts everything, and names a group that nobody offered, ends the search soon."""
    asked = []

    def ask(offer: Sequence[Box]) -> Reply:
        asked.append(offer)
        return Reply(True, (Transform(KE, 4711),))

    found = Search(ask, checks=8).run(WHOLE)
    assert [each.box for each in found] == [WHOLE]
    assert len(asked) < 80
