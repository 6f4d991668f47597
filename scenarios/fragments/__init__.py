# SPDX-License-Identifier: GPL-2.0-or-later
"""IKE fragmentation (RFC 7383)."""
