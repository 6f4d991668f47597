# SPDX-License-Identifier: GPL-2.0-or-later
"""For all tests: the settings of hypothesis, how processes share them, and the list of skipped tests at the end."""

from __future__ import annotations

import gc

import hypothesis
import pytest

from tests.examples import ON_CI, examples

# pytest finds the hooks by these names.
from tests.left_out import (  # noqa: F401
    pytest_deselected,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.samples import pytest_collection_modifyitems  # noqa: F401
from tests.sharing import pytest_xdist_make_scheduler  # noqa: F401

# No deadline: how long one example takes depends on the machine. On CI the examples are the same in every run, so that
# a failure can be reproduced.
hypothesis.settings.register_profile("fynx", deadline=None, max_examples=examples(60))
hypothesis.settings.register_profile("ci", parent=hypothesis.settings.get_profile("fynx"), derandomize=True)
hypothesis.settings.load_profile("ci" if ON_CI else "fynx")


gc.disable()  # collecting tests makes no garbage


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what collecting made, which lives to the end, away from the garbage collector.

    There are over 14,000 tests: it would look at all of them and at every module again and again, and a gc.collect() of
    a test would take a third of a second. With the default thresholds it takes a tenth of the time of all tests.
    """
    gc.freeze()
    gc.set_threshold(2000, 20, 100)
    gc.enable()


@pytest.fixture(scope="module")
def small_heap() -> None:
    """For tests that have the garbage collector look at everything: what earlier tests left alive does not count."""
    gc.collect()
    gc.freeze()
