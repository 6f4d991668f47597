# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is not authenticated: admission, cookies, puzzles, and hints in the clear."""
