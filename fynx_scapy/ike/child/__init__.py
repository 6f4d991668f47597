# SPDX-License-Identifier: GPL-2.0-or-later
"""Child SAs: how they come up, and which of them takes a packet."""
