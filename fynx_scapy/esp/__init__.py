# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP security associations (RFC 4303)."""
