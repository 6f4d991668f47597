# SPDX-License-Identifier: GPL-2.0-or-later
"""For all tests: the settings of hypothesis, and the list of skipped tests at the end."""

from __future__ import annotations

import os

import hypothesis

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
