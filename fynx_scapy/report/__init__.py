# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a run: one HTML page that loads nothing; the messages of its ladders open to their fields."""

from fynx_scapy.report.page import render

__all__ = ["render"]
