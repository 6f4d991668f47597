# SPDX-License-Identifier: GPL-2.0-or-later
"""Lists our layers in Scapy's ``explore()``."""

from __future__ import annotations

from scapy.config import conf


def list_under(shim: str, module: str) -> None:
    """List the classes of one of our modules under the name that ``load_layer()`` uses.

    Scapy lists classes by their module. It expects its own modules only, and the ``explore()`` window fails for others.
    """
    listed = conf.layers.ldict
    ours = [name for name in listed if name == module or name.startswith(module + ".")]
    listed[f"scapy.layers.{shim}"] = [cls for name in ours for cls in listed.pop(name)]
