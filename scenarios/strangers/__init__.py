# SPDX-License-Identifier: GPL-2.0-or-later
"""What a responder does with peers that it does not know: cookies, puzzles, limits and floods."""
