# SPDX-License-Identifier: GPL-2.0-or-later
"""Rekeys, their collisions, and reauthentication."""
