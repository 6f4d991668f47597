# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings and what two peers negotiate: proposals, traffic selectors, identities, lifetimes, addresses."""
