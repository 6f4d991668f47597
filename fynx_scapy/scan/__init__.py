# SPDX-License-Identifier: GPL-2.0-or-later
"""Scans a responder: which proposals it accepts, what it says of itself, how it takes wrong requests."""

from fynx_scapy.scan.limits import ScanLimits
from fynx_scapy.scan.line import Line
from fynx_scapy.scan.result import ScanResult
from fynx_scapy.scan.scanner import Scan

__all__ = ["Line", "Scan", "ScanLimits", "ScanResult"]
