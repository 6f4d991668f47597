# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of an SA: limits, dead peer detection, simultaneous rekeys, successors, and reconnecting."""
