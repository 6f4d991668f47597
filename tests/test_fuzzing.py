# SPDX-License-Identifier: GPL-2.0-or-later
"""A sample of what `scripts/fuzz` runs at length."""

from __future__ import annotations

import pytest

from tests.fuzzing import CHECK_EVERY, INSIDE_EVERY, corpus, fuzz, mutated
from tests.shared import shared


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_mutants_break_nothing(seed: int) -> None:
    result = fuzz(1000, seed)
    assert result.datagrams == 1000
    assert result.inside == 1000 // INSIDE_EVERY
    assert result.checks == 1000 // CHECK_EVERY + 1
    # It is no good fuzzing if nothing gets past the first look.
    assert result.malformed > 100
    assert {"MessageDropped", "IntegrityFailed", "PeerNotified"} <= result.events.keys()


def test_captures_are_mutated_too() -> None:
    captures = shared("captures/lab")
    assert len(corpus(captures)) > len(corpus(None)) + 100


def test_a_seed_repeats_itself() -> None:
    assert fuzz(60, 3) == fuzz(60, 3)


def test_mutations_change_something() -> None:
    import random

    chance = random.Random(0)
    octets = bytes(range(64))
    assert sum(mutated(octets, bytes(64), chance) != octets for _ in range(500)) > 450
