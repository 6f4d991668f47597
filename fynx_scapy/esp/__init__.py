# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP (RFC 4303) on bytes. Only :mod:`fynx_scapy.esp.scapy` uses Scapy, and no other module here imports it.

:class:`OutboundSa` and :class:`InboundSa` are the fast path. :class:`EspParts` crafts packets field by field.
"""

from __future__ import annotations

from fynx_scapy.crypto.encr import encryption
from fynx_scapy.crypto.integ import integrity
from fynx_scapy.esp.inbound import InboundSa
from fynx_scapy.esp.outbound import OutboundSa
from fynx_scapy.esp.parts import EspParts
from fynx_scapy.esp.replay import ReplayWindow

__all__ = ["EspParts", "InboundSa", "OutboundSa", "ReplayWindow", "encryption", "integrity"]
