# SPDX-License-Identifier: GPL-2.0-or-later
"""Real peers on this machine: network namespaces, IKE daemons in them, and scenarios with these peers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.lab.lab import Lab
    from fynx_scapy.lab.namespace import Namespace
    from fynx_scapy.lab.peer import DYNAMIC, Peer, PeerChild, PeerConfig
    from fynx_scapy.lab.stream import Stream
    from fynx_scapy.lab.strongswan import StrongSwan
    from fynx_scapy.lab.topology import BehindNat
    from fynx_scapy.lab.trials import INITIATORS, RESPONDERS, Meeting, Role, Trial, trial
    from fynx_scapy.lab.world import LabWorld

__all__ = [
    "DYNAMIC",
    "INITIATORS",
    "RESPONDERS",
    "BehindNat",
    "Lab",
    "LabWorld",
    "Meeting",
    "Namespace",
    "Peer",
    "PeerChild",
    "PeerConfig",
    "Role",
    "Stream",
    "StrongSwan",
    "Trial",
    "trial",
]

# Public name -> its module. `_NAMES` has the name there, if it differs.
_HOME = {
    "DYNAMIC": "peer",
    "INITIATORS": "trials",
    "RESPONDERS": "trials",
    "Lab": "lab",
    "LabWorld": "world",
    "Meeting": "trials",
    "Namespace": "namespace",
    "BehindNat": "topology",
    "Peer": "peer",
    "PeerChild": "peer",
    "PeerConfig": "peer",
    "Role": "trials",
    "Stream": "stream",
    "StrongSwan": "strongswan",
    "Trial": "trials",
    "trial": "trials",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because half of the commands need no Scapy."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
