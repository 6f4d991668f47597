# SPDX-License-Identifier: GPL-2.0-or-later
"""Watch a network run: metrics, their exposition for Prometheus, structured logs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fynx_scapy.observe.families import Distribution, Family, Kind, Metric, Sample, Snapshot
from fynx_scapy.observe.metrics import Metrics
from fynx_scapy.observe.prometheus import MetricsServer, exposition

if TYPE_CHECKING:
    from fynx_scapy.observe.log import EventLog, plain, redact, structured

__all__ = [
    "Distribution",
    "EventLog",
    "Family",
    "Kind",
    "Metric",
    "Metrics",
    "MetricsServer",
    "Sample",
    "Snapshot",
    "exposition",
    "plain",
    "redact",
    "structured",
]


def __getattr__(name: str) -> Any:
    """Import the log on first use: whoever only counts needs no structlog."""
    if name not in ("EventLog", "plain", "redact", "structured"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.log"), name)
