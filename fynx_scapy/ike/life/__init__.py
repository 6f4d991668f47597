# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of an SA: limits, dead peers, rekeys that cross, successors, and setting one up again."""
