# SPDX-License-Identifier: GPL-2.0-or-later
"""The ceilings of a scan: what it sends, what it leaves at the host, and how long it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from fynx_scapy.checks import Checked, number, seconds, setting, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLimits(Checked):
    """The ceilings of a scan."""

    rate: float = setting(20.0, number(0.01, 1000, "datagrams a second"))
    """How many datagrams are sent per second, at most."""
    half_open: int = setting(4, whole(1, 1000, "IKE SAs"))
    """How many half-open IKE SAs the scan leaves at the host at a time. They cannot be deleted: the host forgets each
    after a while. strongSwan ignores a source with more than five."""
    half_open_lifetime: float = setting(30.0, seconds())
    """How many seconds we suppose that a host keeps a half-open IKE SA."""
    datagrams: int = setting(5000, whole(1, 1_000_000, "datagrams"))
    """How many datagrams are sent in all."""
    duration: float = setting(3600.0, seconds())
    """How many seconds a scan takes at most."""
    cookies: int = setting(4, whole(0, 100, "cookies"))
    """How many cookies in a row a request follows."""
    groups: int = setting(4, whole(0, 100, "retries"))
    """How many times in a row a request follows INVALID_KE_PAYLOAD."""
    puzzle_effort: int = setting(1 << 18, whole(0, 1 << 30, "PRFs"))
    """How many PRFs the solution of a puzzle may take on average. A harder puzzle is not tried."""
    tries: int = setting(3, whole(1, 20, "times"))
    """How many times a request without an answer is sent."""
    timeout: float = setting(1.0, seconds())
    """How many seconds the first try waits before any answer has come. Each further try waits twice as long."""
    pauses: int = setting(3, whole(0, 20, "pauses"))
    """How many times the scan pauses for a host that has stopped answering: 10 s, then twice as long each time."""
    checks: int = setting(24, whole(0, 4096, "combinations"))
    """How many combinations of each proposal are tried."""

    if TYPE_CHECKING:

        def replace(self, **changes: Any) -> Self: ...
