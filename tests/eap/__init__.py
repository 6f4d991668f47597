# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of fynx_scapy.eap: methods, and conversations between two ends."""
