# SPDX-License-Identifier: GPL-2.0-or-later
"""One file per exchange, both roles side by side. Importing this package registers them all."""

from __future__ import annotations

import importlib
import pkgutil

from fynx_scapy.ike.exchanges.base import Exchange, exchange, responder_for

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Exchange", "exchange", "responder_for"]
