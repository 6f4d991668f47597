# SPDX-License-Identifier: GPL-2.0-or-later
"""Unauthenticated peers: admission, cookies, puzzles, and unprotected messages."""
