# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a run: one HTML page without external resources. Click on a message to see its fields."""

from fynx_scapy.report.page import render

__all__ = ["render"]
