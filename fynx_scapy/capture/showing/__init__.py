# SPDX-License-Identifier: GPL-2.0-or-later
"""Views and exports of a capture: ladders, tables, lines of text, decrypted captures."""
