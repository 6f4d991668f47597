# SPDX-License-Identifier: GPL-2.0-or-later
"""What is made of a capture to look at or to keep: ladders, tables, lines of text, decrypted captures."""
