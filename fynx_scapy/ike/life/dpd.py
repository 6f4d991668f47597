# SPDX-License-Identifier: GPL-2.0-or-later
"""Dead peer detection: check that a silent peer is alive, and act when it is dead (RFC 7296 section 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fynx_scapy.errors import Closing
from fynx_scapy.ike.child.traps import Traps
from fynx_scapy.ike.life.reconnect import child_configs, config_of, reconnect

if TYPE_CHECKING:
    from fynx_scapy.ike.basics.timers import Timer
    from fynx_scapy.ike.config import ChildConfig
    from fynx_scapy.ike.core.record import SaRecord


class Watch:
    """The dead peer detection of one established IKE SA."""

    def __init__(self, sa: SaRecord) -> None:
        self._sa = sa
        self._interval = sa.config.dpd.interval
        self._timer: Timer | None = None
        self._set(sa.now)

    def stop(self) -> None:
        """Stop: the IKE SA has ended."""
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
            # Any authentic packet, on the IKE SA or on a Child SA, shows that the peer is alive.
            return self._set(sa.last_heard)
        for child in sa.children.values():
            child.rest()
        if not sa.requests.pending and not sa.requests.waiting:
            # HDR, SK {}  -->   <--  HDR, SK {}
            sa.liveness()
        # Otherwise a request is in flight, which checks the peer just as well.
        return self._set(now)


def _clear(sa: SaRecord, children: list[ChildConfig]) -> None:
    """Do nothing more."""


def _restart(sa: SaRecord, children: list[ChildConfig]) -> None:
    # If the peer stays away, the next packet that matches tries again.
    _hold(sa, children)
    sa.replacement = reconnect(sa, sa.now, children)


def _hold(sa: SaRecord, children: list[ChildConfig]) -> None:
    sa.endpoint.of(Traps).set(config_of(sa, children))


_ACTIONS: dict[str, Callable[[SaRecord, list[ChildConfig]], None]] = {
    "clear": _clear,
    "restart": _restart,
    "hold": _hold,
}


def handle_dead_peer(sa: SaRecord, end: Callable[[], None]) -> None:
    """Call ``end`` to end the exchange, close the IKE SA, and do what `DeadPeerDetection.action` says.

    Only an established IKE SA is restored, not one that was being set up or deleted.
    """
    was_established, children = sa.established, child_configs(sa)
    end()
    sa.closed("the peer does not answer", Closing.PEER_DEAD)
    if was_established:
        _ACTIONS[sa.config.dpd.action](sa, children)
