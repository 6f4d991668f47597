# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that start real peers in namespaces of their own."""
