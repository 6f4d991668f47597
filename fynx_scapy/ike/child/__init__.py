# SPDX-License-Identifier: GPL-2.0-or-later
"""Child SAs: how to set them up, and which one carries a packet."""
