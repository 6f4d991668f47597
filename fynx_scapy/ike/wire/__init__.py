# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers to sealed octets and back, fragments, taps, and the rules that a message is held against."""
