# SPDX-License-Identifier: GPL-2.0-or-later
"""How SAs end: lifetimes, deletes, dead peers."""
