# SPDX-License-Identifier: GPL-2.0-or-later
"""The former name of `fynx_scapy.ike.wire.envelope`, kept for scripts that import it."""

from __future__ import annotations

from fynx_scapy.ike.wire.envelope import *  # noqa: F403
