# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations are made smaller as long as they show the fault."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fynx_scapy.fuzz import Budget, Edit, Step, Talk
from fynx_scapy.fuzz.edits import Value
from fynx_scapy.fuzz.minimise import minimised, reduced, simpler

NOISE = (Edit("drop", "KE"), Edit("set", "Nonce.flags", 7))
BAD = Edit("grow", "Nonce", b"abcdefgh")
TALKS = [
    Talk((Step("liveness", "request", NOISE),)),
    Talk((Step("create_child", "request", (*NOISE, BAD)), Step("rekey_ike", "response", NOISE)), "responder"),
]


def has_bad(talks: Sequence[Talk]) -> bool:
    """At least four octets are added to a nonce."""
    edits = (edit for talk in talks for step in talk.steps for edit in step.edits)
    return any(edit.path == "Nonce" and isinstance(edit.value, bytes) and len(edit.value) >= 4 for edit in edits)


def test_what_does_not_matter_is_left_out() -> None:
    found = minimised(TALKS, has_bad, Budget())
    assert found == [Talk((Step("create_child", "request", (Edit("grow", "Nonce", bytes(4)),)),))]


def test_what_needs_an_earlier_conversation_keeps_it() -> None:
    def both(talks: Sequence[Talk]) -> bool:
        return has_bad(talks) and any(step.base == "liveness" for talk in talks for step in talk.steps)

    found = minimised(TALKS, both, Budget())
    assert found is not None
    assert [[step.base for step in talk.steps] for talk in found] == [["liveness"], ["create_child"]]
    assert sum(talk.edits for talk in found) == 1


def test_what_is_not_seen_again_is_said_so() -> None:
    budget = Budget()
    assert minimised(TALKS, lambda talks: False, budget) is None
    assert budget.used == 2  # the last one, and both


@pytest.mark.parametrize("tries", [1, 2, 3, 5, 8, 13])
def test_the_budget_is_kept_and_what_was_found_until_then_shows_it(tries: int) -> None:
    count = 0

    def counted(talks: Sequence[Talk]) -> bool:
        nonlocal count
        count += 1
        return has_bad(talks)

    found = minimised(TALKS, counted, Budget(tries=tries))
    assert found is not None
    assert has_bad(found)
    assert count <= tries


def test_lists_are_reduced_to_what_is_needed() -> None:
    assert reduced(list(range(50)), lambda kept: {7, 31} <= set(kept)) == [7, 31]
    assert reduced([1, 2, 3], lambda kept: True) == []
    assert len(reduced([1, 2, 3], lambda kept: True, least=1)) == 1


@pytest.mark.parametrize(
    ("value", "simplest"), [(b"abc", b""), (77, 0), ((3, "twice"), (0, "twice")), ((41, 0, b"xy"), (0, 0, b"xy"))]
)
def test_simpler_values_come_first_and_end(value: Value, simplest: Value) -> None:
    assert next(simpler(value)) == simplest
    steps = 0
    while (following := next(simpler(value), None)) is not None:
        value, steps = following, steps + 1
        assert steps < 20
