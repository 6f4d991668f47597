# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP (RFC 4303): bytes in, bytes out; only :mod:`fynx_scapy.esp.scapy` knows Scapy, and nothing here imports it.

:class:`OutboundSa` and :class:`InboundSa` are the hot door, :class:`EspParts` the crafting door.
"""

from __future__ import annotations

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.esp.parts import EspParts
from fynx_scapy.esp.replay import ReplayWindow
from fynx_scapy.esp.sa import InboundSa, OutboundSa

__all__ = ["EspParts", "InboundSa", "OutboundSa", "ReplayWindow", "encryption", "integrity"]
