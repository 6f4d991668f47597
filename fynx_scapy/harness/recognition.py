# SPDX-License-Identifier: GPL-2.0-or-later
"""Which program a live peer is, by the vendor IDs that it sends (RFC 7296 section 3.12)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from fynx_scapy.harness.reachability import VENDOR_IDS


def recognised(facts: Mapping[str, str], programs: Collection[str]) -> tuple[str, str]:
    """The program, one of ``programs``, and its version, as the facts of a `Contact` tell them; empty if they do not.

    Most programs send their name alone.
    """
    told = facts.get(VENDOR_IDS, "").casefold()
    for program in programs:
        if found := re.search(rf"\b{re.escape(program)}\b[ _/-]?v?(\d+(?:\.\d+)+)?", told):
            return program, found[1] or ""
    return "", ""
