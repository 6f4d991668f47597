# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of many tests that differ in a value only are fast: a sample of them. All of them run where slow tests run."""

from __future__ import annotations

import zlib

import pytest


def in_sample(name: str, share: int) -> bool:
    """Whether a test is part of a sample of one in ``share``: by its name, so that a new test changes no other."""
    return zlib.crc32(name.encode()) % share == 0


@pytest.hookimpl(tryfirst=True)  # before pytest looks at -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with ``sample(share)`` as slow that are not part of the sample."""
    for item in items:
        mark = item.get_closest_marker("sample")
        if mark is not None and not in_sample(item.name, *mark.args):
            item.add_marker(pytest.mark.slow)
