# SPDX-License-Identifier: GPL-2.0-or-later
"""``load_layer("fynx_ikev2")``: the layers of :mod:`fynx_scapy.layers.ikev2`."""

from fynx_scapy.layers.ikev2 import *
