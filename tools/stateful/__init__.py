# SPDX-License-Identifier: GPL-2.0-or-later
"""A stateful fuzzer: a hostile peer with the keys, against an endpoint in both roles."""
