# SPDX-License-Identifier: GPL-2.0-or-later
"""Dead peer detection: ask a silent peer whether it lives, and what to do when it does not (RFC 7296 section 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fynx_scapy.ike.child.traps import Traps
from fynx_scapy.ike.life.reconnect import child_configs, config_of, reconnect

if TYPE_CHECKING:
    from fynx_scapy.ike.basics.timers import Timer
    from fynx_scapy.ike.config import ChildConfig
    from fynx_scapy.ike.core.record import SaRecord


class Watch:
    """Watches one established IKE SA."""

    def __init__(self, sa: SaRecord) -> None:
        self._sa = sa
        self._interval = sa.config.dpd.interval
        self._timer: Timer | None = None
        self._set(sa.now)

    def stop(self) -> None:
        """The IKE SA ended: hold on to nothing."""
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, since: float) -> None:
        if self._interval is not None:
            self._timer = self._sa.endpoint.timers.set(since + self._interval, self._look)

    def _look(self, now: float) -> None:
        sa = self._sa
        if not sa.established:
            return None
        if self._interval is not None and now < sa.last_heard + self._interval:
            # Whatever came in, on the IKE SA or on a Child SA, showed that the peer lives.
            return self._set(sa.last_heard)
        if not sa.requests.pending and not sa.requests.waiting:
            # HDR, SK {}  -->   <--  HDR, SK {}
            sa.liveness()
        # Else a request is under way, which asks as well as an empty one.
        return self._set(now)


def _clear(sa: SaRecord, children: list[ChildConfig]) -> None:
    """Nothing more."""


def _restart(sa: SaRecord, children: list[ChildConfig]) -> None:
    # Should the peer be away for longer, the next packet that wants through tries again.
    _hold(sa, children)
    reconnect(sa, sa.now, children)


def _hold(sa: SaRecord, children: list[ChildConfig]) -> None:
    sa.endpoint.of(Traps).set(config_of(sa, children))


_ACTIONS: dict[str, Callable[[SaRecord, list[ChildConfig]], None]] = {
    "clear": _clear,
    "restart": _restart,
    "hold": _hold,
}


def handle_dead_peer(sa: SaRecord, end: Callable[[], None]) -> None:
    """The peer is dead: ``end`` ends what waited for it, then the IKE SA goes, and what the configuration says follows.

    An IKE SA that was on its way in or out anyway is not missed.
    """
    missed, children = sa.established, child_configs(sa)
    end()
    sa.closed("the peer does not answer")
    if missed:
        _ACTIONS[sa.config.dpd.action](sa, children)
