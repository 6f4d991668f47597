# SPDX-License-Identifier: GPL-2.0-or-later
"""Message IDs, and the window of requests."""
