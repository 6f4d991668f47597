# SPDX-License-Identifier: GPL-2.0-or-later
"""The network path between the peers: NAT traversal, keepalives, ICMP, liveness."""
