# SPDX-License-Identifier: GPL-2.0-or-later
"""The former name of `fynx_scapy.ike.wire.taps`, kept for scripts that import it."""

from __future__ import annotations

from fynx_scapy.ike.wire.taps import *  # noqa: F403
