# SPDX-License-Identifier: GPL-2.0-or-later
"""Audit a capture: judge what was offered, chosen and used by the tables of a profile.

`collect` gathers the facts, `PROFILES` has the tables, `judge` makes findings from both, and `audit` does it all.
"""

from __future__ import annotations

from fynx_scapy.capture.audit.collect import collect
from fynx_scapy.capture.audit.facts import CaptureFacts
from fynx_scapy.capture.audit.finding import Finding
from fynx_scapy.capture.audit.profiles import PROFILES
from fynx_scapy.capture.audit.rules import Profile, Severity, Source, Status
from fynx_scapy.capture.audit.verdict import Audit, audit, judge

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
