# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet-crafting toolkit on Scapy for IPsec: IKEv2 (RFC 7296) and ESP (RFC 4303).

The public names below are imported when they are first asked for, so that ``import fynx_scapy`` costs nothing and does
not import Scapy. Scapy finds :func:`scapy_ext` through ``conf.exts.load("fynx-scapy")``.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.ike.config import ChildConfig, IkeConfig, Psk
    from fynx_scapy.ike.endpoint import Endpoint
    from fynx_scapy.session import Session

__version__ = "0.1.0"

__all__ = ["ChildConfig", "Endpoint", "IkeConfig", "Psk", "Session"]

# Public name -> the module that holds it.
_HOME = {
    "ChildConfig": "fynx_scapy.ike.terms.child_config",
    "Endpoint": "fynx_scapy.ike.endpoint",
    "IkeConfig": "fynx_scapy.ike.config",
    "Psk": "fynx_scapy.ike.config",
    "Session": "fynx_scapy.session",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def scapy_ext(ext: Any) -> None:
    """Register our layers with Scapy's extension loader: ``load_layer("fynx_ikev2")``, ``load_layer("fynx_esp")``.

    What is registered are shims of one line. Registering the layer files themselves would have Scapy run them a second
    time, which makes a second set of classes; registering them under a stock name would replace the stock module.
    """
    ext.config(name="fynx-scapy", version=__version__)
    for shim in sorted(Path(__file__).with_name("shims").glob("fynx_*.py")):
        ext.register(name=shim.stem, mode=ext.MODE.LAYERS, path=shim, default=False)
