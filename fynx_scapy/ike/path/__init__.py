# SPDX-License-Identifier: GPL-2.0-or-later
"""The path between two peers: NATs, keepalives, ICMP."""
