# SPDX-License-Identifier: GPL-2.0-or-later
"""For all tests: the settings of hypothesis, and the list of skipped tests at the end."""

from __future__ import annotations

import gc
import os

import hypothesis
import pytest

# pytest finds the hooks by these names.
from tests.left_out import (  # noqa: F401
    pytest_deselected,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

# No deadline: how long one example takes depends on the machine. On CI the examples are the same in every run, so that
# a failure can be reproduced.
hypothesis.settings.register_profile("fynx", deadline=None, max_examples=60)
hypothesis.settings.register_profile("ci", parent=hypothesis.settings.get_profile("fynx"), derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "fynx")


gc.disable()  # collecting tests makes no garbage


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what collecting made, which lives to the end, away from the garbage collector.

    There are over 14,000 tests: it would look at all of them and at every module again and again, and a gc.collect() of
    a test would take a third of a second. With the default thresholds it takes a tenth of the time of all tests.
    """
    gc.freeze()
    gc.set_threshold(2000, 20, 100)
    gc.enable()
