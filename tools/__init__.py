# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs behind `scripts/`: fuzzers, long runs, and what writes docs, captures and notebooks. Tests run samples.

What a network's guard would turn into an event is raised in all of them.
"""

from fynx_scapy.net import guard

guard.fatal = True
