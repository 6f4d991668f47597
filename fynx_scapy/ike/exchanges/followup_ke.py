# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE_FOLLOWUP_KE: it continues another exchange; without one it is refused (RFC 9370 section 2.2.4)."""

from __future__ import annotations

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import ExchangeType, NotifyType
from fynx_scapy.ike.core.exchange import Exchange, Steps
from fynx_scapy.ike.core.registry import exchange
from fynx_scapy.ike.message import Message
from fynx_scapy.ike.wire.rules import ANYTHING, Round


@exchange(ExchangeType.IKE_FOLLOWUP_KE)
class StateNotFound(Exchange):
    """Refuse a request that continues no waiting exchange. The IKE SA stays.

    An exchange that continues in another exchange type registers a subclass for that type.
    """

    rules = (
        Round(
            # HDR, SK {KEi(n), N(ADDITIONAL_KEY_EXCHANGE)}  -->
            ANYTHING,
            # <--  HDR, SK {N(STATE_NOT_FOUND)}
            ANYTHING,
        ),
    )

    def respond(self, request: Message) -> Steps:
        """Always refuse."""
        # <--  HDR, SK {N(STATE_NOT_FOUND)}
        reason = f"expected a waiting exchange that {request.header_fields.exchange_name} continues, found none"
        raise PeerError(NotifyType.STATE_NOT_FOUND, reason=reason)
