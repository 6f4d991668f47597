# SPDX-License-Identifier: GPL-2.0-or-later
"""Where scripts have found this so far; it is `fynx_scapy.ike.wire.taps`."""

from __future__ import annotations

from fynx_scapy.ike.wire.taps import *  # noqa: F403
