# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports: of a run, one HTML page whose messages open to their fields; of an audit, findings on one page."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fynx_scapy.report.page import render

__all__ = ["render"]


def __getattr__(name: str) -> Any:
    """Import the page of a run on first use, so that ``fynx --help`` answers without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("fynx_scapy.report.page"), name)
