# SPDX-License-Identifier: GPL-2.0-or-later
"""The transcript of a capture: its conversations, exchanges and SAs, built once for all users."""
