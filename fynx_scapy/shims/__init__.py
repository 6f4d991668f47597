# SPDX-License-Identifier: GPL-2.0-or-later
"""One-line modules for Scapy's ``load_layer()``, which export the classes of :mod:`fynx_scapy.layers`."""
