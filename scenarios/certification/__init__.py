# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of certification schemes that can be seen from the wire."""
