# SPDX-License-Identifier: GPL-2.0-or-later
"""A list with a ceiling: the latest is kept, places stay what they were, and what is let go is counted."""

from __future__ import annotations

import pytest

from fynx_scapy.ike.basics.bounded import Bounded


def numbers(most: int = 8, **more) -> Bounded[int]:
    return Bounded(most, 10**9, **more)


def test_below_its_ceiling_it_is_a_list():
    items = numbers()
    items += [1, 2, 3]
    items.extend([4])
    assert items == [1, 2, 3, 4]
    assert (len(items), items[-1], items[1:3], list(reversed(items))) == (4, 4, [2, 3], [4, 3, 2, 1])
    assert not items.dropped
    assert items.drain() == [1, 2, 3, 4]
    assert not items
    assert len(items) == 0


def test_the_latest_is_kept_and_the_rest_is_counted():
    items = numbers()
    for number in range(100):
        items.append(number)
        assert items.kept <= 8
        assert items[-1] == number
    assert len(items) == 100
    assert items.dropped == {"int": 100 - items.kept}


def test_what_came_after_a_place_is_found_behind_it():
    items = numbers()
    items.extend(range(50))
    seen = len(items)
    items.extend([50, 51])
    assert items[seen:] == [50, 51]
    assert items[seen] == 50
    assert items[-2] == 50
    assert items[seen : seen + 1] == [50]
    assert items[:seen] == [number for number in items if number < 50]
    assert items[::-1] == list(items)[::-1]
    for place in (0, 1000, -1000):
        with pytest.raises(IndexError):
            items[place]


def test_octets_have_a_ceiling_of_their_own():
    items: Bounded[bytes] = Bounded(1000, 100, weigh=len)
    for _ in range(50):
        items.append(bytes(20))
        assert items.octets == sum(map(len, items)) <= 100
    assert items.dropped["bytes"] == 50 - items.kept


def test_what_lasts_goes_last():
    items = numbers(16, lasting=lambda number: number % 10 == 0)
    items.extend(range(40))
    assert [number for number in items if number % 10 == 0] == [0, 10, 20, 30]
    items.extend(range(40, 1000))
    assert items.kept <= 16
    assert items.dropped.total() == 1000 - items.kept


def test_a_note_stands_where_something_is_missing():
    items: Bounded[str] = Bounded(
        8,
        1000,
        name=lambda item: item[0],
        lasting=lambda item: item == "keep",
        note=lambda first, kinds: f"missing {sum(kinds.values())} from {first}",
    )
    items.append("keep")
    items.extend(f"n{number}" for number in range(100))
    assert items[0] == "keep"
    assert [item for item in items if item.startswith("missing")] == [list(items)[1]]
    gone = items.dropped.total()
    assert list(items)[1].startswith(f"missing {gone} from")
    assert gone + items.kept - 1 == 101
    assert items[len(items) - 1] == "n99"


def test_emptied_it_begins_anew():
    items = numbers()
    items.extend(range(50))
    del items[:]
    assert (len(items), items.octets, list(items)) == (0, 0, [])
    items.append(7)
    assert items[0] == 7
    with pytest.raises(TypeError):
        del items[0]
