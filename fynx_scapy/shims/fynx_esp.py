# SPDX-License-Identifier: GPL-2.0-or-later
"""``load_layer("fynx_esp")``: the layers of :mod:`fynx_scapy.layers.esp`."""

from fynx_scapy.layers.esp import *
