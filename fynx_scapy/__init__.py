# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet-crafting toolkit on Scapy for IPsec."""
