# SPDX-License-Identifier: GPL-2.0-or-later
"""Reauthentication: set up a new IKE SA with new Child SAs, then delete the old one (RFC 7296 section 2.8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.errors import Closing, FynxError
from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.life.reconnect import child_configs, reconnect

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


class Replace(Exchange):
    """Waits behind the exchanges that set up the new IKE SA, and then deletes the old one.

    It sends nothing on the new IKE SA. If the new IKE SA fails, it starts another attempt.
    """

    exchange_type = ExchangeType.INFORMATIONAL

    def __init__(self, sa: SaRecord, old: SaRecord, wanted: int) -> None:
        super().__init__(sa)
        self.old, self._wanted = old, wanted

    def initiate(self) -> Steps:
        """Make before break: delete the old IKE SA only once the new one has as many Child SAs."""
        new, old = self.sa, self.old.newest
        if len(new.children) < self._wanted:
            new.delete_ike(Closing.REJECTED)
            self._try_again(old)
        else:
            # Packets on the old Child SAs may still be on their way.
            old.endpoint.timers.set(new.now + old.endpoint.config.esp_linger, lambda now: _delete(old, now))
        return
        yield

    def failed(self, error: FynxError) -> None:
        """Try again: the new IKE SA failed. The old one lives until its hard limit."""
        self._try_again(self.old.newest)

    def _try_again(self, old: SaRecord) -> None:
        self.old.replacement = None
        endpoint = old.endpoint
        at = endpoint.now + endpoint.randomness.uniform(*old.config.retry_wait)

        def again(now: float) -> None:
            newest = old.newest
            if newest.established:
                reauthenticate(newest)

        if old.established:
            endpoint.timers.set(at, again)


def reauthenticate(old: SaRecord) -> SaRecord:
    """Begin the IKE SA that replaces ``old``; returns it, or the one that is being set up already."""
    if old.replacement is None:
        children = child_configs(old)
        old.replacement = new = reconnect(old, old.now, children)
        new.start(Replace(new, old, len(children)))
    return old.replacement


def replace_refused(sa: SaRecord) -> None:
    """Replace an IKE SA after the peer answered a rekey of it, or of a Child SA, with NO_ADDITIONAL_SAS.

    Section 4: "the implementation MUST be capable of instead deleting the old SA and creating a new one". We create the
    new one first, so that traffic goes on. If that fails, the old one lives until its hard limit.
    """
    if sa.established and sa.config.replace_refused:
        reauthenticate(sa)


def _delete(old: SaRecord, now: float) -> None:
    old = old.newest
    if old.established:
        old.delete_ike(Closing.REPLACED)
