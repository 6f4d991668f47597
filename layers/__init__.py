# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy layers for IKEv2 and ESP: only packets, no keys, no state, no I/O.

This folder is at the top of the repository and is installed as ``fynx_scapy.layers``. Importing it under another name
would create a second set of classes that is not compatible with the first, so it raises ImportError.
"""

from __future__ import annotations

if __name__ != "fynx_scapy.layers":
    raise ImportError(f"import fynx_scapy.layers, not {__name__}: this would create a second copy of the classes")
