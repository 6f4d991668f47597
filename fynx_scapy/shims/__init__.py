# SPDX-License-Identifier: GPL-2.0-or-later
"""One-line modules that Scapy's ``load_layer()`` runs, and that hand on the classes of :mod:`fynx_scapy.layers`."""
