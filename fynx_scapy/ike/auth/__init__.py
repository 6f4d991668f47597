# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication: one file for each method."""
