# SPDX-License-Identifier: GPL-2.0-or-later
"""How many examples hypothesis tries: all on CI, fewer where somebody waits for the fast tests."""

from __future__ import annotations

import os

ON_CI = bool(os.environ.get("CI"))


def examples(number: int) -> int:
    """So many examples on CI, and a third of them elsewhere, but five at least."""
    return number if ON_CI else max(5, number // 3)
