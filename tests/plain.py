# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenarios without the catalogue of negative cases, which has tests of its own."""

from __future__ import annotations

from fynx_scapy import scenarios

PLAIN = [made for made in scenarios.everything().values() if not made.topic.startswith(f"{scenarios.CATALOGUE}/")]
PLAIN_NAMES = [made.name for made in PLAIN if made.topic not in ("messages", "certification")]
"""Without those that are made of data, too: about every message of a peer, and the tests of certifications."""
LIVE_NAMES = [made.name for made in PLAIN if made.live and made.name in PLAIN_NAMES]
"""Those that run with a live peer, too."""
