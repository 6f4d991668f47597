# SPDX-License-Identifier: GPL-2.0-or-later
"""The same IKE SA once more, from scratch, with the same Child SAs: after a peer's death, or to authenticate again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig, IkeConfig
    from fynx_scapy.ike.core.record import SaRecord


def child_configs(sa: SaRecord) -> list[ChildConfig]:
    """What its Child SAs are for, each once, oldest first; one that is being replaced counts with its successor."""
    return list(dict.fromkeys(child.config for child in sa.children.values()))


def config_of(sa: SaRecord, children: list[ChildConfig]) -> IkeConfig:
    """The configuration that sets it up again: the peer where and who it was, the living Child SAs first."""
    config = sa.config
    # An initiator goes where its configuration says; a responder to where the peer was heard last.
    remote = config.remote if config.remote is not None else sa.remote
    ordered = tuple(dict.fromkeys([*children, *config.children]))
    return config.replace(remote=remote, remote_id=sa.remote_id or config.remote_id, children=ordered)


def reconnect(sa: SaRecord, now: float, children: list[ChildConfig]) -> SaRecord:
    """Begin an IKE SA with the same peer, and ask for these Child SAs. The first comes with IKE_AUTH."""
    new = sa.endpoint.connect(config_of(sa, children), now)
    for child in children[1:]:
        new.create_child(child)
    return new
