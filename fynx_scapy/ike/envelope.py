# SPDX-License-Identifier: GPL-2.0-or-later
"""Where scripts have found this so far; it is `fynx_scapy.ike.wire.envelope`."""

from __future__ import annotations

from fynx_scapy.ike.wire.envelope import *  # noqa: F403
