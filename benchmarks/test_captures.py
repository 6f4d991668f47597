# SPDX-License-Identifier: GPL-2.0-or-later
"""The comparison of captures runs on a small one, and every side sees every packet."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import captures
from benchmarks.generated import generated

MEASURED = (captures.INDEX, captures.DECRYPT)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_every_side_measures_the_same_capture() -> None:
    runs = captures.measured(2_000_000, 1)
    assert captures.checked(runs) > 1000
    assert all(run.seconds > 0 for found in runs.values() for run in found)
    assert all(1 << 20 < captures.peak(code, *generated(2_000_000)) < 300 << 20 for code in MEASURED)
