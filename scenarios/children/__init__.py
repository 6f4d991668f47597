# SPDX-License-Identifier: GPL-2.0-or-later
"""CREATE_CHILD_SA, and what Child SAs are for: traffic selectors, modes and policy."""
