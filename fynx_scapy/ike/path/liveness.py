# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that the peer is alive after a hint that it may be gone, at a limited rate (RFC 7296 section 2.4)."""

from __future__ import annotations

from fynx_scapy.ike.core.record import SaRecord


def check_liveness(sa: SaRecord) -> bool:
    """Start a liveness check, unless a request is in flight or we checked recently. Returns whether it started."""
    idle = sa.established and not sa.requests.pending and not sa.requests.waiting
    if not (idle and sa.limits.allow("liveness", sa.now, sa.endpoint.config.hint_interval)):
        return False
    sa.liveness()
    return True
