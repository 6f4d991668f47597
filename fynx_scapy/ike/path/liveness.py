# SPDX-License-Identifier: GPL-2.0-or-later
"""A hint that the peer may be gone: ask it, but not too often (RFC 7296 section 2.4)."""

from __future__ import annotations

from fynx_scapy.ike.core.record import SaRecord


def check_liveness(sa: SaRecord) -> bool:
    """Start a liveness check, unless we are asking something or asked lately; returns whether we do."""
    idle = sa.established and not sa.requests.pending and not sa.requests.waiting
    if not (idle and sa.limits.allow("liveness", sa.now, sa.endpoint.config.hint_interval)):
        return False
    sa.liveness()
    return True
