# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy layers of IKEv2 and ESP: packets only, no keys, no state, no I/O.

The folder lies at the top of the repository and is installed as ``fynx_scapy.layers``. Imported under any other name it
would make a second set of classes, whose instances the first set does not know; so it refuses.
"""

from __future__ import annotations

if __name__ != "fynx_scapy.layers":
    raise ImportError(f"import fynx_scapy.layers, not {__name__}: a second copy of the classes would not fit the first")
