# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks, which carry datagrams between endpoints: in memory or real."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fynx_scapy.ike.message import IcmpError
from fynx_scapy.net.echo import echo_reply, echo_request, udp_packet
from fynx_scapy.net.memory import Network
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.udp import UdpNetwork, free_ports
from fynx_scapy.net.wire import Wire

if TYPE_CHECKING:
    from fynx_scapy.net.aio import AioNetwork
    from fynx_scapy.net.recorder import Recorder
    from fynx_scapy.net.shard import Shard
    from fynx_scapy.net.shards import Shards
    from fynx_scapy.net.tun import Tun, TunDevice
    from fynx_scapy.net.tun_config import TunConfig

__all__ = [
    "AioNetwork", "IcmpError", "Nat", "Network", "Recorder", "Shard", "Shards", "Tun", "TunConfig", "TunDevice",
    "UdpNetwork", "Wire", "echo_reply", "echo_request", "free_ports", "udp_packet",
]  # fmt: skip


_HOME = {
    "AioNetwork": "aio", "Recorder": "recorder", "Shard": "shard", "Shards": "shards", "Tun": "tun",
    "TunConfig": "tun_config", "TunDevice": "tun",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use what few programs need: the recorder has every key log format, others processes."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
