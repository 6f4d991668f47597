# SPDX-License-Identifier: GPL-2.0-or-later
"""What two ends agree on: proposals, traffic selectors, identities, lifetimes, addresses."""
