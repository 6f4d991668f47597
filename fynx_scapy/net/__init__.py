# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks, which carry datagrams between endpoints: in memory or real."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fynx_scapy.net.echo import echo_request, udp_packet
from fynx_scapy.net.memory import Network
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.udp import UdpNetwork, free_ports
from fynx_scapy.net.wire import Wire

if TYPE_CHECKING:
    from fynx_scapy.net.recorder import Recorder

__all__ = ["Nat", "Network", "Recorder", "UdpNetwork", "Wire", "echo_request", "free_ports", "udp_packet"]


def __getattr__(name: str) -> Any:
    """Import the recorder on first use: it imports every key log format, and few sessions record."""
    if name != "Recorder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.recorder").Recorder
