# SPDX-License-Identifier: GPL-2.0-or-later
"""An audit of a capture: what was offered, chosen and used, judged by the tables of a profile.

`collect` gathers the facts, `PROFILES` hold the tables, `judge` makes findings of both, `audit` does it all.
"""

from __future__ import annotations

from .collect import collect
from .facts import CaptureFacts
from .finding import Finding
from .profiles import PROFILES
from .rules import Profile, Severity, Source, Status
from .verdict import Audit, audit, judge

__all__ = [
    "PROFILES",
    "Audit",
    "CaptureFacts",
    "Finding",
    "Profile",
    "Severity",
    "Source",
    "Status",
    "audit",
    "collect",
    "judge",
]
