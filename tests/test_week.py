# SPDX-License-Identifier: GPL-2.0-or-later
"""What a long life leaves behind: nothing."""

from __future__ import annotations

import pytest

from tools import week


def check(report: week.Report) -> None:
    assert report.sent == report.answered > 0
    assert not any(report.live.values()), report.live
    assert report.events["IkeSaEstablished"] == 2, "no reconnect"
    # An hour's lifetime of Child SAs, up to a tenth shorter; four of IKE SAs.
    assert report.events["ChildSaRekeyed"] >= 2 * 23 * report.days
    assert report.events["IkeSaRekeyed"] >= 2 * 5 * report.days


@pytest.mark.slow
def test_after_closing_nothing_is_live():
    check(week.run(days=1, every=1200.0))


@pytest.mark.slow
def test_a_week_takes_less_than_a_minute_and_grows_by_less_than_64_kib():
    report = week.run()
    check(report)
    assert report.seconds < 60
    assert report.growth < 64 * 1024
