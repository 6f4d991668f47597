# SPDX-License-Identifier: GPL-2.0-or-later
"""The side-by-side comparison runs, and both of its sides do what they say."""

from __future__ import annotations

import pytest

from benchmarks import side_by_side


@pytest.mark.slow
@pytest.mark.parametrize("script", ["contrib.py", "ours.py"])
def test_each_side_measures(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "ROUNDS", 3)
    times = side_by_side.measured(script)
    assert len(times) == 3
    assert all(0 < elapsed < 10_000 and 0 <= processor < 10_000 for elapsed, processor in times)
