# SPDX-License-Identifier: GPL-2.0-or-later
"""The times of a ladder as text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from fynx_scapy.ladder.rows import Row

TICK = 1e-6
"""The shortest step that is shown. A float of current time holds no less."""


def decimals(rows: Sequence[Row]) -> int:
    """3, or 6 if a step from one row to the next would not show in milliseconds."""
    steps = ((one.time, two.time) for one, two in pairwise(rows))
    return 6 if any(abs(one - two) > TICK / 2 and f"{one:.3f}" == f"{two:.3f}" for one, two in steps) else 3
