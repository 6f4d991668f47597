# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer that has the keys and keeps to no rule, step by step, against an endpoint in both roles."""
