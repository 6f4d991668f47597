# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs behind `scripts/`: fuzzers, long runs, generators of docs, captures and notebooks. Tests run samples.

In all of them an unexpected error is raised, instead of becoming an event (`net.guard`).
"""

from fynx_scapy.net import guard

guard.fatal = True
