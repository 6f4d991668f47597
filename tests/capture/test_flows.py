# SPDX-License-Identifier: GPL-2.0-or-later
"""What sequence numbers tell of a flow: gaps, reordering, duplicates, replays, and the crossing of 2^32."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fynx_scapy.capture.reading.flows import MOST_GAPS, EspFlow


def flow(*sequence: int) -> EspFlow:
    found = EspFlow("esp", 1, "a", "b", 1, 0.0)
    for number, each in enumerate(sequence, 1):
        found.count(each & 0xFFFFFFFF, 100, float(number), number)
    return found


def test_a_gap_and_what_fills_it() -> None:
    assert flow(1, 2, 5).gaps == [(3, 4)]
    late = flow(1, 2, 5, 3)
    assert (late.missing, late.reordered, late.late, late.replays) == (1, 1, 0, 0)


def test_the_newest_number_again_is_a_duplicate_an_older_one_a_replay() -> None:
    found = flow(1, 2, 2, 3, 1)
    assert (found.packets, found.duplicates, found.replays, found.missing) == (5, 1, 1, 0)


def test_what_a_window_of_64_would_drop_is_late() -> None:
    assert flow(1, 66, 2).late == 1
    assert flow(1, 66, 3).late == 0


def test_a_flow_that_begins_out_of_order() -> None:
    found = flow(7, 5, 8)
    assert (found.lowest, found.highest, found.missing, found.reordered) == (5, 8, 1, 1)


def test_numbers_go_on_above_32_bits() -> None:
    found = flow(2**32 - 2, 2**32 - 1, 2**32, 2**32 + 2, 2**32 + 1, 2**32 + 3)
    assert (found.lowest, found.highest, found.missing, found.reordered) == (2**32 - 2, 2**32 + 3, 0, 1)


def test_gaps_are_bounded_and_the_oldest_are_lost() -> None:
    found = flow(*range(1, 4 * MOST_GAPS, 2))
    assert (len(found.gaps), found.missing) == (MOST_GAPS, 2 * MOST_GAPS - 1)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_the_same_as_counting_with_a_set(sequence: list[int]) -> None:
    found, seen, reordered, again = flow(*sequence), set[int](), 0, 0
    for each in sequence:
        again += each in seen
        reordered += bool(seen) and each not in seen and each < max(seen)
        seen.add(each)
    assert (found.lowest, found.highest) == (min(seen), max(seen))
    assert found.missing == max(seen) - min(seen) + 1 - len(seen)
    assert (found.reordered, found.duplicates + found.replays) == (reordered, again)
    assert sum(last - first + 1 for first, last in found.gaps) == found.missing
