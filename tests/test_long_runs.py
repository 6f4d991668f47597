# SPDX-License-Identifier: GPL-2.0-or-later
"""Samples of what scripts/soak runs in full."""

from __future__ import annotations

import pytest

from . import soak


@pytest.mark.slow
def test_fifty_lives_over_a_bad_wire():
    report = soak.run(50)
    assert report.faults == []
    assert report.runs == 50
    assert report.counts["rekeys begun"] == 1000
    assert report.counts["accepted"] > 20_000
    assert report.counts["rejected: a copy"] > 1000
