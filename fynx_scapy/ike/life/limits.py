# SPDX-License-Identifier: GPL-2.0-or-later
"""The limits on IKE SAs: those of one peer, and those of all peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.message import Message

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.terms.identity import Identity


def object_to(sa: SaRecord, remote_id: Identity, request: Message) -> None:
    """PeerError when the authenticated peer, or all peers together, have too many IKE SAs to set up another.

    A peer that sends INITIAL_CONTACT has no other IKE SA: we are about to close those that we have with it.
    """
    config = sa.endpoint.config
    others, same = sa.endpoint.directory.authenticated, sa.endpoint.directory.number_of(remote_id)
    if others >= config.sa_limit:
        raise PeerError(NotifyType.AUTHENTICATION_FAILED, reason=f"the endpoint has {others} IKE SAs already")
    # Anybody may claim an identity and prove nothing: those are limited together, by `sa_limit`.
    if same >= config.peer_limit and not sa.anonymous and not request.has_notify(NotifyType.INITIAL_CONTACT):
        raise PeerError(NotifyType.AUTHENTICATION_FAILED, reason=f"{remote_id} has {same} IKE SAs already")
