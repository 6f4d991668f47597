# SPDX-License-Identifier: GPL-2.0-or-later
"""Authenticate again: a new IKE SA from scratch with new Child SAs, then the old one goes (RFC 7296 section 2.8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.errors import FynxError
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.life.reconnect import child_configs, reconnect

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


class Replace(Exchange):
    """Stands behind all that sets up the new IKE SA, and when its turn comes sends the old one away.

    It puts nothing on the wire of the new one. Should the new one fail, it is tried again.
    """

    exchange_type = ExchangeType.INFORMATIONAL

    def __init__(self, sa: SaRecord, old: SaRecord, wanted: int) -> None:
        super().__init__(sa)
        self.old, self._wanted = old, wanted

    def initiate(self) -> Steps:
        """Make before break: delete the old IKE SA only once the new one has as many Child SAs."""
        new, old = self.sa, self.old.newest
        if len(new.children) < self._wanted:
            new.delete_ike()
            self._try_again(old)
        else:
            # What the peer sent on the old Child SAs, before it knew the new ones, is still on its way.
            old.endpoint.timers.set(new.now + old.endpoint.config.esp_linger, lambda now: _delete(old, now))
        return
        yield

    def failed(self, error: FynxError) -> None:
        """The new IKE SA did not come up: the old one lives on until its own time is over."""
        self._try_again(self.old.newest)

    def _try_again(self, old: SaRecord) -> None:
        self.old.replacement = None
        endpoint = old.endpoint
        at = endpoint.now + endpoint.randomness.uniform(*old.config.retry_wait)

        def again(now: float) -> None:
            found = old.newest
            if found.established:
                reauthenticate(found)

        if old.established:
            endpoint.timers.set(at, again)


def reauthenticate(old: SaRecord) -> SaRecord:
    """Begin the IKE SA that takes the place of ``old``; returns it, or the one that is under way already."""
    if old.replacement is None:
        children = child_configs(old)
        old.replacement = new = reconnect(old, old.now, children)
        new.start(Replace(new, old, len(children)))
    return old.replacement


def replace_refused(sa: SaRecord) -> None:
    """The peer takes no more SAs on this IKE SA: NO_ADDITIONAL_SAS answered the rekey of it or of a Child SA.

    Section 4: "the implementation MUST be capable of instead deleting the old SA and creating a new one". The new one
    comes first, so that traffic goes on; should it not come up, the hard limit decides.
    """
    if sa.established and sa.config.replace_refused:
        reauthenticate(sa)


def _delete(old: SaRecord, now: float) -> None:
    old = old.newest
    if old.established:
        old.delete_ike()
