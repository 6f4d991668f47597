# SPDX-License-Identifier: GPL-2.0-or-later
"""Child SAs in transport mode."""
