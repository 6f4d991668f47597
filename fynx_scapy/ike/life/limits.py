# SPDX-License-Identifier: GPL-2.0-or-later
"""How many IKE SAs there may be with one peer, and with all peers together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.message import Message

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.terms.identity import Identity


def object_to(sa: SaRecord, remote_id: Identity, request: Message) -> None:
    """PeerError when the peer, authenticated by now, or all peers together have too many IKE SAs to set up another.

    A peer that makes an initial contact has no other one: those that we still have are about to be dropped.
    """
    config = sa.endpoint.config
    others = [other for other in sa.endpoint.sas.values() if not other.connecting and other.state is not State.CLOSED]
    same = sum(other.remote_id == remote_id for other in others)
    if len(others) >= config.sa_limit:
        raise PeerError(NotifyType.AUTHENTICATION_FAILED, reason=f"{len(others)} IKE SAs are there already")
    if same >= config.peer_limit and not request.has_notify(NotifyType.INITIAL_CONTACT):
        raise PeerError(NotifyType.AUTHENTICATION_FAILED, reason=f"{remote_id} has {same} IKE SAs already")
