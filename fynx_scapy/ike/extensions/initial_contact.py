# SPDX-License-Identifier: GPL-2.0-or-later
"""INITIAL_CONTACT: this IKE SA is the only one between its two identities (RFC 7296 section 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.errors import PeerError
from fynx_scapy.iana import NotifyType
from fynx_scapy.ike.basics.states import State
from fynx_scapy.ike.message import Message, Outgoing, notify

if TYPE_CHECKING:
    from fynx_scapy.ike.core.record import SaRecord
    from fynx_scapy.ike.terms.identity import Identity


def announce(sa: SaRecord, message: Outgoing) -> None:
    """Put the notify into the first IKE_AUTH request, where it is configured and true."""
    config = sa.config
    if config.initial_contact and not any(
        other.established and other.local_id == config.local_id and other.remote_id == config.remote_id
        for other in sa.endpoint.sas.values()
    ):
        message.payloads.append(notify(NotifyType.INITIAL_CONTACT))


def object_to(sa: SaRecord, remote_id: Identity, message: Message) -> None:
    """PeerError when the peer, authenticated by now, or all peers together have too many IKE SAs to set up another."""
    config = sa.endpoint.config
    others = [other for other in sa.endpoint.sas.values() if not other.connecting and other.state is not State.CLOSED]
    same = sum(other.remote_id == remote_id for other in others)
    if len(others) >= config.sa_limit:
        raise PeerError(NotifyType.AUTHENTICATION_FAILED, reason=f"{len(others)} IKE SAs are there already")
    if same >= config.peer_limit and not message.has_notify(NotifyType.INITIAL_CONTACT):
        raise PeerError(NotifyType.AUTHENTICATION_FAILED, reason=f"{remote_id} has {same} IKE SAs already")


def heed(sa: SaRecord, message: Message) -> None:
    """The peer, authenticated by now, may say that it has no other IKE SA: drop those that we still have.

    No Delete is sent, since nobody is left to receive it.
    """
    if not message.has_notify(NotifyType.INITIAL_CONTACT):
        return
    for other in list(sa.endpoint.sas.values()):
        same = other.remote_id == sa.remote_id and other.local_id == sa.local_id
        if other is not sa and same and not other.connecting:
            other.closed("the peer has made an initial contact", by_peer=True)
