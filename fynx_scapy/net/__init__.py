# SPDX-License-Identifier: GPL-2.0-or-later
"""What carries datagrams between endpoints."""

from fynx_scapy.net.memory import Network
from fynx_scapy.net.udp import UdpNetwork

__all__ = ["Network", "UdpNetwork"]
