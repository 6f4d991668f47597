# SPDX-License-Identifier: GPL-2.0-or-later
"""Watch a network run: metrics, their exposition for Prometheus, structured logs."""

from __future__ import annotations

from fynx_scapy.observe.families import Distribution, Family, Kind, Metric, Sample, Snapshot
from fynx_scapy.observe.metrics import Metrics
from fynx_scapy.observe.prometheus import MetricsServer, exposition

__all__ = [
    "Distribution",
    "Family",
    "Kind",
    "Metric",
    "Metrics",
    "MetricsServer",
    "Sample",
    "Snapshot",
    "exposition",
]
