# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT traversal: detection, ports, keepalives, and peers that move."""
