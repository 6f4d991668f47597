# SPDX-License-Identifier: GPL-2.0-or-later
"""What carries datagrams between endpoints."""

from fynx_scapy.net.echo import echo_request, udp_packet
from fynx_scapy.net.memory import Network
from fynx_scapy.net.nat import Nat
from fynx_scapy.net.recorder import Recorder
from fynx_scapy.net.udp import UdpNetwork, free_ports
from fynx_scapy.net.wire import Wire

__all__ = ["Nat", "Network", "Recorder", "UdpNetwork", "Wire", "echo_request", "free_ports", "udp_packet"]
