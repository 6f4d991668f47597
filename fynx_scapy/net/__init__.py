# SPDX-License-Identifier: GPL-2.0-or-later
"""What carries datagrams between endpoints."""

from fynx_scapy.net.memory import Network

__all__ = ["Network"]
