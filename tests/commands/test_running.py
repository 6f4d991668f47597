# SPDX-License-Identifier: GPL-2.0-or-later
"""What fynx connect and fynx serve set up around their network."""

from __future__ import annotations

import asyncio
import io
import resource
from collections.abc import Iterator

import pytest

from fynx_scapy.commands.running import DESCRIPTORS, Running, more_descriptors
from fynx_scapy.commands.screen import Screen

LIMIT = resource.RLIMIT_NOFILE


@pytest.fixture
def few() -> Iterator[int]:
    """A soft limit below the hard one, which it returns."""
    soft, hard = resource.getrlimit(LIMIT)
    resource.setrlimit(LIMIT, (900, hard))
    yield hard
    resource.setrlimit(LIMIT, (soft, hard))


def test_file_descriptors_up_to_the_hard_limit(few: int) -> None:
    """They bound how many TLS connections of EAP there may be at a time."""
    names = ("duration", "pcap", "save", "log_level", "log_json", "metrics")

    async def main() -> int:
        async with Running(Screen(io.StringIO()), dict.fromkeys(names) | {"no_offload": True}):
            return resource.getrlimit(LIMIT)[0]

    assert asyncio.run(main()) == (DESCRIPTORS if few == resource.RLIM_INFINITY else min(few, DESCRIPTORS))
    assert resource.getrlimit(LIMIT) == (900, few)


@pytest.mark.parametrize("limits", [(1000, 1000), (DESCRIPTORS + 1, 1 << 20), (resource.RLIM_INFINITY,) * 2])
def test_a_limit_that_is_high_enough_stays(monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int]) -> None:
    changed: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda *words: changed.append(words))
    with more_descriptors():
        assert not changed


def test_a_system_that_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(*words: object) -> None:
        asked.append(words)
        raise PermissionError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    with more_descriptors():
        assert asked == [(resource.RLIMIT_NOFILE, (4096, 4096))]
