# SPDX-License-Identifier: GPL-2.0-or-later
"""Which unprotected messages an IKE SA accepts: IKE_SA_INIT until it has keys, and nothing after that.

This check comes before all others. No exchange, round or state can change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.iana import ExchangeType
from fynx_scapy.ike.message import Datagram, Header

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord


def fault(sa: SaRecord, datagram: Datagram, header: Header) -> str | None:
    """Why a message must be dropped, or None (RFC 7296 sections 1.2 and 2.21.4).

    The ICV of a message inside SK or SKF is verified later. An IKE_SA_INIT request that is identical to the first one
    is accepted: it is answered from the cache (section 2.1). MalformedError when SK or SKF does not end where the
    message ends.
    """
    initial = header.exchange == ExchangeType.IKE_SA_INIT
    if sa.envelope.find(datagram.data, header).kind:
        return None if sa.envelope.has_keys else "expected an unprotected IKE_SA_INIT: there are no keys yet"
    if not sa.envelope.has_keys:
        return None if initial else f"expected IKE_SA_INIT, found {header.exchange_name} before there are keys"
    if initial and not header.response and not sa.initiator and datagram.data == sa.init_received:
        return None
    return f"expected {header.exchange_name} inside SK: the IKE SA has keys"
