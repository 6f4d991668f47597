# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests. What a network's guard would make an event of is raised in all of them."""

from fynx_scapy.net import guard as guard

guard.fatal = True
