# SPDX-License-Identifier: GPL-2.0-or-later
"""Where Scapy's ``explore()`` finds our classes."""

from __future__ import annotations

from scapy.config import conf


def list_under(shim: str, module: str) -> None:
    """List the classes of one of our modules under the name by which ``load_layer()`` loads it.

    Scapy lists classes by the module that defines them, knows only modules of its own, and in the window of
    ``explore()`` stumbles over any other.
    """
    listed = conf.layers.ldict
    ours = [name for name in listed if name == module or name.startswith(module + ".")]
    listed[f"scapy.layers.{shim}"] = [cls for name in ours for cls in listed.pop(name)]
