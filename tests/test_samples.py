# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples: each family of tests that has one keeps some fast tests, and every other test of it is slow."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.samples import in_sample, pytest_collection_modifyitems


class Item:
    """A test, as far as the hook asks for one."""

    def __init__(self, name: str, *marks: pytest.Mark) -> None:
        self.name, self.marks = name, [*marks]

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return next((mark for mark in self.marks if mark.name == name), None)

    def add_marker(self, mark: pytest.MarkDecorator) -> None:
        self.marks.append(mark.mark)


def test_one_in_so_many_stays_fast() -> None:
    family = [Item(f"test_one[{number}]", pytest.mark.sample(4).mark) for number in range(400)]
    others = [Item(f"test_two[{number}]") for number in range(20)]
    pytest_collection_modifyitems([*family, *others])  # type: ignore[list-item]
    fast = [item.name for item in family if item.get_closest_marker("slow") is None]
    assert fast == [item.name for item in family if in_sample(item.name, 4)]
    assert 80 < len(fast) < 120
    assert not any(item.marks for item in others)


def test_each_family_here_has_fast_tests_and_slow_ones(request: pytest.FixtureRequest) -> None:
    """As far as this run has collected it."""
    families: dict[str, Counter[bool]] = {}
    for item in request.session.items:
        if item.get_closest_marker("sample") is not None:
            slow = item.get_closest_marker("slow") is not None
            families.setdefault(item.nodeid.partition("[")[0], Counter())[slow] += 1
    assert not [name for name, counts in families.items() if not counts[False]]
