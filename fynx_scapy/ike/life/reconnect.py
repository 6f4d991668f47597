# SPDX-License-Identifier: GPL-2.0-or-later
"""Set up an IKE SA again from scratch with the same Child SAs: after the peer was dead, or to reauthenticate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fynx_scapy.ike.core import hooks
from fynx_scapy.ike.credentials.rounds import Rounds

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig, IkeConfig
    from fynx_scapy.ike.core.record import SaRecord


def child_configs(sa: SaRecord) -> list[ChildConfig]:
    """The configurations of its Child SAs, without duplicates, oldest first."""
    return list(dict.fromkeys(child.config for child in sa.children.values()))


def config_of(sa: SaRecord, children: list[ChildConfig]) -> IkeConfig:
    """The configuration to set an IKE SA up again: same peer, same addresses, the current Child SAs first."""
    config = sa.config
    # An initiator uses the configured address, a responder the peer's last address.
    remote = config.remote if config.remote is not None else sa.remote
    ordered = tuple(dict.fromkeys([*children, *config.children]))
    # Of several rounds of authentication (RFC 4739), that of the configuration is of the first, the other of the last.
    proven = None if isinstance(config.peer_auth, Rounds) else sa.remote_id
    config = config.replace(remote=remote, remote_id=proven or config.remote_id, children=ordered)
    return hooks.again(sa, config)


def reconnect(sa: SaRecord, now: float, children: list[ChildConfig]) -> SaRecord:
    """Begin an IKE SA with the same peer, and request these Child SAs. The first one is set up in IKE_AUTH."""
    new = sa.endpoint.connect(config_of(sa, children), now)
    new.inbox = sa.inbox
    for child in children[1:]:
        new.create_child(child)
    return new
