# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests share: how hypothesis draws, and that nothing is left out in silence."""

from __future__ import annotations

import os

import hypothesis

# The names are the hooks'.
from tests.left_out import (  # noqa: F401
    pytest_deselected,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

# No deadline: how long one example takes says more about the machine than about us. On CI the examples are the same in
# every run, so that a failure there can be had here.
hypothesis.settings.register_profile("fynx", deadline=None, max_examples=60)
hypothesis.settings.register_profile("ci", parent=hypothesis.settings.get_profile("fynx"), derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "fynx")
