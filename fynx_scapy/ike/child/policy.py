# SPDX-License-Identifier: GPL-2.0-or-later
"""Select the Child SA for a packet (RFC 4301 section 5.1, RFC 7296 section 2.9.1).

The most specific one is used: the one with the fewest remote addresses in the matching selector, then the fewest local
addresses, then the fewest ports. Among equals the newest is used, so that a rekeyed SA takes over from its predecessor.
With decorrelated policies, as RFC 4301 requires, this gives the same result as their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fynx_scapy.ike.terms.selectors import Flow, Selector

if TYPE_CHECKING:
    from fynx_scapy.ike.core.child import ChildSa
    from fynx_scapy.ike.core.record import SaRecord

Candidate = tuple["SaRecord", "ChildSa"]


def pick(children: Iterable[Candidate], flow: Flow) -> Candidate | None:
    """The Child SA for a packet, and its IKE SA, or None. ``children`` are in order, oldest first."""
    best: Candidate | None = None
    least: tuple[int, int, int] | None = None
    for candidate in children:
        if not (usable(*candidate) and candidate[1].takes(flow)):
            continue
        if best is None:
            best = candidate
            continue
        if least is None:
            least = _width(best[1], flow)
        width = _width(candidate[1], flow)
        if width <= least:
            best, least = candidate, width
    return best


def usable(sa: SaRecord, child: ChildSa) -> bool:
    """Whether a packet may be sent on a Child SA now. When any of this changes, cached choices are forgotten."""
    return sa.established and child.ready and not (child.deleting or child.expired or child.gone)


def _width(child: ChildSa, flow: Flow) -> tuple[int, int, int]:
    """The size of the narrowest selectors that match a packet: remote addresses, local addresses, ports."""
    remote = _narrowest(child.remote_ts, flow.version, flow.destination)
    local = _narrowest(child.local_ts, flow.version, flow.source)
    return remote[0], local[0], remote[1] + local[1]


def _narrowest(selectors: tuple[Selector, ...], version: int, address: int) -> tuple[int, int]:
    fitting = [s for s in selectors if s.version == version and s.start <= address <= s.end]
    return min((s.end - s.start, (s.end_port - s.start_port) + (65536 if not s.protocol else 0)) for s in fitting)
